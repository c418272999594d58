//! Records under another owner than their sender: what the owner checks have in common.
//!
//! One root is one act of the target: a session made for the wrong owner, with the messages that
//! it explains; or else all records of one operation in one place under one owner.

use std::collections::BTreeMap;

use crate::model::{CanaryId, Code, RecordType, Role, SessionIx, UserIx};

use super::checks::is_phantom;
use super::draft::{Draft, Group, Groups, Stranger};
use super::evidence::Evidence;
use super::identity;
use super::owner::Owner;
use super::reading::Record;
use super::wording;

/// What a root is: the order of the findings follows from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Root<'a> {
    /// A session.
    Session(UserIx, &'a str, Owner<'a>),
    /// The records of one operation in one session, or outside of sessions.
    Operation(UserIx, (SessionIx, u16), Owner<'a>, Option<&'a str>),
}

/// Finds all roots of one code: records whose owner `fits`, given their sender.
pub(crate) fn drafts(
    evidence: &Evidence<'_>,
    code: Code,
    fits: fn(Owner<'_>, UserIx) -> bool,
) -> Vec<Draft> {
    let mut roots: Groups<'_, '_, Root<'_>> = BTreeMap::new();
    // Sessions come first in the order of records, so each is known before its messages.
    for record in evidence.records.iter().filter(|record| counts(record)) {
        match record.sighting.record_type {
            RecordType::Session => {
                for (sender, session) in evidence.senders_of_session(&record.sighting.record_id) {
                    let id = record.sighting.record_id.as_str();
                    let split = || evidence.splits().contains(&(sender, session, id));
                    let (is_split, is_own) = match record.owner {
                        Owner::User(owner) => (split(), evidence.takes_part(owner, session)),
                        Owner::Placeholder(_) => (split(), false),
                        Owner::Nobody | Owner::Foreign(_) => (false, false),
                    };
                    if fits(record.owner, sender) && !is_split && !is_own && !is_explained(code) {
                        let root = Root::Session(sender, id, record.owner);
                        roots.entry(root).or_default().members.push((record, None));
                    }
                }
            }
            RecordType::Message | RecordType::Fact if record.canaries.is_empty() => {
                for root in roots_of_session(evidence, record) {
                    if let Some(group) = roots.get_mut(&root) {
                        group.members.push((record, None));
                    }
                }
            }
            RecordType::Message | RecordType::Fact => {
                let fits = |canary: CanaryId| {
                    let this = is_explained(code).then_some(code);
                    fits(record.owner, canary.user)
                        && identity::explained(evidence, record, canary) == this
                };
                if let Some((root, canary)) = root_of(evidence, &roots, record, fits) {
                    let group = roots.entry(root).or_default();
                    group.members.push((record, Some(canary)));
                }
            }
            RecordType::Answer | RecordType::Log => {}
        }
    }
    roots
        .into_iter()
        .map(|(root, group)| draft(evidence, code, &root, group))
        .collect()
}

/// Is it an anomaly that explains a wrong owner, and that only messages can show?
fn is_explained(code: Code) -> bool {
    matches!(code, Code::SplitIdentity | Code::StaleIdentity)
}

/// Identity that was lost counts as the store has it last: one that names the owner a moment
/// late is slow, not wrong. What was under a stranger once has been shown to a stranger.
fn counts(record: &Record<'_>) -> bool {
    match record.owner {
        Owner::User(_) | Owner::Foreign(_) => true,
        Owner::Placeholder(_) | Owner::Nobody => record.newest,
    }
}

/// The sessions whose fate a text without a sound canary shares: it proves nothing by itself. One
/// with a damaged canary may be of the user that this names, and of nobody else; one that nobody
/// of this run sent is an anomaly of its own.
fn roots_of_session<'a>(evidence: &Evidence<'a>, record: &Record<'a>) -> Vec<Root<'a>> {
    let sent = record.sighting.older_run.is_none() && !is_phantom(evidence, record);
    let Some(id) = record.sighting.session.as_deref().filter(|_| sent) else {
        return Vec::new();
    };
    let of_sender = |sender: UserIx| {
        let mut seen = record.sighting.canaries.iter();
        seen.all(|canary| canary.id.user == sender)
    };
    evidence
        .senders_of_session(id)
        .into_iter()
        .filter(|(sender, _)| of_sender(*sender))
        .map(|(sender, _)| Root::Session(sender, id, record.owner))
        .collect()
}

/// The root that a message or fact belongs to, and the canary by which it does.
fn root_of<'a>(
    evidence: &Evidence<'a>,
    roots: &Groups<'_, 'a, Root<'a>>,
    record: &Record<'a>,
    fits: impl Fn(CanaryId) -> bool,
) -> Option<(Root<'a>, CanaryId)> {
    let session = record.sighting.session.as_deref();
    let mut canaries = record.canaries.iter().copied();
    let canary = canaries.find(|canary| fits(*canary))?;
    if !evidence.has(canary.user) || record.mixed() {
        return None;
    }
    if let Some(id) = session {
        let root = Root::Session(canary.user, id, record.owner);
        if roots.contains_key(&root) {
            return Some((root, canary));
        }
    }
    let first_item = evidence
        .op_of(canary)
        .map_or(canary.item, |op| op.invocation.item_first);
    let place = (canary.session, first_item);
    let root = Root::Operation(canary.user, place, record.owner, session);
    Some((root, canary))
}

