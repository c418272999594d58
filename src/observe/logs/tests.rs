#![expect(
    clippy::disallowed_methods,
    reason = "tests write the logs that are read"
)]

use std::io::Write as _;
use std::path::Path;

use super::super::fake::{self, RUN};
use super::*;
use crate::logs::PatternTexts;
use crate::model::{OpId, OpKind, SessionIx, request_id};

const LINES: u16 = 2_000;

fn context() -> LogContext {
    LogContext {
        scan: fake::context(),
        patterns: Arc::new(Patterns::new(&PatternTexts::default()).unwrap()),
    }
}

fn op(seq: u16) -> OpId {
    OpId {
        session: SessionIx(1),
        seq,
    }
}

fn line(seq: u16) -> String {
    let id = request_id(RUN, op(seq));
    format!("INFO: [{id:016x}] Background task completed: conversation persisted for user: u\n")
}

fn append(path: &Path, text: &str) {
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

async fn watching(source: &str, reading: Reading) -> (LogWatch, mpsc::Receiver<Event>) {
    let (events, heard) = mpsc::channel(usize::from(LINES) * 2);
    let sources = [source.parse().unwrap()];
    let watch = watch_logs(&sources, reading, context(), events).await;
    (watch.unwrap(), heard)
}

async fn ended(watch: LogWatch, mut heard: mpsc::Receiver<Event>) -> (LogTally, Vec<u16>) {
    let tally = watch.finish().await;
    let mut seqs = Vec::new();
    while let Some(event) = heard.recv().await {
        let Event::Logged(line) = event else {
            panic!("{event:?}");
        };
        assert_eq!(
            (line.kind, line.step),
            (Some(OpKind::Chat), LogStep::Completed)
        );
        seqs.push(line.op.unwrap().seq);
    }
    seqs.sort_unstable();
    (tally, seqs)
}

#[test]
fn of_a_command_its_program_is_shown() {
    let command = |text: &str| LogSource::Command(text.to_owned());
    for (text, source, shown) in [
        ("-", LogSource::Stdin, "-"),
        ("a b.log", LogSource::File("a b.log".into()), "a b.log"),
        ("cmd:true", command("true"), "cmd:true"),
        (
            "cmd:/usr/bin/curl -u bob:hunter2",
            command("/usr/bin/curl -u bob:hunter2"),
            "cmd:curl …",
        ),
        (
            "cmd: KEY=hunter2 docker logs x",
            command("KEY=hunter2 docker logs x"),
            "cmd:…",
        ),
        ("cmd:", command(""), "cmd:…"),
    ] {
        assert_eq!(text.parse(), Ok(source.clone()));
        assert_eq!(source.to_string(), shown);
    }
}

#[tokio::test]
async fn a_rotation_in_the_middle_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, &line(9_999));
    let (watch, heard) = watching(path.to_str().unwrap(), Reading::Following).await;
    for seq in 0..LINES {
        match seq {
            500 => std::fs::rename(&path, folder.path().join("app.log.1")).unwrap(),
            // The writer notices later that its file has another name.
            700 => append(&path, ""),
            1_400 => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => {}
        }
        let old = (500..700).contains(&seq);
        let into = if old {
            folder.path().join("app.log.1")
        } else {
            path.clone()
        };
        let text = line(seq);
        let (front, back) = text.split_at(usize::from(seq) % text.len());
        append(&into, front);
        if seq % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        append(&into, back);
    }
    let (tally, seqs) = ended(watch, heard).await;
    assert_eq!(seqs, (0..LINES).collect::<Vec<_>>());
    assert_eq!(
        (tally.lines, tally.problems),
        (u64::from(LINES), Vec::new())
    );
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, "");
    let (watch, heard) = watching(path.to_str().unwrap(), Reading::Following).await;
    append(&path, &line(0));
    append(&path, &line(1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    std::fs::write(&path, line(2)).unwrap();
    let (_, seqs) = ended(watch, heard).await;
    assert_eq!(seqs, [0, 1, 2]);
}

#[tokio::test]
async fn a_command_is_heard_and_a_late_export_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let all: String = (0..LINES).map(line).collect();
    append(&path, &all);
    let shown = path.to_str().unwrap();
    for source in [shown.to_owned(), format!("cmd:cat '{shown}' >&2")] {
        let (watch, heard) = watching(&source, Reading::Whole).await;
        let (tally, seqs) = ended(watch, heard).await;
        assert_eq!(seqs.len(), usize::from(LINES), "{source}");
        assert_eq!(tally.problems, Vec::<String>::new());
    }
    let (watch, heard) =
        watching(&format!("cmd:cat '{shown}'; sleep 60"), Reading::Following).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (_, seqs) = ended(watch, heard).await;
    assert_eq!(seqs.len(), usize::from(LINES));
    let (watch, heard) = watching("cmd:exit 3", Reading::Whole).await;
    let (tally, _) = ended(watch, heard).await;
    assert!(tally.problems[0].contains("exit status: 3"), "{tally:?}");
}

#[tokio::test]
async fn a_credential_in_a_command_is_not_kept() {
    let command = "cmd:true -u bob:s3cr3t-0f-mine; exit 3";
    let (watch, heard) = watching(command, Reading::Whole).await;
    let (tally, _) = ended(watch, heard).await;
    assert!(tally.problems[0].contains("exit status: 3"), "{tally:?}");
    assert_eq!(tally.sources, ["cmd:true …"]);
    assert!(!format!("{tally:?}").contains("s3cr3t"), "{tally:?}");
}

#[tokio::test]
async fn a_person_in_a_line_about_ours_is_not_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, &line(0).replace("user: u", "user: anna"));
    let (watch, mut heard) = watching(path.to_str().unwrap(), Reading::Whole).await;
    watch.finish().await;
    let Some(Event::Logged(line)) = heard.recv().await else {
        panic!("nothing was read");
    };
    assert!(line.user.unwrap().starts_with("stranger-"));
    assert!(!line.text.contains("anna"), "{}", line.text);
}

#[tokio::test]
async fn a_log_that_is_not_there_is_said_before_anything_is_sent() {
    let (events, _heard) = mpsc::channel(1);
    let sources = [LogSource::File("/nowhere/at/all.log".into())];
    let error = watch_logs(&sources, Reading::Following, context(), events).await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("/nowhere/at/all.log")
    );
}
