//! Uploads as the contract has them.

use reqwest::Method;
use serde_json::json;

use super::bench::Bench;

const PART: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"n.md\"\r\n";

#[tokio::test]
async fn a_document_is_accepted_and_then_stored_in_order_with_its_log_lines() {
    let bench = Bench::with(&[]).await;
    let paragraph = "word ".repeat(150);
    let paragraphs: Vec<_> = (0..3)
        .map(|n| format!("number {n} {}", paragraph.trim()))
        .collect();
    let (status, answer) = bench.upload("a", &paragraphs.join("\n\n")).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({
            "success": true, "filename": "my, notes.txt", "chunks_processed": 3,
            "message": "Document accepted. Processing 3 chunks in background.",
        })
    );
    bench.settled().await;
    let facts = bench.stored("/users/dev-oid-a/facts").await;
    let texts: Vec<_> = facts
        .iter()
        .map(|fact| fact["fact"].as_str().unwrap())
        .collect();
    assert_eq!(texts, paragraphs);
    assert_eq!(
        facts[0]["metadata"],
        json!({
            "source": "document_upload", "filename": "my, notes.txt",
            "etl_source": "unstructured_etl", "etl_filename": "my, notes.txt",
            "page_number": null, "filetype": "text/plain",
        })
    );
    let user = "for user: dev-oid-a, file: my, notes.txt";
    assert_eq!(
        bench.stopped().await.log,
        [
            format!("INFO: Background task started: indexing 3 chunks {user}"),
            format!("INFO: Background task completed: indexed 3 chunks {user}"),
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let bench = Bench::with(&[]).await;
    let markdown = format!("{PART}Content-Type: text/markdown; charset=utf-8\r\n");
    let (status, answer) = bench
        .upload_part("a", &markdown, "# Title\n\ntext")
        .await
        .unwrap();
    assert_eq!((status, &answer["chunks_processed"]), (200, &json!(1)));
    let (status, answer) = bench.upload_part("a", &markdown, " \n\n ").await.unwrap();
    assert_eq!(
        (status, answer),
        (
            400,
            json!({"detail": "No text content extracted from fule"})
        )
    );
    for part in [
        format!("{PART}Content-Type: application/octet-stream\r\n"),
        format!("{PART}Content-Type: image/png\r\n"),
        PART.to_owned(),
    ] {
        let (status, answer) = bench.upload_part("a", &part, "text").await.unwrap();
        assert_eq!(status, 500, "{part}");
        assert!(answer["detail"].is_string());
    }
    let other = "Content-Disposition: form-data; name=\"doc\"; filename=\"n.txt\"\r\n";
    let nameless = "Content-Disposition: form-data; name=\"file\"\r\n";
    for part in [other, nameless] {
        let (status, answer) = bench.upload_part("a", part, "text").await.unwrap();
        assert_eq!(status, 422);
        assert_eq!(answer["detail"][0]["loc"], json!(["body", "file"]));
    }
    let (status, _) = bench
        .ask(Method::POST, "/api/v1/etl/ingest", json!({}))
        .await;
    assert_eq!(status, 422);
    bench.settled().await;
    let facts = bench.stored("/users/dev-oid-a/facts").await;
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0]["fact"], "Title\n\ntext");
}
