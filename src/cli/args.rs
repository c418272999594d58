//! What the user typed, and nothing more: flags as text and numbers.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::lab::{LogFormat, Profile, QuirkKind};
use crate::model::OpKind;

/// Tells whether an AI backend keeps its users apart under load.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Start here: `crosswire run` tests the embedded lab; \
                  `crosswire run --lab-fault late-binding` shows a failure.\n\
                  Exit codes: 0 pass, 1 fail, 2 usage, 3 pre-flight failed and nothing was sent, \
                  4 inconclusive, 70 internal fault, 130/143 left at once on the second signal.",
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// When to use colour; by default when the output is a terminal and `NO_COLOR` is not set.
    #[arg(long, global = true, value_enum, default_value_t = ColorWhen::Auto, value_name = "WHEN")]
    pub color: ColorWhen,
    /// Say less: no progress, only the verdict and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Where the run folders are.
    #[arg(
        long,
        global = true,
        env = "CROSSWIRE_REPORTS",
        default_value = "reports",
        value_name = "DIR"
    )]
    pub reports: PathBuf,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// When the output is a terminal and `NO_COLOR` is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The subcommands, in the order of the help.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Drive, read back, judge; without a target: the embedded lab
    Run(RunArgs),
    /// Read the store of an earlier run back again, and judge
    Observe(ObserveArgs),
    /// Try one user: one operation of each kind, and what became of it
    Check(CheckArgs),
    /// Look at a target before a run: what is there, what is missing, and what to do about it
    Doctor(DoctorArgs),
    /// Remove what a run has left in the store; without `--yes` it only says what
    Clean(CleanArgs),
    /// Judge an earlier run again from its ledger
    Reconcile(JudgeArgs),
    /// Show an earlier run again, in any format
    Report(JudgeArgs),
    /// Say what a name in a report means: an anomaly, a reason, a trait
    Explain(ExplainArgs),
    /// Score the detector on this machine: planted faults, found and rightly named or not
    Selftest(SelftestArgs),
    /// Serve the practice target: an Engram-like backend and a Zep-like store
    Lab(LabArgs),
    /// What the target has to know to verify minted tokens
    Auth(AuthArgs),
    /// List, show and check scenarios; print their JSON Schema
    Scenario(ScenarioArgs),
}

