//! The lab over loopback: what its clients see, and what is stored in the end.

mod bench;
mod chat;
mod comparison;
mod ends;
mod faults;
mod memory;
mod quirks;
mod races;
mod sessions;
mod spoilt;
mod stream;
mod upload;
mod voice;
mod workload;
