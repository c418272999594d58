//! What the ledger promises as a whole: what is written is read back, whatever happens between.
#![expect(
    clippy::disallowed_methods,
    reason = "crashes are imitated by copying, cutting and damaging files"
)]

mod bucket;
mod crash;
mod documents;
mod identity;
mod naming;
mod promises;
