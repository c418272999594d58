//! The lab over loopback: what its clients see, and what is stored in the end.

mod bench;
mod chat;
mod comparison;
mod ends;
mod faults;
mod memory;
mod sessions;
mod upload;
mod voice;
mod workload;
