//! The guide to everything a report names: anomalies, reasons, traits. `crosswire explain` prints
//! it and `docs/CHECKS.md` holds it, from this one text.

use std::fmt::Write;

use crate::model::{Code, InconclusiveReason, Trait};

use super::checks;
use super::draft::severity;

/// Columns after which a line is broken.
const COLUMNS: usize = 100;

/// Something that can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// An anomaly.
    Code(Code),
    /// A reason for not giving a verdict.
    Reason(InconclusiveReason),
    /// A property of a workload.
    Trait(Trait),
}

impl Topic {
    /// All topics, in the order of the guide.
    pub fn all() -> Vec<Self> {
        let codes = Code::ALL.into_iter().map(Self::Code);
        let reasons = InconclusiveReason::ALL.into_iter().map(Self::Reason);
        let traits = Trait::ALL.into_iter().map(Self::Trait);
        codes.chain(reasons).chain(traits).collect()
    }

    /// The name by which it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code(code) => code.name(),
            Self::Reason(reason) => reason.name(),
            Self::Trait(asked) => asked.name(),
        }
    }

    /// It in one sentence.
    pub fn definition(self) -> &'static str {
        match self {
            Self::Code(code) => checks::of(code).map_or("", |check| check.definition()),
            Self::Reason(reason) => first_sentence(reason.advice()),
            Self::Trait(asked) => carried_by(asked),
        }
    }

    /// All that is said of it, as paragraphs.
    pub fn paragraphs(self) -> Vec<String> {
        match self {
            Self::Code(code) => of_code(code),
            Self::Reason(reason) => of_reason(reason.advice()),
            Self::Trait(asked) => vec![
                carried_by(asked).to_owned(),
                format!(
                    "Without it this class of bugs stays hidden: {}. The report counts the \
                     operations that had it; at none, the class was not looked for.",
                    asked.shows()
                ),
            ],
        }
    }
}

/// One topic as text for a terminal.
pub fn page(topic: Topic) -> String {
    let kind = match topic {
        Topic::Code(_) => "anomaly",
        Topic::Reason(_) => "reason for no verdict",
        Topic::Trait(_) => "trait of a workload",
    };
    let mut page = format!("{} ({kind})\n", topic.name());
    for paragraph in topic.paragraphs() {
        page.push('\n');
        page.push_str(&filled(&paragraph));
    }
    page
}

/// All topics, a line each.
pub fn list() -> String {
    let mut list = String::new();
    let mut kind = "";
    for topic in Topic::all() {
        let of = heading(topic);
        if of != kind {
            let gap = if kind.is_empty() { "" } else { "\n" };
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{gap}{of}\n");
            kind = of;
        }
        let _ = writeln!(list, "  {:<22}{}", topic.name(), topic.definition());
    }
    list
}

/// The whole guide as Markdown: the content of `docs/CHECKS.md`.
pub fn markdown() -> String {
    let mut page = String::from("# What is checked\n\n");
    page.push_str(&filled(
        "This page is written from the checks themselves; `crosswire explain NAME` says the same. \
         A test keeps the two equal. S1 is a disclosure or a write across users, S2 identity or \
         data lost, S3 integrity within one user, S4 freshness and coverage.",
    ));
    let mut kind = "";
    for topic in Topic::all() {
        let of = heading(topic);
        if of != kind {
            let _ = write!(page, "\n## {of}\n");
            kind = of;
        }
        let _ = write!(page, "\n### `{}`\n", topic.name());
        for paragraph in topic.paragraphs() {
            page.push('\n');
            page.push_str(&filled(&paragraph));
        }
    }
    page
}

fn heading(topic: Topic) -> &'static str {
    match topic {
        Topic::Code(_) => "Anomalies, gravest first",
        Topic::Reason(_) => "Reasons for no verdict",
        Topic::Trait(_) => "Traits of a workload",
    }
}

fn of_code(code: Code) -> Vec<String> {
    let Some(check) = checks::of(code) else {
        return Vec::new();
    };
    let fails = if code == Code::LogMismatch {
        "Proved and S2, it fails a run; otherwise it is shown and counted."
    } else if code.fails() {
        "Proved, it fails a run; suggested, it is shown and counted."
    } else {
        "It is shown and counted, and never fails a run."
    };
    let graver = match code {
        Code::PlaceholderOwner => " (S1 where two or more users share the stand-in)",
        Code::Resurrected => " (S1 under one of this run's users)",
        Code::WrongOwner
        | Code::ForeignOwner
        | Code::SplitIdentity
        | Code::StaleIdentity
        | Code::ResponseBleed
        | Code::Trespass
        | Code::ChunkMix
        | Code::MissingOwner
        | Code::Lost
        | Code::PartialIngest
        | Code::SessionBleed
        | Code::Phantom
        | Code::Duplicate
        | Code::Reordered
        | Code::Torn
        | Code::Altered
        | Code::Ghost
        | Code::Late
        | Code::Unattributable => "",
        Code::LogMismatch => " (S2 where a task is said to be done and nothing is stored)",
    };
    vec![
        check.definition().to_owned(),
        check.explanation().to_owned(),
        format!("Severity {}{graver}. {fails}", severity(code)),
        format!("What to do: {}", remedy(code)),
    ]
}

/// What it is, and behind that sentence what to do.
fn of_reason(advice: &str) -> Vec<String> {
    let what = first_sentence(advice);
    let remedy = advice.strip_prefix(what).unwrap_or_default().trim_start();
    let mut letters = remedy.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let remedy: String = first.into_iter().chain(letters).collect();
    vec![what.to_owned(), format!("What to do: {remedy}")]
}

