//! The routes of the contract over loopback, each with its status codes.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::*;
use crate::lab::quirks::Quirks;
use crate::lab::stamp::Dice;

struct Served {
    client: Client,
    base: String,
}

async fn served() -> Served {
    let store = Arc::new(Store::new(Arc::new(Dice::new()), Quirks::default(), 0.0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(store)).await });
    let client = Client::builder().no_proxy().build().unwrap();
    Served { client, base }
}

impl Served {
    async fn raw(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, String) {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.headers()["x-zep-version"], "0.27.2-lab");
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.raw(Method::GET, path, "").await;
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let (status, text) = self.raw(method, path, body.to_string()).await;
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn column(rows: &Value, key: &str) -> Vec<Value> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row[key].clone())
        .collect()
}

#[tokio::test]
async fn health_version_and_unknown_routes() {
    let zep = served().await;
    assert_eq!(
        zep.raw(Method::GET, "/healthz", "").await,
        (200, ".".to_owned())
    );
    assert_eq!(zep.raw(Method::POST, "/healthz", "").await.0, 404);
    let (status, page) = zep.raw(Method::GET, "/api/v1/nothing", "").await;
    assert_eq!(status, 404);
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert_eq!(zep.raw(Method::GET, "/api/v2/sessions", "").await.0, 404);
    assert_eq!(
        zep.raw(Method::DELETE, "/api/v1/sessions/s", "").await,
        (405, String::new())
    );
    let big = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(zep.raw(Method::POST, "/api/v1/sessions", big).await.0, 413);
}

#[tokio::test]
async fn sessions_are_made_once_and_listed_by_number() {
    let zep = served().await;
    let path = "/api/v1/sessions";
    let (status, made) = zep
        .post(
            path,
            json!({"session_id": "s1", "user_id": "a", "metadata": {"k": "v"}}),
        )
        .await;
    assert_eq!(status, 201);
    assert_eq!(made["session_id"], "s1");
    assert_eq!(made["user_id"], "a");
    assert_eq!(made["metadata"], json!({"k": "v"}));
    assert_eq!(made["deleted_at"], Value::Null);
    assert_eq!(made["id"], 1);
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(zep.get("/api/v1/sessions/s1").await, (200, made.clone()));
    assert_eq!(zep.get("/api/v1/user/a").await.0, 200);

    let taken = "bad request: session already exists with session_id: s1\n";
    for body in [
        json!({"session_id": "s1"}),
        json!({"session_id": "s1", "user_id": ""}),
    ] {
        assert_eq!(zep.post(path, body).await, (400, text(taken)));
    }
    let nobody = "bad request: user does not exist with user_id: \n";
    let body = json!({"session_id": "s2", "user_id": ""});
    assert_eq!(zep.post(path, body).await, (400, text(nobody)));
    assert_eq!(zep.post(path, json!({})).await.0, 500);
    assert_eq!(zep.raw(Method::POST, path, "{").await.0, 400);
    assert_eq!(zep.post(path, json!({"session_id": 7})).await.0, 400);

    for n in 2..=5 {
        let body = json!({"session_id": format!("s{n}"), "unknown": 1});
        let (status, made) = zep.post(path, body).await;
        assert_eq!((status, &made["user_id"]), (201, &Value::Null));
        assert_eq!(made["metadata"], Value::Null);
    }
    for (query, ids) in [
        ("", json!([1, 2, 3, 4, 5])),
        ("?limit=0", json!([1, 2, 3, 4, 5])),
        ("?limit=2", json!([1, 2])),
        ("?limit=2&cursor=2", json!([3, 4])),
        ("?limit=2&cursor=4", json!([5])),
        ("?cursor=5", json!([])),
    ] {
        let (status, rows) = zep.get(&format!("{path}{query}")).await;
        assert_eq!(
            (status, Value::Array(column(&rows, "id"))),
            (200, ids),
            "{query}"
        );
    }
    assert_eq!(zep.get("/api/v1/sessions?limit=x").await.0, 400);
    assert_eq!(zep.get("/api/v1/sessions?cursor=x").await.0, 400);
    assert_eq!(
        zep.get("/api/v1/sessions/none").await,
        (404, text("not found\n"))
    );
}

