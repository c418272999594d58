//! Findings that the scenario accepts: they stay findings and are counted, and do not fail.

use std::collections::BTreeSet;

use crate::model::{Affected, Code, Finding, OpId, OpKind};
use crate::scenario::{Accept, Day};

/// What became of one entry of `[[accept]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Matched {
    /// Findings that it accepted.
    pub roots: u64,
    /// Their affected records.
    pub records: u64,
    /// Is its last day over? Then it accepts nothing.
    pub expired: bool,
}

/// Marks the findings that are accepted on a day, each with the reason of the first entry that
/// matches all of its records, or of the first of those that match all its channels together. What
/// became of each entry, in their order.
pub fn accept(
    findings: &mut [Finding],
    entries: &[Accept],
    day: Day,
    channel_of: &mut dyn FnMut(OpId) -> Option<OpKind>,
) -> Vec<Matched> {
    let mut matched: Vec<Matched> = entries
        .iter()
        .map(|entry| Matched {
            expired: entry.until.is_some_and(|until| until < day),
            ..Matched::default()
        })
        .collect();
    for finding in findings {
        let channels = channels(finding, channel_of);
        let fitting = || {
            let at = entries.iter().zip(&matched).enumerate();
            at.filter(|(_, (entry, matched))| !matched.expired && fits(finding, entry))
                .map(|(place, (entry, _))| (place, entry))
        };
        let whole = fitting().find(|(_, entry)| covers(entry, &channels));
        let parts: Vec<(usize, &Accept)> = match whole {
            Some(one) => vec![one],
            None => channels
                .iter()
                .map_while(|channel| {
                    fitting().find(|(_, entry)| covers(entry, &BTreeSet::from([*channel])))
                })
                .collect(),
        };
        let is_accepted = whole.is_some() || (!parts.is_empty() && parts.len() == channels.len());
        finding.accepted = parts
            .first()
            .filter(|_| is_accepted)
            .map(|(_, entry)| entry.reason.clone());
        for (place, _) in parts.iter().filter(|_| is_accepted) {
            if let Some(matched) = matched.get_mut(*place) {
                matched.roots += 1;
                let records = u64::try_from(finding.affected.len()).unwrap_or(u64::MAX);
                matched.records = matched.records.saturating_add(records);
            }
        }
    }
    matched
}

/// The channels of a finding's story; `None` in it is an operation that nobody knows.
fn channels(
    finding: &Finding,
    channel_of: &mut dyn FnMut(OpId) -> Option<OpKind>,
) -> BTreeSet<Option<OpKind>> {
    // What counts is over which channel a text was shown, not over which it was sent.
    let ops = if finding.code == Code::ResponseBleed {
        finding.ops.get(1..2).unwrap_or_default()
    } else {
        finding.ops.as_slice()
    };
    ops.iter().map(|op| channel_of(*op)).collect()
}

/// Does the entry name all of these channels, of which there is one at least?
fn covers(entry: &Accept, channels: &BTreeSet<Option<OpKind>>) -> bool {
    entry.channel.is_none_or(|wanted| {
        !channels.is_empty() && channels.iter().all(|channel| *channel == Some(wanted))
    })
}

