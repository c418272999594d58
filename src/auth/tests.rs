//! Each source of credentials: whose token it gives, what it refuses, and when it renews.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Json;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::scenario::{Mint, SecretRef, Signing};

const HMAC_KEY: &str = "0123456789abcdef0123456789abcdef";

fn mint(algorithm: Signing, lifetime: Duration) -> Mint {
    let claims = [
        ("oid", json!("oid-{user}")),
        ("roles", json!(["analyst", "of-{user}"])),
        ("aud", json!("api")),
        ("tid", json!(7)),
    ];
    let claims = claims
        .into_iter()
        .map(|(name, claim)| (name.to_owned(), claim));
    Mint {
        key: SecretRef::Env("KEY".to_owned()),
        algorithm,
        key_id: None,
        lifetime,
        claims: claims.collect::<BTreeMap<_, _>>(),
    }
}

fn key_of(algorithm: Signing) -> Secret {
    let der = match algorithm {
        Signing::Rs256 => KeyPair::generate(KeySize::Rsa2048)
            .unwrap()
            .as_der()
            .unwrap()
            .as_ref()
            .to_vec(),
        Signing::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .unwrap()
            .to_pkcs8v1()
            .unwrap()
            .as_ref()
            .to_vec(),
        Signing::Hs256 => return Secret::new(HMAC_KEY.to_owned()),
    };
    let text = STANDARD.encode(der);
    Secret::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"
    ))
}

fn renewing(lifetime: Duration) -> Renewing {
    let mint = mint(Signing::Hs256, lifetime);
    let minter = Minter::new(&mint, &key_of(Signing::Hs256)).unwrap();
    Renewing::new(Issuer::Mint(Box::new(minter)), 7)
}

async fn token(source: &TokenSource, user: &str) -> Secret {
    source.token(user, 0).await.unwrap().unwrap().secret
}

#[test]
fn a_development_token_names_its_user() {
    for (login, expect) in [
        (0, "dev_cw-0012abcd-u17_analyst"),
        (1, "dev_cw-0012abcd-u17_viewer"),
        (2, "dev_cw-0012abcd-u17_analyst"),
    ] {
        let token = dev_token("cw-0012abcd-u17", login).unwrap();
        assert_eq!(token.expose(), expect);
    }
}

#[test]
fn a_name_that_would_be_cut_is_refused() {
    for name in ["", "a_b", "a b", "ü"] {
        assert!(dev_token(name, 0).is_err(), "{name}");
    }
}

#[test]
fn minted_tokens_are_verified_with_the_published_key() {
    for (signing, algorithm) in [
        (Signing::Rs256, Algorithm::RS256),
        (Signing::Es256, Algorithm::ES256),
        (Signing::Hs256, Algorithm::HS256),
    ] {
        let key = key_of(signing);
        let minter = Minter::new(&mint(signing, Duration::from_mins(1)), &key).unwrap();
        let token = minter.mint("anna", "s-1", SystemTime::now()).unwrap();
        let verifier = match minter.jwks() {
            None => DecodingKey::from_secret(HMAC_KEY.as_bytes()),
            Some(jwks) => {
                assert!(!jwks.contains("\"d\""), "{jwks}");
                let set: JwkSet = serde_json::from_str(&jwks).unwrap();
                let id = jsonwebtoken::decode_header(token.expose()).unwrap().kid;
                DecodingKey::from_jwk(set.find(&id.unwrap()).unwrap()).unwrap()
            }
        };
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["api"]);
        let told = jsonwebtoken::decode::<Value>(token.expose(), &verifier, &validation);
        let told = told.unwrap().claims;
        assert_eq!(told["oid"], "oid-anna");
        assert_eq!(told["roles"], json!(["analyst", "of-anna"]));
        assert_eq!(told["tid"], 7);
        assert_eq!(read_claims(&token).owner.as_deref(), Some("oid-anna"));
        assert!(!format!("{minter:?}").contains("0123456789"));
    }
}

#[test]
fn a_key_of_another_kind_is_refused_and_not_quoted() {
    for (signing, key) in [
        (Signing::Rs256, key_of(Signing::Es256)),
        (Signing::Es256, key_of(Signing::Rs256)),
        (Signing::Rs256, Secret::new("no key".to_owned())),
        (Signing::Hs256, Secret::new("short".to_owned())),
    ] {
        let mint = mint(signing, Duration::from_mins(1));
        let error = Minter::new(&mint, &key).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("sign with the key in env:KEY: it is no key"),
            "{error}"
        );
        assert!(
            !error.contains("BEGIN") && !error.contains("short"),
            "{error}"
        );
    }
}

#[test]
fn a_table_has_only_tokens_that_are_valid() {
    let minter = Minter::new(
        &mint(Signing::Hs256, Duration::from_mins(1)),
        &key_of(Signing::Hs256),
    );
    let minter = minter.unwrap();
    let account = |token: Secret| Account {
        user: "anna".to_owned(),
        oid: None,
        proof: Proof::Token(token),
    };
    let ago = |minutes| SystemTime::now() - Duration::from_mins(minutes);
    let fresh = minter.mint("anna", "1", ago(0)).unwrap();
    assert!(TokenTable::new(vec![account(fresh)]).is_ok());
    let old = minter.mint("anna", "1", ago(61)).unwrap();
    let error = TokenTable::new(vec![account(old)]).unwrap_err().to_string();
    assert!(
        error.starts_with("use the token of user `anna`: it ended 1h"),
        "{error}"
    );
    let unfit = TokenTable::new(vec![account(Secret::new("a b".to_owned()))]);
    assert!(
        unfit
            .unwrap_err()
            .to_string()
            .contains("cannot stand in a header")
    );
}

