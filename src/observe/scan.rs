//! Reading the whole store once, and saying whether that was the whole.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;

use super::baseline::Baseline;
use super::error::StoreError;
use super::pages::Walk;
use super::sight::{self, ReadAt, Record};
use super::store::StoreClient;
use super::strangers::Strangers;
use super::texts::Texts;
use crate::clock::RunClock;
use crate::dialect::{FactRecord, MessageRecord, SessionRecord};
use crate::event::Event;
use crate::model::{Micros, OpKind, RecordType, Role, RunId, Scan, Sighting, UserIx};
use crate::plan::Plan;
use crate::scenario::Scenario;

/// Sessions and users of the baseline up to which they are read again in each scan, so that what
/// was stored among old records by mistake is found too.
const BASELINE_REREAD_MAX: usize = 2_000;
/// The same for scans that look for what is missing at the deadline. Where the baseline is larger
/// than this, nothing can be called lost.
const BASELINE_SEARCH_MAX: usize = 50_000;

/// Lists that may fail in one scan, each after all tries, before the store counts as gone: a
/// store that refuses everything would otherwise be asked for hours.
const FAILED_LISTS_MAX: u32 = 16;

/// Whose records are looked for.
#[derive(Debug, Clone)]
pub struct ScanContext {
    /// The run.
    pub run: RunId,
    /// Its scenario: owners, placeholders, time limits.
    pub scenario: Arc<Scenario>,
    /// What the store held before the run.
    pub baseline: Baseline,
    /// The run's clock.
    pub clock: RunClock,
    /// What hides the names of whoever is not of the run.
    pub strangers: Strangers,
    /// Users of the run: numbers from 0 up to this one, excluded.
    pub users: u32,
    /// The run's plan, whose texts are compared with what is stored; `None` where this version
    /// would plan the run otherwise.
    pub plan: Option<Arc<Plan>>,
}

impl StoreClient {
    /// Reads the whole store once. Tells an [`Event::Sighted`] for each record of the run and for
    /// each other record that holds one of its canaries, and at the end an [`Event::Scanned`]
    /// with the scan that is returned.
    ///
    /// Facts are read only where the store can list them (`can_list_facts`); where it cannot, a
    /// scan without them counts as complete.
    pub async fn scan(
        &self,
        context: &ScanContext,
        number: u32,
        events: &mpsc::Sender<Event>,
    ) -> Scan {
        let mut texts = Texts::of(context.plan.as_ref());
        let number = (number, Reach::New);
        let scanned = self.scan_once(context, number, events, &mut texts).await;
        scanned.scan
    }

    pub(super) async fn scan_once(
        &self,
        context: &ScanContext,
        (number, reach): (u32, Reach),
        events: &mpsc::Sender<Event>,
        texts: &mut Texts,
    ) -> Scanned {
        let started = context.clock.now();
        let mut reading = Reading::of((self, context), events, texts, number);
        reading.reach = reach;
        reading.read_store().await;
        let ended = context.clock.now();
        let scanned = reading.tally.scanned(number, started, ended);
        // Whether anybody still listens is for the caller to know.
        let _ = events.send(Event::Scanned(scanned.scan.clone())).await;
        scanned
    }
}

/// How far a scan reaches into what was there before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// What is new; old places as well where there are few.
    New,
    /// Everything: something that was promised is missing, and may stand in an old place.
    Whole,
}

/// A scan, and whether it is of any use to try another one.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) scan: Scan,
    pub(super) store_gone: bool,
}

/// What one scan has counted so far.
#[derive(Debug, Default)]
struct Tally {
    digest: u128,
    sessions: u64,
    messages: u64,
    facts: u64,
    unattributable: u64,
    incomplete_reason: Option<String>,
    failed_lists: u32,
    store_gone: bool,
}

impl Tally {
    /// Keeps the first reason.
    fn note(&mut self, fault: Option<&StoreError>) {
        let Some(fault) = fault else { return };
        self.failed_lists += u32::from(fault.is_overload());
        self.store_gone |= fault.is_gone() || self.failed_lists >= FAILED_LISTS_MAX;
        self.incomplete(format!("could not {fault}"));
    }

    fn incomplete(&mut self, reason: String) {
        self.incomplete_reason.get_or_insert(reason);
    }

    fn scanned(self, number: u32, started: Micros, ended: Micros) -> Scanned {
        Scanned {
            scan: Scan {
                scan: number,
                started,
                ended,
                digest: format!("{:032x}", self.digest),
                sessions: self.sessions,
                messages: self.messages,
                facts: self.facts,
                unattributable: self.unattributable,
                complete: self.incomplete_reason.is_none(),
                incomplete_reason: self.incomplete_reason,
            },
            store_gone: self.store_gone,
        }
    }
}

