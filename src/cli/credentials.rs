//! Where the secrets of a run are read: from the environment and from files, never from flags.
#![expect(
    clippy::disallowed_methods,
    reason = "reads credentials from files and the environment"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::auth::{
    self, ACCOUNTS_BYTES_MAX, Account, Client, Issuer, Minter, Proof, Renewing, Secret,
    TokenClient, TokenSource, TokenTable,
};
use crate::model::Seed;
use crate::scenario::{
    self, Accounts, AuthKind, AuthSettings, ClientCredentials, SecretRef, TokenPlace,
};

use super::hosts;
use super::settings::Source;

/// Bytes of a file that holds one secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// How requests prove who sends them, as flags or a file say it, and for whom there are
/// credentials.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// What a flag says; `None` leaves it to the scenario.
    pub(super) settings: Option<AuthSettings>,
    /// Whom there are credentials for, where a file or a shared token says it.
    pub(super) accounts: Option<Accounts>,
}

/// What is asked for by `--auth`, else by the scenario.
///
/// # Errors
/// The flag says nothing that is known, or a file cannot be read.
pub(super) fn asked(flag: Option<&str>, source: Option<&Source>) -> anyhow::Result<Asked> {
    let settings = flag.map(flagged).transpose()?;
    let told = match (&settings, source) {
        (Some(settings), _) => Some(settings.kind.clone()),
        (None, Some(source)) => {
            // What is wrong with it is told when the whole scenario is read.
            let told = scenario::parse_auth(&source.text, &source.file).ok();
            told.map(|told| {
                let mut kind = told.kind;
                if let Some(folder) = &source.folder {
                    kind.locate(folder);
                }
                kind
            })
        }
        (None, None) => None,
    };
    let accounts = told.as_ref().map(known).transpose()?.flatten();
    Ok(Asked { settings, accounts })
}

/// What `--auth` says: a kind, the place of a shared token, a file of users and tokens, or
/// `config:FILE` for a file with a section `[auth]`.
fn flagged(flag: &str) -> anyhow::Result<AuthSettings> {
    let Some(path) = flag.strip_prefix("config:") else {
        let kind = scenario::read_auth(flag).context("could not use `--auth`")?;
        return Ok(AuthSettings {
            kind,
            socket: TokenPlace::Header,
        });
    };
    let path = PathBuf::from(path);
    let text = read_text(&path, SECRET_BYTES_MAX)
        .with_context(|| format!("could not read `--auth config:{}`", path.display()))?;
    let mut settings = scenario::parse_auth(&text, &path.display().to_string())
        .context("could not use `--auth config`")?;
    settings.kind.locate(path.parent().unwrap_or(Path::new("")));
    Ok(settings)
}

/// Whom there are credentials for.
fn known(kind: &AuthKind) -> anyhow::Result<Option<Accounts>> {
    if let AuthKind::Shared(place) = kind {
        let secret = secret(place).context("`auth.token`")?;
        let claims = auth::read_claims(&secret);
        let account = scenario::Account {
            user: claims.owner.clone().unwrap_or_default(),
            oid: claims.owner,
        };
        return Ok(Some(Accounts {
            file: place.to_string(),
            accounts: vec![account],
        }));
    }
    let Some(file) = kind.accounts_file() else {
        return Ok(None);
    };
    let accounts = accounts(file)?
        .into_iter()
        .map(|account| scenario::Account {
            user: account.user,
            oid: account.oid,
        });
    Ok(Some(Accounts {
        file: file.to_owned(),
        accounts: accounts.collect(),
    }))
}

fn accounts(file: &str) -> anyhow::Result<Vec<Account>> {
    let path = Path::new(file);
    let text = read_text(path, ACCOUNTS_BYTES_MAX)
        .with_context(|| format!("could not read the credentials in {file}"))?;
    auth::read_accounts(&text, path).context("could not begin")
}

/// Opens the source of credentials that a scenario asks for. Nothing is sent.
///
/// # Errors
/// A secret cannot be read or used.
pub(super) fn open(
    kind: &AuthKind,
    seed: Seed,
    allowed_hosts: &[String],
) -> anyhow::Result<TokenSource> {
    let renewed = |issuer| TokenSource::Renewed(Arc::new(Renewing::new(issuer, seed.0)));
    Ok(match kind {
        AuthKind::Dev | AuthKind::DevHeader => TokenSource::Dev,
        AuthKind::None => TokenSource::None,
        AuthKind::Shared(place) => {
            let secret = secret(place).context("`auth.token`")?;
            auth::usable(&format!("all, in {place}"), &secret).context("could not begin")?;
            TokenSource::Given(secret)
        }
        AuthKind::File(file) => {
            let table = TokenTable::new(accounts(file)?);
            TokenSource::Table(Arc::new(table.context("could not begin")?))
        }
        AuthKind::Mint(mint) => {
            let minter = Minter::new(mint, &secret(&mint.key).context("`auth.key`")?);
            renewed(Issuer::Mint(Box::new(minter.context("could not begin")?)))
        }
        AuthKind::Oauth2(spec) => renewed(Issuer::Oauth2(issuer(spec, allowed_hosts)?)),
    })
}

fn issuer(spec: &ClientCredentials, allowed_hosts: &[String]) -> anyhow::Result<TokenClient> {
    let url = hosts::base_url("token endpoint", &spec.token_url, allowed_hosts)?;
    if url.scheme() != "https" && !hosts::is_loopback(&url) {
        bail!("the token endpoint {url} is not https: secrets would be sent in clear");
    }
    let mut clients = HashMap::new();
    for account in accounts(&spec.clients)? {
        let Proof::Client { id, secret: place } = account.proof else {
            bail!(
                "could not use the credentials in {}: `{}` has a token and no client; give \
                 `client_id` and `client_secret`",
                spec.clients,
                account.user
            );
        };
        let client = Client {
            id,
            secret: secret(&place)
                .with_context(|| format!("the secret of `{}` in {}", account.user, spec.clients))?,
        };
        if let Some(oid) = account.oid {
            clients.insert(oid, client.clone());
        }
        clients.insert(account.user, client);
    }
    let (scope, audience) = (spec.scope.clone(), spec.audience.clone());
    TokenClient::new(url, scope, audience, clients).context("could not begin")
}

/// Reads a secret where it is.
///
/// # Errors
/// The variable is not set, or the file cannot be read; neither is repeated with its content.
pub(super) fn secret(place: &SecretRef) -> anyhow::Result<Secret> {
    let text = match place {
        SecretRef::Env(name) => std::env::var(name)
            .ok()
            .with_context(|| format!("could not use ${name}: it is not set; set it"))?,
        SecretRef::File(path) => {
            read_text(Path::new(path), SECRET_BYTES_MAX).with_context(|| {
                format!("could not read the credential in {path}; give `file:PATH` or `env:NAME`")
            })?
        }
    };
    let text = text.trim();
    if text.is_empty() {
        bail!("could not use {place}: it is empty");
    }
    Ok(Secret::new(text.to_owned()))
}

fn read_text(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        bail!("it is no file");
    }
    if metadata.len() > bytes_max {
        bail!(
            "it has {} bytes, at most {bytes_max} are allowed",
            metadata.len()
        );
    }
    let bytes = std::fs::read(path)?;
    // The error of the library would hold the bytes.
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("it is not UTF-8 text"))
}
