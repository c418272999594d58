//! The lab over loopback.
