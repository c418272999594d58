use proptest::prelude::*;

use super::*;
use crate::model::{SessionIx, request_id, trace_id};

const RUN: RunId = RunId(0x0012_abcd);

fn patterns() -> Patterns {
    Patterns::new(&PatternTexts::default()).unwrap()
}

fn op() -> OpId {
    OpId {
        session: SessionIx(17),
        seq: 3,
    }
}

fn said(line: &str) -> Option<Said> {
    read(line.as_bytes(), RUN, &patterns())
}

type Expected<'a> = (OpKind, LogStep, Option<&'a str>, Option<&'a str>);

#[track_caller]
fn check(line: &str, expected: Expected<'_>) {
    let said = said(line).unwrap_or_else(|| panic!("nothing in {line}"));
    let (kind, step) = said.task.unwrap_or_else(|| panic!("no task in {line}"));
    let told = (kind, step, said.user.as_deref(), said.file.as_deref());
    assert_eq!(told, expected, "{line}");
}

#[test]
fn the_demanded_lines_are_read_with_count_and_file_and_without() {
    use LogStep::{Completed, Failed, Started};
    use OpKind::{Chat, Upload, Voice};
    let user = Some("user-1");
    for (line, expected) in [
        (
            "INFO: Background task started: persisting conversation for user: user-1",
            (Chat, Started, user, None),
        ),
        (
            "Background task completed: conversation persisted for user: user-1",
            (Chat, Completed, user, None),
        ),
        (
            "Background task failed: persisting conversation for user: user-1: no store",
            (Chat, Failed, user, None),
        ),
        (
            "Background task failed: conversation persisted for user: user-1, error: no",
            (Chat, Failed, user, None),
        ),
        (
            "Background task started: indexing chunks for user: user-1",
            (Upload, Started, user, None),
        ),
        (
            "Background task completed: indexed 5 chunks for user: user-1, file: a, b (1).md",
            (Upload, Completed, user, Some("a, b (1).md")),
        ),
        (
            "Background task started: persisting voice conversation for user: user-1",
            (Voice, Started, user, None),
        ),
        (
            "Background task completed: voice conversation persisted for user: user-1 (voice:12)",
            (Voice, Completed, user, None),
        ),
        (
            "Background task completed: conversation persisted",
            (Chat, Completed, None, None),
        ),
        (
            "Background task completed: indexed 5 chunks for user: None, file: x.md",
            (Upload, Completed, None, Some("x.md")),
        ),
        (
            "Background task failed: persisting conversation for user: ",
            (Chat, Failed, None, None),
        ),
    ] {
        check(line, expected);
    }
}

#[test]
fn one_line_in_many_shapes_says_one_thing() {
    let id = format!("{:016x}", request_id(RUN, op()));
    let trace = format!("{:032x}", trace_id(RUN, request_id(RUN, op())));
    let task = "Background task completed: indexed 5 chunks for user: u1, file: a b.md";
    let json = serde_json::json!({
        "timestamp": "2026-11-23T00:46:04Z", "level": "INFO", "message": task,
        "logger": "engram", "extra": {"request_id": id},
    });
    for line in [
        format!("INFO: [{id}] {task}"),
        format!("\u{1b}[32m12:00:00.123 [INFO    ]\u{1b}[0m request_id={id} {task}"),
        format!("engram-1  | {json}"),
        json.to_string(),
        serde_json::json!({"message": task, "trace_id": trace}).to_string(),
        serde_json::json!({"TimeStamp": "2026-11-23T00:46:05+00:00", "Log": json.to_string()})
            .to_string(),
        serde_json::json!({"log": format!("INFO: {id} {task}\n"), "stream": "stdout"}).to_string(),
        format!("2026-11-23T00:46:04.1Z stdout F INFO {id} {task}"),
        format!("level=info request_id={id} msg=\"{task}\" x=1"),
        format!("level=info msg=\"{task}\" traceparent=00-{trace}-{id}-01"),
    ] {
        let said = said(&line).unwrap();
        assert_eq!(said.op, Some(op()), "{line}");
        let told = (said.task, said.user.as_deref(), said.file.as_deref());
        let task = Some((OpKind::Upload, LogStep::Completed));
        assert_eq!(told, (task, Some("u1"), Some("a b.md")), "{line}");
    }
    let logged = said(&json.to_string()).unwrap().logged_unix_us;
    assert_eq!(logged, Some(1_795_394_764_000_000));
}

#[test]
fn a_user_beside_the_message_is_named_too() {
    let task = "Background task completed: conversation persisted";
    for line in [
        serde_json::json!({"message": task, "user_id": "u1"}).to_string(),
        serde_json::json!({"message": task, "extra": {"user_id": "u1"}}).to_string(),
        format!("user_id=u1 msg=\"{task}\""),
    ] {
        check(&line, (OpKind::Chat, LogStep::Completed, Some("u1"), None));
    }
}

#[test]
fn what_speaks_of_others_is_not_kept() {
    let other = format!("{:016x}", request_id(RunId(RUN.0 ^ 1), op()));
    for line in [
        "",
        "{",
        "{\"message\": 3}",
        "INFO: Request completed",
        "Added fact for user dev-oid-alice: she likes tea",
        &format!("INFO: Request completed {other}"),
    ] {
        assert_eq!(said(line), None, "{line}");
    }
    let ours = format!("Request completed {:016x}", request_id(RUN, op()));
    let said = said(&ours).unwrap();
    assert_eq!(
        (said.op, said.task, said.text.as_str()),
        (Some(op()), None, "")
    );
}

#[test]
fn templates_that_are_none_say_why() {
    for (template, what) in [
        ("a [b", "has a `[` without a `]`"),
        ("a b]", "has a `]` without a `[`"),
        ("a {usr}", "has a field that is none of"),
        ("a {user", "has a `{` without a `}`"),
        ("", "does not begin with words"),
        ("{user} did it", "does not begin with words"),
    ] {
        let error = Pattern::new(template).unwrap_err();
        assert!(error.what.starts_with(what), "{template}: {error}");
    }
}

proptest! {
    #[test]
    fn no_line_breaks_the_reader(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&line, RUN, &patterns());
    }

    #[test]
    fn no_text_breaks_it_either(line in "[\\[\\]{}=\": a-zäT0-9-]{0,60}") {
        let _ = said(&line);
        let _ = said(&format!("Background task failed: persisting conversation{line}"));
        let _ = Pattern::new(&line);
    }
}
