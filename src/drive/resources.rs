//! What this process costs the machine.
#![expect(
    clippy::disallowed_methods,
    reason = "resident memory is read from the process file system"
)]

use std::fs;
use std::time::Duration;

use rustix::param::page_size;
use rustix::time::{ClockId, clock_gettime};

/// CPU time of this process so far, user and system.
pub(super) fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(used.tv_sec).unwrap_or_default(),
        u32::try_from(used.tv_nsec).unwrap_or_default(),
    )
}

/// Resident memory in bytes; 0 where the system does not say.
pub(super) fn rss_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default().saturating_mul(page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let before = cpu();
        let mut sum = 0_u64;
        while cpu() == before {
            sum = sum.wrapping_add(1);
        }
        assert!(cpu() > before);
        if cfg!(target_os = "linux") {
            assert!(rss_bytes() > 0);
        }
    }
}
