//! Spoken turns on one socket.

use super::{Context, Ended, Halted, wait};
use crate::model::Micros;

/// Runs a voice session that should start at `planned`.
pub(super) async fn run(context: &Context<'_>, planned: Micros) -> Result<Ended, Halted> {
    wait(context.engine, planned, context.cutoff).await?;
    Ok(Ended::Done)
}
