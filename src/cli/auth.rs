//! `crosswire auth`: what a target has to know to verify the tokens of a run.

use anyhow::{Context as _, bail};

use crate::model::Seed;
use crate::scenario;

use super::args::AuthCommand;
use super::exit::{Exit, Failure};
use super::{credentials, output, settings};

/// Carries the command out.
///
/// # Errors
/// The file says nothing of minted tokens, or its key cannot be used.
pub(super) fn run(command: &AuthCommand) -> Result<Exit, Failure> {
    match command {
        AuthCommand::Jwks { file } => {
            let text = jwks(file).map_err(Failure::usage)?;
            output::print(&format!("{text}\n"))?;
        }
    }
    Ok(Exit::Pass)
}

fn jwks(file: &str) -> anyhow::Result<String> {
    let source = settings::source(file)?;
    let told = scenario::parse_auth(&source.text, &source.file);
    let mut kind = told.context("could not read how requests are sent")?.kind;
    if let Some(folder) = &source.folder {
        kind.locate(folder);
    }
    let tokens = credentials::open(&kind, Seed(0), &[])?;
    match tokens.jwks() {
        Some(text) => Ok(text),
        None => bail!(
            "{} has no public key: `auth.kind` is `{}`, and only tokens that are minted with \
             RS256 or ES256 are verified with one",
            source.file,
            kind.name()
        ),
    }
}
