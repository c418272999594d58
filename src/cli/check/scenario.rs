//! The small run that a check is.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::json;

use crate::lab::FaultSpec;
use crate::model::OpKind;
use crate::scenario::{self, Overrides, Scenario};

use super::credential::Credential;
use crate::cli::args::CheckArgs;
use crate::cli::credentials::Asked;
use crate::cli::hosts;

/// Other users that are at work where a fault needs two.
const BACKGROUND_USERS: u32 = 11;
/// Sessions of each user then.
const BACKGROUND_SESSIONS: u32 = 6;

/// How many other users are at work beside the checked one: none, unless a fault is planted in
/// the embedded lab that is a race.
pub(super) fn background(args: &CheckArgs) -> u32 {
    let mut faults = args.lab_faults.iter();
    let is_race = |fault: &String| {
        let fault = fault.parse::<FaultSpec>();
        fault.is_ok_and(|fault| fault.kind.is_race())
    };
    if faults.any(is_race) {
        BACKGROUND_USERS
    } else {
        0
    }
}

/// The name of another user, by its number.
pub(super) fn background_user(number: u32) -> String {
    format!("check-background-{number}")
}

/// The scenario of a check.
///
/// # Errors
/// The user cannot be named so, or an address is none.
pub(super) fn of(
    args: &CheckArgs,
    credential: Credential,
    background: u32,
) -> anyhow::Result<Scenario> {
    let mut text = text(args, background);
    let mut asked = Asked::default();
    match credential {
        Credential::Made | Credential::Dev(_) => {}
        Credential::Jwt(_) => text.push_str(
            "[target.expected_owner]\nchat = \"{user}\"\nupload = \"{user}\"\nvoice = \"{user}\"\n",
        ),
        Credential::Configured(configured) => asked = configured,
    }
    let overrides = Overrides {
        target: args
            .target
            .as_deref()
            .map(|url| hosts::base_url("target", url, &args.allow_hosts))
            .transpose()?,
        memory: args
            .memory
            .as_deref()
            .map(scenario::read_store)
            .transpose()
            .context("could not use `--memory`")?,
        auth: asked.settings,
        accounts: asked.accounts,
        ..Overrides::default()
    };
    let parsed = scenario::parse_with("check", &text, "check.toml (embedded)", &overrides);
    parsed.with_context(|| format!("could not check user `{}`", args.user_id))
}

fn text(args: &CheckArgs, background: u32) -> String {
    let users = background + 1;
    let (sessions, steps) = if background == 0 {
        (1, "1")
    } else {
        (BACKGROUND_SESSIONS, "2")
    };
    let mut pool = vec![args.user_id.clone()];
    pool.extend((1..users).map(background_user));
    // A JSON text is a TOML text too.
    let mut text = format!(
        "version = 1\ndescription = \"one user, one operation of each kind\"\n\
         [users]\ncount = {users}\npool = {}\n",
        json!(pool)
    );
    if args.target.is_none() {
        text.push_str(
            "[memory.settle]\ntask_limit = \"200ms\"\ndeadline = \"5s\"\npause = \"250ms\"\n",
        );
    }
    for kind in args.tests() {
        let session = match kind {
            OpKind::Chat => format!("turns = {steps}\nthink = \"20ms\"\nwords = \"12..40\""),
            OpKind::Upload => {
                format!("uploads = {steps}\nthink = \"20ms\"\ncharacters = \"2000..4000\"")
            }
            OpKind::Voice => format!("turns = {steps}\nthink = \"20ms\"\nspeed = {}", speed(args)),
            OpKind::Stream | OpKind::Turn => format!("turns = {steps}\nthink = \"20ms\""),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[load.{kind}]\nexecutor = \"per-vu-iterations\"\nsession = \"{kind}\"\n\
             vus = {users}\niterations = {sessions}\n\
             [sessions.{kind}]\nkind = \"{kind}\"\n{session}\n"
        );
    }
    text
}

/// The lab listens ten times as fast as people speak.
fn speed(args: &CheckArgs) -> u32 {
    if args.target.is_none() { 10 } else { 1 }
}
