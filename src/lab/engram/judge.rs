//! The truth about the records of a turn: what a perfect checker would say of each.

use super::Handle;
use super::diary::Diary;
use super::hearing::Told;
use super::persist::{Cause, Context, Turn};
use super::said::Said;
use crate::lab::faults::FaultKind;
use crate::lab::races::Hits;
use crate::lab::truth::{Wrong, owner_code};
use crate::lab::zep::Appended;
use crate::model::{Code, RecordType};

/// Tells the truth about a session that was just made, if its owner is not whose it is.
pub(super) fn session(engram: &Handle, context: &Context, owner: Option<&str>, cause: Cause) {
    let code = owner_code(&context.session_user, owner);
    // A second listing shows a split identity by its messages only.
    let cause = cause.filter(|fault| *fault != FaultKind::SplitOwner);
    if let (Some(code), Some(fault)) = (code, cause) {
        let session = std::sync::Arc::clone(&context.session);
        let mut misowned = engram.misowned();
        misowned.insert(session, fault);
        drop(misowned);
        engram.truth.tell(Wrong {
            fault,
            code: as_the_fault_has_it(code, fault),
            record_type: RecordType::Session,
            record_id: Some(context.session.as_ref().to_owned()),
            canary: None,
            true_user: &context.session_user,
            stored_owner: owner,
            session: None,
            asked: None,
        });
    }
}

/// Tells the truth about messages that were just stored, as far as they are not as they should be.
pub(super) async fn messages(
    engram: &Handle,
    turn: &Turn,
    context: &Context,
    all: &[Said],
    appended: &Appended,
    (cause, hits): (Cause, &Hits),
) {
    let behind = turn.reply.asked.is_some()
        && engram.faults.planted(FaultKind::ReorderWrites)
        && engram.order.is_behind(&context.session, turn.answered)
        && turn.hearing.told().await == Told::Accepted;
    let late = hits.has(FaultKind::SlowStore) && turn.hearing.told().await == Told::Accepted;
    let owner = appended.owner.as_deref();
    let placed = Placed::of(engram, turn, context, owner, cause);
    placed.tell_collision(engram, turn, owner).await;
    for (said, uuid) in all.iter().zip(&appended.uuids) {
        let id = uuid.to_string();
        if let Some(message) = &said.again {
            let copies = engram
                .contexts
                .doubled(&context.session, message, id.clone());
            for copy in copies {
                let wrong = (Code::Duplicate, FaultKind::LastTwoTurns);
                tell(engram, said, wrong, copy, (context, owner));
            }
            continue;
        }
        let wrong = if let Some((fault, code)) = said.wrong {
            Some((code, fault))
        } else if let Some(wrong) = placed.wrong(turn, context, said, owner, cause) {
            Some(wrong)
        } else if said.canary.is_none() {
            // A text without a canary proves nothing by itself.
            None
        } else if let Some(fault @ (FaultKind::DoubleWrite | FaultKind::BlindRetry)) = cause {
            Some((Code::Duplicate, fault))
        } else if behind && said.role_type == "user" {
            Some((Code::Reordered, FaultKind::ReorderWrites))
        } else if turn.hearing.refused() {
            Some((Code::Ghost, FaultKind::StoreThenFail))
        } else {
            late.then_some((Code::Late, FaultKind::SlowStore))
        };
        if let Some(wrong) = wrong {
            tell(engram, said, wrong, id, (context, owner));
        }
    }
    if let Some(own) = turn.context
        && engram.contexts.lacks(&turn.admission.session, own)
    {
        lost(engram, turn, FaultKind::LastTwoTurns).await;
    }
}

/// What is known of the place where messages stand.
struct Placed {
    /// The fault that gave the session a wrong owner.
    misowned: Cause,
    /// Did the server give the session's id to two users, one of whom is not the owner?
    collided: bool,
}