/// `crosswire run`.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// A scenario file, or the name of an embedded one (`crosswire scenario list`); by default
    /// `quick` for the lab, the profile's own for a lab with one, and `staging` for a target
    pub scenario: Option<String>,
    /// The backend under test; by default the embedded lab
    #[arg(short, long, env = "CROSSWIRE_TARGET", value_name = "URL")]
    pub target: Option<String>,
    /// The memory store that is read back, or `none`
    #[arg(short, long, env = "CROSSWIRE_MEMORY", value_name = "URL|none")]
    pub memory: Option<String>,
    /// How requests prove who sends them: `dev`, `dev-header` or `none`; one token for all as
    /// `env:NAME` or `file:PATH`; `users:PATH` for a file with one each; `config:PATH` for a file
    /// with a section `[auth]`
    #[arg(long, env = "CROSSWIRE_AUTH", value_name = "KIND")]
    pub auth: Option<String>,
    /// Allow traffic to this host; needed for every host that is not loopback
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// The number that the plan is computed from; drawn and printed if not given
    #[arg(long, env = "CROSSWIRE_SEED", value_name = "N")]
    pub seed: Option<u64>,
    /// Number of synthetic users
    #[arg(short, long, value_name = "N")]
    pub users: Option<u32>,
    /// Virtual users in all; the closed groups share them as they do in the scenario
    #[arg(long, value_name = "N")]
    pub vus: Option<u32>,
    /// How long sessions are started, for the groups that have a duration (`20s`, `1h30m`)
    #[arg(short, long, value_name = "TIME")]
    pub duration: Option<String>,
    /// A fault for the embedded lab; repeatable:
    /// `NAME[:rate=0.01][:window=2ms][:from=N][:after=N][:delay=7s][:limit=N]`
    #[arg(long = "lab-fault", value_name = "FAULT")]
    pub lab_faults: Vec<String>,
    /// An oddity of the embedded lab that is no fault; repeatable
    #[arg(long = "lab-quirk", value_name = "QUIRK", value_parser = quirk_names())]
    pub lab_quirks: Vec<String>,
    /// Whose behaviour the embedded lab has: `f878ddb` is a public snapshot with known faults
    #[arg(long, value_name = "PROFILE", value_parser = profile_names())]
    pub lab_profile: Option<String>,
    /// Write the embedded lab's log to this file instead of `lab.log` in the run's folder
    #[arg(long, value_name = "FILE")]
    pub lab_log: Option<PathBuf>,
    /// How the lines of the embedded lab's log look
    #[arg(long, value_name = "FORMAT", value_parser = log_formats())]
    pub lab_log_format: Option<String>,
    /// A log of the target, read while the run goes on: a file (followed, also when it is
    /// rotated), `cmd:COMMAND` (such as `cmd:docker logs -f NAME`), `-` for stdin, or `lab` for
    /// that of the embedded lab; repeatable, one for each replica
    #[arg(long = "logs", value_name = "SOURCE")]
    pub logs: Vec<String>,
    /// First send some of the sessions one operation at a time, to tell races from what is always
    /// wrong
    #[arg(long)]
    pub control: bool,
    /// Say what is proved while the load runs; reads the store for it, so that all such reads add
    /// at most 5 % to the load
    #[arg(long)]
    pub watch: bool,
    /// Stop the load at the first proved finding that fails the run, then read back and judge;
    /// watches as `--watch` does
    #[arg(long)]
    pub fail_fast: bool,
    /// What the run may cost.
    #[command(flatten)]
    pub cost: CostArgs,
    /// Write a report: `json=FILE`, `terminal=FILE`, with `-` for stdout; repeatable
    #[arg(long = "report", value_name = "KIND[=PATH]")]
    pub outputs: Vec<String>,
}

/// What `crosswire run` may cost its target.
#[derive(Debug, Default, Args)]
pub(super) struct CostArgs {
    /// Say what the run would cost, and send nothing: operations, model calls, records that are
    /// left, time
    #[arg(long)]
    pub dry_run: bool,
    /// Stop the load before the operation that would be one too many
    #[arg(long, value_name = "N")]
    pub max_ops: Option<u64>,
    /// Begin at most so many operations a second; what would come faster waits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rate: Option<u32>,
    /// Stop the load before it costs more calls of a language model, one a turn
    #[arg(long, value_name = "N")]
    pub max_model_calls: Option<u64>,
    /// Stop the load after this time (`20s`, `1h30m`)
    #[arg(long, value_name = "TIME")]
    pub max_wall: Option<String>,
}

/// `crosswire check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The user whose id must be preserved
    #[arg(long, value_name = "ID")]
    pub user_id: String,
    /// What is tried
    #[arg(long, value_enum, default_value_t = CheckTest::All, value_name = "TEST")]
    pub test: CheckTest,
    /// The backend under test; by default the embedded lab
    #[arg(short, long, env = "CROSSWIRE_TARGET", value_name = "URL")]
    pub target: Option<String>,
    /// The memory store that is read back, or `none`
    #[arg(short, long, env = "CROSSWIRE_MEMORY", value_name = "URL|none")]
    pub memory: Option<String>,
    /// The user's credential: `env:NAME`, `file:PATH`, `dev` or `dev-header` for a development
    /// token, `users:PATH` for a file of users, `config:PATH` for a file with a section `[auth]`;
    /// by default `$AUTH_TOKEN`
    #[arg(long, value_name = "SOURCE")]
    pub auth: Option<String>,
    /// Allow traffic to this host; needed for every host that is not loopback
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// A log of the target: a file, `cmd:COMMAND`, or `-` for stdin; repeatable
    #[arg(long = "logs", value_name = "SOURCE")]
    pub logs: Vec<String>,
    /// A fault for the embedded lab; repeatable
    #[arg(long = "lab-fault", value_name = "FAULT")]
    pub lab_faults: Vec<String>,
    /// Whose behaviour the embedded lab has
    #[arg(long, value_name = "PROFILE", value_parser = profile_names())]
    pub lab_profile: Option<String>,
    /// Print the manual steps as curl commands, and send nothing
    #[arg(long)]
    pub print_curl: bool,
    /// Write the result as JSON: `json=FILE`
    #[arg(long, value_name = "KIND=PATH")]
    pub report: Option<String>,
}

