//! Integration tests: one binary, a file a subject.

mod architecture;
mod bad_input;
mod clean;
mod determinism;
mod evidence;
mod faults;
mod read_back;
mod support;