#[tokio::test]
async fn a_token_is_kept_and_renewed_before_it_ends() {
    let lifetime = Duration::from_secs(100);
    let (tokens, start) = (renewing(lifetime), Instant::now());
    let at = async |share| {
        let now = start + lifetime.mul_f64(share);
        tokens.token_at("anna", 0, now).await.unwrap().secret
    };
    let first = at(0.0).await;
    assert_eq!(at(0.59).await, first);
    assert_ne!(at(0.91).await, first);
    let counts = tokens.counts();
    assert_eq!((counts.issued, counts.renewed, counts.failed), (1, 1, 0));
}

#[tokio::test]
async fn renewals_are_spread_and_no_user_is_renewed_twice() {
    let lifetime = Duration::from_secs(1_000);
    let source = TokenSource::Renewed(Arc::new(renewing(lifetime)));
    let users: Vec<String> = (0..200).map(|user| format!("u{user}")).collect();
    let mut moments = BTreeSet::new();
    for user in &users {
        // Ten sessions of a user ask at once.
        let asked = join_all((0..10).map(|_| source.token(user, 0))).await;
        let until = asked
            .into_iter()
            .map(|one| one.unwrap().unwrap().fresh_until.unwrap());
        let until: BTreeSet<Instant> = until.collect();
        assert_eq!(until.len(), 1);
        moments.extend(until);
    }
    assert_eq!(source.counts().unwrap().issued, 200);
    assert!(moments.len() > 190, "{}", moments.len());
    let spread = *moments.last().unwrap() - *moments.first().unwrap();
    assert!(spread > lifetime.mul_f64(0.2), "{spread:?}");
}

/// An issuer that gives tokens of a second's lifetime, or refuses and repeats the secret.
async fn issuer(
    refuse: Arc<std::sync::atomic::AtomicBool>,
) -> (TokenSource, Arc<std::sync::atomic::AtomicU32>) {
    use std::sync::atomic::{AtomicU32, Ordering};
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let answer = move |body: String| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        let refused = refuse.load(Ordering::SeqCst);
        async move {
            assert!(body.contains("grant_type=client_credentials"), "{body}");
            assert!(body.contains("scope=a+b"), "{body}");
            if refused {
                let said = json!({"error": "invalid_client", "error_description": body});
                (axum::http::StatusCode::UNAUTHORIZED, Json(said))
            } else {
                let said = json!({"access_token": format!("opaque-{number}"), "expires_in": 100});
                (axum::http::StatusCode::OK, Json(said))
            }
        }
    };
    let router = axum::Router::new().route("/token", post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client {
        id: "c1".to_owned(),
        secret: Secret::new("hush/hush-secret".to_owned()),
    };
    let clients = HashMap::from([("anna".to_owned(), client)]);
    let scope = Some("a b".to_owned());
    let client = TokenClient::new(url.parse().unwrap(), scope, None, clients).unwrap();
    let source = TokenSource::Renewed(Arc::new(Renewing::new(Issuer::Oauth2(client), 7)));
    (source, asked)
}

#[tokio::test]
async fn an_issuer_is_asked_once_and_not_again_while_it_refuses() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let refuse = Arc::new(AtomicBool::new(false));
    let (source, asked) = issuer(Arc::clone(&refuse)).await;
    let all = join_all((0..20).map(|_| token(&source, "anna"))).await;
    assert!(all.iter().all(|one| one.expose() == "opaque-0"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(matches!(
        source.token("bob", 0).await,
        Err(AuthError::Unknown { .. })
    ));

    let (source, asked) = issuer(refuse.clone()).await;
    refuse.store(true, Ordering::SeqCst);
    for _ in 0..20 {
        let error = source.token("anna", 0).await.unwrap_err().to_string();
        assert!(error.contains("answered 401, invalid_client"), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(source.counts().unwrap().failed, 1);
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_a_plain_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    drop(listener);
    let client = Client {
        id: "c1".to_owned(),
        secret: Secret::new("hush-hush".to_owned()),
    };
    let clients = HashMap::from([("anna".to_owned(), client)]);
    let client = TokenClient::new(url.parse().unwrap(), None, None, clients).unwrap();
    let source = TokenSource::Renewed(Arc::new(Renewing::new(Issuer::Oauth2(client), 7)));
    let error = source.token("anna", 0).await.unwrap_err().to_string();
    assert!(error.contains("was not reached"), "{error}");
}

#[test]
fn a_token_that_has_ended_is_signed_where_tokens_end() {
    let minted = TokenSource::Renewed(Arc::new(renewing(Duration::from_mins(1))));
    let ended = minted.expired("anna").unwrap().unwrap();
    let claims = read_claims(&ended.secret);
    assert!(claims.expired_for(SystemTime::now()).is_some());
    assert_eq!(TokenSource::Dev.expired("anna"), Ok(None));
}