#[tokio::test]
async fn sessions_are_changed_deleted_and_revived() {
    let zep = served().await;
    let path = "/api/v1/sessions/s";
    let body = json!({"session_id": "s", "user_id": "a", "metadata": {"k": 1, "l": 1}});
    zep.post("/api/v1/sessions", body).await;
    let body = json!({"metadata": {"k": 2}, "user_id": "b"});
    let (status, patched) = zep.send(Method::PATCH, path, body).await;
    assert_eq!(
        (status, &patched["metadata"]),
        (200, &json!({"k": 2, "l": 1}))
    );
    assert_eq!(patched["user_id"], "a");
    assert_eq!(
        zep.send(Method::PATCH, path, json!({"metadata": {}}))
            .await
            .0,
        500
    );
    assert_eq!(
        zep.send(Method::PATCH, "/api/v1/sessions/none", json!({}))
            .await
            .0,
        404
    );

    assert_eq!(
        zep.raw(Method::DELETE, "/api/v1/sessions/s/memory", "")
            .await,
        (200, "OK".into())
    );
    assert_eq!(
        zep.raw(Method::DELETE, "/api/v1/sessions/s/memory", "")
            .await
            .0,
        404
    );
    assert_eq!(zep.get(path).await.0, 404);
    assert_eq!(
        zep.post("/api/v1/sessions", json!({"session_id": "s"}))
            .await
            .0,
        400
    );
    assert_eq!(zep.send(Method::PATCH, path, json!({})).await.0, 200);
    assert_eq!(zep.get(path).await.1["user_id"], "a");
}

#[tokio::test]
async fn messages_keep_their_order_and_pages() {
    let zep = served().await;
    let path = "/api/v1/sessions/s/memory";
    let said =
        |n: usize| json!({"role_type": "user", "content": n.to_string(), "metadata": {"n": n}});
    let body = json!({"messages": (0..20).map(said).collect::<Vec<_>>()});
    assert_eq!(
        zep.raw(Method::POST, path, body.to_string()).await,
        (200, "OK".to_owned())
    );
    assert_eq!(
        zep.get("/api/v1/sessions/s").await.1["user_id"],
        Value::Null
    );

    for (query, first, rows, total) in [
        ("", "0", 20, 20),
        ("?limit=0&cursor=3", "0", 20, 20),
        ("?cursor=3", "0", 20, 20),
        ("?limit=x", "0", 20, 20),
        ("?limit=-1", "1", 19, 20),
        ("?limit=8", "0", 8, 20),
        ("?limit=8&cursor=0", "0", 8, 20),
        ("?limit=8&cursor=1", "0", 8, 20),
        ("?limit=8&cursor=x", "0", 8, 20),
        ("?limit=8&cursor=2", "8", 8, 20),
        ("?limit=8&cursor=3", "16", 4, 20),
    ] {
        let (status, page) = zep
            .get(&format!("/api/v1/sessions/s/messages{query}"))
            .await;
        assert_eq!(status, 200);
        assert_eq!(page["messages"][0]["content"], first, "{query}");
        assert_eq!(page["row_count"], rows, "{query}");
        assert_eq!(page["total_count"], total, "{query}");
    }
    let nothing = json!({"messages": [], "total_count": 0, "row_count": 0});
    for path in [
        "/api/v1/sessions/s/messages?limit=8&cursor=4",
        "/api/v1/sessions/no/messages",
    ] {
        assert_eq!(zep.get(path).await, (200, nothing.clone()));
    }

    let (_, view) = zep.get(path).await;
    assert_eq!(column(&view["messages"], "content").len(), 12);
    assert_eq!(view["messages"][0]["content"], "8");
    let (_, view) = zep.get("/api/v1/sessions/s/memory?lastn=2").await;
    assert_eq!(column(&view["messages"], "content"), ["18", "19"]);
    assert_eq!(zep.get("/api/v1/sessions/s/memory?lastn=-1").await.0, 500);
    let (status, view) = zep.get("/api/v1/sessions/no/memory").await;
    assert_eq!((status, &view["messages"]), (200, &json!([])));
    assert_eq!(view["summary"]["token_count"], 0);
}

