//! What is wrong with a file is found, placed and explained; what is right becomes its scenario.

use proptest::prelude::*;

use super::*;

/// One group of each executor, one session of each kind.
pub(super) const GOOD: &str = r#"
[load.chat]
executor = "constant-vus"
session = "chat"
vus = 4
duration = "5s"

[load.open]
executor = "constant-arrival-rate"
session = "upload"
rate = 2
duration = "5s"

[load.fixed]
executor = "per-vu-iterations"
session = "call"
vus = 2

[sessions.chat]
kind = "chat"

[sessions.upload]
kind = "upload"

[sessions.call]
kind = "voice"
"#;

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// The error of the good file after one change.
fn error_of(from: &str, to: &str) -> ScenarioError {
    parse("x", &with(from, to), "x.toml").expect_err(to)
}

/// The good file with something before its first section.
fn error_above(lines: &str) -> ScenarioError {
    error_of("[load.chat]", &format!("{lines}\n[load.chat]"))
}

/// The place, and phrases of the text.
fn check(error: &ScenarioError, place: (usize, usize), phrases: &[&str]) {
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("x.toml:{}:{}: ", place.0, place.1)),
        "{text}"
    );
    for phrase in phrases {
        assert!(text.contains(phrase), "{phrase:?} is not in\n{text}");
    }
    assert_eq!(error.problems.len(), 1, "{text}");
}

