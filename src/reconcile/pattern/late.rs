//! Late binding: the wrong owner is the user of a neighbouring request, more often than if owners
//! were drawn from all who are active.
//!
//! How near, and on which side, depends on when the target's task reads whom it works for: while
//! the request is answered, after the answer, or, from a pooled object, before its own request. So
//! several windows are tried, and the best must hold against having tried them all.

use std::collections::BTreeSet;

use crate::model::limits::CAPSULES_PER_CODE_MAX;
use crate::model::{Hint, Micros, OpKind, UserIx};

use super::super::draft::Draft;
use super::chance::at_least;
use super::crossed::{Crossed, share};
use super::{Neighbour, Surroundings};

/// How likely chance may make what is named.
const CHANCE_MAX: f64 = 1e-3;
/// Requests on one side of a time that a window holds.
const WIDTHS: [usize; 4] = [1, 2, 4, 8];
/// Sides of a time.
const SIDES: [Side; 3] = [Side::Before, Side::After, Side::Both];
/// One in so many must be in the window, at least.
const HITS_ONE_IN: usize = 3;
/// Groups that are tried: all together, and each channel.
const GROUPS: usize = 1 + OpKind::ALL.len();

#[derive(Debug, Clone, Copy)]
enum Side {
    Before,
    After,
    Both,
}

/// Other users' requests next to a time, nearest first.
#[derive(Debug)]
struct Beside {
    before: Vec<Neighbour>,
    after: Vec<Neighbour>,
}

/// One finding with what began next to its operation's beginning and end.
#[derive(Debug)]
struct Looked<'a> {
    one: &'a Crossed,
    channel: Option<OpKind>,
    anchors: [Beside; 2],
}

/// The window in which owners are found most surprisingly often.
#[derive(Debug, Clone, Copy)]
struct Best {
    anchor: usize,
    side: Side,
    width: usize,
    by_chance: f64,
}

/// Hints by the place of the finding; empty unless it is more than chance. As many findings are
/// looked at as are shown.
pub(super) fn hints(
    drafts: &[Draft],
    crossed: &[Crossed],
    surroundings: &mut dyn Surroundings,
) -> Vec<(usize, Hint)> {
    let mut users: BTreeSet<UserIx> = BTreeSet::new();
    let mut looked = Vec::new();
    for one in crossed.iter().take(CAPSULES_PER_CODE_MAX) {
        let mut beside = |time| Beside::of(&surroundings.around(time), time, one.sender);
        let anchors = [beside(one.invoked), beside(one.ended)];
        users.extend([one.sender, one.owner]);
        users.extend(anchors.iter().flat_map(Beside::users));
        looked.push(Looked {
            one,
            channel: drafts.get(one.place).and_then(|draft| draft.channel),
            anchors,
        });
    }
    let others = users.len().saturating_sub(1);
    let groups = std::iter::once(None).chain(OpKind::ALL.into_iter().map(Some));
    for channel in groups {
        let of_group = |found: &&Looked<'_>| channel.is_none() || found.channel == channel;
        let group: Vec<&Looked<'_>> = looked.iter().filter(of_group).collect();
        let hints = hints_of(&group, others);
        if !hints.is_empty() {
            return hints;
        }
    }
    Vec::new()
}

fn hints_of(group: &[&Looked<'_>], others: usize) -> Vec<(usize, Hint)> {
    let windows = (0..2).flat_map(|anchor| {
        SIDES
            .into_iter()
            .flat_map(move |side| WIDTHS.into_iter().map(move |width| (anchor, side, width)))
    });
    let tried = windows.clone().count() * GROUPS;
    let best = windows
        .filter_map(|(anchor, side, width)| surprise(group, others, (anchor, side, width)))
        .min_by(|a, b| a.by_chance.total_cmp(&b.by_chance));
    let Some(best) = best.filter(|b| b.by_chance * super::chance::real(tried) <= CHANCE_MAX) else {
        return Vec::new();
    };
    let hits = group.iter().filter_map(|looked| {
        let next = looked.owners_request(best.anchor, best.side, best.width)?;
        let micros = |time: Micros| i64::try_from(time.0).unwrap_or(i64::MAX);
        let hint = Hint::LateBinding {
            op: next.op,
            apart_us: micros(next.invoked).saturating_sub(micros(looked.one.invoked)),
        };
        Some((looked.one.place, hint))
    });
    hits.collect()
}

/// How likely chance makes so many owners in a window.
fn surprise(
    group: &[&Looked<'_>],
    others: usize,
    (anchor, side, width): (usize, Side, usize),
) -> Option<Best> {
    let (mut hits, mut expected) = (0, 0.0);
    for looked in group {
        let window = looked.anchors.get(anchor)?.window(side, width);
        let users: BTreeSet<UserIx> = window.iter().map(|other| other.user).collect();
        hits += usize::from(users.contains(&looked.one.owner));
        expected += share(users.len(), others).min(1.0);
    }
    let trials = group.len();
    let enough = hits > 0 && hits * HITS_ONE_IN >= trials;
    enough.then(|| Best {
        anchor,
        side,
        width,
        by_chance: at_least(hits, trials, expected / super::chance::real(trials)),
    })
}

impl Looked<'_> {
    fn owners_request(&self, anchor: usize, side: Side, width: usize) -> Option<Neighbour> {
        let window = self.anchors.get(anchor)?.window(side, width);
        let of_owner = window
            .into_iter()
            .find(|other| other.user == self.one.owner);
        of_owner.copied()
    }
}

impl Beside {
    fn of(around: &[Neighbour], time: Micros, sender: UserIx) -> Self {
        let others = around.iter().copied().filter(|other| other.user != sender);
        let (mut before, after): (Vec<_>, Vec<_>) = others.partition(|other| other.invoked <= time);
        before.reverse();
        Self { before, after }
    }

    fn users(&self) -> impl Iterator<Item = UserIx> + '_ {
        self.before
            .iter()
            .chain(&self.after)
            .map(|other| other.user)
    }

    /// So many requests on a side, nearest first on each.
    fn window(&self, side: Side, width: usize) -> Vec<&Neighbour> {
        let (before, after) = match side {
            Side::Before => (width, 0),
            Side::After => (0, width),
            Side::Both => (width, width),
        };
        let (before, after) = (
            self.before.iter().take(before),
            self.after.iter().take(after),
        );
        before.chain(after).collect()
    }
}
