//! How requests prove who sends them: the section `[auth]`, or `target.auth` for what needs no
//! other key.
//!
//! A secret never stands in a scenario: it is named by its environment variable or its file, and
//! read by whoever carries the scenario out. Nothing here holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::convert::{Key, name_of, seconds};
use super::error::{BadValue, Problem, quoted};
use super::file::RawAuth;
use super::overrides::{Given, Overrides};
use super::read::Reader;
use super::text::{AuthName, AuthText, read_name};
use super::{OwnerTemplate, PerChannel, Scenario};
use crate::model::OpKind;

/// What a development token's user is called by its owner at the target.
const DEV_OWNER: &str = "dev-oid-";
/// The claim that names the owner.
const OWNER_CLAIM: &str = "oid";
/// What stands for the user's name in a claim or an owner.
const USER: &str = "{user}";
/// What stands for the owner that a credential names, in an owner.
const OID: &str = "{oid}";
/// Claims that are computed anew for each token.
const COMPUTED_CLAIMS: [&str; 4] = ["exp", "iat", "nbf", "jti"];
/// Characters of a setting of `--auth` above which it may be a credential, and is not repeated.
pub(super) const SHOWN_CHARS_MAX: usize = 24;
/// How long a minted token is valid where nothing is said: as long as Entra's shortest.
const LIFETIME_SECONDS: u64 = 600;

/// How requests prove who sends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthKind {
    /// Engram's development tokens: `Authorization: Bearer dev_<user>_analyst`.
    Dev,
    /// The same tokens in a header of their own: `X-Dev-Token: dev_<user>_analyst`.
    DevHeader,
    /// No credential at all.
    None,
    /// One credential for everybody, so that all users are one at the target.
    Shared(SecretRef),
    /// A file that has a token for each user.
    File(String),
    /// Tokens that are signed here.
    Mint(Mint),
    /// Tokens that an issuer gives for client ids and secrets.
    Oauth2(ClientCredentials),
}

/// Where a secret is found; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRef {
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(String),
}

/// Tokens that are signed with a key of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mint {
    /// The private key in PEM, or the secret of HS256.
    pub key: SecretRef,
    /// How it signs.
    pub algorithm: Signing,
    /// What the target finds the key by; computed from the key if nothing is said.
    pub key_id: Option<String>,
    /// How long a token is valid.
    pub lifetime: Duration,
    /// What tokens say, with `{user}` in the place of the user's name; `oid` is always there.
    pub claims: BTreeMap<String, Json>,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signing {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// HMAC with SHA-256: the target knows the same secret.
    Hs256,
}

/// OAuth2 client credentials, one client a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCredentials {
    /// The file that names the clients.
    pub clients: String,
    /// The URL where tokens are asked for.
    pub token_url: String,
    /// The scope that is asked for.
    pub scope: Option<String>,
    /// The audience that is asked for.
    pub audience: Option<String>,
}

/// Where a credential stands when a WebSocket is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenPlace {
    /// In the same header as with other requests.
    #[default]
    Header,
    /// In the query, under this name.
    Query(String),
    /// As a subprotocol, behind one of this name.
    Subprotocol(String),
    /// In the first frame; `{token}` stands for it.
    FirstFrame(String),
}

/// The users that there are credentials for, without the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// How messages name the file.
    pub file: String,
    /// The users, in the order of the file.
    pub accounts: Vec<Account>,
}

/// A user that there is a credential for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What the file calls the user.
    pub user: String,
    /// The owner that the credential names, where that is known.
    pub oid: Option<String>,
}

/// What `[auth]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// How requests prove who sends them.
    pub kind: AuthKind,
    /// Where the credential stands on sockets.
    pub socket: TokenPlace,
}

/// An owner as it is written: the user's name, or the owner that the credential names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnerForm {
    /// `{oid}` and not `{user}`.
    by_oid: bool,
    template: OwnerTemplate,
}

impl AuthKind {
    /// Does it send development tokens?
    pub fn is_dev(&self) -> bool {
        matches!(self, Self::Dev | Self::DevHeader)
    }