impl Placed {
    fn of(
        engram: &Handle,
        turn: &Turn,
        context: &Context,
        owner: Option<&str>,
        cause: Cause,
    ) -> Self {
        let astray = owner.is_some_and(|owner| owner != &*turn.author);
        let collided = astray && cause.is_none() && engram.sessions.collides(&context.session);
        Self {
            misowned: engram.misowned().get(&context.session).copied(),
            collided,
        }
    }

    /// What is wrong with the owner or the session of a message.
    fn wrong(
        &self,
        turn: &Turn,
        context: &Context,
        said: &Said,
        owner: Option<&str>,
        cause: Cause,
    ) -> Option<(Code, FaultKind)> {
        // A text without a canary shares the fate of its session.
        if said.canary.is_none() && self.misowned.is_none() && !self.collided {
            return None;
        }
        let foreign = (said.author != turn.author).then_some(FaultKind::ForeignAnswer);
        if let Some(code) = owner_code(&said.author, owner) {
            let collided = self.collided.then_some(FaultKind::CollidingIds);
            let fault = foreign.or(collided).or(self.misowned).or(cause)?;
            return Some((as_the_fault_has_it(code, fault), fault));
        }
        let elsewhere = context.session != turn.admission.session;
        let fault = cause.filter(|_| elsewhere && said.canary.is_some())?;
        Some((Code::SessionBleed, fault))
    }

    /// An answer that named a session of somebody else shows that the session is misowned, too.
    async fn tell_collision(&self, engram: &Handle, turn: &Turn, owner: Option<&str>) {
        if self.collided && turn.hearing.told().await == Told::Accepted {
            engram.truth.tell(Wrong {
                fault: FaultKind::CollidingIds,
                code: Code::WrongOwner,
                record_type: RecordType::Session,
                record_id: Some(turn.admission.session.as_ref().to_owned()),
                canary: None,
                true_user: &turn.author,
                stored_owner: owner,
                session: None,
                asked: None,
            });
        }
    }
}

/// Tells the truth about a turn that has an answer and of which a message was never stored.
pub(super) async fn lost(engram: &Handle, turn: &Turn, fault: FaultKind) {
    let canary = turn.reply.asked.as_deref();
    // A question without a canary promises nothing that could be looked for.
    if canary.is_some() && turn.hearing.told().await == Told::Accepted {
        engram.truth.tell(Wrong {
            fault,
            code: Code::Lost,
            record_type: RecordType::Message,
            record_id: None,
            canary,
            true_user: &turn.author,
            stored_owner: None,
            session: None,
            asked: None,
        });
    }
}

/// Tells the truth about a turn that was never stored though the log says that it is.
pub(super) async fn lost_in_log(engram: &Handle, turn: &Turn, diary: &Diary<'_>) {
    let fault = FaultKind::LogCompletedNotStored;
    lost(engram, turn, fault).await;
    if turn.reply.asked.is_some() && turn.hearing.told().await == Told::Accepted {
        diary.tell(fault);
    }
}

fn tell(
    engram: &Handle,
    said: &Said,
    (code, fault): (Code, FaultKind),
    record_id: String,
    (context, owner): (&Context, Option<&str>),
) {
    engram.truth.tell(Wrong {
        fault,
        code,
        record_type: RecordType::Message,
        record_id: Some(record_id),
        canary: said.canary.as_deref(),
        true_user: &said.author,
        stored_owner: owner,
        session: Some(&context.session),
        asked: None,
    });
}

/// A wrong owner has a better name where it is known how it came about, and that can be seen.
fn as_the_fault_has_it(code: Code, fault: FaultKind) -> Code {
    match (code, fault) {
        (Code::WrongOwner, FaultKind::SplitOwner) => Code::SplitIdentity,
        (Code::WrongOwner, FaultKind::StaleLogin) => Code::StaleIdentity,
        (_, FaultKind::OpenRoute) => Code::Trespass,
        (code, _) => code,
    }
}
