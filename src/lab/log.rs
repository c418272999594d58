//! The lab's log: the lines that a backend owes of its background tasks, and what planted faults
//! make of them.

use std::str::FromStr;
use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::lines::Lines;
use super::stamp::Stamp;
use crate::model::UnknownName;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `INFO: [request id] message`.
    #[default]
    Plain,
    /// One JSON object a line, as Engram writes it in production.
    Json,
}

impl LogFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Json];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::look_up("log format", &Self::ALL, Self::name, name)
    }
}

/// The log.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) lines: Lines,
    pub(super) format: LogFormat,
}

/// What a request calls itself, so that its lines can be told from others.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub(super) request: Option<Arc<str>>,
    trace: Option<Arc<str>>,
}

impl Named {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // Controls cannot stand in a header, so a line stays a line.
        let trace = text("traceparent").and_then(|parent| parent.split('-').nth(1));
        Self {
            request: text("x-request-id").map(Arc::from),
            trace: trace.map(Arc::from),
        }
    }
}

/// A line about a background task.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskLine<'a> {
    /// `started`, `completed` or `failed`.
    pub(super) step: &'static str,
    /// What it does or has done.
    pub(super) what: &'a str,
    /// For whom; `None` where the line names nobody.
    pub(super) user: Option<&'a str>,
    /// The file, of an upload.
    pub(super) file: Option<&'a str>,
    /// Why it failed.
    pub(super) error: Option<&'a str>,
}

impl Log {
    /// Writes a line about a background task.
    pub(super) fn task(&self, named: &Named, line: TaskLine<'_>) {
        let mut text = format!("Background task {}: {}", line.step, line.what);
        if let Some(user) = line.user {
            text.push_str(" for user: ");
            text.push_str(user);
        }
        if let Some(file) = line.file {
            text.push_str(", file: ");
            text.push_str(file);
        }
        if let Some(error) = line.error {
            text.push_str(": ");
            text.push_str(error);
        }
        self.info(named, &text, &Value::Null);
    }

    /// Writes that a request was answered: only JSON lines have room for that.
    pub(super) fn request(&self, named: &Named, method: &str, path: &str, status: u16) {
        if self.format == LogFormat::Json {
            let extra = json!({"method": method, "path": path, "status": status});
            self.info(named, "Request completed", &extra);
        }
    }

    /// Writes a warning that names nobody.
    pub(super) fn warn(&self, text: &str) {
        self.lines.mention(match self.format {
            LogFormat::Plain => format!("WARNING: {text}"),
            LogFormat::Json => {
                json!({"timestamp": Stamp::now(), "level": "WARNING", "message": text}).to_string()
            }
        });
    }

    fn info(&self, named: &Named, message: &str, extra: &Value) {
        let request = named.request.as_deref();
        self.lines.mention(match self.format {
            LogFormat::Plain => match request {
                Some(request) => format!("INFO: [{request}] {message}"),
                None => format!("INFO: {message}"),
            },
            LogFormat::Json => {
                let mut extra = extra.clone();
                if let Value::Null = extra {
                    extra = json!({});
                }
                if let (Some(extra), Some(request)) = (extra.as_object_mut(), request) {
                    extra.insert("request_id".to_owned(), json!(request));
                }
                json!({
                    "timestamp": Stamp::now(), "level": "INFO", "message": message,
                    "logger": "engram.background", "module": "background", "function": "run",
                    "line": 1, "trace_id": named.trace.as_deref(), "extra": extra,
                })
                .to_string()
            }
        });
    }
}
