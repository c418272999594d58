//! `foreign-owner`: a record under a stranger.

use crate::model::{Code, UserIx};

use super::super::owner::Owner;
use super::super::{Draft, Evidence, misowned};
use super::Check;

#[derive(Debug)]
pub(crate) struct ForeignOwner;

impl Check for ForeignOwner {
    fn code(&self) -> Code {
        Code::ForeignOwner
    }

    fn definition(&self) -> &'static str {
        "A record of a synthetic user is stored under somebody who is neither synthetic nor a known stand-in."
    }

    fn explanation(&self) -> &'static str {
        "Somebody who has no part in the test, perhaps a real person, has been given our text, \
         so their text may be given to others as well. Stop testing against this store until \
         it is understood. If the owner is a stand-in of the target, name it in \
         target.placeholders."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        misowned::drafts(evidence, Code::ForeignOwner, fits)
    }
}

fn fits(owner: Owner<'_>, _sender: UserIx) -> bool {
    matches!(owner, Owner::Foreign(_))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{session_name, spoilt, told};

    #[test]
    fn owners_are_told_apart() {
        let session = session_name(3);
        let all = format!("{session} m3.0u m3.0a m3.1u m3.1a");
        for (stored, code) in [
            (Some("poc-user"), "placeholder-owner"),
            (None, "missing-owner"),
            (Some("alice@example.org"), "foreign-owner"),
        ] {
            let history = spoilt(|history| history.own_session(3, stored));
            assert_eq!(told(&history.findings()), [format!("{code}: {all}")]);
        }
    }
}
