//! The vendor's own clients as judges of the lab's stores: each script prints a line for each
//! call. They run where `CROSSWIRE_VENDOR` names a folder with a Python environment for each
//! (docs/DIALECTS.md says how to make it), and are skipped elsewhere.

use std::path::Path;
use std::process::Command;

use crate::support::{Bench, OwnLab};

#[test]
fn every_call_of_the_vendors_clients_works() {
    let Some(folder) = std::env::var_os("CROSSWIRE_VENDOR") else {
        eprintln!("SKIPPED: CROSSWIRE_VENDOR names no folder with the vendor's clients");
        return;
    };
    for (profile, client) in [("strict-v1", "v1"), ("v2", "v2"), ("cloud", "cloud")] {
        let bench = Bench::new();
        let lab = OwnLab::start(&bench, &["--profile", profile]);
        let python = Path::new(&folder).join(client).join("bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/vendor")
            .join(format!("{client}.py"));
        let done = Command::new(&python)
            .arg(script)
            .arg(&lab.memory)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let told = String::from_utf8_lossy(&done.stdout);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{profile}:\n{told}{errors}");
    }
}
