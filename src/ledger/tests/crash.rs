//! Crashes, full disks and damaged files.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::event::Event;
use crate::ledger::samples::*;
use crate::ledger::writer::tests::with_pages_max;
use crate::ledger::{LEDGER_FILE, Ledger, LedgerError, LedgerReader};
use crate::model::{OpKind, Outcome};

const LOG_FILE: &str = "run.db-wal";

/// What a killed process leaves behind: the files as they are at this moment.
fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [LEDGER_FILE, LOG_FILE] {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn begun(session: u32) -> Event {
    Event::Invoked(invocation(session, op(session, 0), OpKind::Chat))
}

#[test]
fn what_was_committed_is_read_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    tell(&ledger, (0..100).map(begun));
    let copy = copy_of(folder.path());
    tell(&ledger, (100..200).map(begun));

    let reader = LedgerReader::open(copy.path()).unwrap();
    assert_eq!(reader.ops_of_users(0..200).unwrap().len(), 100);
    assert_eq!(reader.manifest().unwrap(), manifest());
    drop(reader);
    let resumed = Ledger::open_for_append(copy.path()).unwrap();
    let late = completion(op(7, 0), BOTH_MESSAGES);
    tell(&resumed, [Event::Completed(late), begun(300)]);
    resumed.finish().unwrap();
    let counts = LedgerReader::open(copy.path())
        .unwrap()
        .op_counts()
        .unwrap();
    assert_eq!(counts.get(&(OpKind::Chat, None)), Some(&100));
    assert_eq!(counts.get(&(OpKind::Chat, Some(Outcome::Ok))), Some(&1));
    ledger.finish().unwrap();
}

#[test]
fn a_writer_that_is_dropped_still_commits() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    let mut sink = ledger.sink();
    sink.event(&begun(0)).unwrap();
    drop(ledger);
    sink.event(&begun(1)).unwrap();
    sink.finish().unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.ops_of_users(0..2).unwrap().len(), 2);
}

#[test]
fn a_cut_off_log_loses_its_end_only() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    for session in 0..40 {
        tell(&ledger, [begun(session)]);
    }
    let whole = fs::metadata(folder.path().join(LOG_FILE)).unwrap().len();
    let mut last = 40;
    for cut in (0..20).map(|twentieth| whole * (20 - twentieth) / 20 - 1) {
        let copy = copy_of(folder.path());
        let log = OpenOptions::new()
            .write(true)
            .open(copy.path().join(LOG_FILE))
            .unwrap();
        log.set_len(cut).unwrap();
        match LedgerReader::open(copy.path()) {
            Ok(reader) => {
                let rows = reader.ops_of_users(0..100).unwrap();
                assert!(rows.len() <= last, "{} rows of {last}", rows.len());
                last = rows.len();
                // What is left is a beginning without holes.
                for (session, row) in (0..).zip(&rows) {
                    assert_eq!(row.invocation.op, op(session, 0));
                }
            }
            // So little is left that the tables are not in it.
            Err(error) => assert!(matches!(error, LedgerError::Damaged { .. }), "{error}"),
        }
    }
    assert!(last < 40);
    ledger.finish().unwrap();
}

#[test]
fn files_that_are_no_ledgers_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let message = || {
        let read = LedgerReader::open(folder.path()).unwrap_err().to_string();
        let appended = Ledger::open_for_append(folder.path()).unwrap_err();
        assert_eq!(appended.to_string(), read);
        read
    };
    assert!(message().contains("there is no such file"), "{}", message());
    fs::write(
        &path,
        "this is not a database, whatever its name says, not at all",
    )
    .unwrap();
    assert!(
        message().contains("damaged or not a ledger"),
        "{}",
        message()
    );
    fs::write(&path, "").unwrap();
    assert!(message().contains("no table `manifest`"), "{}", message());
    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE other (x)")
        .unwrap();
    assert!(message().contains("no table `manifest`"), "{}", message());
}

#[test]
fn a_damaged_page_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), (0..2_000).map(begun));
    let path = folder.path().join(LEDGER_FILE);
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 20_000].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    let error = reader.ops_of_users(0..3_000).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("run.db"), "{error}");
}

#[test]
fn values_outside_their_sets_are_named() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), [begun(0)]);
    alter(folder.path(), "UPDATE ops SET kind = 99");
    let reader = LedgerReader::open(folder.path()).unwrap();
    let error = reader.ops_of_users(0..1).unwrap_err().to_string();
    assert!(error.contains("column `kind` holds 99"), "{error}");
    assert!(error.contains("damaged"), "{error}");
    alter(folder.path(), "UPDATE sessions SET user_ix = 4294967295");
    let error = reader.users().unwrap_err().to_string();
    assert!(error.contains("a session of user 4294967294"), "{error}");
    alter(
        folder.path(),
        "UPDATE manifest SET value = 'no JSON' WHERE key = 'seed'",
    );
    let error = reader.manifest().unwrap_err().to_string();
    assert!(error.contains("missing field `seed`"), "{error}");
}

#[test]
fn a_newer_major_format_is_refused_and_a_newer_minor_is_read() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), [begun(0)]);
    let format = |format: &str| {
        alter(
            folder.path(),
            &format!("UPDATE manifest SET value = '\"{format}\"' WHERE key = 'format'"),
        );
        LedgerReader::open(folder.path())
    };
    assert!(format("2.9").is_ok());
    for (found, part) in [
        (
            "3.0",
            "its format is 3.0, this version reads 2.x; use a newer Crosswire",
        ),
        ("0.3", "use an older Crosswire"),
        ("soon", "its format is `soon`"),
    ] {
        let error = format(found).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(Ledger::open_for_append(folder.path()).is_err());
}

#[test]
fn a_full_disk_stops_the_writing_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_pages_max(folder.path(), &manifest(), 60);
    let mut sink = ledger.sink();
    let told = 20_000;
    let refused = (0..told)
        .filter(|session| sink.event(&begun(*session)).is_err())
        .count();
    assert!(sink.finish().is_err());
    assert!(ledger.note("drive_end", "done").is_err());
    assert!(ledger.store_baseline(&[1]).is_err());
    let error = ledger.finish().unwrap_err();
    let LedgerError::Write { events_dropped, .. } = &error else {
        panic!("{error}");
    };
    assert!(error.to_string().contains("disk is full"), "{error}");
    let reader = LedgerReader::open(folder.path()).unwrap();
    let kept = reader.ops_of_users(0..told).unwrap().len();
    assert_eq!(kept as u64 + events_dropped, u64::from(told));
    assert!(refused as u64 <= *events_dropped);
}

fn alter(folder: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(folder.join(LEDGER_FILE)).unwrap();
    connection.execute_batch(sql).unwrap();
}
