//! `chunk-mix`: one stored record that holds canaries of two users.

use crate::model::{Code, UserIx};

use super::super::draft::Group;
use super::super::evidence::{Evidence, Record};
use super::super::owner::Owner;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct ChunkMix;

impl Check for ChunkMix {
    fn code(&self) -> Code {
        Code::ChunkMix
    }

    fn definition(&self) -> &'static str {
        "One stored fact, or one stored message of a user, holds text of two synthetic users."
    }

    fn explanation(&self) -> &'static str {
        "Whoever owns the record reads what somebody else wrote in it. The usual cause is a \
         buffer or a temporary file that two uploads share. Each prompt and each document is \
         sent with canaries of one user only, so two users' canaries in one piece of verbatim \
         text cannot have been sent. Answers are not judged so: they may quote."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let mut drafts: Vec<Draft> = Vec::new();
        let mut last_id = None;
        for record in evidence.records.iter().filter(|record| record.mixed()) {
            let id = Some((record.sighting.record_type, &record.sighting.record_id));
            let sender = record.users().next().filter(|user| evidence.has(*user));
            let Some(sender) = sender.filter(|_| id != last_id) else {
                continue;
            };
            last_id = id;
            drafts.push(draft(evidence, sender, record));
        }
        drafts
    }
}

fn draft(evidence: &Evidence<'_>, sender: UserIx, record: &Record<'_>) -> Draft {
    let owner = match record.owner {
        Owner::User(owner) => Some(owner),
        Owner::Placeholder(_) | Owner::Nobody | Owner::Foreign(_) => None,
    };
    // The canary that should not be there; the one of the other user where nobody is the owner.
    let intruder = record
        .canaries
        .iter()
        .copied()
        .find(|canary| Some(canary.user) != owner.or(Some(sender)));
    let group = Group {
        members: vec![(record, intruder)],
    };
    let mut users: Vec<UserIx> = record.users().collect();
    users.dedup();
    let named: Vec<String> = users.iter().map(|user| wording::user(*user)).collect();
    let named = named.join(" and ");
    let affected = group.affected(evidence, Code::ChunkMix);
    let mut draft = Draft::new(evidence, Code::ChunkMix, group.proof(), sender, affected).saying(
        format!(
            "text of {named} is mixed in {}, stored {}",
            wording::record(record),
            wording::under(record.owner)
        ),
        format!("the record holds exact canaries of {named}, and nobody sent both"),
    );
    let first_of = |user: &UserIx| {
        let mut canaries = record.canaries.iter().copied();
        canaries.find(|canary| canary.user == *user)
    };
    draft.finding.ops = users
        .iter()
        .filter_map(first_of)
        .filter_map(|canary| evidence.op_id_of(canary))
        .collect();
    draft.finding.found_under = owner;
    draft
}
