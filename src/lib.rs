//! Crosswire tells whether an AI backend keeps its users apart under load.
//!
//! `scenario → plan → drive → ledger → observe → reconcile → report`

pub mod model;
pub mod canary;
pub mod logs;
pub mod scenario;
pub mod plan;
pub mod event;
pub mod stats;
pub mod dialect;
pub mod reconcile;
pub mod score;
pub mod report;

#[cfg(feature = "shell")]
pub mod clock;
#[cfg(feature = "shell")]
pub mod stop;
#[cfg(feature = "shell")]
pub mod auth;
#[cfg(feature = "shell")]
pub mod ledger;
#[cfg(feature = "shell")]
pub mod wire;
#[cfg(feature = "shell")]
pub mod drive;
#[cfg(feature = "shell")]
pub mod observe;
#[cfg(feature = "shell")]
pub mod lab;
#[cfg(feature = "shell")]
pub mod live;
#[cfg(feature = "shell")]
pub mod cli;