/// `crosswire doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// A scenario file, or the name of an embedded one, whose settings are looked at
    pub scenario: Option<String>,
    /// The backend under test; by default the embedded lab
    #[arg(short, long, env = "CROSSWIRE_TARGET", value_name = "URL")]
    pub target: Option<String>,
    /// The memory store that is read back, or `none`
    #[arg(short, long, env = "CROSSWIRE_MEMORY", value_name = "URL|none")]
    pub memory: Option<String>,
    /// How requests prove who sends them, as for `run`
    #[arg(long, env = "CROSSWIRE_AUTH", value_name = "KIND")]
    pub auth: Option<String>,
    /// Allow traffic to this host; needed for every host that is not loopback
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// A log of the target: a file, `cmd:COMMAND`, or `-` for stdin; repeatable
    #[arg(long = "logs", value_name = "SOURCE")]
    pub logs: Vec<String>,
    /// A fault for the embedded lab; repeatable
    #[arg(long = "lab-fault", value_name = "FAULT")]
    pub lab_faults: Vec<String>,
    /// Whose behaviour the embedded lab has
    #[arg(long, value_name = "PROFILE", value_parser = profile_names())]
    pub lab_profile: Option<String>,
    /// Write what was seen as JSON: `json=FILE`
    #[arg(long, value_name = "KIND=PATH")]
    pub report: Option<String>,
}

/// What `crosswire check` tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckTest {
    /// One chat turn.
    Chat,
    /// One document.
    Document,
    /// One spoken turn.
    Voice,
    /// One of each.
    All,
}

impl CheckArgs {
    /// The kinds of operations that are tried.
    pub(super) fn tests(&self) -> Vec<OpKind> {
        match self.test {
            CheckTest::Chat => vec![OpKind::Chat],
            CheckTest::Document => vec![OpKind::Upload],
            CheckTest::Voice => vec![OpKind::Voice],
            CheckTest::All => vec![OpKind::Chat, OpKind::Upload, OpKind::Voice],
        }
    }
}

/// `crosswire observe`.
#[derive(Debug, Args)]
pub(super) struct ObserveArgs {
    /// A run id, the beginning of one, a run folder, or `last`
    pub run: String,
    /// A log of the target that was exported after the run: a file, `cmd:COMMAND`, or `-` for
    /// stdin; repeatable
    #[arg(long = "logs", value_name = "SOURCE")]
    pub logs: Vec<String>,
    /// The memory store, if it has moved since the run
    #[arg(short, long, env = "CROSSWIRE_MEMORY", value_name = "URL")]
    pub memory: Option<String>,
    /// Allow traffic to this host; needed for every host that is not loopback
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// Write a report: `json=FILE`, `terminal=FILE`, with `-` for stdout; repeatable
    #[arg(long = "report", value_name = "KIND[=PATH]")]
    pub outputs: Vec<String>,
}

/// `crosswire clean`.
#[derive(Debug, Args)]
pub(super) struct CleanArgs {
    /// A run id, the beginning of one, a run folder, or `last`
    pub run: String,
    /// Delete; without it nothing is changed, and what would be deleted is listed
    #[arg(long)]
    pub yes: bool,
    /// Take all that stands under the run's users for the run's: a store that makes facts of its own
    /// out of what it is told gives them no mark by which they could be known
    #[arg(long)]
    pub whole_users: bool,
    /// The memory store, if it has moved since the run
    #[arg(short, long, env = "CROSSWIRE_MEMORY", value_name = "URL")]
    pub memory: Option<String>,
    /// Allow traffic to this host; needed for every host that is not loopback
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
}

/// `crosswire reconcile` and `crosswire report`.
#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    /// A run id, the beginning of one, a run folder, or `last`
    pub run: String,
    /// Write a report: `json=FILE`, `terminal=FILE`, with `-` for stdout; repeatable
    #[arg(long = "report", value_name = "KIND[=PATH]")]
    pub outputs: Vec<String>,
}

