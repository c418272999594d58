//! The vendor's own clients as judges of the lab's stores: a run writes to each, and a script
//! calls the store through the client, prints a line for each call, and compares what it reads with
//! what the run's ledger says is there. They run where `CROSSWIRE_VENDOR` names a folder with a
//! Python environment for each (docs/DIALECTS.md says how to make it), and are skipped elsewhere.

use std::path::Path;
use std::process::Command;

use crate::dialects::{TALKS, UPLOADS, WITH_USERS, judged, run};
use crate::support::{Bench, OwnLab, skip};

#[test]
fn the_vendors_clients_work_and_read_what_a_run_wrote() {
    let Some(folder) = std::env::var_os("CROSSWIRE_VENDOR") else {
        skip("CROSSWIRE_VENDOR names no folder with the vendor's clients (docs/DIALECTS.md)");
        return;
    };
    let with_users = TALKS.replace("[memory.settle]", &format!("{WITH_USERS}[memory.settle]"));
    let with_uploads = format!("{TALKS}{UPLOADS}");
    for (profile, client, dialect, scenario) in [
        ("strict-v1", "v1", "v1", with_users.as_str()),
        ("v2", "v2", "v2", TALKS),
        ("cloud", "cloud", "cloud", with_uploads.as_str()),
    ] {
        let bench = Bench::new();
        let lab = OwnLab::start(&bench, &["--profile", profile]);
        judged(&run(&bench, &lab, scenario), dialect, 0);
        let python = Path::new(&folder).join(client).join("bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/vendor")
            .join(format!("{client}.py"));
        let done = Command::new(&python)
            .arg("-B")
            .arg(script)
            .arg(&lab.memory)
            .arg(bench.only_run())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let told = String::from_utf8_lossy(&done.stdout);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{profile}:\n{told}{errors}");
        assert!(!errors.contains("incompatible"), "{profile}:\n{errors}");
        assert!(told.contains("\nok messages of cw-"), "{profile}:\n{told}");
    }
}
