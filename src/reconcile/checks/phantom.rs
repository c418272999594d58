//! `phantom`: a user's message that nobody sent.

use crate::model::{Code, RecordType, Role};

use super::super::draft::Group;
use super::super::evidence::Evidence;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Phantom;

impl Check for Phantom {
    fn code(&self) -> Code {
        Code::Phantom
    }

    fn definition(&self) -> &'static str {
        "A message of a user stands in a session or under a user of this run, and none of them sent it."
    }

    fn explanation(&self) -> &'static str {
        "The agent will answer on words that the person never said, which may be somebody \
         else's. The usual causes are a test message or a prompt of the server's own that is \
         stored as the user's, and a buffer with what was left in it. All that is sent carries a \
         canary, but for one question that all users ask in the same words, so a user's text \
         without even a damaged one was not sent. Texts that were there before the run, and \
         those of the agent, are not looked at."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let phantoms = evidence.records.iter();
        phantoms
            .filter(|record| is_phantom(evidence, record))
            .filter_map(|record| draft(evidence, record))
            .collect()
    }
}

/// Is it a user's text with nothing in it that this run sends?
pub(crate) fn is_phantom(evidence: &Evidence<'_>, record: &Record<'_>) -> bool {
    let sighting = record.sighting;
    record.newest
        && sighting.record_type == RecordType::Message
        && sighting.role == Role::User
        && sighting.canaries.is_empty()
        && !sighting.damaged
        && sighting.older_run.is_none()
        && !evidence.is_question(record)
}

fn draft(evidence: &Evidence<'_>, record: &Record<'_>) -> Option<Draft> {
    let user = evidence.reckoned_to(record)?;
    let group = Group {
        members: vec![(record, None)],
    };
    let affected = group.affected(evidence, Code::Phantom);
    let what = wording::record(record);
    let draft = Draft::new(evidence, Code::Phantom, group.proof(), user, affected);
    Some(draft.saying(
        format!(
            "{what}, stored {} as a user's own words, was sent by nobody",
            wording::under(record.owner)
        ),
        "everything that is sent carries a canary, and this text holds none, not even a damaged \
         one, and was not there before the run"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{
        History, check, owner, session_name, sighting, spoilt, told,
    };
    use crate::canary;
    use crate::model::{Likeness, RecordType, Role, UserIx};
    use crate::plan::RECALL_QUESTION;

    fn invent(history: &mut History, session: &str, user: u32) {
        let mut message = sighting(RecordType::Message, "nobodys", user);
        message.session = Some(session.to_owned());
        message.role = Role::User;
        message.body_hash = 77;
        history.sightings.push(message);
    }

    #[test]
    fn words_that_nobody_sent_are_a_phantom() {
        let history = spoilt(|history| invent(history, &session_name(3), 1));
        let findings = history.findings();
        assert_eq!(told(&findings), ["phantom: nobodys"]);
        assert_eq!(findings[0].sender, Some(UserIx(1)));
        // In a session that only an answer named, and in one that only its owner makes ours.
        check(
            |history| {
                invent(history, "9f3c", 2);
                history.end(0, 1).server_session = Some("9f3c".to_owned());
            },
            &["phantom: nobodys"],
        );
        check(|history| invent(history, "77aa", 2), &["phantom: nobodys"]);
    }

    #[test]
    fn the_question_that_all_ask_is_none_in_whatever_style() {
        check(
            |history| {
                invent(history, &session_name(3), 1);
                history.record("nobodys").likeness = Likeness::Same;
            },
            &[],
        );
    }

    #[test]
    fn found_in_two_buckets_it_is_one() {
        let history = spoilt(|history| {
            invent(history, "9f3c", 2);
            history.end(0, 1).server_session = Some("9f3c".to_owned());
            history.end(3, 1).server_session = Some("9f3c".to_owned());
        });
        let whole = history.judge();
        assert_eq!(told(&whole.findings), ["phantom: nobodys"]);
        assert_eq!(history.judge_sharded(&history.context(), 1), whole);
    }

    #[test]
    fn what_may_have_been_sent_is_none() {
        let spare: [fn(&mut History); 6] = [
            |history| history.record("nobodys").reads = 1,
            |history| history.record("nobodys").role = Role::Assistant,
            |history| history.record("nobodys").role = Role::Other,
            |history| {
                let question = canary::body_hash(&canary::normalise(RECALL_QUESTION));
                history.record("nobodys").body_hash = question;
            },
            |history| {
                history.record("nobodys").session = Some("theirs".to_owned());
                history.record("nobodys").owner = Some("alice".to_owned());
            },
            |history| {
                history.record("nobodys").session = Some("theirs".to_owned());
                history.record("nobodys").owner = Some(owner(77));
            },
        ];
        for (n, spare) in spare.into_iter().enumerate() {
            let history = spoilt(|history| {
                invent(history, &session_name(3), 1);
                spare(history);
            });
            let expected: &[&str] = if n == 0 { &["phantom?: nobodys"] } else { &[] };
            assert_eq!(told(&history.findings()), expected, "{n}");
        }
    }
}
