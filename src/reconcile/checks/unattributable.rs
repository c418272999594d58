//! `unattributable`: a text whose canaries are all damaged.

use crate::model::{Code, RecordType};

use super::super::draft::{Group, proof};
use super::super::evidence::Evidence;
use super::super::reading::Record;
use super::super::{Draft, wording};
use super::Check;

#[derive(Debug)]
pub(crate) struct Unattributable;

impl Check for Unattributable {
    fn code(&self) -> Code {
        Code::Unattributable
    }

    fn definition(&self) -> &'static str {
        "A text in a session or under a user of this run holds canaries, and all of them are damaged."
    }

    fn explanation(&self) -> &'static str {
        "Nobody can tell for certain whose it is, so a mix-up could hide in it. The usual cause \
         is a store or a filter that changes letters. A canary in which one letter is wrong can be \
         mended, but proves nothing any more. It is a gap in what was looked at, not a fault of \
         its own, and does not fail a run; more than one such text in a thousand leaves a run \
         without a verdict. Canaries that are cut at the edge of a piece of a document are \
         expected and do not count."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        let records = evidence.records.iter();
        records
            .filter(|record| is_unattributable(evidence, record))
            .filter_map(|record| draft(evidence, record))
            .collect()
    }
}

fn is_unattributable(evidence: &Evidence<'_>, record: &Record<'_>) -> bool {
    let sighting = record.sighting;
    let text = matches!(sighting.record_type, RecordType::Message | RecordType::Fact);
    let mut canaries = sighting.canaries.iter();
    let corrected = canaries.any(|seen| seen.id.run == evidence.context.run);
    let unsound = corrected || sighting.damaged;
    text && record.newest && record.canaries.is_empty() && unsound
}

fn draft(evidence: &Evidence<'_>, record: &Record<'_>) -> Option<Draft> {
    let user = evidence.reckoned_to(record)?;
    let named = record.sighting.canaries.first().map(|seen| seen.id);
    let group = Group {
        members: vec![(record, named.filter(|canary| canary.user == user))],
    };
    let affected = group.affected(evidence, Code::Unattributable);
    let draft = Draft::new(evidence, Code::Unattributable, proof(false), user, affected);
    Some(draft.saying(
        format!(
            "nobody can tell for certain who sent {}, stored {}",
            wording::record(record),
            wording::under(record.owner)
        ),
        "it holds what looks like a canary, and the check of none is sound".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{History, exact, spoilt, told};
    use crate::model::{Exactness, Role, SeenCanary};

    fn correct(history: &mut History, id: &str) {
        for seen in &mut history.record(id).canaries {
            seen.exactness = Exactness::Corrected;
        }
    }

    #[test]
    fn texts_with_damaged_canaries_only_are_counted() {
        let history = spoilt(|history| {
            correct(history, "m0.1u");
            let record = history.record("m3.1a");
            record.canaries.clear();
            record.damaged = true;
            history.end(3, 1).promise.assistant_message = false;
        });
        let judgement = history.judge();
        let told = told(&judgement.findings);
        assert_eq!(told, ["unattributable?: m0.1u", "unattributable?: m3.1a"]);
        assert_eq!((judgement.unattributable, judgement.texts), (2, 27));
        assert_eq!(history.judge_sharded(&history.context(), 1), judgement);
    }

    #[test]
    fn one_sound_canary_is_enough_and_no_canary_is_no_damage() {
        let history = spoilt(|history| {
            let record = history.record("m0.1u");
            record.damaged = true;
            let sound = record.canaries[0].id;
            let near = SeenCanary {
                id: crate::model::CanaryId { item: 9, ..sound },
                exactness: Exactness::Corrected,
            };
            record.canaries = vec![exact(sound), near];
            let record = history.record("m3.1a");
            record.canaries.clear();
            record.role = Role::Assistant;
            history.end(3, 1).promise.assistant_message = false;
        });
        let judgement = history.judge();
        assert_eq!((judgement.findings.len(), judgement.unattributable), (0, 0));
        assert_eq!(judgement.texts, 27);
    }
}