#[tokio::test]
async fn a_message_is_shown_changed_and_refused() {
    let zep = served().await;
    let path = "/api/v1/sessions/s/memory";
    let uuid = "5f1e0000-0000-4000-8000-000000000001";
    let message = json!({"uuid": uuid, "role": "user", "content": "a\u{0}b", "created_at": null});
    assert_eq!(zep.post(path, json!({"messages": [message]})).await.0, 200);
    let one = format!("/api/v1/sessions/s/messages/{uuid}");
    let (status, shown) = zep.get(&one).await;
    assert_eq!(status, 200);
    assert_eq!(shown["content"], "ab");
    assert_eq!(shown["role"], "user");
    assert_eq!(shown["updated_at"], "0001-01-01T00:00:00Z");
    assert!(shown.get("metadata").is_none() && shown.get("role_type").is_none());

    let body = json!({"metadata": {"k": "\u{0}"}});
    let (status, patched) = zep.send(Method::PATCH, &one, body).await;
    assert_eq!(
        (status, &patched["metadata"]),
        (200, &json!({"k": "\\u0000"}))
    );
    let other = "/api/v1/sessions/s/messages/5f1e0000-0000-4000-8000-000000000002";
    assert_eq!(zep.get(other).await.0, 500);
    assert_eq!(zep.send(Method::PATCH, other, json!({})).await.0, 500);
    assert_eq!(
        zep.send(Method::PATCH, other, json!({"metadata": {}}))
            .await
            .0,
        404
    );
    assert_eq!(zep.get("/api/v1/sessions/s/messages/5f1e").await.0, 400);

    let repeated = json!({"messages": [{"content": "new"}, {"uuid": uuid, "content": "again"}]});
    assert_eq!(zep.post("/api/v1/sessions/t/memory", repeated).await.0, 500);
    assert_eq!(zep.get("/api/v1/sessions/t").await.0, 200);
    assert_eq!(
        zep.get("/api/v1/sessions/t/messages").await.1["total_count"],
        0
    );
    for bad in [
        json!({"uuid": ""}),
        json!({"created_at": "today"}),
        json!(7),
    ] {
        assert_eq!(zep.post(path, json!({"messages": [bad]})).await.0, 400);
    }
    assert_eq!(
        zep.post("/api/v1/sessions/u/memory", json!({"messages": []}))
            .await
            .0,
        200
    );
    assert_eq!(zep.get("/api/v1/sessions/u").await.0, 200);
    assert_eq!(
        zep.post("/api/v1/sessions/s/search", json!({"text": "a"}))
            .await,
        (200, json!([]))
    );
    assert_eq!(
        zep.post("/api/v1/sessions/s/search", json!({"text": ""}))
            .await
            .0,
        500
    );
    let broken = b"{\"messages\":[{\"content\":\"\xff\"}]}".to_vec();
    assert_eq!(
        zep.raw(Method::POST, "/api/v1/sessions/v/memory", broken)
            .await
            .0,
        200
    );
    let (_, page) = zep.get("/api/v1/sessions/v/messages").await;
    assert_eq!(page["messages"][0]["content"], "\u{fffd}");
}

#[tokio::test]
async fn ids_are_what_their_path_says() {
    let zep = served().await;
    for id in ["t:u", "t%3Au", "a%20b"] {
        let path = format!("/api/v1/sessions/{id}/memory");
        assert_eq!(zep.post(&path, json!({"messages": []})).await.0, 200);
    }
    let (_, rows) = zep.get("/api/v1/sessions").await;
    assert_eq!(column(&rows, "session_id"), ["t:u", "t%3Au", "a b"]);
}

