//! What of the store is certainly the run's own.

use std::collections::BTreeSet;

use super::super::baseline::Baseline;
use super::Named;
use crate::canary;
use crate::dialect::{FactRecord, MessageRecord, SessionRecord, UserRecord};
use crate::model::{CanaryId, CanaryKind, Exactness, OpKind, Role, RunId, UserIx};
use crate::plan::{Action, Piece, Plan, RECALL_QUESTION};
use crate::scenario::Scenario;

/// Whose a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The run's by its name, or all that is under its users is to be taken for the run's.
    Run,
    /// Its texts decide.
    Unclear,
    /// Nobody's concern.
    Others,
}

/// Whose the texts of a session are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    Ours,
    Shared,
    Others,
}

/// One run, and what was there before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) run: RunId,
    pub(super) plan: &'a Plan,
    pub(super) baseline: &'a Baseline,
    pub(super) named: &'a Named,
}

impl Search<'_> {
    pub(super) fn scenario(&self) -> &Scenario {
        self.plan.scenario()
    }

    /// Pooled users are other people's, whatever was there before.
    pub(super) fn made_user(&self, id: &str) -> bool {
        let scenario = self.scenario();
        let bears_name = id.starts_with(&self.run.name_prefix())
            || scenario.user_of_owner(self.run, id).is_some();
        scenario.pool.is_empty() && bears_name && !self.baseline.has_user(id)
    }

    fn is_placeholder(&self, id: &str) -> bool {
        let mut known = self.scenario().target.placeholders.iter();
        known.any(|placeholder| placeholder == id)
    }

    /// A session that is under a user of the run and does not bear its name may have come there by
    /// the very mistake that the run looks for.
    pub(super) fn whose(&self, session: &SessionRecord) -> Whose {
        let owner = session.owner.as_deref();
        let is_of_made = owner.is_some_and(|owner| self.made_user(owner));
        let is_named = self.named.has_session(&session.id);
        if self.baseline.has_session(&session.id) {
            if is_named || is_of_made {
                Whose::Unclear
            } else {
                Whose::Others
            }
        } else if session.id.starts_with(&self.run.name_prefix())
            || (is_of_made && self.named.whole_users)
        {
            Whose::Run
        } else if is_of_made || is_named || owner.is_none_or(|owner| self.is_placeholder(owner)) {
            Whose::Unclear
        } else {
            Whose::Others
        }
    }

    /// Every owner that the run's users should have.
    pub(super) fn owners(&self) -> impl Iterator<Item = String> {
        let scenario = self.scenario();
        (0..scenario.users).flat_map(move |user| {
            let name = scenario.user_name(self.run, UserIx(user));
            let expected = &scenario.target.expected_owner;
            OpKind::ALL.map(|kind| expected.get(kind).owner(&name))
        })
    }

    /// May the facts of this user hold some of the run's?
    pub(super) fn may_have_facts(&self, user: &UserRecord) -> bool {
        !self.named.facts.is_empty()
            || self.is_placeholder(&user.id)
            || !self.baseline.has_user(&user.id)
            || self.scenario().user_of_owner(self.run, &user.id).is_some()
    }

    /// The canaries of the run in a text.
    fn canaries(&self, normalised: &str) -> impl Iterator<Item = CanaryId> {
        let found = canary::find(normalised).into_iter();
        let exact = found.filter(|seen| seen.exactness == Exactness::Exact);
        exact.map(|seen| seen.id).filter(|id| id.run == self.run)
    }

    fn is_ours(&self, text: &str) -> bool {
        self.canaries(&canary::normalise(text)).next().is_some()
    }

    /// A session is the run's if all that was said to the agent in it is, and nobody else can have
    /// been answered there: an agent's words bear no name. One without texts is, if it is under a
    /// user of the run, or an answer named it and it is under nobody.
    pub(super) fn judge(&self, session: &SessionRecord, messages: &[MessageRecord]) -> Texts {
        let is_strange = |message: &&MessageRecord| {
            message.role != Role::Assistant
                && message.body != RECALL_QUESTION
                && !self.is_ours(&message.body)
        };
        let ours = messages.iter().filter(|m| self.is_ours(&m.body)).count();
        let strange = messages.iter().filter(is_strange).count();
        let owner = session.owner.as_deref();
        let is_of_made = owner.is_some_and(|owner| self.made_user(owner));
        let is_nobodys = owner.is_none_or(|owner| self.is_placeholder(owner));
        let is_answered = self.named.answered.contains(&session.id);
        let was_there = self.baseline.has_session(&session.id);
        match (ours, strange) {
            (0, 0) if !was_there && (is_of_made || (is_answered && owner.is_none())) => Texts::Ours,
            (0, _) => Texts::Others,
            (_, 0) if !was_there && (is_of_made || is_nobodys || is_answered) => Texts::Ours,
            (_, _) => Texts::Shared,
        }
    }

    /// Whose a fact under this user is. Under a user of the run one that holds its proof is the
    /// run's; elsewhere it must also be nothing but a part of what was sent.
    pub(super) fn judge_fact(&self, user: &str, fact: &FactRecord) -> Texts {
        let body = canary::normalise(&fact.body);
        let Some(first) = self.canaries(&body).next() else {
            return Texts::Others;
        };
        let is_whole = self.made_user(user) || self.is_of_one_text(&body, first);
        if is_whole && !self.baseline.has_fact(&fact.id) {
            Texts::Ours
        } else {
            Texts::Shared
        }
    }

    /// Is a normalised text a part of the turn or the document that planted this canary?
    fn is_of_one_text(&self, normalised: &str, canary: CanaryId) -> bool {
        let text = match canary.kind {
            CanaryKind::Block => self.document_text(canary),
            CanaryKind::Turn => self.plan.turn_text(canary),
            CanaryKind::Control => None,
        };
        text.is_some_and(|text| canary::normalise(&text).contains(normalised))
    }

    /// The whole text of the document that planted a canary.
    pub(super) fn document_text(&self, canary: CanaryId) -> Option<String> {
        let steps = self.plan.script(canary.session)?.steps;
        let mut at_or_before = steps.iter().rev();
        let step = at_or_before.find(|step| step.item_first <= canary.item)?;
        let Action::Upload(document) = &step.action else {
            return None;
        };
        let trigger_words = &self.scenario().target.trigger_words;
        let planted = document.pieces().map(|piece| match piece {
            Piece::Filler(words) => words,
            Piece::Canary(block) => {
                let item = step.item_first.saturating_add(block);
                canary::plant(CanaryId { item, ..canary }, trigger_words)
            }
        });
        Some(planted.collect())
    }

    /// The users whose facts are read. The run's are asked for by name, too: a store may list facts
    /// of one that is gone.
    pub(super) fn fact_users(&self, users: &[UserRecord]) -> BTreeSet<String> {
        let suspects = users.iter().filter(|user| self.may_have_facts(user));
        let mut ids: BTreeSet<String> = suspects.map(|user| user.id.clone()).collect();
        if self.scenario().pool.is_empty() {
            ids.extend(self.owners());
        }
        ids
    }
}
