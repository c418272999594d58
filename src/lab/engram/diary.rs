//! What a background task writes into the log, and what planted faults make of that.

use std::fmt;
use std::sync::Arc;

use super::Handle;
use crate::lab::faults::FaultKind;
use crate::lab::log::{Named, TaskLine};
use crate::lab::races::Hits;
use crate::lab::truth::{REST_PLACEHOLDER, Wrong};
use crate::model::{Code, RecordType};

/// The lines of one task.
#[derive(Debug)]
pub(super) struct Diary<'a> {
    engram: &'a Handle,
    named: &'a Named,
    /// Who sent the request.
    author: &'a Arc<str>,
    file: Option<&'a str>,
    /// What was sent.
    canary: Option<&'a str>,
    hits: &'a Hits,
    /// Whom the fault names instead.
    liar: Option<Arc<str>>,
}

impl<'a> Diary<'a> {
    pub(super) fn new(
        engram: &'a Handle,
        (named, hits): (&'a Named, &'a Hits),
        author: &'a Arc<str>,
        (file, canary): (Option<&'a str>, Option<&'a str>),
    ) -> Self {
        let another = || {
            let another = engram.faults.another_user(author);
            another.unwrap_or_else(|| REST_PLACEHOLDER.into())
        };
        Self {
            engram,
            named,
            author,
            file,
            canary,
            hits,
            liar: hits.has(FaultKind::LogWrongUser).then(another),
        }
    }

    pub(super) fn started(&self, doing: &str, user: &str) {
        for fault in [FaultKind::LogNoUser, FaultKind::LogWrongUser] {
            if self.hits.has(fault) {
                self.tell(fault);
            }
        }
        self.write("started", doing, user, None);
    }

    pub(super) fn completed(&self, done: &str, user: &str) {
        if self.hits.has(FaultKind::LogNoEnd) {
            return self.tell(FaultKind::LogNoEnd);
        }
        self.write("completed", done, user, None);
    }

    pub(super) fn failed(&self, doing: &str, user: &str, error: &impl fmt::Display) {
        self.write("failed", doing, user, Some(&error.to_string()));
    }

    /// Tells the truth about a line that lies.
    pub(super) fn tell(&self, fault: FaultKind) {
        self.engram.truth.tell(Wrong {
            fault,
            code: Code::LogMismatch,
            record_type: RecordType::Log,
            record_id: self.named.request.as_deref().map(str::to_owned),
            canary: self.canary,
            true_user: self.author,
            stored_owner: None,
            asked: None,
            session: None,
        });
    }

    fn write(&self, step: &'static str, what: &str, user: &str, error: Option<&str>) {
        // The snapshot writes none of these lines.
        if self.engram.profile.is_snapshot() {
            return;
        }
        let user = if self.hits.has(FaultKind::LogNoUser) {
            None
        } else {
            Some(self.liar.as_deref().unwrap_or(user))
        };
        let line = TaskLine {
            step,
            what,
            user,
            file: self.file,
            error,
        };
        self.engram.log.task(self.named, line);
    }
}