    /// The file that names users and their credentials, if this kind has one.
    pub fn accounts_file(&self) -> Option<&str> {
        match self {
            Self::File(path) => Some(path),
            Self::Oauth2(spec) => Some(&spec.clients),
            Self::Dev | Self::DevHeader | Self::None | Self::Shared(_) | Self::Mint(_) => None,
        }
    }

    /// Its name, as it is written in a scenario.
    pub fn name(&self) -> &'static str {
        name_of(AuthText::CHOICES, self.kind())
    }

    /// Reads the paths in it as relative to a folder.
    pub fn locate(&mut self, folder: &Path) {
        let located = |path: &mut String| *path = folder.join(&*path).display().to_string();
        match self {
            Self::Oauth2(spec) => located(&mut spec.clients),
            Self::File(path)
            | Self::Shared(SecretRef::File(path))
            | Self::Mint(Mint {
                key: SecretRef::File(path),
                ..
            }) => located(path),
            Self::Dev
            | Self::DevHeader
            | Self::None
            | Self::Shared(SecretRef::Env(_))
            | Self::Mint(_) => {}
        }
    }

    fn kind(&self) -> AuthName {
        match self {
            Self::Dev => AuthName::Dev,
            Self::DevHeader => AuthName::DevHeader,
            Self::None => AuthName::None,
            Self::Shared(_) => AuthName::Shared,
            Self::File(_) => AuthName::File,
            Self::Mint(_) => AuthName::Mint,
            Self::Oauth2(_) => AuthName::Oauth2,
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

impl Mint {
    /// The owner that a token names, by the user's name.
    pub fn owner(&self) -> OwnerTemplate {
        let claim = self.claims.get(OWNER_CLAIM).and_then(Json::as_str);
        let (before, after) = claim
            .and_then(|claim| claim.split_once(USER))
            .unwrap_or_default();
        OwnerTemplate {
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }
}

/// Reads where a secret is found: `env:NAME` or `file:PATH`.
///
/// # Errors
/// The text is neither. It is not repeated: it may be the secret itself.
pub fn read_secret_ref(text: &str) -> Result<SecretRef, BadValue> {
    const ALLOWED: &str = "\"env:NAME\" or \"file:PATH\"";
    let found = match text.split_once(':') {
        Some(("env", name)) if is_variable(name) => SecretRef::Env(name.to_owned()),
        Some(("file", path)) => SecretRef::File(read_name(path)?),
        Some(_) | None => {
            let bad = BadValue::new("not the place of a secret", ALLOWED);
            return Err(bad.help("a secret itself must not stand here: put it into a file"));
        }
    };
    Ok(found)
}

fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(plain)
}

/// Reads where a credential stands on sockets.
pub(super) fn read_place(text: &str) -> Result<TokenPlace, BadValue> {
    const ALLOWED: &str = "\"header\", \"query:NAME\", \"subprotocol:NAME\", or \"first-frame:TEXT\" with {token} in it";
    let plain = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty() && name.chars().all(fits)
    };
    match text.split_once(':') {
        None if text == "header" => Ok(TokenPlace::Header),
        Some(("query", name)) if plain(name) => Ok(TokenPlace::Query(name.to_owned())),
        Some(("subprotocol", name)) if plain(name) => Ok(TokenPlace::Subprotocol(name.to_owned())),
        Some(("first-frame", frame)) if frame.matches("{token}").count() == 1 => {
            Ok(TokenPlace::FirstFrame(read_name(frame)?))
        }
        Some(_) | None => Err(BadValue::new("not a place for a credential", ALLOWED)),
    }
}

/// Reads an owner with one `{user}` or one `{oid}` in it.
pub(super) fn read_owner_form(text: &str) -> Result<OwnerForm, BadValue> {
    let bad = |what: &str| {
        let allowed = "text with exactly one {user}, such as \"dev-oid-{user}\", or one {oid}";
        Err(BadValue::new(what, allowed))
    };
    let by_oid = text.contains(OID);
    let hole = if by_oid { OID } else { USER };
    let Some((before, after)) = text.split_once(hole) else {
        return bad("the template has no {user}");
    };
    if after.contains(OID) || after.contains(USER) || before.contains(USER) {
        return bad("the template has more than one {user} or {oid}");
    }
    read_name(text)?;
    Ok(OwnerForm {
        by_oid,
        template: OwnerTemplate {
            before: before.to_owned(),
            after: after.to_owned(),
        },
    })
}

/// Reads what a claim says.
pub(super) fn read_claim(value: &toml::Value) -> Result<Json, BadValue> {
    let bad = || {
        BadValue::new(
            "not a claim",
            "text, a number, true, false, or a list of them",
        )
    };
    match value {
        toml::Value::String(text) => read_name(text).map(Json::String),
        toml::Value::Integer(number) => Ok(Json::from(*number)),
        toml::Value::Boolean(flag) => Ok(Json::from(*flag)),
        toml::Value::Array(entries) => {
            let entries = entries.iter().map(|entry| match entry {
                toml::Value::Array(_) => Err(bad()),
                toml::Value::String(_)
                | toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Boolean(_)
                | toml::Value::Datetime(_)
                | toml::Value::Table(_) => read_claim(entry),
            });
            entries.collect::<Result<Vec<_>, _>>().map(Json::Array)
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => Err(bad()),
    }
}

impl Reader<'_> {
    /// How requests prove who sends them: the section, or the short form in `[target]`.
    pub(super) fn auth(&mut self, raw: &RawAuth, short: Option<AuthKind>) -> AuthSettings {
        let at = |key| ["auth", key];
        let is_given = raw.kind.value.is_some();
        let named = self.opt(&at("kind"), &raw.kind);
        if short.is_some() && is_given {
            let bad = BadValue::new(
                "the section [auth] says how requests prove who sends them, too",
                "one of `target.auth` and [auth]",
            );
            self.bad(&["target", "auth"], bad.help("take this line out"));
        }
        let keys = auth_keys(raw, named.unwrap_or(AuthName::Dev));
        if !is_given && let Some(key) = keys.iter().find(|key| key.given) {
            let bad = BadValue::new("[auth] has no `kind`", AuthText::names());
            self.bad(&at(key.name), bad.help("add a line `kind = …` to [auth]"));
        } else if let Some(named) = named {
            self.foreign(&["auth"], name_of(AuthText::CHOICES, named), &keys);
        }
        let kind = match named {
            None => short.unwrap_or(AuthKind::Dev),
            Some(AuthName::Dev) => AuthKind::Dev,
            Some(AuthName::DevHeader) => AuthKind::DevHeader,
            Some(AuthName::None) => AuthKind::None,
            Some(AuthName::Shared) => {
                AuthKind::Shared(self.need(&at("token"), &raw.token, nowhere()))
            }
            Some(AuthName::File) => {
                AuthKind::File(self.need(&at("file"), &raw.file, String::new()))
            }
            Some(AuthName::Mint) => AuthKind::Mint(self.mint(raw)),
            Some(AuthName::Oauth2) => AuthKind::Oauth2(self.clients(raw)),
        };
        AuthSettings {
            kind,
            socket: self.take(&at("socket"), &raw.socket, TokenPlace::Header),
        }
    }

    fn mint(&mut self, raw: &RawAuth) -> Mint {
        let at = |key| ["auth", key];
        let mut claims = BTreeMap::new();
        for (name, claim) in &raw.claims {
            let path = ["auth", "claims", name];
            if COMPUTED_CLAIMS.contains(&name.as_str()) {
                let bad = BadValue::new("this claim is computed for each token", "other claims");
                self.bad(&path, bad.help("`lifetime` says how long a token is valid"));
            }
            if let Some(claim) = self.opt(&path, claim) {
                claims.insert(name.clone(), claim);
            }
        }
        let user = || Json::String(USER.to_owned());
        let owner = claims.entry(OWNER_CLAIM.to_owned()).or_insert_with(user);
        let is_owner = owner
            .as_str()
            .is_some_and(|text| text.matches(USER).count() == 1);
        if !is_owner {
            let allowed = "text with exactly one {user}: two users must not have one owner";
            let bad = BadValue::new("the claim does not name the user", allowed);
            self.bad(&["auth", "claims", OWNER_CLAIM], bad);
        }
        claims.entry("sub".to_owned()).or_insert_with(user);
        Mint {
            key: self.need(&at("key"), &raw.key, nowhere()),
            algorithm: self.take(&at("algorithm"), &raw.algorithm, Signing::Rs256),
            key_id: self.opt(&at("key_id"), &raw.key_id),
            lifetime: self.take(&at("lifetime"), &raw.lifetime, seconds(LIFETIME_SECONDS)),
            claims,
        }
    }

    fn clients(&mut self, raw: &RawAuth) -> ClientCredentials {
        let at = |key| ["auth", key];
        ClientCredentials {
            clients: self.need(&at("file"), &raw.file, String::new()),
            token_url: self.need(&at("token_url"), &raw.token_url, String::new()),
            scope: self.opt(&at("scope"), &raw.scope),
            audience: self.opt(&at("audience"), &raw.audience),
        }
    }
}

/// Takes the place of a secret that is not named.
fn nowhere() -> SecretRef {
    SecretRef::Env(String::new())
}

fn auth_keys(raw: &RawAuth, kind: AuthName) -> [Key; 9] {
    use AuthName::{File, Mint, Oauth2, Shared};
    let key = |name, given, of: &[AuthName]| Key {
        name,
        given,
        own: of.contains(&kind),
    };
    [
        key("token", raw.token.value.is_some(), &[Shared]),
        key("file", raw.file.value.is_some(), &[File, Oauth2]),
        key("key", raw.key.value.is_some(), &[Mint]),
        key("algorithm", raw.algorithm.value.is_some(), &[Mint]),
        key("key_id", raw.key_id.value.is_some(), &[Mint]),
        key("lifetime", raw.lifetime.value.is_some(), &[Mint]),
        key("token_url", raw.token_url.value.is_some(), &[Oauth2]),
        key("scope", raw.scope.value.is_some(), &[Oauth2]),
        key("audience", raw.audience.value.is_some(), &[Oauth2]),
    ]
}

/// What follows from credentials and the rest: who the users are, and the owners that the store
/// should name.
pub(super) fn resolve(
    scenario: &mut Scenario,
    given: &Given,
    overrides: &Overrides,
) -> Vec<Problem> {
    let forms = &given.owners;
    let mut problems = Vec::new();
    let by_oid = OpKind::ALL.map(|kind| forms.get(kind).as_ref().is_some_and(|form| form.by_oid));
    let by_user = OpKind::ALL.map(|kind| forms.get(kind).as_ref().is_some_and(|f| !f.by_oid));
    let (any_oid, any_user) = (by_oid.contains(&true), by_user.contains(&true));
    let accounts = overrides.accounts.as_ref();
    let fallback = match (&scenario.target.auth, accounts) {
        (AuthKind::Dev | AuthKind::DevHeader | AuthKind::None, _) => dev_owner(),
        (AuthKind::Mint(mint), _) => mint.owner(),
        (AuthKind::Shared(_), accounts) => {
            problems.extend(share(scenario, accounts, any_oid));
            dev_owner()
        }
        (AuthKind::File(_) | AuthKind::Oauth2(_), None) => {
            let what = "the file of credentials was not read";
            return vec![problem(
                "auth.file",
                None,
                what,
                "a path relative to a scenario file",
            )];
        }
        (AuthKind::File(_) | AuthKind::Oauth2(_), Some(accounts)) => {
            if any_oid && any_user {
                let what = "some owners are named by `{user}` and others by `{oid}`";
                let allowed = "one of them, where credentials come from a file";
                problems.push(problem("target.expected_owner", None, what, allowed));
            }
            let all_known = accounts.accounts.iter().all(|one| one.oid.is_some());
            let name_by_oid = any_oid || (!any_user && all_known);
            problems.extend(take_users(scenario, accounts, name_by_oid));
            plain_owner()
        }
    };
    if any_oid && matches!(scenario.target.auth, AuthKind::None) {
        let what = "without a credential nobody knows what `{oid}` is";
        let allowed = "text with one {user}";
        problems.push(problem("target.expected_owner", None, what, allowed));
    }
    let owner = |kind| match forms.get(kind) {
        None => fallback.clone(),
        Some(form) if form.by_oid => OwnerTemplate {
            before: format!("{}{}", form.template.before, fallback.before),
            after: format!("{}{}", fallback.after, form.template.after),
        },
        Some(form) => form.template.clone(),
    };
    // A shared credential names one owner for everybody: no template has its users apart.
    scenario.target.expected_owner = PerChannel {
        chat: owner(OpKind::Chat),
        upload: owner(OpKind::Upload),
        voice: owner(OpKind::Voice),
        stream: owner(OpKind::Stream),
        turn: owner(OpKind::Turn),
    };
    problems
}

fn dev_owner() -> OwnerTemplate {
    OwnerTemplate {
        before: DEV_OWNER.to_owned(),
        after: String::new(),
    }
}

/// The user's name alone.
fn plain_owner() -> OwnerTemplate {
    OwnerTemplate {
        before: String::new(),
        after: String::new(),
    }
}

/// All users are the one whom the credential names: a stand-in for each of them.
fn share(scenario: &mut Scenario, accounts: Option<&Accounts>, by_oid: bool) -> Option<Problem> {
    let owner = accounts.and_then(|accounts| accounts.accounts.first()?.oid.clone());
    if by_oid {
        let what = "a shared credential names the same `{oid}` for all users";
        let allowed = "text with one {user}, or a credential for each user";
        return Some(problem("target.expected_owner", None, what, allowed));
    }
    let placeholders = &mut scenario.target.placeholders;
    if let Some(owner) = owner
        && !placeholders.contains(&owner)
    {
        placeholders.push(owner);
    }
    None
}

/// The users of the file are the pool; or those that the pool names, if they are in the file.
fn take_users(scenario: &mut Scenario, accounts: &Accounts, by_oid: bool) -> Vec<Problem> {
    let name_of = |account: &Account| match (&account.oid, by_oid) {
        (Some(oid), true) => Some(oid.clone()),
        (None, true) => None,
        (_, false) => Some(account.user.clone()),
    };
    let file = quoted(&accounts.file);
    let mut problems = Vec::new();
    let mut named = |account: &Account| {
        let name = name_of(account);
        if name.is_none() {
            let what = format!(
                "the credential of `{}` names no owner",
                quoted(&account.user)
            );
            let allowed = "a column `oid`, or owners by `{user}` in [target.expected_owner]";
            problems.push(problem("auth.file", Some(&file), &what, allowed));
        }
        name
    };
    if scenario.pool.is_empty() {
        scenario.pool = accounts.accounts.iter().filter_map(&mut named).collect();
        return problems;
    }
    let wanted = std::mem::take(&mut scenario.pool);
    let mut missing = Vec::new();
    for name in wanted {
        let is_it = |one: &&Account| one.user == name || one.oid.as_ref() == Some(&name);
        match accounts.accounts.iter().find(is_it) {
            Some(account) => scenario.pool.extend(named(account)),
            None => missing.push(name),
        }
    }
    if let Some(first) = missing.first() {
        let what = format!(
            "{} of the pooled users have no credential there, such as `{}`",
            missing.len(),
            quoted(first)
        );
        let allowed = "a credential for each user of the pool";
        problems.push(problem("auth.file", Some(&file), &what, allowed));
    }
    problems
}

/// Are there as many credentials as users?
pub(super) fn check_count(scenario: &Scenario, overrides: &Overrides) -> Option<Problem> {
    scenario.target.auth.accounts_file()?;
    let accounts = overrides.accounts.as_ref()?;
    let most = u32::try_from(scenario.pool.len()).unwrap_or(u32::MAX);
    (scenario.users > most).then(|| Problem {
        help: Some(format!(
            "add users to {}, or take a smaller `--users`",
            quoted(&accounts.file)
        )),
        ..problem(
            "users.count",
            Some(&scenario.users.to_string()),
            "there are more users than credentials",
            &format!("at most {most}"),
        )
    })
}

fn problem(key: &str, value: Option<&str>, what: &str, allowed: &str) -> Problem {
    Problem {
        place: None,
        key: Some(key.to_owned()),
        value: value.map(str::to_owned),
        what: what.to_owned(),
        allowed: Some(allowed.to_owned()),
        help: None,
    }
}
