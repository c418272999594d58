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
         user refuses too, and then every session is without an owner."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        misowned::drafts(evidence, Code::MissingOwner, fits)
    }
}

fn fits(owner: Owner<'_>, _sender: UserIx) -> bool {
    owner == Owner::Nobody
}
