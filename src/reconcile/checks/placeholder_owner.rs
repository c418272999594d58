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
