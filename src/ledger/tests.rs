//! What the ledger promises as a whole: what is written is read back, whatever happens between.

use super::samples::*;
use super::*;
use crate::event::Event;
use crate::model::{OpKind, Outcome};

#[test]
fn a_small_run_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), small_run());
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.manifest().unwrap(), manifest());
    assert_eq!(reader.users().unwrap(), 2);
    let ops = reader.ops_of_users(0..2).unwrap();
    let mut events = Vec::new();
    for row in ops {
        events.push(Event::Invoked(row.invocation));
        events.extend(row.completion.map(Event::Completed));
    }
    let told = small_run();
    let told_ops: Vec<&Event> = told
        .iter()
        .filter(|event| matches!(event, Event::Invoked(_) | Event::Completed(_)))
        .collect();
    assert_eq!(events.iter().collect::<Vec<_>>(), told_ops);
    let sightings = reader.sightings_of_users(0..2).unwrap();
    let told_sightings: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::Sighted(sighting) => Some(sighting.clone()),
            Event::Invoked(_)
            | Event::Completed(_)
            | Event::Scanned(_)
            | Event::Sampled(_)
            | Event::Lagged(_) => None,
        })
        .collect();
    assert_eq!(sightings, told_sightings);
    assert_eq!(reader.scans().unwrap(), [scan(1)]);
    assert_eq!(reader.samples().unwrap(), [sample(1)]);
    let counts = reader.op_counts().unwrap();
    assert_eq!(counts.get(&(OpKind::Chat, Some(Outcome::Ok))), Some(&5));
    assert_eq!(counts.get(&(OpKind::Chat, None)), Some(&1));
    assert_eq!(reader.missing_promises().unwrap(), 0);
}