/// Is every record what the entry names? A root that explains anything else stays.
fn fits(finding: &Finding, entry: &Accept) -> bool {
    let fits = |record: &Affected| {
        let owner = record.owner.as_deref();
        record.code == entry.check && entry.owner.as_ref().is_none_or(|known| known.is(owner))
    };
    finding.code == entry.check && finding.kind == entry.kind && finding.affected.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, SESSIONS_EACH, owner};
    use super::super::testing::{answer, canary, op_at};
    use super::*;
    use crate::model::{BleedKind, CanaryKind, Micros, RecordType};
    use crate::scenario::AcceptedOwner;

    fn entry(check: Code, channel: Option<OpKind>, owner: Option<&str>) -> Accept {
        Accept {
            check,
            channel,
            owner: owner.map(|owner| match owner {
                "none" => AcceptedOwner::Nobody,
                name => AcceptedOwner::Named(name.to_owned()),
            }),
            reason: "known".to_owned(),
            kind: None,
            until: None,
        }
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn judged(history: &History, entries: &[Accept]) -> (Vec<Finding>, Vec<Matched>) {
        let mut findings = history.findings();
        let ops = &history.ops;
        let mut channel_of = |id: OpId| {
            let op = ops.iter().find(|op| op.invocation.op == id);
            op.map(|op| op.invocation.kind)
        };
        let matched = accept(&mut findings, entries, day("2027-01-01"), &mut channel_of);
        (findings, matched)
    }

    /// The voice channel of three users without an owner.
    fn ownerless() -> History {
        let mut history = History::new(3, 2);
        for user in 0..3 {
            history.own_session(user * SESSIONS_EACH + 2, None);
        }
        history
    }

    #[test]
    fn an_entry_takes_what_it_names_and_nothing_else() {
        for (entry, accepted) in [
            (entry(Code::MissingOwner, None, None), true),
            (entry(Code::MissingOwner, None, Some("none")), true),
            (entry(Code::MissingOwner, Some(OpKind::Voice), None), true),
            (entry(Code::MissingOwner, Some(OpKind::Chat), None), false),
            (entry(Code::MissingOwner, None, Some("voice-user")), false),
            (entry(Code::PlaceholderOwner, None, None), false),
        ] {
            let (findings, matched) = judged(&ownerless(), std::slice::from_ref(&entry));
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].accepted.is_some(), accepted, "{entry:?}");
            let counted = Matched {
                roots: u64::from(accepted),
                records: if accepted { 9 } else { 0 },
                expired: false,
            };
            assert_eq!(matched, [counted], "{entry:?}");
        }
    }

    #[test]
    fn an_entry_counts_to_the_end_of_its_last_day() {
        for (until, expired) in [("2026-12-31", true), ("2027-01-01", false)] {
            let mut entry = entry(Code::MissingOwner, None, None);
            entry.until = Some(day(until));
            let (findings, matched) = judged(&ownerless(), &[entry]);
            assert_eq!(matched[0].expired, expired, "{until}");
            assert_eq!(findings[0].accepted.is_none(), expired, "{until}");
        }
    }

    #[test]
    fn a_store_without_owners_is_one_root_and_takes_an_entry_a_channel() {
        let mut history = ownerless();
        history
            .sightings
            .retain(|seen| seen.record_type != RecordType::Fact);
        for user in 0..3 {
            history.own_session(user * SESSIONS_EACH, None);
        }
        let chat = entry(Code::MissingOwner, Some(OpKind::Chat), None);
        let voice = entry(Code::MissingOwner, Some(OpKind::Voice), None);
        let upload = entry(Code::MissingOwner, Some(OpKind::Upload), None);
        let any = entry(Code::MissingOwner, None, None);
        for (entries, accepted) in [
            (vec![chat.clone()], false),
            (vec![voice.clone()], false),
            (vec![chat.clone(), upload], false),
            (vec![chat, voice], true),
            (vec![any], true),
        ] {
            let (findings, matched) = judged(&history, &entries);
            let roots: Vec<&Finding> = findings
                .iter()
                .filter(|finding| finding.code == Code::MissingOwner)
                .collect();
            assert_eq!(roots.len(), 1, "{findings:#?}");
            assert!(
                roots[0]
                    .claim
                    .starts_with("every chat session and every voice session, 6 of 3")
            );
            assert_eq!(roots[0].accepted.is_some(), accepted, "{entries:?}");
            assert!(matched.iter().all(|one| one.roots == u64::from(accepted)));
        }
    }

    #[test]
    fn a_root_with_something_else_in_it_stays() {
        let (mut findings, _) = judged(&ownerless(), &[]);
        findings[0].affected[4].code = Code::Lost;
        let entries = [entry(Code::MissingOwner, None, None)];
        let matched = accept(&mut findings, &entries, day("2027-01-01"), &mut |_| None);
        assert_eq!(matched, [Matched::default()]);
        assert_eq!(findings[0].accepted, None);
    }

    #[test]
    fn the_first_entry_that_matches_takes_it() {
        let entries = [
            entry(Code::MissingOwner, None, None),
            entry(Code::MissingOwner, None, None),
        ];
        let mut history = ownerless();
        history.own_session(0, Some(&owner(1)));
        let (findings, matched) = judged(&history, &entries);
        let accepted = findings.iter().filter(|f| f.accepted.is_some()).count();
        assert_eq!((findings.len(), accepted), (2, 1));
        assert_eq!((matched[0].roots, matched[1].roots), (1, 0));
    }

    #[test]
    fn only_the_kind_and_the_channel_that_are_named_are_accepted() {
        // User 1 is shown user 0's document, in the answer to a chat turn.
        let mut history = History::new(2, 2);
        let mut shown = answer(1, SESSIONS_EACH, canary(0, 1, 4, CanaryKind::Block));
        shown.owner = Some(owner(1));
        history.sightings.push(shown);
        history.ops.push(op_at(1, 90, Micros(7), None));
        let (findings, _) = judged(&history, &[]);
        assert_eq!(findings[0].kind, Some(BleedKind::Retrieval));
        for (kind, channel, accepted) in [
            (Some(BleedKind::Retrieval), OpKind::Chat, true),
            (Some(BleedKind::Retrieval), OpKind::Upload, false),
            (Some(BleedKind::Transport), OpKind::Chat, false),
            (None, OpKind::Chat, false),
        ] {
            let mut entry = entry(Code::ResponseBleed, Some(channel), None);
            entry.kind = kind;
            let (findings, _) = judged(&history, &[entry]);
            assert_eq!(
                findings[0].accepted.is_some(),
                accepted,
                "{kind:?} {channel}"
            );
        }
    }
}
