//! Runs with credentials of each kind: the verdict is right, and no secret is found anywhere after.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Bench, count_ops};

const LOAD: &str = r#"
version = 1
[memory.settle]
task_limit = "200ms"
deadline = "10s"
pause = "200ms"
[load.chat]
executor = "per-vu-iterations"
session = "chat"
vus = 3
[load.call]
executor = "per-vu-iterations"
session = "call"
vus = 3
[sessions.chat]
kind = "chat"
turns = 2
think = "20ms"
[sessions.call]
kind = "voice"
speed = 10
"#;

/// A private key in PEM; its lines are as secret as the whole.
fn key() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let text = STANDARD.encode(pair.as_der().unwrap().as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// Looks through every file of a folder for one of these texts.
fn search(folder: &Path, secrets: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, secrets);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
}

/// Runs with an `[auth]`, and looks for secrets in what it leaves and says.
fn run(bench: &Bench, auth: &str, env: &[(&str, &str)], secrets: &[&str]) -> (Option<i32>, String) {
    let scenario = bench.file("auth.toml", format!("{LOAD}{auth}").as_bytes());
    let mut command = bench.command(&["run", scenario.to_str().unwrap()]);
    for (name, value) in env {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    let mut told = String::from_utf8_lossy(&output.stdout).into_owned();
    told.push_str(&String::from_utf8_lossy(&output.stderr));
    for secret in secrets {
        assert!(!told.contains(secret), "{told}");
    }
    let reports = bench.folder.path().join("reports");
    if reports.exists() {
        search(&reports, secrets);
    }
    (output.status.code(), told)
}

#[test]
fn no_secret_is_found_after_a_run_with_any_credential() {
    let bench = Bench::new();
    let key = key();
    bench.file("key.pem", key.as_bytes());
    let key_body = key.lines().nth(1).unwrap();
    let mut users = String::from("user,token\n");
    for user in ["anna", "bob", "cleo"] {
        let _ = writeln!(users, "{user},dev_{user}_s3cr3tr0le");
    }
    bench.file("users.csv", users.as_bytes());
    let shared = "dev_service_s3cr3tr0le";
    for (auth, env, secrets) in [
        (
            "[auth]\nkind = \"mint\"\nkey = \"file:key.pem\"\nlifetime = \"1s\"\n",
            ("UNUSED", ""),
            vec![&key_body[..40], "eyJ0eXAi", "eyJhbGci"],
        ),
        (
            "[auth]\nkind = \"file\"\nfile = \"users.csv\"\n",
            ("UNUSED", ""),
            vec!["s3cr3tr0le", "dev_anna"],
        ),
        (
            "[auth]\nkind = \"shared\"\ntoken = \"env:SHARED_TOKEN\"\n\
             [[accept]]\ncheck = \"placeholder-owner\"\nreason = \"one token for all\"\n",
            ("SHARED_TOKEN", shared),
            vec!["s3cr3tr0le", "dev_service"],
        ),
        (
            "[auth]\nkind = \"dev-header\"\n",
            ("UNUSED", ""),
            vec!["_analyst"],
        ),
    ] {
        let (code, told) = run(&bench, auth, &[env], &secrets);
        // A busy machine may leave the verdict open.
        assert!(matches!(code, Some(0 | 4)), "{auth}\n{told}");
        let sent = count_ops(&bench.only_run(), "outcome = 0");
        assert_eq!(sent, 9, "{auth}\n{told}");
        std::fs::remove_dir_all(bench.folder.path().join("reports")).unwrap();
    }
}

/// An issuer that gives development tokens, valid for a second. Its address.
fn issuer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever breaks off is the run's own business.
            let _ = stream.and_then(issue);
        }
    });
    format!("http://{address}/token")
}

