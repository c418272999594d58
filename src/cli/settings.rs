//! Default, scenario file, environment and flags become one valid scenario; the later wins.
//!
//! clap has already put the environment in the place of flags that were not given.
#![expect(clippy::disallowed_methods, reason = "reads the scenario file")]

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::TryRng;

use crate::model::{Seed, UnknownName};
use crate::scenario::{self, Caps, Overrides, PoolText, Scenario, Store};

use super::args::RunArgs;
use super::{credentials, hosts};

/// Bytes of a scenario file; a larger one is not a scenario.
const SCENARIO_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a file of pooled users.
const POOL_BYTES_MAX: u64 = 1 << 24;

/// A scenario's text, from wherever it came.
#[derive(Debug)]
pub(super) struct Source {
    /// Its name: the file's stem.
    pub name: String,
    /// How messages name it.
    pub file: String,
    /// Its TOML.
    pub text: String,
    /// The folder that it lies in; `None` for an embedded one.
    pub folder: Option<PathBuf>,
}

/// Finds a scenario: an embedded name, or a file.
///
/// # Errors
/// There is no such name or file, or it is a folder, too large, or not UTF-8.
pub(super) fn source(scenario: &str) -> anyhow::Result<Source> {
    let embedded = scenario::embedded()
        .iter()
        .find(|(name, _)| *name == scenario);
    if let Some((name, text)) = embedded {
        let file = format!("{name}.toml (embedded)");
        return Ok(Source {
            name: (*name).to_owned(),
            file,
            text: (*text).to_owned(),
            folder: None,
        });
    }
    let path = PathBuf::from(scenario);
    let text = read_file(&path)?;
    let name = path
        .file_stem()
        .map_or_else(|| scenario.into(), |stem| stem.to_string_lossy());
    Ok(Source {
        name: name.into_owned(),
        file: scenario.to_owned(),
        text,
        folder: Some(path.parent().map(Path::to_path_buf).unwrap_or_default()),
    })
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let embedded: Vec<&str> = scenario::embedded().iter().map(|(name, _)| *name).collect();
            let unknown = UnknownName::new("scenario", &shown.to_string(), &embedded);
            bail!("there is no such file, nor is it embedded: {unknown}");
        }
        Err(error) => return Err(error).context(format!("could not read the scenario `{shown}`")),
    };
    if metadata.is_dir() {
        bail!("could not read the scenario `{shown}`: it is a folder, give a .toml file in it");
    }
    if metadata.len() > SCENARIO_BYTES_MAX {
        bail!(
            "could not read the scenario `{shown}`: it has {} bytes, at most {SCENARIO_BYTES_MAX} \
             are allowed",
            metadata.len()
        );
    }
    let bytes =
        std::fs::read(path).with_context(|| format!("could not read the scenario `{shown}`"))?;
    Ok(scenario::decode(&bytes, &shown.to_string())?.to_owned())
}

/// The names of pooled users, where a scenario keeps them in a file of their own: its path is
/// relative to the scenario's.
///
/// # Errors
/// There is no such file, or it is a folder, too large, or not UTF-8.
pub(super) fn pool(source: &Source) -> anyhow::Result<Option<PoolText>> {
    let Some(name) = scenario::pool_file(&source.text) else {
        return Ok(None);
    };
    let Some(folder) = &source.folder else {
        return Ok(None);
    };
    let path = folder.join(name);
    let shown = path.display().to_string();
    let what = || format!("could not read the pooled users in `{shown}`");
    let metadata = std::fs::metadata(&path).with_context(what)?;
    if !metadata.is_file() || metadata.len() > POOL_BYTES_MAX {
        bail!(
            "could not read the pooled users in `{shown}`: not a file of at most \
             {POOL_BYTES_MAX} bytes"
        );
    }
    let text = std::fs::read_to_string(&path).with_context(what)?;
    Ok(Some(PoolText { file: shown, text }))
}

