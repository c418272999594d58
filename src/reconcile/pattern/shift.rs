//! Answers that are one request behind.
//!
//! The connection on which that happens is mostly one of the target's own, which nobody outside
//! can see. What can be seen is the chain: each answer is the one to a request whose own answer
//! was the one to the request before it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Code, Hint, Micros, OpId};

use super::super::draft::Draft;

/// Answers in a row from which on a connection is one behind.
const ANSWERS_MIN: usize = 3;

/// An answer to one operation that holds another one's text.
#[derive(Debug, Clone, Copy)]
struct Link {
    place: usize,
    /// Whose text it holds.
    before: OpId,
    begun: Micros,
    ended: Micros,
}

/// Puts hints on answers that belong to the request before.
pub(super) fn hint(drafts: &mut [Draft]) {
    let links = links(drafts);
    // An answer begins a chain if the request whose answer it is was not itself answered so: its
    // client was gone.
    let starts = links
        .iter()
        .filter(|(_, link)| !links.contains_key(&link.before));
    let next: BTreeMap<OpId, OpId> = links.iter().map(|(asked, l)| (l.before, *asked)).collect();
    let mut chains: Vec<Vec<Link>> = Vec::new();
    for (start, link) in starts {
        let mut chain = vec![*link];
        let (mut at, mut begun) = (*start, link.begun);
        while let Some((asked, link)) = next.get(&at).and_then(|op| Some((*op, links.get(op)?))) {
            // Time goes on along a chain; only requests that waited for the connection at one time
            // may have overtaken each other. It ends, as no operation is in it twice.
            if link.ended <= begun {
                break;
            }
            chain.push(*link);
            (at, begun) = (asked, link.begun);
        }
        chains.push(chain);
    }
    for chain in chains.iter().filter(|chain| chain.len() >= ANSWERS_MIN) {
        for link in chain {
            if let Some(draft) = drafts.get_mut(link.place) {
                draft.finding.hint = Some(Hint::Shift {
                    before: link.before,
                    answers: u32::try_from(chain.len()).unwrap_or(u32::MAX),
                });
            }
        }
    }
}

/// By the operation that was answered. A text that was shown twice is a quotation or a copy kept
/// somewhere, and an operation that was shown two is no exchange of one answer for another.
fn links(drafts: &[Draft]) -> BTreeMap<OpId, Link> {
    let mut links: BTreeMap<OpId, Link> = BTreeMap::new();
    let (mut shown, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for (place, draft) in drafts.iter().enumerate() {
        let finding = &draft.finding;
        if finding.code != Code::ResponseBleed || draft.explained {
            continue;
        }
        let op = finding.ops.first().copied();
        let (Some(before), Some(asked), Some((begun, ended))) = (op, draft.other, draft.span)
        else {
            continue;
        };
        let link = Link {
            place,
            before,
            begun,
            ended,
        };
        if !shown.insert(before) || links.insert(asked, link).is_some() {
            twice.extend([before, asked]);
        }
    }
    links.retain(|asked, link| !twice.contains(asked) && !twice.contains(&link.before));
    links
}
