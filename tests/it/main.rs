//! Integration tests: one binary, a file a subject.

mod read_back;