fn draft(evidence: &Evidence<'_>, code: Code, root: &Root<'_>, mut group: Group<'_, '_>) -> Draft {
    group.sort();
    let (Root::Session(sender, _, owner) | Root::Operation(sender, _, owner, _)) = *root;
    let mut affected = group.affected(evidence, code);
    if let Root::Session(_, id, _) = root {
        let op = evidence
            .senders_of_session(id)
            .into_iter()
            .find(|(user, _)| *user == sender)
            .and_then(|(_, session)| evidence.sessions.get(&session))
            .map(|info| info.first_op);
        if let Some(session) = affected.first_mut() {
            session.op = op;
        }
    }
    let (claim, because) = words(sender, owner, &group);
    let mut draft = Draft::new(evidence, code, group.proof(), sender, affected);
    if let Owner::User(owner) = owner {
        draft.finding.found_under = Some(owner);
        draft.strangers = strangers(&group);
        draft.explained |= only_answers(&group) || copied(evidence, sender, &group);
    }
    draft.saying(claim, because)
}

/// Is nothing but the agent's words in another one's place? Then an answer was mistaken, not a user.
fn only_answers(group: &Group<'_, '_>) -> bool {
    group.members.iter().all(|(record, _)| {
        let sighting = record.sighting;
        sighting.record_type == RecordType::Message && sighting.role == Role::Assistant
    })
}

/// Is everything of it stored under its sender as well? Then a text was taken for another one; no
/// task has worked for another user.
fn copied(evidence: &Evidence<'_>, sender: UserIx, group: &Group<'_, '_>) -> bool {
    let at_home = |canary: &CanaryId| {
        let mut stored = evidence.stored(*canary);
        stored.any(|record| record.newest && record.owner == Owner::User(sender))
    };
    let mut canaries = group
        .members
        .iter()
        .flat_map(|(record, _)| &record.canaries)
        .peekable();
    canaries.peek().is_some() && canaries.all(at_home)
}

/// The agent's messages among records of one user under another one.
fn strangers(group: &Group<'_, '_>) -> Vec<Stranger> {
    let of_agent = group.members.iter().filter(|(record, canary)| {
        let sighting = record.sighting;
        let agent = sighting.record_type == RecordType::Message && sighting.role != Role::User;
        agent && record.proved() && canary.is_some()
    });
    of_agent
        .filter_map(|(record, _)| {
            Some(Stranger {
                session: record.sighting.session.clone()?,
                position: record.sighting.position,
                record_id: record.sighting.record_id.clone(),
            })
        })
        .collect()
}

fn words(sender: UserIx, owner: Owner<'_>, group: &Group<'_, '_>) -> (String, String) {
    let Some((root, canary)) = group.root() else {
        return (String::new(), String::new());
    };
    let (whose, place) = (wording::user(sender), wording::under(owner));
    let claim = format!("{whose}'s {} is stored {place}", wording::record(root));
    let proof_of_sender = match canary {
        Some(_) => "the canary in it was sent by",
        None => "its id belongs to",
    };
    let store = match owner {
        Owner::User(owner) => format!("the store names {} as its owner", wording::user(owner)),
        Owner::Placeholder(_) => "the store names a stand-in as its owner".to_owned(),
        Owner::Nobody => "the store names no owner".to_owned(),
        Owner::Foreign(_) => "the store names somebody else as its owner".to_owned(),
    };
    let reads = wording::counted(root.reads, "read", "reads");
    (
        claim,
        format!("{proof_of_sender} {whose}, yet {store}, in {reads}"),
    )
}