#[tokio::test]
async fn users_are_made_listed_changed_and_removed() {
    let zep = served().await;
    let path = "/api/v1/user";
    let (status, made) = zep
        .post(path, json!({"user_id": "a", "email": "a@example"}))
        .await;
    assert_eq!((status, &made["email"]), (201, &json!("a@example")));
    assert_eq!(zep.post(path, json!({"user_id": "a"})).await.0, 400);
    assert_eq!(zep.post(path, json!({"user_id": ""})).await.0, 400);
    zep.post(
        "/api/v1/sessions",
        json!({"session_id": "s", "user_id": "b"}),
    )
    .await;
    zep.post(
        "/api/v1/sessions",
        json!({"session_id": "t", "user_id": "b"}),
    )
    .await;
    for (query, users) in [("", json!(["a", "b"])), ("?limit=1&cursor=1", json!(["b"]))] {
        let (_, rows) = zep.get(&format!("{path}{query}")).await;
        assert_eq!(Value::Array(column(&rows, "user_id")), users);
    }
    assert_eq!(zep.get("/api/v1/user?limit=x").await.0, 400);
    let body = json!({"first_name": "B"});
    let (status, patched) = zep.send(Method::PATCH, "/api/v1/user/b", body).await;
    assert_eq!((status, &patched["first_name"]), (200, &json!("B")));

    let (status, rows) = zep.get("/api/v1/user/b/sessions").await;
    assert_eq!(
        (status, column(&rows, "id")),
        (200, vec![json!(0), json!(0)])
    );
    assert_eq!(
        zep.get("/api/v1/user/none/sessions").await,
        (200, json!([]))
    );
    assert_eq!(
        zep.raw(Method::DELETE, "/api/v1/user/b", "").await,
        (200, "OK".to_owned())
    );
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_eq!(zep.send(method, "/api/v1/user/b", json!({})).await.0, 404);
    }
    assert_eq!(zep.get("/api/v1/sessions").await.1, json!([]));
}

#[tokio::test]
async fn facts_say_whose_they_are_and_keep_their_order() {
    let zep = served().await;
    let path = "/api/v1/users/a/facts";
    assert_eq!(zep.get(path).await, (200, json!([])));
    for n in 0..3 {
        let body = json!({"fact": format!("fact {n}"), "metadata": {"n": n}});
        let (status, made) = zep.post(path, body).await;
        assert_eq!((status, &made["user_id"]), (201, &json!("a")));
    }
    for (query, facts) in [
        ("", json!(["fact 0", "fact 1", "fact 2"])),
        ("?limit=0", json!(["fact 0", "fact 1", "fact 2"])),
        ("?limit=2", json!(["fact 0", "fact 1"])),
        ("?limit=9&query=FACT+2", json!(["fact 2"])),
    ] {
        let (_, rows) = zep.get(&format!("{path}{query}")).await;
        assert_eq!(Value::Array(column(&rows, "fact")), facts, "{query}");
    }
    let (_, rows) = zep.get(path).await;
    assert!(column(&rows, "created_at").iter().all(Value::is_string));
    assert_eq!(column(&rows, "metadata")[1], json!({"n": 1}));
    assert_eq!(zep.get("/api/v1/user/a").await.0, 200);
    assert_eq!(zep.get("/api/v1/users/a/facts?limit=x").await.0, 400);
    assert_eq!(zep.post(path, json!({"fact": ""})).await.0, 400);

    let body = json!({"messages": [{"role_type": "user", "content": "red apples"}]});
    zep.post("/api/v1/sessions/s/memory", body).await;
    let (status, found) = zep
        .post("/api/v1/sessions/search", json!({"text": "green apples"}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(found["results"][0]["session_id"], "s");
    assert_eq!(found["results"][0]["score"], 0.5);
    let (_, found) = zep
        .post("/api/v1/sessions/search", json!({"text": ""}))
        .await;
    assert_eq!(found, json!({"results": []}));
}
