//! `missing-owner`: a record under nobody.

use crate::model::{Code, UserIx};

use super::super::owner::Owner;
use super::super::{Draft, Evidence, misowned};
use super::Check;

#[derive(Debug)]
pub(crate) struct MissingOwner;

impl Check for MissingOwner {
    fn code(&self) -> Code {
        Code::MissingOwner
    }

    fn definition(&self) -> &'static str {
        "A record of a synthetic user is stored without an owner."
    }

    fn explanation(&self) -> &'static str {
        "The person who wrote it will not find it again, and nothing that asks for their \
         memories sees it. The usual cause is a session that is made by its first message because \
         making it with its owner was refused or took too long; a store that does not know the \
         user refuses too, and then every session is without an owner. A store \
         in which nothing has an owner is one finding, and so is a whole channel. So are the sessions of a stretch of time, twenty or more, if at \
         least nine in ten of all that were opened there are without an owner: the store had no \
         time for them. Single failures are a finding each, however many."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        misowned::drafts(evidence, Code::MissingOwner, fits)
    }
}

fn fits(owner: Owner<'_>, _sender: UserIx) -> bool {
    owner == Owner::Nobody
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{owner, session_name, spoilt, told};

    #[test]
    fn messages_without_a_canary_share_the_fate_of_their_session() {
        let history = spoilt(|history| {
            history.record("m0.1a").canaries.clear();
            history.end(0, 1).promise.assistant_message = false;
            history.own_session(0, None);
        });
        let session = session_name(0);
        assert_eq!(
            told(&history.findings()),
            [format!("missing-owner: {session} m0.0u m0.0a m0.1u m0.1a")]
        );
    }

    #[test]
    fn identity_that_came_late_is_not_missing_but_a_stranger_has_seen() {
        for (stored, expected) in [
            (None, vec![]),
            (Some("poc-user"), vec![]),
            (
                Some(owner(1)).as_deref(),
                vec![format!("wrong-owner: {}", session_name(0))],
            ),
        ] {
            let history = spoilt(|history| {
                let mut earlier = history.record(&session_name(0)).clone();
                earlier.owner = stored.map(str::to_owned);
                earlier.scan = 2;
                history.sightings.push(earlier);
            });
            assert_eq!(told(&history.findings()), expected);
        }
    }
}