#[test]
fn the_whole_text_of_an_error() {
    insta::assert_snapshot!(error_of("vus = 4", "vsu = 4"), @"
    x.toml:5:1: unknown key `load.chat.vsu`
    5 | vsu = 4
      | ^^^
    allowed: duration, executor, graceful_stop, iterations, max_duration, max_vus, rate, session, shared_connections, start_time, starts, time_unit, vus
    help: did you mean `vus`?
    ");
    insta::assert_snapshot!(error_of("\"5s\"", "5"), @r#"
    x.toml:6:12: `load.chat.duration = 5`: a duration needs a unit
    6 | duration = 5
      |            ^
    allowed: a number with a unit, such as "500ms", "20s" or "1m 30s"
    help: write "5s" for seconds
    "#);
    insta::assert_snapshot!(parse("x", "[load.a]\nvus = 0", "x.toml").unwrap_err(), @"
    x.toml:1:1: `load.a`: `executor` is missing
    1 | [load.a]
      | ^^^^^^^^
    allowed: per-vu-iterations, constant-vus, constant-arrival-rate
    help: add a line `executor = …` to this section

    x.toml:2:7: `load.a.vus = 0`: the number is zero
    2 | vus = 0
      |       ^
    allowed: a whole number from 1 to 1048576

    x.toml:1:1: `load.a`: `session` is missing
    1 | [load.a]
      | ^^^^^^^^
    allowed: 1 to 400 printable characters
    help: add a line `session = …` to this section
    ");
}

#[test]
fn wrong_keys() {
    check(
        &error_of("vus = 4", "maxVUs = 4"),
        (5, 1),
        &["`load.chat.maxVUs`", "mean `max_vus`?"],
    );
    check(
        &error_of("rate = 2", "timeUnit = \"1s\""),
        (11, 1),
        &["mean `time_unit`?"],
    );
    check(
        &error_of("vus = 2", "preAllocatedVUs = 2"),
        (17, 1),
        &["mean `max_vus`?"],
    );
    check(
        &error_of("[load.chat]", "[loads.chat]"),
        (2, 2),
        &["unknown key `loads`", "`load`?"],
    );
    check(
        &error_of("[load.chat]", "[scenarios.chat]"),
        (2, 2),
        &["did you mean `load`?"],
    );
    check(
        &error_above("url = \"http://a\""),
        (2, 1),
        &["is a key of [memory], [target]"],
    );
    check(
        &error_above("turns = 1"),
        (2, 1),
        &["is a key of [sessions.NAME]"],
    );
    check(
        &error_above("colour = 1"),
        (2, 1),
        &["allowed: accept, auth, caps, description, disturbances, load, logs, memory, sessions"],
    );
    check(
        &error_above("users = 5"),
        (2, 9),
        &["`users` is a section, not a value", "[users]"],
    );
    check(
        &error_above("[[load.b]]"),
        (2, 1),
        &["`load.b` is a section, not a value"],
    );
    check(
        &error_above("version.x = 1"),
        (2, 1),
        &["`version` is a value, not a section"],
    );
    let error = error_above("a = 1\nb = 2");
    assert_eq!(error.problems.len(), 2, "{error}");
}

#[test]
fn wrong_durations() {
    let duration = |text| error_of("\"5s\"", text);
    check(
        &duration("\"20 parsecs\""),
        (6, 12),
        &["= \"20 parsecs\"`", "no unit `parsecs`", "500ms"],
    );
    check(
        &duration("\"5\""),
        (6, 12),
        &["needs a unit", "write \"5s\""],
    );
    check(&duration("-5"), (6, 12), &["not a duration"]);
    check(&duration("\"-5s\""), (6, 12), &["not a duration"]);
    check(&duration("\"\""), (6, 12), &["not a duration"]);
    check(
        &duration("\"0s\""),
        (6, 12),
        &["too short", "at least \"1ms\""],
    );
    check(&duration("\"31days\""), (6, 12), &["too long", "30days"]);
    let think = |text| error_of("\"chat\"\n\n[", &format!("\"chat\"\nthink = {text}\n\n["));
    check(
        &think("\"2s..50ms\""),
        (21, 9),
        &["reversed", "write \"50ms..2s\""],
    );
    check(
        &think("\"1s..2\""),
        (21, 9),
        &["needs a unit", "or a range such as"],
    );
    check(
        &think("7"),
        (21, 9),
        &["needs a unit", "or a range such as"],
    );
}

#[test]
fn wrong_numbers() {
    let rate = |text| error_of("rate = 2", &format!("rate = {text}"));
    check(
        &rate("-2"),
        (11, 8),
        &["`load.open.rate = -2`", "negative", "from 1 to"],
    );
    check(&rate("2.5"), (11, 8), &["not a whole number"]);
    check(&rate("\"2\""), (11, 8), &["write 2 without quotes"]);
    check(
        &rate("99999999999999999999999999"),
        (11, 8),
        &["at most 64 bits"],
    );
    check(
        &error_of("vus = 4", "vus = 0"),
        (5, 7),
        &["`load.chat.vus = 0`", "zero"],
    );
    check(
        &error_above("[users]\ncount = 0"),
        (3, 9),
        &["`users.count = 0`", "zero"],
    );
    check(&error_above("version = 2"), (2, 11), &["allowed: 1"]);
    let turns = |text| error_of("\"chat\"\n\n[", &format!("\"chat\"\nturns = {text}\n\n["));
    check(
        &turns("0"),
        (21, 9),
        &["`sessions.chat.turns = 0`", "zero", "\"2..6\""],
    );
    check(&turns("\"6..2\""), (21, 9), &["reversed", "write \"2..6\""]);
    check(&turns("\"0..2\""), (21, 9), &["zero"]);
    check(&turns("\"2 to 6\""), (21, 9), &["not a number or a range"]);
    check(&turns("\"4\""), (21, 9), &["write 4 without quotes"]);
    for speed in ["0", "-1.0", "nan", "inf", "\"10\""] {
        let error = error_of("\"voice\"", &format!("\"voice\"\nspeed = {speed}"));
        check(&error, (27, 9), &["not a speed", "above 0"]);
    }
    let huge = "\"upload\"\nuploads = 10000\ncharacters = 10000000";
    let error = error_of("kind = \"upload\"", &format!("kind = {huge}"));
    check(&error, (25, 14), &["100000000000 characters"]);
    let error = error_of("vus = 2", "vus = 1000000\niterations = 2");
    assert!(error.to_string().contains("2000"), "{error}");
    assert!(
        error.to_string().contains("at most 1048576 in one run"),
        "{error}"
    );
}

#[test]
fn wrong_choices() {
    let executors = "per-vu-iterations, constant-vus, constant-arrival-rate";
    check(
        &error_of("constant-vus", "ramping-vus"),
        (3, 12),
        &["unknown executor", executors],
    );
    check(
        &error_of("constant-vus", "constant_vus"),
        (3, 12),
        &["mean `constant-vus`?"],
    );
    check(
        &error_of("\"constant-vus\"", "3"),
        (3, 12),
        &["not text in quotes", executors],
    );
    check(
        &error_of("\"voice\"", "\"voce\""),
        (26, 8),
        &["unknown session kind", "`voice`?"],
    );
    check(
        &error_above("[target]\nauth = \"jwt\""),
        (3, 8),
        &["allowed: dev, dev-header, none"],
    );
    let undefined = error_of("session = \"chat\"", "session = \"chats\"");
    check(
        &undefined,
        (4, 11),
        &[
            "no section [sessions.chats]",
            "call, chat, upload",
            "`chat`?",
        ],
    );
    let foreign = error_of("vus = 2", "vus = 2\nrate = 3");
    check(
        &foreign,
        (18, 8),
        &["`per-vu-iterations` has no `rate`", "vus, iterations"],
    );
    let foreign = error_of("\"upload\"\n\n", "\"upload\"\nturns = 3\n\n");
    check(
        &foreign,
        (24, 9),
        &["`upload` has no `turns`", "uploads, characters"],
    );
    check(
        &error_of("rate = 2\n", ""),
        (8, 1),
        &["`load.open`: `rate` is missing"],
    );
    check(
        &error_of("vus = 2\n", ""),
        (14, 1),
        &["`load.fixed`: `vus` is missing"],
    );
    check(
        &error_above(
            "[load.\"a b\"]\nexecutor = \"constant-vus\"\nvus = 1\nduration = \"1s\"\nsession = \"chat\"",
        ),
        (2, 1),
        &["`a b` is not a usable name"],
    );
}

#[test]
fn wrong_traits() {
    let chat = |lines: &str| error_of("\"chat\"\n\n[", &format!("\"chat\"\n{lines}\n\n["));
    for (lines, line, phrases) in [
        (
            "second_user = \"hand over\"",
            21,
            ["unknown way", "`hand-over`?"],
        ),
        (
            "relogin = \"yes\"",
            21,
            ["neither true nor", "true or false"],
        ),
        (
            "intra_session_overlap = 101",
            21,
            ["out of bounds", "0 to 100"],
        ),
        ("relogin = true", 21, ["one turn only", "2 and more"]),
        (
            "turns = 4\nrelogin = true\nsecond_user = \"hand-over\"",
            23,
            ["one credential each", "without `relogin`"],
        ),
        (
            "turns = 4\nintra_session_overlap = 1\nsession_ids = \"server\"",
            22,
            ["no name before", "\"client\""],
        ),
    ] {
        let column = lines.lines().nth(line - 21).unwrap().find('=').unwrap() + 3;
        check(&chat(lines), (line, column), &phrases);
    }
    let load = |from: &str, line: &str| error_of(from, &format!("{from}\n{line}"));
    check(
        &load("rate = 2", "starts = \"together\""),
        (12, 10),
        &["start by the clock", "use `constant-vus`"],
    );
    check(
        &load("vus = 2", "shared_connections = 3"),
        (18, 22),
        &["socket to itself", "chat, recall, turn and upload"],
    );
    let recall = error_of("kind = \"voice\"", "kind = \"recall\"\nspeed = 2");
    check(
        &recall,
        (27, 9),
        &["`recall` has no `speed`", "turns, think, words, agent"],
    );
}

#[test]
fn wrong_disturbances() {
    let rates = |lines: &str| error_above(&format!("[disturbances]\n{lines}"));
    check(
        &rates("cancel_rate = 5"),
        (3, 15),
        &["not a share", "for 5 % write 0.05"],
    );
    check(&rates("drop_rate = -0.1"), (3, 13), &["from 0 to 1"]);
    check(&rates("slow_read_rate = nan"), (3, 18), &["from 0 to 1"]);
    check(
        &rates("cancel_rate = 0.6\nslow_read_rate = 0.3\ndrop_rate = 0.2"),
        (4, 18),
        &[
            "strike an upload add up to 1.100",
            "cancel_rate + drop_rate + slow_read_rate",
        ],
    );
    check(
        &rates("double_submit_rate = 0.6\ncancel_rate = 0.6"),
        (3, 22),
        &["strike a chat turn add up to 1.200"],
    );
    check(
        &rates("cancel_after = \"9ms..2ms\""),
        (3, 16),
        &["reversed"],
    );
}

#[test]
fn traits_and_disturbances_are_read() {
    let text = with(
        "kind = \"upload\"",
        "kind = \"recall\"\nturns = \"2..3\"\nwords = 9",
    );
    let text = text.replace(
        "kind = \"chat\"",
        "kind = \"chat\"\nturns = 6\nsecond_user = \"alternating\"",
    );
    let text = text.replace(
        "vus = 4",
        "vus = 4\nstarts = \"together\"\nshared_connections = 2",
    );
    let text = format!(
        "{text}\n[disturbances]\ncancel_rate = 0.2\ncancel_after = \"2ms..60ms\"\n\
         drop_rate = 0.1\nearly_close_rate = 1\ndouble_submit_rate = 0.3\n\
         slow_read_rate = 0.5\nslow_read_pause = \"1s\"\n"
    );
    let scenario = parse("x", &text, "x.toml").unwrap();
    let [chat, fixed, open] = scenario.groups.as_slice() else {
        panic!("{:?}", scenario.groups);
    };
    assert!(chat.starts_together && !fixed.starts_together);
    assert_eq!(chat.connections, Connections::Shared(2));
    assert_eq!(fixed.connections, Connections::Own);
    let SessionSpec::Chat(spec) = &chat.session else {
        panic!("{chat:?}");
    };
    assert_eq!(spec.second_user, SecondUser::Alternating);
    assert_eq!((spec.relogin, spec.overlap), (false, 0));
    let SessionSpec::Recall(spec) = &open.session else {
        panic!("{open:?}");
    };
    assert_eq!((spec.turns.clone(), spec.words.clone()), (2..=3, 9..=9));
    let expect = Disturbances {
        cancel_rate: 0.2,
        cancel_after: Pause {
            min: Duration::from_millis(2),
            max: Duration::from_millis(60),
        },
        drop_rate: 0.1,
        early_close_rate: 1.0,
        double_submit_rate: 0.3,
        slow_read_rate: 0.5,
        slow_read_pause: Duration::from_secs(1),
    };
    assert_eq!(scenario.disturbances, expect);
}

#[test]
fn wrong_texts() {
    let url = |text| error_above(&format!("[target]\nurl = \"{text}\""));
    check(
        &url("localhost:8082"),
        (3, 7),
        &["no scheme", "write \"http://localhost:8082\""],
    );
    check(&url("ftp://a"), (3, 7), &["not http or https"]);
    check(&url("http://"), (3, 7), &["not a URL"]);
    check(&url("http://a/?q"), (3, 7), &["neither query nor fragment"]);
    check(&url("http://me:secret@a"), (3, 7), &["must not hold"]);
    assert!(!url("http://me:secret@a").to_string().contains("secret"));
    let owner = |text| error_above(&format!("[target.expected_owner]\nvoice = \"{text}\""));
    check(&owner("dev"), (3, 9), &["no {user}", "exactly one {user}"]);
    check(&owner("{user}-{user}"), (3, 9), &["more than one {user}"]);
    let path = |key, text| error_above(&format!("[target.paths]\n{key} = \"{text}\""));
    check(&path("chat", "chat"), (3, 8), &["begins with `/`"]);
    check(&path("chat", "/chat?x"), (3, 8), &["query"]);
    check(&path("voice", "/voice"), (3, 9), &["one {session}"]);
    let target = |line| error_above(&format!("[target]\n{line}"));
    check(
        &target("trigger_words = [\"Story\"]"),
        (3, 17),
        &["write \"story\""],
    );
    check(&target("trigger_words = [\"to\"]"), (3, 17), &["too short"]);
    check(
        &target("apologies = [\"\"]"),
        (3, 13),
        &["not a usable text"],
    );
    check(
        &target("placeholders = \"dev-user\""),
        (3, 16),
        &["a list such as"],
    );
    let file_name = |text| {
        error_of(
            "\"upload\"\n\n",
            &format!("\"upload\"\nfile_name = {text}\n\n"),
        )
    };
    check(
        &file_name("\"a.txt\""),
        (24, 13),
        &["did you mean \"same:a.txt\"?"],
    );
    check(&file_name("\"same:../a\""), (24, 13), &["not a file name"]);
    let settle = error_above("[memory.settle]\ndeadline = \"5s\"");
    check(
        &settle,
        (3, 12),
        &["shorter than `task_limit`", "at least \"10s\""],
    );
}

#[test]
fn files_that_are_no_scenario() {
    let error = |text: &str| parse("x", text, "x.toml").unwrap_err();
    check(
        &error_of("vus = 4", "vus = 4\nvus = 5"),
        (6, 1),
        &["duplicate key `vus`"],
    );
    check(
        &error("{\"load\": 1}"),
        (1, 1),
        &["not valid TOML", "a scenario is TOML"],
    );
    check(&error("load:\n  - chat\n"), (1, 6), &["not valid TOML"]);
    assert!(
        error("")
            .to_string()
            .starts_with("x.toml: `load`: there is no load group")
    );
}

#[test]
fn bytes_that_are_no_text() {
    assert_eq!(decode("ä = 1".as_bytes(), "x.toml"), Ok("ä = 1"));
    let error = decode(b"a = 1\nb = \"\xff\"", "x.toml").unwrap_err();
    check(
        &error,
        (2, 6),
        &["byte 11 (0xff) is not UTF-8", "save the file as UTF-8"],
    );
    let error = decode(b"\xff\xfea\0", "x.toml").unwrap_err();
    check(&error, (1, 1), &["the file is UTF-16"]);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert!(parse("x", &format!("\u{feff}{GOOD}"), "x.toml").is_ok());
}

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = parse("x", GOOD, "x.toml").unwrap();
    let names: Vec<&str> = scenario
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(names, ["chat", "fixed", "open"]);
    assert!(
        scenario
            .groups
            .iter()
            .zip(0..)
            .all(|(group, ix)| group.ix == GroupIx(ix))
    );
    insta::assert_json_snapshot!("defaults", scenario);
    assert_eq!(
        scenario.target.expected_owner.chat.owner("cw-1-u2"),
        "dev-oid-cw-1-u2"
    );
}

/// A target with other names, as the documents show it.
#[test]
fn the_documented_names_of_another_target_are_read() {
    let document = include_str!("../../docs/TARGETS.md");
    let example = document.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let scenario = parse("x", &format!("{GOOD}{example}"), "x.toml").unwrap();
    let target = scenario.target;
    assert_eq!(target.paths.chat, "/v2/assistant/messages");
    assert!(target.bodies.chat.is_some() && target.bodies.turn.is_some());
    assert_eq!(target.bodies.stream, None);
    assert!(target.answers.text.is_some() && target.answers.session.is_some());
}

#[test]
fn wrong_bodies_and_answers_are_told_where_they_stand() {
    let target = |section: &str, line: &str| {
        let text = format!("{GOOD}[target.{section}]\n{line}\n");
        parse("x", &text, "x.toml").unwrap_err().to_string()
    };
    for (section, line, phrases) in [
        (
            "bodies",
            "chat = '{\"a\": \"{txt}\"}'",
            ["there is no {txt}", "did you mean {text}?"],
        ),
        (
            "bodies",
            "turn = '{\"a\": 1}'",
            ["it has no {text}", "target.bodies.turn"],
        ),
        ("bodies", "stream = 'text'", ["not JSON", "{session}"]),
        ("bodies", "upload = '{}'", ["upload", "chat"]),
        (
            "answers",
            "text = \"data.reply\"",
            ["begins with `/`", "write \"/data/reply\""],
        ),
    ] {
        let error = target(section, line);
        for phrase in phrases {
            assert!(error.contains(phrase), "{phrase} is not in {error}");
        }
    }
}

/// Writes each default that the schema's descriptions name into the good file, in every section
/// that has the key: nothing may change.
#[test]
fn the_schema_names_the_defaults() {
    let base = parse("x", GOOD, "x.toml").unwrap();
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    let mut defaults = Vec::new();
    defaults_of(&schema, "", &mut defaults);
    assert!(defaults.len() > 25, "{defaults:?}");
    for (section, key, value) in defaults {
        let line = format!("{key} = {value}\n");
        let texts = match section.split_once(".NAME") {
            Some((kind, _)) => ["chat", "open", "fixed", "upload", "call"]
                .map(|name| format!("[{kind}.{name}]\n"))
                .into_iter()
                .filter(|header| GOOD.contains(header))
                .map(|header| GOOD.replace(&header, &format!("{header}{line}")))
                .collect(),
            None if section.is_empty() => vec![format!("{line}{GOOD}")],
            None => vec![format!("{GOOD}[{section}]\n{line}")],
        };
        let mut read = texts
            .iter()
            .filter_map(|text| parse("x", text, "x.toml").ok())
            .peekable();
        assert!(read.peek().is_some(), "{section}: {line}");
        assert!(read.all(|scenario| scenario == base), "{section}: {line}");
    }
}

/// Section, key and value of every default in the descriptions of a schema.
fn defaults_of(
    schema: &serde_json::Value,
    section: &str,
    found: &mut Vec<(String, String, String)>,
) {
    for (key, child) in schema["properties"].as_object().into_iter().flatten() {
        let inner = if section.is_empty() {
            key.clone()
        } else {
            format!("{section}.{key}")
        };
        defaults_of(child, &inner, found);
        defaults_of(
            &child["additionalProperties"],
            &format!("{inner}.NAME"),
            found,
        );
        let description = child["description"].as_str().unwrap().replace('\n', " ");
        if let Some((_, said)) = description.split_once("Default ") {
            let end = if let Some(text) = said.strip_prefix('"') {
                text.find('"').unwrap() + 2
            } else {
                said.find(|c: char| !c.is_ascii_alphanumeric()).unwrap()
            };
            found.push((section.to_owned(), key.clone(), said[..end].to_owned()));
        }
    }
}

#[test]
fn a_scenario_is_stored_and_read_back_equal() {
    let text = GOOD.replace("\"voice\"", "\"voice\"\nspeed = 0.1\nthink = \"1us..3ns\"");
    let text = text.replace("1us..3ns", "3ns..1us");
    let scenario = parse("x", &text, "x.toml").unwrap();
    let stored = serde_json::to_vec(&scenario).unwrap();
    assert_eq!(
        serde_json::from_slice::<Scenario>(&stored).unwrap(),
        scenario
    );
}

proptest! {
    #[test]
    fn nothing_that_is_read_panics(
        from in 0..GOOD.len(),
        length in 0_usize..12,
        new in prop_oneof![".{0,8}", "[\\[\\]={}\",.0-9a-z\n-]{0,12}"],
    ) {
        let (from, to) = (
            GOOD.floor_char_boundary(from),
            GOOD.floor_char_boundary(from + length),
        );
        let text = format!("{}{new}{}", &GOOD[..from], &GOOD[to..]);
        if let Err(error) = parse("x", &text, "x.toml") {
            prop_assert!(!error.problems.is_empty());
            let shown = error.to_string();
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        if let Ok(text) = decode(&bytes, "x.toml") {
            let _ = parse("x", text, "x.toml");
        }
    }
}

/// Parses the good file with lines behind it, and with accounts where some are given.
fn with_auth(lines: &str, accounts: &[(&str, Option<&str>)]) -> Result<Scenario, String> {
    let accounts = accounts.iter().map(|(user, oid)| Account {
        user: (*user).to_owned(),
        oid: oid.map(str::to_owned),
    });
    let accounts: Vec<Account> = accounts.collect();
    let overrides = Overrides {
        accounts: (!accounts.is_empty()).then(|| Accounts {
            file: "users.csv".to_owned(),
            accounts,
        }),
        ..Overrides::default()
    };
    let text = format!("{GOOD}{lines}");
    parse_with("x", &text, "x.toml", &overrides).map_err(|error| error.to_string())
}

#[test]
fn owners_follow_from_the_credentials() {
    let mint = "[auth]\nkind = \"mint\"\nkey = \"env:K\"\n[auth.claims]\noid = \"o-{user}-x\"\n";
    let owners = "[target.expected_owner]\nchat = \"a-{oid}-b\"\nvoice = \"v-{user}\"\n";
    for (lines, chat, upload, voice) in [
        ("", "dev-oid-u", "dev-oid-u", "dev-oid-u"),
        (owners, "a-dev-oid-u-b", "dev-oid-u", "v-u"),
        (mint, "o-u-x", "o-u-x", "o-u-x"),
        (&format!("{mint}{owners}"), "a-o-u-x-b", "o-u-x", "v-u"),
        ("[auth]\nkind = \"mint\"\nkey = \"env:K\"\n", "u", "u", "u"),
    ] {
        let expected = with_auth(lines, &[]).unwrap().target.expected_owner;
        let got = [&expected.chat, &expected.upload, &expected.voice];
        assert_eq!(
            got.map(|form| form.owner("u")),
            [chat, upload, voice],
            "{lines}"
        );
    }
}

#[test]
fn users_with_credentials_are_the_pool() {
    let file = "[auth]\nkind = \"file\"\nfile = \"users.csv\"\n";
    let by_user = format!("{file}[target.expected_owner]\nchat = \"x-{{user}}\"\n");
    let pool = format!("{file}[users]\npool = [\"b\", \"1\"]\n");
    let known = [("a", Some("1")), ("b", Some("2")), ("c", Some("3"))];
    let pool_of = |lines: &str| with_auth(lines, &known).unwrap().pool;
    assert_eq!(pool_of(file), ["1", "2", "3"]);
    assert_eq!(pool_of(&by_user), ["a", "b", "c"]);
    assert_eq!(pool_of(&pool), ["2", "1"]);
    let opaque = [("a", None), ("b", None)];
    assert_eq!(with_auth(file, &opaque).unwrap().pool, ["a", "b"]);

    let by_oid = format!("{file}[target.expected_owner]\nchat = \"{{oid}}\"\n");
    let many = format!("{file}[users]\ncount = 4\n");
    let mixed = format!("{by_user}upload = \"{{oid}}\"\n");
    for (lines, accounts, what) in [
        (
            by_oid.as_str(),
            &opaque[..],
            "the credential of `a` names no owner",
        ),
        (
            &many,
            &known,
            "`users.count = 4`: there are more users than credentials",
        ),
        (&many, &known, "add users to users.csv"),
        (&mixed, &known, "some owners are named by `{user}`"),
        (
            &pool,
            &opaque,
            "1 of the pooled users have no credential there, such as `1`",
        ),
        (file, &[], "the file of credentials was not read"),
    ] {
        let error = with_auth(lines, accounts).unwrap_err();
        assert!(error.contains(what), "{what}\n{error}");
    }
}

#[test]
fn a_shared_credential_is_everybodys_stand_in() {
    let shared = "[auth]\nkind = \"shared\"\ntoken = \"env:T\"\n";
    let scenario = with_auth(shared, &[("", Some("svc-1"))]).unwrap();
    assert!(scenario.target.placeholders.contains(&"svc-1".to_owned()));
    let by_oid = format!("{shared}[target.expected_owner]\nchat = \"{{oid}}\"\n");
    let error = with_auth(&by_oid, &[("", Some("svc-1"))]).unwrap_err();
    assert!(error.contains("the same `{oid}` for all users"), "{error}");
}

#[test]
fn what_is_wrong_with_credentials_is_told_and_no_secret_repeated() {
    for (lines, what) in [
        (
            "[auth]\nkind = \"jwt\"\n",
            "`auth.kind = \"jwt\"`: unknown way to authenticate",
        ),
        ("[auth]\ntoken = \"env:T\"\n", "[auth] has no `kind`"),
        ("[auth]\nkind = \"shared\"\n", "`token` is missing"),
        (
            "[auth]\nkind = \"shared\"\ntoken = \"hush\"\n",
            "not the place of a secret",
        ),
        (
            "[auth]\nkind = \"mint\"\nkey = \"-----BEGIN hush\"\n",
            "allowed: \"env:NAME\"",
        ),
        (
            "[auth]\nkind = \"dev\"\nfile = \"a\"\n",
            "`dev` has no `file`",
        ),
        (
            "[auth]\nkind = \"mint\"\nkey = \"env:K\"\n[auth.claims]\noid = \"all\"\n",
            "the claim does not name the user",
        ),
        (
            "[auth]\nkind = \"mint\"\nkey = \"env:K\"\n[auth.claims]\nexp = 1\n",
            "this claim is computed",
        ),
        (
            "[auth]\nkind = \"oauth2\"\nfile = \"f\"\ntoken_url = \"x\"\n",
            "`auth.token_url = \"x\"`: not a URL",
        ),
        (
            "[auth]\nkind = \"dev\"\n[target]\nauth = \"dev\"\n",
            "one of `target.auth`",
        ),
        (
            "[auth]\nkind = \"dev\"\nsocket = \"cookie\"\n",
            "not a place for a credential",
        ),
        (
            "[target]\nauth = \"hush-hush-hush-hush-hush\"\n",
            "unknown way to authenticate",
        ),
        (
            "[auth]\nkind = \"none\"\n[target.expected_owner]\nchat = \"{oid}\"\n",
            "nobody knows what `{oid}` is",
        ),
    ] {
        let error = with_auth(lines, &[]).unwrap_err();
        assert!(error.contains(what), "{what}\n{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn a_file_may_hold_nothing_but_credentials() {
    let text = "[auth]\nkind = \"shared\"\ntoken = \"file:t\"\nsocket = \"query:token\"\n";
    let settings = parse_auth(text, "a.toml").unwrap();
    assert_eq!(
        settings.kind,
        AuthKind::Shared(SecretRef::File("t".to_owned()))
    );
    assert_eq!(settings.socket, TokenPlace::Query("token".to_owned()));
    for (text, what) in [
        ("", "`kind` is missing"),
        ("[auth]\nknd = \"dev\"\n", "unknown key `auth.knd`"),
        ("[auth\n", "not valid TOML"),
    ] {
        let error = parse_auth(text, "a.toml").unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn lines_of_a_log_are_looked_for_as_the_file_says() {
    let logs = "[logs.chat]\nstarted = [\"Saving for {user}\"]\nfailed = []\n";
    let scenario = parse(
        "x",
        &with("[load.chat]", &format!("{logs}[load.chat]")),
        "x",
    )
    .unwrap();
    let default = crate::logs::PatternTexts::default();
    assert_eq!(scenario.logs.chat.started, ["Saving for {user}"]);
    assert_eq!(scenario.logs.chat.failed, Vec::<String>::new());
    assert_eq!(scenario.logs.chat.completed, default.chat.completed);
    assert_eq!(scenario.logs.voice, default.voice);
    for (value, what) in [
        (
            "[\"Saved for {usr}\"]",
            "`Saved for {usr}` has a field that is none of",
        ),
        ("[\"Saved [for {user}\"]", "has a `[` without a `]`"),
        ("[\"{user} saved\"]", "does not begin with words"),
        ("\"Saved for {user}\"", "not a list of texts"),
    ] {
        let error = error_above(&format!("[logs.voice]\ncompleted = {value}"));
        check(&error, (3, 13), &[what, "allowed: "]);
    }
}

#[test]
fn a_ledger_of_an_earlier_version_has_the_default_lines() {
    let scenario = parse("x", GOOD, "x").unwrap();
    let mut written = serde_json::to_value(&scenario).unwrap();
    assert!(written.as_object_mut().unwrap().remove("logs").is_some());
    let read: Scenario = serde_json::from_value(written).unwrap();
    assert_eq!(read, scenario);
}
