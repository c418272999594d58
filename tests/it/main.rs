//! Integration tests: one binary, a file a subject.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests drive real files and processes, and fail by panicking"
)]

mod architecture;
mod bad_input;
mod channels;
mod check;
mod clean;
mod clean_up;
mod control;
mod credentials;
mod determinism;
mod dialects;
mod doctor;
mod evidence;
mod faults;
mod golden;
mod logs;
mod profile;
mod read_back;
mod reasons;
mod strangers;
mod support;
mod vendor;
