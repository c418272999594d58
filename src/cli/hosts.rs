//! Which hosts traffic may go to: loopback, and what the user names.

use anyhow::bail;
use url::{Host, Url};

use super::exit::Failure;

/// A host that nobody gave leave for.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {what} `{name}` is not loopback: Crosswire sends many requests and leaves records \
     there; if that is what you want, add `--allow-host {name}`"
)]
struct NotAllowed {
    what: String,
    name: String,
}

/// What settings come to that cannot be used: bad usage, but for a host without leave, which is
/// a pre-flight that failed.
pub(super) fn failure(error: anyhow::Error) -> Failure {
    if error.chain().any(<dyn std::error::Error>::is::<NotAllowed>) {
        Failure::preflight(error)
    } else {
        Failure::usage(error)
    }
}

/// Reads a base URL and refuses what Crosswire must not send traffic to.
///
/// # Errors
/// Not an `http` or `https` URL, or a host that is neither loopback nor allowed.
pub(super) fn base_url(what: &str, text: &str, allowed_hosts: &[String]) -> anyhow::Result<Url> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            // A password is never repeated, not even in what cannot be read.
            let shown = if text.contains('@') { "given" } else { text };
            bail!("could not read the {what} URL `{shown}`: {error}; give http://HOST:PORT")
        }
    };
    check_host(what, &url, allowed_hosts)?;
    Ok(url)
}

/// Refuses what Crosswire must not send traffic to.
///
/// # Errors
/// Not an `http` or `https` URL, or a host that is neither loopback nor allowed.
pub(super) fn check_host(what: &str, url: &Url, allowed_hosts: &[String]) -> anyhow::Result<()> {
    if !url.username().is_empty() || url.password().is_some() {
        bail!(
            "the {what} URL holds a user name or a password, which the ledger must not: leave them out"
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        bail!("the {what} URL holds a query or a fragment: give http://HOST:PORT");
    }
    if !matches!(url.scheme(), "http" | "https") {
        bail!(
            "the {what} URL `{url}` has the scheme `{}`: one of http, https",
            url.scheme()
        );
    }
    let Some(host) = url.host() else {
        bail!("the {what} URL `{url}` names no host")
    };
    let name = host.to_string();
    if is_loopback(url) || allowed_hosts.contains(&name) {
        return Ok(());
    }
    let what = what.to_owned();
    bail!(NotAllowed { what, name })
}

/// Is this a server on this machine?
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::exit::Exit;
    use super::*;

    #[test]
    fn only_loopback_without_leave() {
        for good in [
            "http://127.0.0.1:8082",
            "http://localhost:1",
            "https://[::1]:2",
            "http://127.8.9.1",
        ] {
            assert!(base_url("target", good, &[]).is_ok(), "{good}");
        }
        for bad in [
            "http://staging.example",
            "http://10.0.0.1:80",
            "http://localhost.example:80",
            "http://0.0.0.0:80",
            "ftp://127.0.0.1",
            "127.0.0.1:80",
            "http://",
            "http://me@127.0.0.1:80",
            "http://127.0.0.1:80/?token=hush",
        ] {
            assert!(base_url("target", bad, &[]).is_err(), "{bad}");
        }
        for secret in [
            "http://me:hush@127.0.0.1:80",
            "ftp://me:hush@127.0.0.1",
            "http://me:hush@127.0.0.1:port",
        ] {
            let message = base_url("target", secret, &[]).unwrap_err().to_string();
            assert!(!message.contains("hush"), "{message}");
        }
        let allowed = ["staging.example".to_owned()];
        assert!(base_url("target", "http://staging.example", &allowed).is_ok());
        let message = base_url("target", "http://staging.example", &[])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("--allow-host staging.example"),
            "{message}"
        );
    }

    #[test]
    fn a_host_without_leave_fails_the_pre_flight_and_a_bad_url_is_bad_usage() {
        for (url, exit) in [
            ("http://staging.example", Exit::Preflight),
            ("ftp://staging.example", Exit::Usage),
            ("nowhere", Exit::Usage),
        ] {
            let error = base_url("target", url, &[]).unwrap_err();
            assert_eq!(
                failure(error.context("could not begin")).exit,
                exit,
                "{url}"
            );
        }
    }
}
