//! `placeholder-owner`: a record under a stand-in.

use crate::model::{Code, UserIx};

use super::super::owner::Owner;
use super::super::{Draft, Evidence, misowned};
use super::Check;

#[derive(Debug)]
pub(crate) struct PlaceholderOwner;

impl Check for PlaceholderOwner {
    fn code(&self) -> Code {
        Code::PlaceholderOwner
    }

    fn definition(&self) -> &'static str {
        "A record of a synthetic user is stored under a stand-in that many users may share."
    }

    fn explanation(&self) -> &'static str {
        "The person who wrote it will not find it again, and if two or more users share the \
         stand-in, each may be answered from the other's memories. The usual cause is a channel \
         that does not read who is calling, or a fallback after failed authentication; it is \
         then the same for every request and no race. A stand-in is one only by the exact names \
         in target.placeholders."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        misowned::drafts(evidence, Code::PlaceholderOwner, fits)
    }
}

fn fits(owner: Owner<'_>, _sender: UserIx) -> bool {
    matches!(owner, Owner::Placeholder(_))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{SESSIONS_EACH, spoilt};
    use crate::model::{Code, Pattern, Severity};

    #[test]
    fn a_whole_channel_under_one_stand_in_is_one_root() {
        for (stored, code, severity, pattern) in [
            (
                Some("voice-user"),
                Code::PlaceholderOwner,
                Severity::S1,
                Some(Pattern::FixedOwner),
            ),
            (None, Code::MissingOwner, Severity::S2, None),
        ] {
            let history = spoilt(|history| {
                for user in 0..3 {
                    history.own_session(user * SESSIONS_EACH + 2, stored);
                }
            });
            let findings = history.findings();
            assert_eq!(findings.len(), 1);
            let finding = &findings[0];
            assert_eq!((finding.code, finding.severity), (code, severity));
            assert_eq!((finding.affected.len(), finding.pattern()), (9, pattern));
            for width in 1..4 {
                assert_eq!(
                    history.judge_sharded(&history.context(), width).findings,
                    findings
                );
            }
        }
        // All but one is not all.
        let history = spoilt(|history| {
            for user in 0..2 {
                history.own_session(user * SESSIONS_EACH + 2, Some("voice-user"));
            }
        });
        assert_eq!(history.findings().len(), 2);
        assert!(
            history
                .findings()
                .iter()
                .all(|finding| finding.severity == Severity::S1)
        );
        let one = spoilt(|history| history.own_session(2, Some("voice-user")));
        assert_eq!(one.findings()[0].severity, Severity::S2);
        // Of uploads, the facts are counted.
        let history = spoilt(|history| {
            for user in 0..3 {
                for piece in 0..3 {
                    let id = format!("f{}.{piece}", user * SESSIONS_EACH + 1);
                    history.record(&id).owner = Some("poc-user".to_owned());
                }
            }
        });
        assert_eq!(history.findings().len(), 1);
    }
}