/// `crosswire explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The name, as reports write it; all names are listed without one
    #[arg(value_name = "CODE|REASON|TRAIT")]
    pub name: Option<String>,
}

/// `crosswire selftest`.
#[derive(Debug, Args)]
pub(super) struct SelftestArgs {
    /// At least 300 wrong records of each fault, 50 000 clean ones; this is what is done if
    /// nothing is said
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// At least 3 000 wrong records of each fault, 1 000 000 clean ones; up to an hour
    #[arg(long)]
    pub full: bool,
    /// Try this row of the table alone; repeatable
    #[arg(long = "fault", value_name = "NAME")]
    pub faults: Vec<String>,
    /// Runs at once; by default one for each processor
    #[arg(long, value_name = "N")]
    pub jobs: Option<u32>,
    /// Write the table: `json=FILE`, `terminal=FILE`, with `-` for stdout; repeatable
    #[arg(long = "report", value_name = "KIND[=PATH]")]
    pub outputs: Vec<String>,
}

/// `crosswire lab`.
#[derive(Debug, Args)]
pub(super) struct LabArgs {
    /// The backend's port; the store takes the next one. Free ports if not given
    #[arg(short, long, value_name = "P")]
    pub port: Option<u16>,
    /// A fault, repeatable:
    /// `NAME[:rate=0.01][:window=2ms][:from=N][:after=N][:delay=7s][:limit=N]`
    #[arg(long = "lab-fault", alias = "fault", value_name = "FAULT")]
    pub faults: Vec<String>,
    /// An oddity that is no fault; repeatable
    #[arg(long = "lab-quirk", alias = "quirk", value_name = "QUIRK", value_parser = quirk_names())]
    pub quirks: Vec<String>,
    /// Whose behaviour the lab has: `f878ddb` is a public snapshot with known faults
    #[arg(long, alias = "lab-profile", value_name = "PROFILE", value_parser = profile_names())]
    pub profile: Option<String>,
    /// Write what really went wrong to this file, one JSON line a record
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Write the log to this file instead of stderr; `-` for stdout
    #[arg(long, value_name = "FILE|-")]
    pub log: Option<PathBuf>,
    /// Accept JSON web tokens that are signed with a key of this JWKS document; the owner is `oid`
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// How log lines look: `plain`, or `json` as in production
    #[arg(long, value_name = "FORMAT", value_parser = log_formats())]
    pub log_format: Option<String>,
    /// Answer every API request of the backend with this status (400 to 599), as in an outage
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=599))]
    pub answer: Option<u16>,
    /// End when stdin is closed: how a parent process ends its lab
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// `crosswire auth`.
#[derive(Debug, Args)]
pub(super) struct AuthArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AuthCommand,
}

/// `crosswire auth …`.
#[derive(Debug, Subcommand)]
pub(super) enum AuthCommand {
    /// Print the JWKS document with the public key of minted tokens, to be published
    Jwks {
        /// A scenario, or a file with a section `[auth]`
        file: String,
    },
}

/// `crosswire scenario`.
#[derive(Debug, Args)]
pub(super) struct ScenarioArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ScenarioCommand,
}

/// `crosswire scenario …`.
#[derive(Debug, Subcommand)]
pub(super) enum ScenarioCommand {
    /// The embedded scenarios, a line each
    List,
    /// Print a scenario file
    Show {
        /// A file, or the name of an embedded scenario
        scenario: String,
    },
    /// Check a scenario file
    Validate {
        /// A file, or the name of an embedded scenario
        scenario: String,
    },
    /// Print the JSON Schema of scenario files, for editors
    Schema,
}

fn log_formats() -> PossibleValuesParser {
    PossibleValuesParser::new(LogFormat::ALL.map(LogFormat::name))
}

fn quirk_names() -> PossibleValuesParser {
    PossibleValuesParser::new(QuirkKind::ALL.map(QuirkKind::name))
}

fn profile_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Profile::ALL.map(Profile::name))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
