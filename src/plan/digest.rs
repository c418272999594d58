//! What identifies a plan.

use crate::model::{GroupIx, SessionIx};

use super::{Disturbance, Plan, Script};

/// Version of the plan's making: raised when equal inputs give other scripts than before.
const PLAN_VERSION: u32 = 3;
const DIGEST_KEY: &[u8; 32] = b"crosswire plan digest, version 1";
/// Scripts of a group that count.
const SESSIONS_DIGESTED_MAX: u32 = 4_000;
/// Scripts that count of a group without a last session.
const SESSIONS_DIGESTED_OPEN: u32 = 256;
/// Bytes of the digest.
const DIGEST_BYTES: usize = 16;

pub(super) fn digest(plan: &Plan) -> String {
    let mut hasher = blake3::Hasher::new_keyed(DIGEST_KEY);
    hasher.update(&PLAN_VERSION.to_le_bytes());
    hasher.update(&plan.seed.0.to_le_bytes());
    let shaping = (
        plan.scenario.users,
        &plan.scenario.groups,
        &plan.scenario.disturbances,
        &plan.scenario.target.trigger_words,
    );
    // Plain data can always be written; were it not so, the digest would tell.
    let is_written = serde_json::to_writer(&mut hasher, &shaping).is_ok();
    hasher.update(&[u8::from(is_written)]);
    for (group, ix) in plan.scenario.groups.iter().zip(0..=u16::MAX) {
        let group_ix = GroupIx(ix);
        let sessions = plan
            .session_count(group_ix)
            .map_or(SESSIONS_DIGESTED_OPEN, |count| {
                count.min(SESSIONS_DIGESTED_MAX)
            });
        for local in 0..sessions {
            let number = u32::from(ix) + local * plan.group_count();
            if let Some(script) = plan.script(SessionIx(number)) {
                add_script(&mut hasher, &script);
            }
        }
        hasher.update(group.name.as_bytes());
    }
    hasher.finalize().to_hex()[..2 * DIGEST_BYTES].to_owned()
}

/// Adds one script. All parts have a fixed length, so that none can run into the next.
fn add_script(hasher: &mut blake3::Hasher, script: &Script) {
    hasher.update(&script.session.0.to_le_bytes());
    hasher.update(&script.user.0.to_le_bytes());
    for step in &script.steps {
        hasher.update(&step.user.0.to_le_bytes());
        hasher.update(&step.traits.0.to_le_bytes());
        hasher.update(&step.op.to_i64().to_le_bytes());
        hasher.update(&step.pause.as_nanos().to_le_bytes());
        hasher.update(&step.item_first.to_le_bytes());
        hasher.update(&step.item_count.to_le_bytes());
        hasher.update(&step.text_hash.to_le_bytes());
        hasher.update(&[step.login, u8::from(step.overlaps)]);
        let (way, size) = step.disturbance.map_or((0, 0), numbers_of);
        hasher.update(&[way]);
        hasher.update(&size.to_le_bytes());
    }
}

/// A disturbance as two numbers.
fn numbers_of(disturbance: Disturbance) -> (u8, u128) {
    match disturbance {
        Disturbance::Cancel { after } => (1, after.as_nanos()),
        Disturbance::Drop { sent_per_mille } => (2, u128::from(sent_per_mille)),
        Disturbance::CloseEarly => (3, 0),
        Disturbance::SubmitTwice => (4, 0),
        Disturbance::ReadSlowly { pause } => (5, pause.as_nanos()),
    }
}
