//! Who sends which turn of a session: its founder, on a second credential or not, or another user
//! too.

use crate::model::{Attempt, Standing, UserIx};
use crate::scenario::{ChatSpec, SecondUser, SessionSpec};

use super::stream::{Purpose, Streams};
use super::workload::trespass_layout;

/// Who sends the turns of one session.
#[derive(Debug)]
pub(super) struct Cast<'a> {
    /// What the session does, if it is a chat.
    chat: Option<&'a ChatSpec>,
    /// What is tried behind its first turn, if it is a trespass session.
    attempts: Vec<Attempt>,
    /// The first turn of the second half.
    half: u16,
    /// Whose session it is.
    pub(super) founder: UserIx,
    /// Who else sends in it.
    pub(super) second: Option<UserIx>,
}

impl<'a> Cast<'a> {
    /// The cast of a session with so many operations, out of so many users. The second user is
    /// never the founder; a run with one user has none.
    pub(super) fn new(
        spec: &'a SessionSpec,
        founder: UserIx,
        users: u32,
        ops: u16,
        streams: &Streams<'_>,
    ) -> Self {
        let (chat, attempts) = match spec {
            SessionSpec::Chat(chat) => (Some(chat), Vec::new()),
            SessionSpec::Trespass(spec) => (None, trespass_layout(spec)),
            SessionSpec::Upload(_)
            | SessionSpec::Voice(_)
            | SessionSpec::Recall(_)
            | SessionSpec::Stream(_)
            | SessionSpec::Turn(_) => (None, Vec::new()),
        };
        let is_shared = chat.is_some_and(|chat| chat.second_user != SecondUser::None)
            || attempts.iter().copied().any(is_others);
        let second = (is_shared && ops > 1 && users > 1).then(|| {
            let ahead = streams.one_of(Purpose::SecondUser, 0, &(1..=users - 1));
            let sum = u64::from(founder.0) + u64::from(ahead);
            UserIx(u32::try_from(sum % u64::from(users)).unwrap_or(founder.0))
        });
        Self {
            chat,
            attempts,
            half: ops.div_ceil(2),
            founder,
            second,
        }
    }

    /// Who sends a turn.
    pub(super) fn sender(&self, seq: u16) -> UserIx {
        let is_second = match self.second_user() {
            SecondUser::None => {
                let attempt = usize::from(seq).checked_sub(1);
                let attempt = attempt.and_then(|place| self.attempts.get(place).copied());
                attempt.is_some_and(is_others)
            }
            SecondUser::HandOver => seq >= self.half,
            SecondUser::Alternating => seq % 2 == 1,
        };
        match self.second {
            Some(second) if is_second => second,
            Some(_) | None => self.founder,
        }
    }

    /// How the second user takes part, if there is one.
    pub(super) fn second_user(&self) -> SecondUser {
        match (self.chat, self.second) {
            (Some(chat), Some(_)) => chat.second_user,
            (Some(_) | None, _) => SecondUser::None,
        }
    }

    /// With which of the sender's credentials a turn is sent.
    pub(super) fn login(&self, seq: u16) -> u8 {
        let is_new = self.chat.is_some_and(|chat| chat.relogin) && seq >= self.half;
        u8::from(is_new)
    }

    /// May a turn begin while earlier ones are in flight? The turns come in rows of one more than
    /// may overlap: the first of a row waits until all before it are answered, the others wait for
    /// nobody. So no turn has more of them begin before its answer than may.
    pub(super) fn overlaps(&self, seq: u16) -> bool {
        let row = self.chat.map_or(0, |chat| u32::from(chat.overlap)) + 1;
        u32::from(seq) % row != 0
    }
}

/// Is it tried with another user's credential?
fn is_others(attempt: Attempt) -> bool {
    attempt.standing == Standing::OtherUser
}
