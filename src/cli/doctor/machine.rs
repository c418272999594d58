//! Is this machine fit to drive a load?
#![expect(clippy::disallowed_methods, reason = "reads the range of ports")]

use std::path::Path;

use rustix::fs::statvfs;

use crate::wire::connections_max;

use super::sheet::{Sheet, State};

/// Connections beside those of the users: reads of the store, logs, the lab.
const CONNECTIONS_BESIDE: usize = 64;
/// Where Linux says which ports outgoing connections get.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Free bytes below which a long run may not be recorded.
const DISK_FREE_MIN: u64 = 1 << 30;

/// Looks at descriptors, ports and disk for so many users.
pub(super) fn look(sheet: &mut Sheet, reports: &Path, users: u32) {
    let wanted = usize::try_from(users).unwrap_or(usize::MAX);
    let wanted = wanted.saturating_add(CONNECTIONS_BESIDE);
    let most = connections_max();
    let (state, remedy) = if most >= wanted {
        (State::Ok, "")
    } else {
        (State::Warn, "raise the limit: ulimit -n 65536")
    };
    let seen = format!("room for {most} connections, {wanted} wanted");
    sheet.line("descriptors", state, seen, remedy);
    match ports() {
        None => sheet.line(
            "ports",
            State::Skipped,
            "not known on this system",
            "see that outgoing connections have ports enough",
        ),
        Some(ports) => {
            let (state, remedy) = if ports >= wanted {
                (State::Ok, "")
            } else {
                let remedy = "widen it: sysctl net.ipv4.ip_local_port_range=\"1024 65535\"";
                (State::Warn, remedy)
            };
            let seen = format!("{ports} for outgoing connections, {wanted} wanted");
            sheet.line("ports", state, seen, remedy);
        }
    }
    disk(sheet, reports);
}

fn ports() -> Option<usize> {
    let text = std::fs::read_to_string(PORT_RANGE).ok()?;
    let mut ends = text.split_whitespace().map(str::parse::<usize>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some(last.checked_sub(first)? + 1)
}

fn disk(sheet: &mut Sheet, reports: &Path) {
    // The folder may still have to be made.
    let place = reports.ancestors().find(|folder| folder.is_dir());
    let place = place.unwrap_or(Path::new("."));
    match statvfs(place) {
        Err(error) => {
            let seen = format!("{}: {error}", place.display());
            let remedy = "give another place for run folders: --reports DIR";
            sheet.line("disk", State::Fail, seen, remedy);
        }
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let (state, remedy) = if free >= DISK_FREE_MIN {
                (State::Ok, "")
            } else {
                (
                    State::Warn,
                    "make room, or give another place: --reports DIR",
                )
            };
            let seen = format!("{} MiB free for run folders", free >> 20);
            sheet.line("disk", state, seen, remedy);
        }
    }
}
