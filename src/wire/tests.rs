//! The HTTP client against targets that behave well and badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::header::HOST;
use hyper::{Method, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;
use url::Url;

use super::fake::{Fake, Reply, json, nobody};
use super::{DialError, Dialer, Endpoint, Exchange, Fault, HttpClient, Lane, Manner, OutBody};
use crate::clock::RunClock;
use crate::model::UserIx;
use crate::model::limits::ANSWER_BYTES_MAX;

const A: Lane = Lane::Own(UserIx(0));
const B: Lane = Lane::Own(UserIx(1));
const LIMIT: Duration = Duration::from_secs(10);

fn client(url: &Url, connections_max: usize) -> HttpClient {
    let endpoint = Endpoint::new(url).unwrap();
    let dialer = Dialer::new(endpoint, RunClock::start(), LIMIT, connections_max);
    HttpClient::new(Arc::new(dialer), [])
}

async fn post(client: &HttpClient, url: &Url, lane: Lane, limit: Duration) -> Exchange {
    let endpoint = Endpoint::new(url).unwrap();
    let mut request = Request::new(OutBody::whole("hello"));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.path("/x").unwrap();
    request.headers_mut().insert(HOST, endpoint.authority());
    client.exchange(lane, request, Manner::within(limit)).await
}

#[tokio::test]
async fn a_connection_serves_one_user_only() {
    let fake = Fake::start(|request| json(request.connection.to_string())).await;
    let client = client(&fake.url, 8);
    let mut seen = Vec::new();
    for user in [A, A, B, A, B] {
        let exchange = post(&client, &fake.url, user, LIMIT).await;
        assert_eq!(exchange.status, Some(200));
        assert!(exchange.sent.unwrap() <= exchange.completed);
        seen.push(String::from_utf8(exchange.body.unwrap().to_vec()).unwrap());
    }
    assert_eq!(seen, ["0", "0", "1", "0", "1"]);
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_another_user() {
    let fake = Fake::start(|_| json("{}")).await;
    let client = client(&fake.url, 1);
    for user in [A, B, A] {
        let exchange = post(&client, &fake.url, user, LIMIT).await;
        assert!(exchange.body.is_ok(), "{exchange:?}");
    }
    assert_eq!(fake.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_used() {
    let fake =
        Fake::start(|_| Reply::AnswerAndClose(200, "application/json", "{}".to_owned())).await;
    let client = client(&fake.url, 8);
    for expect in 1..=5 {
        let exchange = post(&client, &fake.url, A, LIMIT).await;
        assert!(exchange.body.is_ok(), "{exchange:?}");
        assert_eq!(fake.connections(), expect);
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_request_that_was_read_is_never_sent_again() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let fake = Fake::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => json("{}"),
        _ => Reply::Raw(Vec::new()),
    })
    .await;
    let client = client(&fake.url, 8);
    assert!(post(&client, &fake.url, A, LIMIT).await.body.is_ok());
    let exchange = post(&client, &fake.url, A, LIMIT).await;
    assert!(
        matches!(exchange.body, Err(Fault::Broken(_))),
        "{exchange:?}"
    );
    assert!(exchange.sent.is_some());
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nothing_is_sent_where_nobody_listens() {
    let url = nobody().await;
    let exchange = post(&client(&url, 8), &url, A, LIMIT).await;
    assert_eq!((exchange.sent, exchange.status), (None, None));
    let fault = exchange.body.unwrap_err();
    assert!(matches!(fault, Fault::Dial(_)), "{fault}");
}

#[tokio::test]
async fn bad_answers_are_told_apart() {
    let huge = "x".repeat(ANSWER_BYTES_MAX + 1);
    let half = b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    for (reply, status, expect) in [
        (Reply::Raw(Vec::new()), None, "the connection broke"),
        (Reply::RawAndReset(Vec::new()), None, "the connection broke"),
        (Reply::Raw(half.clone()), Some(200), "the connection broke"),
        (Reply::RawAndReset(half), Some(200), "the connection broke"),
        (
            Reply::Raw(b"hello\r\n\r\n".to_vec()),
            None,
            "the answer is not HTTP",
        ),
        (
            Reply::Answer(200, "text/plain", huge),
            Some(200),
            "the answer is larger",
        ),
        (
            Reply::Late(Duration::from_mins(1), Box::new(json("{}"))),
            None,
            "no whole answer within",
        ),
    ] {
        let shown = format!("{reply:.60?}");
        let fake = Fake::start(move |_| reply.clone()).await;
        let limit = Duration::from_millis(if expect.starts_with("no ") {
            200
        } else {
            10_000
        });
        let exchange = post(&client(&fake.url, 8), &fake.url, A, limit).await;
        assert_eq!(exchange.status, status, "{shown}");
        assert!(exchange.sent.is_some(), "{shown}");
        let fault = exchange.body.unwrap_err().to_string();
        assert!(fault.starts_with(expect), "{shown}: {fault}");
    }
}

#[tokio::test]
async fn the_largest_answer_is_read_whole() {
    let largest = "x".repeat(ANSWER_BYTES_MAX);
    let body = largest.clone();
    let fake = Fake::start(move |_| Reply::Answer(200, "text/plain", body.clone())).await;
    let exchange = post(&client(&fake.url, 8), &fake.url, A, LIMIT).await;
    assert_eq!(exchange.body.unwrap(), largest.as_bytes());
}

#[tokio::test]
async fn pieces_that_do_not_add_up_break_the_request_off() {
    let fake = Fake::start(|request| json(request.body.len().to_string())).await;
    for (announced, expect) in [(6, true), (7, false)] {
        let endpoint = Endpoint::new(&fake.url).unwrap();
        let pieces = ["abc", "def"].map(bytes::Bytes::from);
        let body = OutBody::pieces(Box::new(pieces.into_iter()), announced);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.path("/x").unwrap();
        request.headers_mut().insert(HOST, endpoint.authority());
        let exchange = client(&fake.url, 8)
            .exchange(A, request, Manner::within(LIMIT))
            .await;
        assert_eq!(exchange.body.is_ok(), expect, "{announced}");
    }
}

#[tokio::test]
async fn a_request_cut_off_in_its_middle_counts_as_sent() {
    let fake = Fake::serve(|mut stream, _| async move {
        let mut some = [0; 64];
        stream.read_exact(&mut some).await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    let endpoint = Endpoint::new(&fake.url).unwrap();
    let piece = bytes::Bytes::from(vec![b'x'; 1 << 16]);
    let pieces = std::iter::repeat_n(piece, 1 << 10);
    let mut request = Request::new(OutBody::pieces(Box::new(pieces), 1 << 26));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.path("/x").unwrap();
    request.headers_mut().insert(HOST, endpoint.authority());
    let exchange = client(&fake.url, 8)
        .exchange(A, request, Manner::within(LIMIT))
        .await;
    assert!(exchange.sent.is_some());
    assert!(exchange.body.is_err());
}

#[tokio::test]
async fn nothing_is_sent_without_tls_where_tls_is_asked_for() {
    let fake = Fake::serve(|mut stream, _| async move {
        // A server that is closed with unread bytes resets instead of answering.
        stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").await.unwrap();
        let mut hello = Vec::new();
        stream.read_to_end(&mut hello).await.ok();
    })
    .await;
    let mut url = fake.url.clone();
    url.set_scheme("https").unwrap();
    let exchange = post(&client(&url, 8), &url, A, LIMIT).await;
    assert_eq!((exchange.sent, exchange.status), (None, None));
    let fault = exchange.body.unwrap_err();
    assert!(matches!(fault, Fault::Dial(DialError::Tls(_))), "{fault}");
}
