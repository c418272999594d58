//! Numbers, durations and line breaks for people.
