//! `crosswire scenario`: what there is, what it says, whether it is valid.

use std::fmt::Write;

use crate::scenario::{self, Overrides};

use super::args::{Cli, ScenarioCommand};
use super::exit::{Exit, Failure};
use super::{credentials, output, settings};

/// Carries the command out.
///
/// # Errors
/// There is no such scenario, or it is not valid.
pub(super) fn run(cli: &Cli, command: &ScenarioCommand) -> Result<Exit, Failure> {
    match command {
        ScenarioCommand::List => output::print(&list()?)?,
        ScenarioCommand::Show { scenario } => {
            output::print(&settings::source(scenario).map_err(Failure::usage)?.text)?;
        }
        ScenarioCommand::Validate { scenario } => {
            let source = settings::source(scenario).map_err(Failure::usage)?;
            let asked = credentials::asked(None, Some(&source)).map_err(Failure::usage)?;
            let overrides = Overrides {
                accounts: asked.accounts,
                pool: settings::pool(&source).map_err(Failure::usage)?,
                ..Overrides::default()
            };
            let valid = scenario::parse_with(&source.name, &source.text, &source.file, &overrides)
                .map_err(Failure::usage)?;
            output::say(
                cli,
                &format!(
                    "{} is valid: {} users, {} load groups",
                    source.file,
                    valid.users,
                    valid.groups.len()
                ),
            );
        }
        ScenarioCommand::Schema => output::print(&scenario::json_schema())?,
    }
    Ok(Exit::Pass)
}

fn list() -> anyhow::Result<String> {
    let mut lines = String::new();
    for (name, text) in scenario::embedded() {
        let description = scenario::parse(name, text, name)?.description;
        writeln!(lines, "{name:<16}{description}")?;
    }
    Ok(lines)
}
