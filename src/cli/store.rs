//! Reaching the memory store: where its key comes from.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the store's key from the environment"
)]

use url::Url;

use crate::auth::Secret;
use crate::observe::{StoreClient, StoreError, StoreKey};
use crate::scenario::Memory;

use super::hosts;

/// Finds out, by reading only, whether a store is there and what it speaks: ask the client for
/// its dialect and the evidence. The key comes from the environment variable that the scenario
/// names; without one, the lab's own is tried on this machine.
///
/// # Errors
/// Nothing listens there, or no store that can be read.
pub(super) async fn connect(url: &Url, memory: &Memory) -> Result<StoreClient, StoreError> {
    StoreClient::connect(url, &key(url, memory), memory).await
}

fn key(url: &Url, memory: &Memory) -> StoreKey {
    let given = std::env::var(&memory.key_env).ok();
    match given.filter(|key| !key.trim().is_empty()) {
        Some(key) => StoreKey::Given(Secret::new(key.trim().to_owned())),
        None if hosts::is_loopback(url) => StoreKey::Lab,
        None => StoreKey::None,
    }
}
