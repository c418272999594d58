//! Where reports go: `--report KIND[=PATH]`, `-` for stdout; talk goes to stderr.
#![expect(clippy::disallowed_methods, reason = "writes report files")]

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::model::UnknownName;
use crate::report::render::{self, Format};

use super::args::{Cli, ColorWhen};

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// stdout.
    Stdout,
    /// A file, made or replaced.
    File(PathBuf),
}

/// One `--report`.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// What is written.
    pub format: Format,
    /// Where to.
    pub place: Place,
}

/// Reads all `--report` values.
///
/// # Errors
/// An unknown kind, two reports for stdout, or a file that cannot be written.
pub(super) fn parse_outputs(values: &[String]) -> anyhow::Result<Vec<Output>> {
    let outputs: Vec<Output> = values
        .iter()
        .map(|v| parse_output(v))
        .collect::<Result<_, _>>()?;
    if outputs.iter().filter(|o| o.place == Place::Stdout).count() > 1 {
        bail!("only one --report can go to stdout (`-`)");
    }
    for output in &outputs {
        output.place.check()?;
    }
    Ok(outputs)
}

fn parse_output(value: &str) -> anyhow::Result<Output> {
    let (kind, path) = value.split_once('=').unwrap_or((value, "-"));
    let Some(format) = render::ALL.iter().find(|format| format.name == kind) else {
        let kinds: Vec<&str> = render::ALL.iter().map(|format| format.name).collect();
        bail!(UnknownName::new("report kind", kind, &kinds));
    };
    let place = match path {
        "" => bail!("empty path in `--report {value}`: give a file, or `-` for stdout"),
        "-" => Place::Stdout,
        file => Place::File(PathBuf::from(file)),
    };
    Ok(Output {
        format: *format,
        place,
    })
}

impl Place {
    /// Can it be written to? Asked before the work, so that its result has where to go. Nothing is
    /// changed.
    ///
    /// # Errors
    /// It is a folder, its folder is missing, or it may not be written.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self::File(path) = self else {
            return Ok(());
        };
        let is_new = !path.exists();
        // What is neither, as a pipe is, may wait for its reader when it is opened.
        if is_new || path.is_file() || path.is_dir() {
            let mut options = fs::OpenOptions::new();
            let opened = options.append(true).create(true).open(path);
            opened.with_context(|| {
                let path = path.display();
                format!(
                    "could not write to `--report` {path}: give a file in a folder that is there"
                )
            })?;
            if is_new {
                fs::remove_file(path).context("could not try out `--report`")?;
            }
        }
        Ok(())
    }

    /// Writes the text there.
    ///
    /// # Errors
    /// The file or stdout could not be written.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = std::io::stdout().lock();
                match stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush())
                {
                    // The reader has seen enough, as `head` does.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                    result => result.context("could not write to stdout"),
                }
            }
            Self::File(path) => fs::write(path, text)
                .with_context(|| format!("could not write the report {}", path.display())),
        }
    }
}

/// Is this stream's output coloured?
pub(super) fn colored(cli: &Cli, stream: &impl IsTerminal) -> bool {
    match cli.color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            stream.is_terminal() && !no_color
        }
    }
}

/// Says something to the user, unless `--quiet`.
pub(super) fn say(cli: &Cli, text: &str) {
    if !cli.quiet {
        progress(text);
    }
}

/// Says how far something has come.
pub(super) fn progress(text: &str) {
    // Where nobody can hear it, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says an error with its causes and its hint.
pub(super) fn say_error(error: &anyhow::Error) {
    progress(&format!("error: {error:#}"));
}

/// Prints data to stdout.
///
/// # Errors
/// stdout could not be written.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    Place::Stdout.write(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_values() {
        let json = parse_output("json=out.json").unwrap();
        assert_eq!(
            (json.format.name, json.place),
            ("json", Place::File("out.json".into()))
        );
        assert_eq!(parse_output("json").unwrap().place, Place::Stdout);
        assert!(
            parse_output("pdf=x")
                .unwrap_err()
                .to_string()
                .contains("terminal, json")
        );
        assert!(parse_output("json=").is_err());
        let twice = ["json=-".to_owned(), "terminal=-".to_owned()];
        assert!(parse_outputs(&twice).is_err());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_found_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| Place::File(folder.path().join(name));
        for (name, may) in [("", false), ("missing/out.json", false), ("out.json", true)] {
            let checked = place(name).check();
            assert_eq!(checked.is_ok(), may, "{name}: {checked:?}");
        }
        assert!(!folder.path().join("out.json").exists());
        std::fs::write(folder.path().join("out.json"), "old").unwrap();
        place("out.json").check().unwrap();
        let kept = std::fs::read_to_string(folder.path().join("out.json"));
        assert_eq!(kept.unwrap(), "old");
    }
}