/// Answers one request, if it comes with the right secret.
fn issue(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = String::new();
    let mut piece = [0; 4096];
    // The form ends with the secret.
    while !request.contains("client_secret=s3cr3tcl13nt") {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        request.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    let mut users = ["anna", "bob", "cleo"].into_iter();
    let asks = |user: &&str| request.contains(&format!("client_id=client-{user}&"));
    let user = users.find(asks).unwrap_or("nobody");
    let body = format!(
        "{{\"access_token\":\"dev_{user}_s3cr3tr0le\",\"token_type\":\"Bearer\",\"expires_in\":1}}"
    );
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[test]
fn no_secret_is_found_after_a_run_with_an_issuers_tokens() {
    let bench = Bench::new();
    bench.file("bob.secret", b"s3cr3tcl13nt\n");
    let mut clients = String::from("user,client_id,client_secret\n");
    for (user, place) in [
        ("anna", "env:CLIENT_SECRET"),
        ("bob", "file:bob.secret"),
        ("cleo", "env:CLIENT_SECRET"),
    ] {
        let _ = writeln!(clients, "{user},client-{user},{place}");
    }
    bench.file("clients.csv", clients.as_bytes());
    let auth = format!(
        "[auth]\nkind = \"oauth2\"\nfile = \"clients.csv\"\ntoken_url = \"{}\"\n\
         [target.expected_owner]\nchat = \"dev-oid-{{user}}\"\nvoice = \"dev-oid-{{user}}\"\n",
        issuer()
    );
    let secrets = ["s3cr3tcl13nt", "s3cr3tr0le", "dev_anna"];
    let env = [("CLIENT_SECRET", "s3cr3tcl13nt")];
    let (code, told) = run(&bench, &auth, &env, &secrets);
    assert!(matches!(code, Some(0 | 4)), "{told}");
    assert_eq!(count_ops(&bench.only_run(), "outcome = 0"), 9, "{told}");
}

#[test]
fn credentials_that_cannot_be_used_stop_everything_and_are_not_repeated() {
    let bench = Bench::new();
    bench.file("two.csv", b"user,token\nanna,s3cret-a\nbob,s3cret-b\n");
    bench.file("same.csv", b"user,token\nanna,s3cret-a\nbob,s3cret-a\n");
    bench.file("key.pem", b"s3cret no key");
    let file = |name| format!("[auth]\nkind = \"file\"\nfile = \"{name}\"\n");
    for (auth, what) in [
        (file("same.csv"), "line 3: `bob` has the same token"),
        (file("none.csv"), "could not read the credentials"),
        (
            format!("{}[users]\ncount = 3\n", file("two.csv")),
            "more users than credentials",
        ),
        (
            "[auth]\nkind = \"mint\"\nkey = \"file:key.pem\"\n".to_owned(),
            "it is no key for RS256",
        ),
        (
            "[auth]\nkind = \"shared\"\ntoken = \"env:NOT_SET_AT_ALL\"\n".to_owned(),
            "`auth.token`: could not use $NOT_SET_AT_ALL: it is not set",
        ),
        (
            "[auth]\nkind = \"mint\"\nkey = \"file:gone.pem\"\n".to_owned(),
            "`auth.key`: could not read the credential in ",
        ),
        (
            "[auth]\nkind = \"shared\"\ntoken = \"s3cret\"\n".to_owned(),
            "not the place of a secret",
        ),
    ] {
        let (code, told) = run(&bench, &auth, &[], &["s3cret"]);
        assert_eq!(code, Some(2), "{auth}\n{told}");
        assert!(told.contains(what), "{auth}\n{told}");
        let scenario = bench.folder.path().join("auth.toml");
        let dry = bench.run(&["run", scenario.to_str().unwrap(), "--dry-run"]);
        assert_eq!(dry.code, Some(2), "{auth}\n{}", dry.stderr);
        assert!(dry.stderr.contains(what), "{auth}\n{}", dry.stderr);
        assert!(bench.runs().is_empty(), "nothing is begun");
    }
    let done = bench.run(&["run", "--auth", "eyJhbGciOiJIUzI1NiJ9.s3cret.s3cret"]);
    assert_eq!(done.code, Some(2));
    assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
}
