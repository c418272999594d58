//! What the integration tests share: the real binary, a lab of one's own, the ledger's rows.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No command of a test may take longer.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(2);

/// How often a run is tried whose generator could not keep up.
const SATURATED_TRIES: usize = 5;

/// Only one load at a time: runs that take the processor from each other would measure each
/// other, and be inconclusive for it.
static MACHINE: Mutex<()> = Mutex::new(());

/// A fresh folder for run folders, the command that uses it, and the machine for oneself.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    _machine: MutexGuard<'static, ()>,
}

/// A finished command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Says that a test cannot be made on this machine, past the capture of what passing tests print.
///
/// # Panics
/// Where skipping is forbidden: `CROSSWIRE_NO_SKIP` is set, as in `.ci/run`.
pub(crate) fn skip(reason: &str) {
    assert!(
        std::env::var_os("CROSSWIRE_NO_SKIP").is_none(),
        "skipping is forbidden here: {reason}"
    );
    let mut past_the_capture = std::io::stderr();
    writeln!(past_the_capture, "SKIPPED: {reason}").unwrap();
}

impl Bench {
    pub(crate) fn new() -> Self {
        // A test that failed has let go of the machine all the same.
        let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            folder: tempfile::tempdir().unwrap(),
            _machine: machine,
        }
    }

    /// The command with `--reports` set and no setting from the environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crosswire"));
        command
            .arg("--reports")
            .arg(self.folder.path().join("reports"))
            .args(args);
        for name in ["TARGET", "MEMORY", "AUTH", "SEED", "REPORTS"] {
            command.env_remove(format!("CROSSWIRE_{name}"));
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        let child = self.spawn(args);
        finish(child)
    }

    /// Runs to the end, anew where the generator could not keep up: a busy machine makes a run
    /// inconclusive, which says nothing of the target. The folder of such a run is removed.
    pub(crate) fn run_unsaturated(&self, args: &[&str]) -> Done {
        for _ in 1..SATURATED_TRIES {
            let done = self.run(args);
            if done.code != Some(4) || !self.was_only_saturated() {
                return done;
            }
            std::fs::remove_dir_all(self.folder.path().join("reports")).unwrap();
        }
        self.run(args)
    }

    /// Was a busy machine the last run's only reason to be inconclusive?
    fn was_only_saturated(&self) -> bool {
        let judged = self.run(&["report", "last", "--report", "json=-"]);
        judged.json()["inconclusive_reasons"] == serde_json::json!(["generator-saturated"])
    }

    /// Starts and goes on.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The folder of the only run so far.
    pub(crate) fn only_run(&self) -> PathBuf {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// All run folders.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("reports")) else {
            return Vec::new();
        };
        entries
            .map(|e| e.unwrap().path())
            .filter(|p| p.is_dir())
            .collect()
    }

    /// A file of this test's own.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Waits for a child, which must end within the limit.
pub(crate) fn finish(child: Child) -> Done {
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(COMMAND_TIMEOUT) else {
        signal(id, "KILL");
        panic!("the command did not end within {COMMAND_TIMEOUT:?}");
    };
    Done::of(&output.unwrap())
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(id: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(id.to_string())
        .status()
        .unwrap();
    assert!(status.success());
}

/// A lab in a process of its own; killed when dropped.
#[derive(Debug)]
pub(crate) struct OwnLab {
    child: Child,
    pub(crate) target: String,
    pub(crate) memory: String,
}

impl OwnLab {
    pub(crate) fn start(bench: &Bench, args: &[&str]) -> Self {
        let log = bench.folder.path().join("own-lab.log");
        let mut all = vec!["lab", "--log", log.to_str().unwrap()];
        all.extend_from_slice(args);
        let mut child = bench.command(&all).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| address[key].as_str().unwrap().to_owned();
        Self {
            target: text("target"),
            memory: text("memory"),
            child,
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for OwnLab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Operations in a run's ledger that fulfil an SQL condition; 0 as long as there is no ledger.
pub(crate) fn count_ops(run: &Path, condition: &str) -> u64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let sql = format!("SELECT count(*) FROM ops WHERE {condition}");
    rusqlite::Connection::open_with_flags(run.join("run.db"), flags)
        .and_then(|ledger| ledger.query_row(&sql, [], |row| row.get::<_, i64>(0)))
        .map_or(0, |count| u64::try_from(count).unwrap())
}

/// Waits until the ledger of the only run holds at least so many operations.
pub(crate) fn wait_for_ops(bench: &Bench, ops_min: u64) -> PathBuf {
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    while Instant::now() < deadline {
        if let [run] = bench.runs().as_slice()
            && count_ops(run, "1") >= ops_min
        {
            return run.clone();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("fewer than {ops_min} operations within {COMMAND_TIMEOUT:?}");
}
