//! Who may reach what a session holds, and what a planted fault shows to those who may not.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::HeaderMap;

use super::{Engram, echo, identity};
use crate::lab::faults::FaultKind;
use crate::lab::truth::{REST_PLACEHOLDER, Wrong};
use crate::lab::zep::MessagePage;
use crate::model::{Code, RecordType, Route, RunId};

/// Messages of a session that are looked at for what was told in it.
const TOLD_MESSAGES: usize = 100;

impl Engram {
    /// The user of a request on a route; `None` if its credential is not accepted. Where the route is
    /// open, none is looked at but a valid one.
    pub(super) fn reader(&self, headers: &HeaderMap, route: Route) -> Option<Arc<str>> {
        match identity::of_rest(headers, &self.keys) {
            Ok(user) => Some(user),
            Err(_) if self.faults.opens(route) => Some(REST_PLACEHOLDER.into()),
            Err(_) => None,
        }
    }

    /// Does the store name this user as the session's owner?
    pub(super) fn owns(&self, session_id: &str, user: &str) -> bool {
        let session = self.store.session(session_id);
        session.is_some_and(|session| session.user_id.as_deref() == Some(user))
    }

    /// Does the store name somebody else as its owner?
    pub(super) fn is_anothers(&self, session_id: &str, user: &str) -> bool {
        let session = self.store.session(session_id);
        session.is_some_and(|session| session.user_id.as_deref() != Some(user))
    }

    /// Tells the truth about texts of a session that were shown to somebody else, where a fault did
    /// it: the snapshot is known to.
    pub(super) fn tell_shown<'a>(
        &self,
        session_id: &str,
        reader: &str,
        texts: impl IntoIterator<Item = &'a str>,
    ) {
        if !self.truth.heard() || !self.faults.planted(FaultKind::OpenRoute) {
            return;
        }
        let owner = self.store.session(session_id);
        let Some(owner) = owner.and_then(|session| session.user_id) else {
            return;
        };
        if owner == reader {
            return;
        }
        let words: BTreeSet<String> = texts.into_iter().flat_map(echo::reference_words).collect();
        for word in words {
            self.truth.tell(Wrong {
                record_id: Some(session_id.to_owned()),
                stored_owner: Some(reader),
                ..trespass(RecordType::Answer, session_id, (&owner, &word))
            });
        }
    }

    /// The same of a session that was listed for somebody else. One that the server has named does
    /// not say whose it is.
    pub(super) fn tell_listed(&self, session_id: &str, reader: &str) {
        if RunId::parse_session_name(session_id).is_some() {
            let texts = self.texts(session_id);
            self.tell_shown(session_id, reader, texts.iter().map(String::as_str));
        }
    }

    /// Deletes a session for whoever asks.
    pub(super) fn delete_for(&self, session_id: &str, user: &str) {
        let texts = self.texts(session_id);
        let owner = self.store.session(session_id);
        let owner = owner.and_then(|session| session.user_id);
        self.store.delete_session(session_id);
        let Some(owner) = owner.filter(|owner| owner != user) else {
            return;
        };
        let words: BTreeSet<String> = texts
            .iter()
            .flat_map(|text| echo::reference_words(text))
            .collect();
        for word in words {
            let wrong = trespass(RecordType::Message, session_id, (&owner, &word));
            self.truth.tell(wrong);
        }
    }

    fn texts(&self, session_id: &str) -> Vec<String> {
        let page = MessagePage::Page {
            limit: TOLD_MESSAGES,
            number: 1,
        };
        let messages = self.store.messages(session_id, page).0;
        messages
            .into_iter()
            .map(|message| message.content)
            .collect()
    }
}

fn trespass<'a>(
    record_type: RecordType,
    session: &'a str,
    (owner, word): (&'a str, &'a str),
) -> Wrong<'a> {
    Wrong {
        fault: FaultKind::OpenRoute,
        code: Code::Trespass,
        record_type,
        record_id: None,
        canary: Some(word),
        true_user: owner,
        stored_owner: None,
        session: Some(session),
        asked: None,
    }
}
