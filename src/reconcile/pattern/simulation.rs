//! How often hints are right: simulated races at several numbers of users, and faults without any
//! race, which must never be given one's name.

use std::collections::{BTreeMap, BTreeSet};

use super::super::testing::{self, History, RUN, exact, op_at, owner, sighting};
use crate::model::{
    CanaryId, CanaryKind, Finding, Micros, OpRow, Pattern, RecordType, Role, SessionIx, UserIx,
};

/// Histories of each fault at each number of users.
const ROUNDS: u64 = 20;
/// Requests of a history.
const REQUESTS: usize = 400;
/// One in so many is struck.
const STRUCK_ONE_IN: u64 = 6;

/// A seeded stream of numbers (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % bound
    }
}

#[derive(Debug, Clone, Copy)]
struct Request {
    user: u32,
    begun: u64,
    ended: u64,
    struck: bool,
}

/// Five hundred requests a second, each answered after 20 to 80 ms; no user has two in flight
/// unless all are at work.
fn requests(users: u32, dice: &mut Dice) -> Vec<Request> {
    let mut busy_until: BTreeMap<u32, u64> = BTreeMap::new();
    let mut begun = 1_000_000;
    let mut all = Vec::new();
    for _ in 0..REQUESTS {
        begun += dice.below(4_000) + 1;
        let mut user = 0;
        for _ in 0..50 {
            user = u32::try_from(dice.below(u64::from(users))).unwrap();
            if busy_until.get(&user).is_none_or(|until| *until < begun) {
                break;
            }
        }
        let ended = begun + 20_000 + dice.below(60_000);
        busy_until.insert(user, ended);
        all.push(Request {
            user,
            begun,
            ended,
            struck: dice.below(STRUCK_ONE_IN) == 0,
        });
    }
    all
}

/// Whom each request's turn is stored under.
type Owners = Vec<u32>;

fn late_binding(all: &[Request], dice: &mut Dice) -> Owners {
    let read_late = |one: &Request| {
        let at = one.ended + 2_000 + dice.below(500);
        let last = all.iter().rfind(|other| other.begun <= at);
        last.map_or(one.user, |other| other.user)
    };
    struck(all, read_late)
}

/// The object that served the request before still has its user.
fn reused_object(all: &[Request], dice: &mut Dice) -> Owners {
    let places: Vec<usize> = (0..all.len()).collect();
    places
        .into_iter()
        .map(|place| match all[place] {
            one if one.struck => {
                let back = 1 + usize::try_from(dice.below(3)).unwrap();
                all[place.saturating_sub(back)].user
            }
            one => one.user,
        })
        .collect()
}

fn global_user(all: &[Request], _: &mut Dice) -> Owners {
    let first = all[10].user;
    struck(all, |_| first)
}

fn inherited_context(all: &[Request], dice: &mut Dice) -> Owners {
    let workers = [all[0].user, all[1].user, all[2].user, all[3].user];
    struck(all, |_| workers[usize::try_from(dice.below(4)).unwrap()])
}

fn crossed_tasks(all: &[Request], _: &mut Dice) -> Owners {
    let mut owners: Owners = all.iter().map(|one| one.user).collect();
    let mut waiting: Option<usize> = None;
    for (place, one) in all.iter().enumerate().filter(|(_, one)| one.struck) {
        match waiting.take() {
            Some(other) if all[other].ended >= one.begun && all[other].user != one.user => {
                owners.swap(other, place);
            }
            Some(_) | None => waiting = Some(place),
        }
    }
    owners
}

/// No race: each user's things go to one other user, whoever is at work.
fn wrong_account(all: &[Request], _: &mut Dice) -> Owners {
    let users = all.iter().map(|one| one.user).max().unwrap() + 1;
    struck(all, |one| (one.user * 7 + 3) % users)
}

/// No race: anybody's things go to anybody.
fn anybody(all: &[Request], dice: &mut Dice) -> Owners {
    let users = all.iter().map(|one| one.user).max().unwrap() + 1;
    struck(all, |_| {
        u32::try_from(dice.below(u64::from(users))).unwrap()
    })
}

fn struck(all: &[Request], mut owner: impl FnMut(&Request) -> u32) -> Owners {
    all.iter()
        .map(|one| if one.struck { owner(one) } else { one.user })
        .collect()
}

