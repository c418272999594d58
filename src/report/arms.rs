//! What the control arm says beside the load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{OpKind, RunId};
use crate::reconcile::arms::{self, Compared, Rounds};

/// The same operations one at a time, beside the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlArmDetail {
    /// The control arm's own run; its ledger is in the folder `control` of the run's.
    pub run_id: RunId,
    /// Its sessions, by channel.
    pub sessions: BTreeMap<OpKind, u64>,
    /// Each anomaly and channel that failed in either arm.
    pub compared: Vec<Compared>,
}

impl ControlArmDetail {
    /// Puts the arms beside each other.
    pub fn new(load: &Rounds, control: &arms::ControlArm) -> Self {
        Self {
            run_id: control.run,
            sessions: control.rounds.sessions.clone(),
            compared: arms::compare(load, &control.rounds),
        }
    }

    /// Has the control shown something that fails a run, and that the load has not?
    pub fn shows_more(&self) -> bool {
        let more = |one: &Compared| one.code.fails() && one.load.k == 0 && one.control.k > 0;
        self.compared.iter().any(more)
    }
}