/// One scan under way.
pub(super) struct Reading<'a> {
    store: &'a StoreClient,
    context: &'a ScanContext,
    events: &'a mpsc::Sender<Event>,
    texts: &'a mut Texts,
    number: u32,
    reach: Reach,
    told_facts: HashSet<u128>,
    tally: Tally,
    suspicious: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn of(
        (store, context): (&'a StoreClient, &'a ScanContext),
        events: &'a mpsc::Sender<Event>,
        texts: &'a mut Texts,
        number: u32,
    ) -> Self {
        Self {
            store,
            context,
            events,
            texts,
            number,
            reach: Reach::New,
            told_facts: HashSet::new(),
            tally: Tally::default(),
            suspicious: false,
        }
    }

    /// Was anything suspicious among what was told since the last call?
    pub(super) fn take_suspicious(&mut self) -> bool {
        std::mem::take(&mut self.suspicious)
    }

    /// Tells a session of ours without its messages.
    pub(super) async fn take_session_row(&mut self, session: &SessionRecord) {
        if sight::is_our_session(self.context, &session.id, session.owner.as_deref()) {
            let sighting = self.session_sighting(session, self.read_at());
            self.tell(sighting).await;
        }
    }

    /// Reads everything, in an order that lets nothing slip through: the list of sessions is read
    /// again at the end, because a row may become visible behind a cursor that has passed it.
    async fn read_store(&mut self) {
        let before = self.sessions().await;
        if !self.tally.store_gone {
            self.read_messages(&before).await;
        }
        if !self.tally.store_gone && self.store.can_list_facts() {
            self.read_facts().await;
        }
        if !self.tally.store_gone {
            let after = self.sessions().await;
            self.compare_lists(&before, &after);
        }
    }

    async fn sessions(&mut self) -> Vec<SessionRecord> {
        let walk = self.store.list_sessions().await;
        self.tally.note(walk.fault.as_ref());
        walk.records
    }

    /// Are places of the baseline read, too?
    fn reads_old(&mut self) -> bool {
        let old = self.context.baseline.len();
        match self.reach {
            Reach::New => old <= BASELINE_REREAD_MAX,
            Reach::Whole if old <= BASELINE_SEARCH_MAX => true,
            Reach::Whole => {
                self.tally.incomplete(format!(
                    "what is missing may stand in one of the {old} sessions and users that were \
                     there before the run, too many to read"
                ));
                false
            }
        }
    }

    async fn read_messages(&mut self, sessions: &[SessionRecord]) {
        let old_too = self.reads_old();
        let mut wanted = Vec::new();
        for session in sessions {
            let is_old = self.context.baseline.has_session(&session.id);
            if self.store.can_address(&session.id) {
                if old_too || !is_old {
                    wanted.push(session.clone());
                }
            } else if !is_old {
                self.tally
                    .incomplete("a session has an id that cannot be asked for".to_owned());
            }
        }
        let store = self.store;
        let mut walks = stream::iter(wanted)
            .map(|session| {
                let store = store.clone();
                async move {
                    let walk = store.list_messages(&session.id).await;
                    (session, walk)
                }
            })
            .buffer_unordered(store.read_concurrency());
        while let Some((session, walk)) = walks.next().await {
            self.take_session(&session, &walk).await;
            if self.tally.store_gone {
                return;
            }
        }
    }

    pub(super) async fn take_session(
        &mut self,
        session: &SessionRecord,
        walk: &Walk<MessageRecord>,
    ) {
        self.tally.note(walk.fault.as_ref());
        let read = self.read_at();
        let owner = session.owner.as_deref();
        let by_name = sight::is_our_session(self.context, &session.id, owner);
        let texts = &mut *self.texts;
        let context = self.context;
        let messages: Vec<Sighting> = (0..)
            .zip(&walk.records)
            .map(|(position, message)| {
                let record = Record {
                    kind: RecordType::Message,
                    id: &message.id,
                    owner: message.owner.as_deref().or(owner),
                    session: Some(&session.id),
                    role: message.role,
                    position,
                    body: &message.body,
                };
                (sight::sight(context, &record, read), &message.body)
            })
            .filter(|(sighting, _)| {
                !sighting.canaries.is_empty()
                    || (by_name && !sight::is_old(context, session, &sighting.record_id))
            })
            .map(|(sighting, body)| texts.look(sighting, body))
            .collect();
        let is_old = self.context.baseline.has_session(&session.id);
        if messages.is_empty() && (!by_name || is_old) {
            return;
        }
        self.tally.sessions += 1;
        self.tell(self.session_sighting(session, read)).await;
        for message in messages {
            self.tally.messages += 1;
            self.tally.unattributable += u64::from(!sight::has_exact(&message.canaries));
            self.tell(message).await;
        }
    }

    /// A session's body is its id, as it may be kept: its metadata may be changed by the store at
    /// any time.
    fn session_sighting(&self, session: &SessionRecord, read: ReadAt) -> Sighting {
        let (context, owner) = (self.context, session.owner.as_deref());
        let body = context.strangers.session(context, &session.id, owner);
        let record = Record {
            kind: RecordType::Session,
            id: &session.id,
            owner,
            session: Some(&session.id),
            role: Role::Other,
            position: 0,
            body: &body,
        };
        sight::sight(context, &record, read)
    }

    async fn read_facts(&mut self) {
        let users = self.fact_users().await;
        let store = self.store;
        let mut walks = stream::iter(users)
            .map(|user| {
                let store = store.clone();
                async move {
                    let walk = store.list_facts(&user).await;
                    (user, walk)
                }
            })
            .buffer_unordered(store.read_concurrency());
        while let Some((user, walk)) = walks.next().await {
            self.take_facts(&user, &walk).await;
            if self.tally.store_gone {
                return;
            }
        }
    }

    /// Everybody whose facts are read: the run's users, the placeholders, and whom else the store
    /// has got since the run began.
    async fn fact_users(&mut self) -> BTreeSet<String> {
        let context = self.context;
        let mut users: BTreeSet<String> = (0..context.users)
            .map(|user| sight::expected_owner(context, UserIx(user), OpKind::Upload))
            .collect();
        users.extend(context.scenario.target.placeholders.iter().cloned());
        let listed = self.store.list_users().await;
        self.tally.note(listed.fault.as_ref());
        let old_too = self.reads_old();
        for user in listed.records {
            if old_too || !context.baseline.has_user(&user.id) {
                users.insert(user.id);
            }
        }
        users.retain(|user| {
            let can_address = self.store.can_address(user);
            if !can_address && !context.baseline.has_user(user) {
                self.tally
                    .incomplete("a user has an id that cannot be asked for".to_owned());
            }
            can_address
        });
        users
    }

    pub(super) async fn take_facts(&mut self, user: &str, walk: &Walk<FactRecord>) {
        self.tally.note(walk.fault.as_ref());
        let read = self.read_at();
        for (position, fact) in (0..).zip(&walk.records) {
            let owner = fact.owner.as_deref().or(Some(user));
            let record = Record {
                kind: RecordType::Fact,
                id: &fact.id,
                owner,
                session: None,
                role: Role::Other,
                position,
                body: &fact.body,
            };
            let sighting = sight::sight(self.context, &record, read);
            let of_user = sight::is_our_user(self.context, owner)
                || sight::is_our_user(self.context, Some(user));
            let ours = (of_user && !self.context.baseline.has_fact(&fact.id))
                || !sighting.canaries.is_empty();
            // A store may list one fact under two users.
            if ours && self.told_facts.insert(sight::digest_part(&sighting)) {
                self.tally.facts += 1;
                self.tally.unattributable += u64::from(!sight::has_exact(&sighting.canaries));
                let sighting = self.texts.look(sighting, &fact.body);
                self.tell(sighting).await;
            }
        }
    }

    /// Compares the two readings of the list. Sessions of strangers that began behind the end of
    /// the first reading are no gap: other people may use the store.
    fn compare_lists(&mut self, before: &[SessionRecord], after: &[SessionRecord]) {
        let end = before.iter().map(|session| session.row).max().unwrap_or(0);
        // Without numbers rows are told apart by their ids, and only ours are expected to stay.
        let key = |session: &SessionRecord| (session.row, session.id.clone());
        let mut known: HashMap<(i64, String), &SessionRecord> = before
            .iter()
            .map(|session| (key(session), session))
            .collect();
        for session in after {
            let owner = session.owner.as_deref();
            let is_ours = sight::is_our_session(self.context, &session.id, owner);
            let is_same = known.remove(&key(session)) == Some(session);
            let is_before_end = session.row > 0 && session.row <= end;
            if !is_same && (is_ours || is_before_end) {
                self.tally
                    .incomplete("a session appeared or changed during the scan".to_owned());
            }
        }
        let vanished = known
            .values()
            .any(|session| !self.context.baseline.has_session(&session.id));
        if vanished {
            self.tally
                .incomplete("a session vanished during the scan".to_owned());
        }
    }

    async fn tell(&mut self, sighting: Sighting) {
        self.suspicious |= sight::is_suspicious(self.context, &sighting);
        let part = sight::digest_part(&sighting);
        self.tally.digest = self.tally.digest.wrapping_add(part);
        let listener = self.events.send(Event::Sighted(sighting)).await;
        if listener.is_err() {
            self.tally
                .incomplete("nobody takes what is read any more".to_owned());
        }
    }

    fn read_at(&self) -> ReadAt {
        ReadAt {
            scan: self.number,
            at: self.context.clock.now(),
        }
    }
}

#[cfg(test)]
mod tests;
