//! A finding as one bucket sees it, with what [`super::combine`] needs to fold it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Affected, CanaryId, Code, Finding, Micros, OpId, OpKind, Proof, Route, SessionIx, Severity,
    Standing, TraitSet, UserIx,
};

use super::bleed::Trail;
use super::evidence::{Evidence, span};
use super::reading::Record;

/// Operations that a finding names to tell its story; the rest can be told from its records.
pub(crate) const STORY_OPS_MAX: usize = 3;

/// A finding before it is folded with those of other buckets.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(crate) finding: Finding,
    /// The channel over which it was sent, where known.
    pub(crate) channel: Option<OpKind>,
    /// When the first operation of the story was at work; what is lost, with the time that the
    /// task behind it may have taken.
    pub(crate) span: Option<(Micros, Micros)>,
    /// The operation of the other user who had a part in it, where that is known.
    pub(crate) other: Option<OpId>,
    /// The answer that it was found in, where another bucket has to tell which operation that one
    /// was to.
    pub(crate) answer: Option<Answer>,
    /// What the sender's operations tell of a text that was shown to somebody else.
    pub(crate) trail: Option<Trail>,
    /// Which route lets whom in, and to which sessions.
    pub(crate) trespassed: Option<Trespassed>,
    /// Messages of the agent that stand in somebody else's session.
    pub(crate) strangers: Vec<Stranger>,
    /// Where a stranger would explain this one, an answer that is missing: the names of its
    /// session.
    pub(crate) gap_in: Vec<String>,
    /// Does anything else than the order of events explain it? Then no race is named.
    pub(crate) explained: bool,
    /// Traits of the first operation of the story.
    pub(crate) traits: TraitSet,
}

/// What a route lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trespassed {
    /// The route.
    pub route: Route,
    /// With whose credentials.
    pub standings: BTreeSet<Standing>,
    /// To which sessions.
    pub sessions: BTreeSet<SessionIx>,
}

/// An answer as it was read: it names its session, and the operation's place in that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Who was given it.
    pub asker: UserIx,
    /// The session that it came in.
    pub session: String,
    /// The operation's number in the session.
    pub seq: u16,
}

/// A message of the agent to one user that stands in a session of another user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stranger {
    /// The session it stands in.
    pub session: String,
    /// Its place there.
    pub position: u32,
    /// Its id.
    pub record_id: String,
}

impl Draft {
    /// Makes a finding of the records it affects, the root's own first.
    pub(crate) fn new(
        evidence: &Evidence<'_>,
        code: Code,
        proof: Proof,
        sender: UserIx,
        affected: Vec<Affected>,
    ) -> Self {
        let mut ops = Vec::new();
        for op in affected.iter().filter_map(|record| record.op) {
            if ops.len() < STORY_OPS_MAX && !ops.contains(&op) {
                ops.push(op);
            }
        }
        let first = ops.first().and_then(|op| evidence.ops.get(op)).copied();
        Self {
            channel: first.map(|op| op.invocation.kind),
            span: first.map(span),
            other: None,
            answer: None,
            trail: None,
            trespassed: None,
            strangers: Vec::new(),
            gap_in: Vec::new(),
            // Whoever sends in another one's session finds that one's owner there.
            explained: first.is_some_and(|op| op.invocation.founder != op.invocation.user),
            traits: first.map_or_else(TraitSet::default, |op| op.invocation.traits),
            finding: Finding {
                code,
                severity: severity(code),
                proof,
                claim: String::new(),
                because: String::new(),
                sender: Some(sender),
                found_under: None,
                ops,
                affected,
                hint: None,
                kind: None,
                accepted: None,
            },
        }
    }

    /// Says what it is and why, in a sentence each.
    pub(crate) fn saying(mut self, claim: String, because: String) -> Self {
        self.finding.claim = claim;
        self.finding.because = because;
        self
    }

    /// The finding with its story complete: the sender's operation, the other user's, then more
    /// of the sender's.
    pub(crate) fn into_finding(mut self) -> Finding {
        let ops = &mut self.finding.ops;
        if let Some(other) = self.other.filter(|_| !ops.is_empty()) {
            ops.retain(|op| *op != other);
            ops.insert(ops.len().min(1), other);
            ops.truncate(STORY_OPS_MAX);
        }
        self.finding
    }
}

/// How grave an anomaly is by itself.
pub(crate) fn severity(code: Code) -> Severity {
    match code {
        Code::WrongOwner
        | Code::ForeignOwner
        | Code::SplitIdentity
        | Code::StaleIdentity
        | Code::ResponseBleed
        | Code::Trespass
        | Code::ChunkMix => Severity::S1,
        Code::PlaceholderOwner | Code::MissingOwner | Code::Lost | Code::PartialIngest => {
            Severity::S2
        }
        Code::Resurrected
        | Code::SessionBleed
        | Code::Phantom
        | Code::Duplicate
        | Code::Reordered
        | Code::Torn
        | Code::Altered
        | Code::Ghost => Severity::S3,
        Code::Late | Code::LogMismatch | Code::Unattributable => Severity::S4,
    }
}

/// A stored record as a finding lists it.
pub(crate) fn affected(
    evidence: &Evidence<'_>,
    code: Code,
    record: &Record<'_>,
    canary: Option<CanaryId>,
) -> Affected {
    let sighting = record.sighting;
    Affected {
        code,
        record_type: sighting.record_type,
        record_id: Some(sighting.record_id.clone()),
        canary,
        op: canary.and_then(|canary| evidence.op_id_of(canary)),
        owner: sighting.owner.clone(),
        session: sighting.session.clone(),
        excerpt: sighting.excerpt.clone(),
    }
}

/// Records that belong to one root, each with the canary by which it does.
#[derive(Debug, Default)]
pub(crate) struct Group<'e, 'a> {
    pub members: Vec<(&'e Record<'a>, Option<CanaryId>)>,
}

impl<'e, 'a> Group<'e, 'a> {
    /// The record that stands for the group: proved before merely seen, then in the order of
    /// the store.
    pub(crate) fn sort(&mut self) {
        self.members.sort_by_key(|(record, canary)| {
            let sighting = record.sighting;
            (
                sighting.record_type,
                !record.proved(),
                (sighting.session.as_deref(), sighting.position),
                (sighting.record_id.as_str(), *canary),
            )
        });
        let mut seen = BTreeSet::new();
        self.members.retain(|(record, _)| {
            let sighting = record.sighting;
            seen.insert((sighting.record_type, &sighting.record_id))
        });
    }

    /// The record that stands for the group, once it is sorted.
    pub(crate) fn root(&self) -> Option<(&'e Record<'a>, Option<CanaryId>)> {
        self.members.first().copied()
    }

    /// How far the evidence goes: as far as that of its best record.
    pub(crate) fn proof(&self) -> Proof {
        proof(self.members.iter().any(|(record, _)| record.proved()))
    }

    /// The group as a finding lists it.
    pub(crate) fn affected(&self, evidence: &Evidence<'_>, code: Code) -> Vec<Affected> {
        self.members
            .iter()
            .map(|(record, canary)| affected(evidence, code, record, *canary))
            .collect()
    }
}

/// Groups by key, in key order.
pub(crate) type Groups<'e, 'a, K> = BTreeMap<K, Group<'e, 'a>>;

/// The name of a truth value.
pub(crate) fn proof(proved: bool) -> Proof {
    if proved {
        Proof::Proved
    } else {
        Proof::Suggested
    }
}