fn remedy(code: Code) -> &'static str {
    match code {
        Code::WrongOwner | Code::SplitIdentity => {
            "take the identity from the request that is being served and hand it to every task as \
             an argument; look for globals, pooled objects and context that is read after the \
             answer. The two operations of the finding were at work together: start there."
        }
        Code::ForeignOwner => {
            "stop, and find out who that owner is before anything else is sent to this store."
        }
        Code::StaleIdentity => {
            "look the identity up for every request, or key what is kept by session and user."
        }
        Code::ResponseBleed => {
            "compare the two operations of the finding. If they were at work together, look at \
             connections and sockets; if one had ended before, look at searches and caches that do \
             not ask for the user."
        }
        Code::Trespass => {
            "ask on that route whose the session is, before anything is read or written, and answer \
             401 without a valid credential and 404 to anybody else."
        }
        Code::ChunkMix => "give every upload a buffer and a temporary file of its own.",
        Code::PlaceholderOwner => {
            "authenticate that channel, and refuse what is not authenticated. If the stand-in is \
             meant, accept it in the scenario with a reason."
        }
        Code::MissingOwner => {
            "make the user and the session before the first message, and let a failure of either \
             fail the request."
        }
        Code::Lost | Code::PartialIngest => {
            "look for the operation in the target's log by its request id: a task that began and \
             did not end, a time limit, a refusal of the store that was swallowed."
        }
        Code::Resurrected => "look at what a restart reads again, and at what outlives a user.",
        Code::SessionBleed => {
            "hand the session's id to every task as an argument, and look for where it is set anew."
        }
        Code::Phantom => {
            "find out which code writes as a user without one having spoken: probes, prompts, \
             buffers that are used again."
        }
        Code::Duplicate => {
            "give each write a key of its own, made when the request comes in, and let the store \
             refuse the second."
        }
        Code::Reordered => "keep the tasks of one session in line, or number the turns.",
        Code::Torn => {
            "look for the limit that the claim names; refuse what is too long, or store it whole."
        }
        Code::Altered => {
            "compare the stored text with the one that was sent, and look at encodings, filters \
             and buffers on its way."
        }
        Code::Ghost => "write only when nothing can fail any more, or undo the write.",
        Code::Late => {
            "look at how long the queue to the store is under this load. If so long a delay is \
             meant, raise memory.settle.deadline."
        }
        Code::LogMismatch => {
            "hand the user to the task as an argument and log that one, at its start, at its end \
             and when it fails; say that a task is done only when the store has said so."
        }
        Code::Unattributable => {
            "look at what the store or a filter does to long words; plain letters should come back \
             as they were."
        }
    }
}

fn carried_by(asked: Trait) -> &'static str {
    match asked {
        Trait::SameWords => "Users ask in identical words for what only their own session holds.",
        Trait::AskBeforeTelling => {
            "A fresh session asks before its user has said anything: any canary in the answer is \
             somebody else's."
        }
        Trait::ManyShortSessions => "Users have several short sessions, not one long one.",
        Trait::StartsTogether => "Sessions are released at one moment.",
        Trait::ServerIds => "The client sends no session id and uses the one in the answer.",
        Trait::SameFileName => "Uploads of different users bear one file name.",
        Trait::SameAgent => "Different users talk to one agent.",
        Trait::ManyUsers => "At least fifty users are active.",
        Trait::FirstAfterStart => "It is sent to a target that was just started.",
        Trait::Cancels => "The client hangs up before the answer.",
        Trait::SharedConnections => "Requests of several users go over one connection.",
        Trait::LongTexts => "The text has more than a thousand characters.",
        Trait::Relogin => "The user comes back to the session with a new credential.",
        Trait::HandOver => "Another user takes a session over.",
        Trait::SessionOverlap => "A turn is sent while an earlier one of its session is in flight.",
        Trait::SharedSession => "Two users send under one session id.",
        Trait::DroppedUploads => "An upload breaks off in the middle.",
        Trait::EarlyCloses => "The voice socket is closed before the answer.",
        Trait::DoubleSubmits => "The same request is sent twice at once.",
        Trait::SlowReaders => "The answer is read slowly.",
        Trait::SlowStore => {
            "What it wrote was not in the store for more than a second after its answer, as a \
             sample of operations and the readings after the load showed."
        }
    }
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

/// A paragraph broken into lines, with a line break at its end.
fn filled(text: &str) -> String {
    let mut filled = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            filled.push('\n');
            column = 0;
        } else if column > 0 {
            filled.push(' ');
            column += 1;
        }
        filled.push_str(word);
        column += width;
    }
    filled.push('\n');
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_topic_has_a_name_of_its_own_and_something_to_say() {
        let topics = Topic::all();
        let names: BTreeSet<&str> = topics.iter().map(|topic| topic.name()).collect();
        assert_eq!(names.len(), topics.len());
        for topic in topics {
            assert!(topic.definition().ends_with('.'), "{}", topic.name());
            assert!(
                page(topic)
                    .lines()
                    .all(|line| line.chars().count() <= COLUMNS)
            );
            assert!(list().contains(topic.definition()));
            let whole = topic.paragraphs().join("\n");
            if let Topic::Reason(reason) = topic {
                let (_, remedy) = whole.split_once("What to do: ").unwrap();
                assert!(remedy.len() > 20, "{}", reason.name());
            }
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the test compares with a file, and writes it when asked to"
    )]
    fn the_page_in_docs_says_the_same() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CHECKS.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(file, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            written == markdown(),
            "docs/CHECKS.md is not what the checks say: run `UPDATE_DOCS=1 cargo test --lib guide`"
        );
    }
}