/// One chat turn of its own session for each request.
fn history(users: u32, all: &[Request], owners: &[u32]) -> History {
    let mut history = History {
        scenario: testing::scenario(),
        users,
        ops: Vec::new(),
        sightings: Vec::new(),
    };
    for (number, (one, under)) in (0..).zip(all.iter().zip(owners)) {
        let op: OpRow = op_at(one.user, number, Micros(one.begun), Some(Micros(one.ended)));
        history.ops.push(op);
        let name = RUN.session_name(UserIx(one.user), SessionIx(number));
        let mut record = sighting(RecordType::Session, &name, *under);
        record.session = Some(name.clone());
        history.sightings.push(record);
        let canary = CanaryId {
            run: RUN,
            user: UserIx(one.user),
            session: SessionIx(number),
            item: 0,
            kind: CanaryKind::Turn,
        };
        for (place, role) in [(0, Role::User), (1, Role::Assistant)] {
            let mut message = sighting(RecordType::Message, &format!("m{number}.{place}"), *under);
            message.session = Some(name.clone());
            message.role = role;
            message.position = place;
            message.canaries = vec![exact(canary)];
            message.body_hash = u64::from(number) << 8 | u64::from(place);
            history.sightings.push(message);
        }
    }
    history
}

/// The patterns that are named, gravest mistakes included.
fn named(history: &History) -> BTreeSet<Pattern> {
    let findings = history.findings();
    findings.iter().filter_map(Finding::pattern).collect()
}

fn rounds(users: u32, fault: fn(&[Request], &mut Dice) -> Owners) -> Vec<BTreeSet<Pattern>> {
    (0..ROUNDS)
        .map(|round| {
            let mut dice = Dice(round * 1_000 + u64::from(users));
            let all = requests(users, &mut dice);
            let owners = fault(&all, &mut dice);
            named(&history(users, &all, &owners))
        })
        .collect()
}

type Fault = fn(&[Request], &mut Dice) -> Owners;

#[test]
fn races_are_named_rightly() {
    let faults: [(&str, Fault, Pattern); 5] = [
        ("late-binding", late_binding, Pattern::LateBinding),
        ("reused-object", reused_object, Pattern::LateBinding),
        ("global-user", global_user, Pattern::Latch),
        ("inherited-context", inherited_context, Pattern::Latch),
        ("crossed-tasks", crossed_tasks, Pattern::Swap),
    ];
    let mut table = Vec::new();
    for users in [100, 50, 20] {
        for (name, fault, expected) in faults {
            let rounds = rounds(users, fault);
            let only = BTreeSet::from([expected]);
            let right = rounds.iter().filter(|named| **named == only).count();
            let none = rounds.iter().filter(|named| named.is_empty()).count();
            table.push((users, name, right, none, rounds.len()));
        }
    }
    // A wrong name is worse than none, and among few users anybody is a neighbour.
    for (users, _, right, none, all) in &table {
        assert!(right + none == *all, "a wrong name: {table:?}");
        let demanded = if *users >= 50 { 95 } else { 80 };
        assert!(right * 100 >= all * demanded, "{table:?}");
    }
}

#[test]
fn what_is_no_race_is_never_given_the_name_of_one() {
    let faults: [(&str, Fault); 2] = [("wrong-account", wrong_account), ("anybody", anybody)];
    for users in [100, 50, 20] {
        for (name, fault) in faults {
            for (round, named) in rounds(users, fault).into_iter().enumerate() {
                assert!(
                    named.is_empty(),
                    "{name}, {users} users, {round}: {named:?}"
                );
            }
        }
    }
}

#[test]
fn a_session_of_somebody_else_or_an_answer_in_another_place_is_no_race() {
    for users in [100, 20] {
        for round in 0..5 {
            let mut dice = Dice(round);
            let all = requests(users, &mut dice);
            let owners = late_binding(&all, &mut dice);
            // The very records of a late binding, in sessions that the owners founded.
            let mut founded = history(users, &all, &owners);
            for (op, owner) in founded.ops.iter_mut().zip(&owners) {
                op.invocation.founder = UserIx(*owner);
            }
            assert_eq!(named(&founded), BTreeSet::new());
            // The same, of the agent's words alone.
            let mut answers = history(users, &all, &owners);
            for sighting in &mut answers.sightings {
                let user = sighting.canaries.first().map(|seen| seen.id.user.0);
                if sighting.role != Role::Assistant {
                    let sender = user.or_else(|| {
                        let (_, user, _) =
                            crate::model::RunId::parse_session_name(&sighting.record_id)?;
                        Some(user.0)
                    });
                    sighting.owner = sender.map(owner);
                }
            }
            assert_eq!(named(&answers), BTreeSet::new());
        }
    }
}
