//! Which run a name means.

use std::fs;

use crate::ledger::samples::manifest;
use crate::ledger::{Ledger, LedgerError, Manifest, resolve, run_folder};
use crate::model::RunId;

#[test]
fn runs_are_found_by_id_prefix_path_and_age() {
    let reports = tempfile::tempdir().unwrap();
    let none = resolve(reports.path(), "last").unwrap_err().to_string();
    assert!(none.contains("there is no run yet"), "{none}");
    for (run, created_unix_us) in [(0x1111_1111, 30), (0x1122_0000, 90), (0xabcd_0123, 60)] {
        let made = Manifest {
            run: RunId(run),
            created_unix_us,
            ..manifest()
        };
        let folder = run_folder(reports.path(), made.run);
        Ledger::create(&folder, &made).unwrap().finish().unwrap();
    }
    // Neither a run without a ledger nor one that cannot be read is in the way.
    fs::create_dir_all(reports.path().join("1133ffff")).unwrap();
    let broken = run_folder(reports.path(), RunId(0xffff_0000));
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("run.db"), "no ledger").unwrap();

    let path = reports.path().join("abcd0123");
    for (name, run) in [
        ("last", 0x1122_0000),
        ("11111111", 0x1111_1111),
        ("112", 0x1122_0000),
        ("a", 0xabcd_0123),
        (path.to_str().unwrap(), 0xabcd_0123),
    ] {
        let folder = resolve(reports.path(), name).unwrap();
        assert_eq!(folder, run_folder(reports.path(), RunId(run)), "{name}");
    }
    for (name, part) in [
        ("11", "may be 11111111, 11220000"),
        ("77", "the newest are 11220000, abcd0123, 11111111"),
        ("1133", "there is no such run"),
        ("", "there is no such run"),
        (reports.path().to_str().unwrap(), "there is no such file"),
    ] {
        let error = resolve(reports.path(), name).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
}

#[test]
fn reports_that_are_no_folder_are_an_error() {
    let reports = tempfile::tempdir().unwrap();
    let missing = reports.path().join("missing");
    let error = resolve(&missing, "last").unwrap_err();
    assert!(matches!(error, LedgerError::NoSuchRun { .. }), "{error}");
    let file = reports.path().join("file");
    fs::write(&file, "").unwrap();
    let error = resolve(&file, "last").unwrap_err();
    assert!(matches!(error, LedgerError::Folder { .. }), "{error}");
}
