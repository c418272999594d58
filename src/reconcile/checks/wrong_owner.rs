//! `wrong-owner`: a record of one synthetic user under another.

use crate::model::{Code, UserIx};

use super::super::owner::Owner;
use super::super::{Draft, Evidence, misowned};
use super::Check;

#[derive(Debug)]
pub(crate) struct WrongOwner;

impl Check for WrongOwner {
    fn code(&self) -> Code {
        Code::WrongOwner
    }

    fn definition(&self) -> &'static str {
        "A session, message or fact of one synthetic user is stored under another one."
    }

    fn explanation(&self) -> &'static str {
        "What one person said can be read, and will be used, as if another one had said it. \
         The usual cause is an identity that is read when it is no longer the right one: a \
         background task that looks at shared state after the request has ended, a pooled object \
         that keeps its last user, a global current user. It holds whatever the operation's \
         outcome was, because the canary says who wrote the text and the store says who owns \
         it. It does not say which of the two requests was served wrongly."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        misowned::drafts(evidence, Code::WrongOwner, fits)
    }
}

fn fits(owner: Owner<'_>, sender: UserIx) -> bool {
    matches!(owner, Owner::User(owner) if owner != sender)
}