/// The scenario that `crosswire run` carries out.
///
/// # Errors
/// A flag or the file is not valid, or they contradict each other.
pub(super) fn resolve(args: &RunArgs) -> anyhow::Result<Scenario> {
    let mut overrides = overrides(args)?;
    let fallback = fallback(args.lab_profile.as_deref(), overrides.target.is_some());
    let source = source(args.scenario.as_deref().unwrap_or(fallback))?;
    overrides.pool = pool(&source)?;
    let asked = credentials::asked(args.auth.as_deref(), Some(&source))?;
    let is_flagged = asked.settings.is_some();
    (overrides.auth, overrides.accounts) = (asked.settings, asked.accounts);
    let mut scenario = scenario::parse_with(&source.name, &source.text, &source.file, &overrides)?;
    if let Some(folder) = source.folder.filter(|_| !is_flagged) {
        scenario.target.auth.locate(&folder);
    }
    check_hosts(&scenario, args)?;
    Ok(scenario)
}

/// The scenario of a run that names none. A profile that a scenario is named after brings its own
/// load, below what it carries and with what is known of it accepted.
fn fallback(lab_profile: Option<&str>, has_target: bool) -> &'static str {
    let mut names = scenario::embedded().iter().map(|(name, _)| *name);
    let of_profile = names.find(|name| Some(*name) == lab_profile);
    match (has_target, of_profile) {
        (true, _) => "staging",
        (false, Some(name)) => name,
        (false, None) => "quick",
    }
}

/// Refuses hosts that are not allowed, and settings of the embedded lab for another target.
///
/// # Errors
/// One of them is there.
pub(super) fn check_hosts(scenario: &Scenario, args: &RunArgs) -> anyhow::Result<()> {
    if let Some(url) = &scenario.target.url {
        hosts::check_host("target", url, &args.allow_hosts)?;
        let for_lab = [
            ("--lab-fault", !args.lab_faults.is_empty()),
            ("--lab-quirk", !args.lab_quirks.is_empty()),
            ("--lab-profile", args.lab_profile.is_some()),
            ("--lab-log", args.lab_log.is_some()),
            ("--lab-log-format", args.lab_log_format.is_some()),
            ("--logs lab", args.logs.iter().any(|source| source == "lab")),
        ];
        if let Some((flag, _)) = for_lab.into_iter().find(|(_, is_given)| *is_given) {
            bail!(
                "`{flag}` is for the embedded lab, but the target is {url}: leave out the \
                 target, or start that lab with it"
            );
        }
    }
    if let Store::Url(url) = &scenario.memory.store {
        hosts::check_host("memory store", url, &args.allow_hosts)?;
    }
    Ok(())
}

fn overrides(args: &RunArgs) -> anyhow::Result<Overrides> {
    let target = args.target.as_deref();
    let memory = args.memory.as_deref();
    let duration = args.duration.as_deref();
    let max_wall = args.cost.max_wall.as_deref();
    Ok(Overrides {
        users: args.users,
        vus: args.vus,
        duration: duration
            .map(scenario::read_duration)
            .transpose()
            .context("could not use `--duration`")?,
        target: target
            .map(|url| hosts::base_url("target", url, &args.allow_hosts))
            .transpose()?,
        memory: memory
            .map(scenario::read_store)
            .transpose()
            .context("could not use `--memory`")?,
        caps: Caps {
            ops: args.cost.max_ops,
            rate: args.cost.max_rate,
            model_calls: args.cost.max_model_calls,
            wall: max_wall
                .map(scenario::read_duration)
                .transpose()
                .context("could not use `--max-wall`")?,
        },
        ..Overrides::default()
    })
}

/// The seed: as given, else drawn.
///
/// # Errors
/// The operating system gives no random numbers.
pub(super) fn seed(args: &RunArgs) -> anyhow::Result<Seed> {
    match args.seed {
        Some(seed) => Ok(Seed(seed)),
        // Seeds are read out and typed again; six digits tell plans apart well enough.
        None => Ok(Seed(u64::from(random_u32()? % 1_000_000))),
    }
}

/// 256 bits from the operating system.
///
/// # Errors
/// It gives none.
pub(super) fn random_key() -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut key)
        .context("could not draw a random key")?;
    Ok(key)
}

/// 32 bits from the operating system.
///
/// # Errors
/// It gives none.
pub(super) fn random_u32() -> anyhow::Result<u32> {
    rand::rngs::SysRng
        .try_next_u32()
        .context("could not draw a random number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_scenario_takes_the_one_that_fits() {
        for (profile, has_target, name) in [
            (None, false, "quick"),
            (Some("engram"), false, "quick"),
            (Some("f878ddb"), false, "f878ddb"),
            (None, true, "staging"),
        ] {
            assert_eq!(fallback(profile, has_target), name, "{profile:?}");
        }
    }
}
