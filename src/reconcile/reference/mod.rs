//! The judge again, slow and obvious: each anomaly by its definition, over all operations and all
//! records, without index, bucket or folding. Random histories are judged by both.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Judgement;
use super::testing::History;
use crate::model::{CanaryId, Code, Proof, RecordType};

mod numbers;
mod spoils;
mod state;
mod texts;
mod world;

use spoils::{TURNS, USERS, spoil};
use world::World;

/// The anomalies that are defined here: all but `late`, `log-mismatch` and `trespass`, as no history
/// has a past of scans, a log, or anybody who tries.
const DEFINED: [Code; 19] = [
    Code::WrongOwner,
    Code::SplitIdentity,
    Code::PlaceholderOwner,
    Code::MissingOwner,
    Code::ForeignOwner,
    Code::SessionBleed,
    Code::ResponseBleed,
    Code::ChunkMix,
    Code::Lost,
    Code::PartialIngest,
    Code::Duplicate,
    Code::Ghost,
    Code::StaleIdentity,
    Code::Reordered,
    Code::Torn,
    Code::Altered,
    Code::Resurrected,
    Code::Phantom,
    Code::Unattributable,
];

/// What an anomaly is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Record(RecordType, String),
    Absent(Option<CanaryId>),
}

/// Anomalies, each with what it is about.
type Set = BTreeSet<(Code, What)>;
/// What the judge says of the anomalies that are defined here: what is proved, and all.
fn judged(judgement: &Judgement) -> (Set, Set) {
    let (mut proved, mut all) = (Set::new(), Set::new());
    for finding in &judgement.findings {
        for record in finding
            .affected
            .iter()
            .filter(|record| DEFINED.contains(&record.code))
        {
            let what = match &record.record_id {
                Some(id) => What::Record(record.record_type, id.clone()),
                None => What::Absent(record.canary),
            };
            if finding.proof == Proof::Proved {
                proved.insert((record.code, what.clone()));
            }
            all.insert((record.code, what));
        }
    }
    (proved, all)
}

/// Compares the two, and says how they differ.
fn compare(history: &History) -> Result<(), TestCaseError> {
    let world = World::new(history);
    let judgement = history.judge();
    let (proved, all) = judged(&judgement);
    let missed: Vec<_> = world.certain.difference(&proved).collect();
    prop_assert!(missed.is_empty(), "missed: {missed:?}");
    let untold: Vec<_> = world.suggested.difference(&all).collect();
    prop_assert!(untold.is_empty(), "not told: {untold:?}");
    let invented: Vec<_> = all.difference(&world.possible).collect();
    prop_assert!(invented.is_empty(), "false: {invented:?}");
    for finding in &judgement.findings {
        let (own, _) = judged(&Judgement {
            findings: vec![finding.clone()],
            ..Judgement::default()
        });
        let exempt = finding.proof == Proof::Suggested || !DEFINED.contains(&finding.code);
        prop_assert!(
            exempt || !own.is_disjoint(&world.certain),
            "not proved: {} {:?}",
            finding.claim,
            own
        );
    }
    Ok(())
}

#[test]
fn a_clean_history_is_clean_by_definition() {
    let history = History::new(USERS, TURNS);
    let world = World::new(&history);
    assert_eq!(world.possible, Set::new());
}

#[test]
fn every_anomaly_that_is_defined_here_occurs() {
    let mut occurred: BTreeSet<Code> = BTreeSet::new();
    for place in 0..40 {
        for (what, how) in [
            (0, 1),
            (1, 0),
            (2, 0),
            (3, 0),
            (4, 2),
            (7, 4),
            (9, 1),
            (11, 0),
            (12, 5),
            (13, 2),
            (8, 0),
            (15, 0),
            (18, 0),
            (18, 1),
            (19, 0),
            (20, 0),
            (21, 0),
            (22, 2),
        ] {
            let mut history = History::new(USERS, TURNS);
            spoil(&mut history, (what, place, how));
            let world = World::new(&history);
            let certain = world.certain.iter().chain(&world.suggested);
            occurred.extend(certain.map(|(code, _)| *code));
            compare(&history).unwrap();
        }
    }
    assert_eq!(occurred, BTreeSet::from(DEFINED));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_judge_finds_what_the_definitions_say(
        spoils in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<u32>()), 0..20),
    ) {
        let mut history = History::new(USERS, TURNS);
        for one in spoils {
            spoil(&mut history, one);
        }
        compare(&history)?;
    }
}
