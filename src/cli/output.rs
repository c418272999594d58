//! Where reports go: `--report KIND[=PATH]`, `-` for stdout; talk goes to stderr.
#![expect(clippy::disallowed_methods, reason = "writes report files")]
#![expect(clippy::print_stderr, reason = "the command line speaks here")]

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
/// An unknown kind, or two reports for stdout.
pub(super) fn parse_outputs(values: &[String]) -> anyhow::Result<Vec<Output>> {
    let outputs: Vec<Output> = values
        .iter()
        .map(|v| parse_output(v))
        .collect::<Result<_, _>>()?;
    if outputs.iter().filter(|o| o.place == Place::Stdout).count() > 1 {
        bail!("only one --report can go to stdout (`-`)");
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
        eprintln!("{text}");
    }
}

/// Says how far something has come.
pub(super) fn progress(text: &str) {
    eprintln!("{text}");
}

/// Says an error with its causes and its hint.
pub(super) fn say_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
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
}
