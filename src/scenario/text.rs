//! Values of a scenario file that are text: URLs, names, paths, choices. As in `value.rs`, each
//! says how it is read, what is allowed, and its JSON Schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Value;
use url::Url;

use super::error::{BadValue, nearest, quoted};
use super::value::Leaf;
use super::{
    AcceptedOwner, AuthKind, BodyTemplate, Day, FileName, Pointer, SecondUser, SecretRef,
    SessionIds, Signing, Store, TokenPlace, accept, auth, pool, template, trespass,
};
use crate::logs::Pattern;
use crate::model::{BleedKind, Code, OpKind, Route, StoreDialect};

/// Characters of a text in a scenario: names, paths, apologies.
const TEXT_CHARS_MAX: usize = 400;
/// Entries of a list in a scenario.
const LIST_ENTRIES_MAX: usize = 1_000;
/// Letters below which a trigger word would forbid most texts.
const TRIGGER_LETTERS_MIN: usize = 3;

/// Reads a base URL.
///
/// # Errors
/// The text is no URL of a server: not `http` or `https`, with a password, query or fragment.
pub fn read_url(text: &str) -> Result<Url, BadValue> {
    const ALLOWED: &str = "a base URL such as \"http://127.0.0.1:8082\"";
    if !text.contains("://") {
        let bad = BadValue::new("not a URL: it has no scheme", ALLOWED);
        return Err(bad.help(format!("write \"http://{}\"", quoted(text))));
    }
    let url =
        Url::parse(text).map_err(|error| BadValue::new(format!("not a URL: {error}"), ALLOWED))?;
    let fault = if !matches!(url.scheme(), "http" | "https") {
        Some("the scheme is not http or https")
    } else if url.host_str().is_none_or(str::is_empty) {
        Some("it names no host")
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("a URL must not hold a user name or password")
    } else if url.query().is_some() || url.fragment().is_some() {
        Some("a base URL has neither query nor fragment")
    } else {
        None
    };
    match fault {
        Some(what) => Err(BadValue::new(what, ALLOWED)),
        None => Ok(url),
    }
}

/// Reads where the store is: a base URL, or `none`.
///
/// # Errors
/// The text is neither.
pub fn read_store(text: &str) -> Result<Store, BadValue> {
    if text == "none" {
        return Ok(Store::None);
    }
    read_url(text).map(Store::Url).map_err(|mut bad| {
        bad.allowed.push_str(", or \"none\"");
        bad
    })
}

/// Reads how requests prove who sends them, as it is given by a flag: `dev`, `dev-header`, `none`,
/// a shared token as `env:NAME` or `file:PATH`, or `users:PATH` for a file of users and tokens.
///
/// # Errors
/// The text is none of it. It is not repeated: it may be a credential.
pub fn read_auth(text: &str) -> Result<AuthKind, BadValue> {
    const ALLOWED: &str = "dev, dev-header, none, env:NAME, file:PATH, users:PATH, config:PATH";
    match text.split_once(':') {
        Some(("env" | "file", _)) => auth::read_secret_ref(text).map(AuthKind::Shared),
        Some(("users", path)) => read_name(path).map(AuthKind::File),
        Some(_) | None => choose(text, "way to authenticate", Auth::CHOICES).map_err(|mut bad| {
            ALLOWED.clone_into(&mut bad.allowed);
            if text.chars().count() <= auth::SHOWN_CHARS_MAX {
                bad
            } else {
                bad.help("a credential itself would be seen in the list of processes")
            }
        }),
    }
}

/// Declares a kind of value that is written as text: its type, how it is read, its schema.
macro_rules! text_leaf {
    ($(#[$doc:meta])* $name:ident -> $out:ty, $read:expr, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl Leaf for $name {
            type Out = $out;

            fn read(value: &Value) -> Result<$out, BadValue> {
                let read: fn(&str) -> Result<$out, BadValue> = $read;
                let Some(text) = value.as_str() else {
                    let allowed = read("").map_or_else(|bad| bad.allowed, |_| "text".to_owned());
                    return Err(BadValue::new("not text in quotes", allowed));
                };
                read(text)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_leaf!(
    /// A line for people; it may be empty.
    Line -> String, |text| if text.is_empty() { Ok(String::new()) } else { read_name(text) },
    {"type": "string", "maxLength": TEXT_CHARS_MAX});
text_leaf!(
    /// A name that is sent along: not empty, printable, of bounded length.
    Name -> String, read_name, {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX});
text_leaf!(
    /// The base URL of a server.
    BaseUrl -> Url, read_url, {"type": "string", "format": "uri", "pattern": "^https?://"});
text_leaf!(
    /// The base URL of a store, or `none`.
    StoreUrl -> Store, read_store, {"type": "string", "pattern": "^(none|https?://.+)$"});
text_leaf!(
    /// What a store speaks; `None` for `auto`.
    DialectText -> Option<StoreDialect>,
    |text| choose(text, "dialect", DialectText::CHOICES),
    {"type": "string", "enum": ["auto", "v1", "v1-engram", "v2", "cloud"]});
text_leaf!(
    /// How requests prove who sends them.
    Auth -> AuthKind, |text| choose(text, "way to authenticate", Auth::CHOICES),
    {"type": "string", "enum": ["dev", "dev-header", "none"]});
text_leaf!(
    /// How requests prove who sends them, by name.
    AuthText -> AuthName,
    |text| choose(text, "way to authenticate", AuthText::CHOICES),
    {"type": "string", "enum": ["dev", "dev-header", "none", "shared", "file", "mint", "oauth2"]});
text_leaf!(
    /// Where a secret is.
    SecretText -> SecretRef, auth::read_secret_ref,
    {"type": "string", "pattern": "^(env|file):.+$"});
text_leaf!(
    /// How tokens are signed.
    AlgorithmText -> Signing,
    |text| choose(text, "way to sign", AlgorithmText::CHOICES),
    {"type": "string", "enum": ["RS256", "ES256", "HS256"]});
text_leaf!(
    /// The URL of an issuer's token endpoint.
    EndpointText -> String, |text| read_url(text).map(|url| url.to_string()),
    {"type": "string", "format": "uri", "pattern": "^https?://"});
text_leaf!(
    /// Where a credential stands when a WebSocket is opened.
    PlaceText -> TokenPlace, auth::read_place,
    {"type": "string", "pattern": "^(header|query:.+|subprotocol:.+|first-frame:.+)$"});
text_leaf!(
    /// A load group's executor.
    ExecutorText -> ExecutorName,
    |text| choose(text, "executor", ExecutorText::CHOICES),
    {"type": "string", "enum": ["per-vu-iterations", "constant-vus", "constant-arrival-rate"]});
text_leaf!(
    /// What a session does.
    KindText -> KindName,
    |text| choose(text, "session kind", KindText::CHOICES),
    {"type": "string", "enum": ["chat", "upload", "voice", "recall", "stream", "turn", "trespass"]});
text_leaf!(
    /// Who names a session.
    IdsText -> SessionIds,
    |text| choose(text, "side that names sessions", IdsText::CHOICES),
    {"type": "string", "enum": ["client", "server"]});
text_leaf!(
    /// Another user who sends in a session.
    SecondText -> SecondUser,
    |text| choose(text, "way to share a session", SecondText::CHOICES),
    {"type": "string", "enum": ["none", "hand-over", "alternating"]});
text_leaf!(
    /// When virtual users begin their next session.
    StartsText -> Starts,
    |text| choose(text, "way to start", StartsText::CHOICES),
    {"type": "string", "enum": ["freely", "together"]});
text_leaf!(
    /// What uploaded files are called.
    FileNames -> FileName, read_file_name, {"type": "string", "pattern": "^(unique|same:.+)$"});
text_leaf!(
    /// An owner with exactly one `{user}` or `{oid}`.
    Template -> auth::OwnerForm, auth::read_owner_form,
    {"type": "string", "pattern": r"\{(user|oid)\}"});
text_leaf!(
    /// A path.
    Path -> String, |text| read_path(text, 0), {"type": "string", "pattern": "^/"});
text_leaf!(
    /// A path with exactly one `{session}`.
    SessionPath -> String, |text| read_path(text, 1),
    {"type": "string", "pattern": r"^/.*\{session\}"});

text_leaf!(
    /// The body of a request: JSON with places to fill.
    BodyText -> BodyTemplate, template::read_body,
    {"type": "string", "contentMediaType": "application/json", "pattern": r"\{text\}"});
text_leaf!(
    /// A JSON pointer.
    PointerText -> Pointer, template::read_pointer,
    {"type": "string", "pattern": "^(/([^~/]|~[01])*)+$"});
text_leaf!(
    /// An anomaly that can be accepted.
    CheckText -> Code, accept::read_check, {"type": "string", "minLength": 1});
text_leaf!(
    /// A channel.
    ChannelText -> OpKind,
    |text| choose(text, "channel", &OpKind::ALL.map(|kind| (kind.name(), kind))),
    {"type": "string", "enum": ["chat", "upload", "voice", "stream", "turn"]});
text_leaf!(
    /// A kind of answer that can be accepted.
    BleedText -> BleedKind,
    |text| choose(text, "kind", &[(BleedKind::Retrieval.name(), BleedKind::Retrieval)]),
    {"type": "string", "enum": ["retrieval"]});
text_leaf!(
    /// An owner as a store names it, or nobody.
    OwnerText -> AcceptedOwner, accept::read_owner, {"type": "string", "minLength": 1});
text_leaf!(
    /// A day of the calendar.
    DayText -> Day, accept::read_day, {"type": "string", "format": "date"});

/// Names of users at the target.
#[derive(Debug)]
pub(super) struct Pool;

impl Leaf for Pool {
    type Out = Vec<String>;

    fn read(value: &Value) -> Result<Vec<String>, BadValue> {
        pool::read_pool(value)
    }
}

impl JsonSchema for Pool {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pool".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "minItems": 1,
            "uniqueItems": true,
            "items": {"type": "string", "minLength": 1},
        })
    }
}

/// The executors by name, before their fields are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExecutorName {
    PerVuIterations,
    ConstantVus,
    ConstantArrivalRate,
}

/// The session kinds by name, before their fields are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KindName {
    Chat,
    Upload,
    Voice,
    Recall,
    Stream,
    Turn,
    Trespass,
}

/// The ways to authenticate by name, before their keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthName {
    Dev,
    DevHeader,
    None,
    Shared,
    File,
    Mint,
    Oauth2,
}

/// When the virtual users of a group begin their next session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Starts {
    /// Each when it is ready.
    Freely,
    /// As soon as all of them are ready.
    Together,
}

impl DialectText {
    const CHOICES: &[(&str, Option<StoreDialect>)] = &[
        ("auto", None),
        ("v1", Some(StoreDialect::V1)),
        ("v1-engram", Some(StoreDialect::V1Engram)),
        ("v2", Some(StoreDialect::V2)),
        ("cloud", Some(StoreDialect::Cloud)),
    ];
}

impl Auth {
    const CHOICES: &[(&str, AuthKind)] = &[
        ("dev", AuthKind::Dev),
        ("dev-header", AuthKind::DevHeader),
        ("none", AuthKind::None),
    ];
}

impl AuthText {
    /// Every way to authenticate and its name.
    pub(super) const CHOICES: &[(&str, AuthName)] = &[
        ("dev", AuthName::Dev),
        ("dev-header", AuthName::DevHeader),
        ("none", AuthName::None),
        ("shared", AuthName::Shared),
        ("file", AuthName::File),
        ("mint", AuthName::Mint),
        ("oauth2", AuthName::Oauth2),
    ];

    /// All names.
    pub(super) fn names() -> String {
        let names: Vec<&str> = Self::CHOICES.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

impl AlgorithmText {
    const CHOICES: &[(&str, Signing)] = &[
        ("RS256", Signing::Rs256),
        ("ES256", Signing::Es256),
        ("HS256", Signing::Hs256),
    ];
}

impl ExecutorText {
    /// Every executor and its name.
    pub(super) const CHOICES: &[(&str, ExecutorName)] = &[
        ("per-vu-iterations", ExecutorName::PerVuIterations),
        ("constant-vus", ExecutorName::ConstantVus),
        ("constant-arrival-rate", ExecutorName::ConstantArrivalRate),
    ];
}

impl KindText {
    /// Every session kind and its name.
    pub(super) const CHOICES: &[(&str, KindName)] = &[
        ("chat", KindName::Chat),
        ("upload", KindName::Upload),
        ("voice", KindName::Voice),
        ("recall", KindName::Recall),
        ("stream", KindName::Stream),
        ("turn", KindName::Turn),
        ("trespass", KindName::Trespass),
    ];
}

impl SecondText {
    const CHOICES: &[(&str, SecondUser)] = &[
        ("none", SecondUser::None),
        ("hand-over", SecondUser::HandOver),
        ("alternating", SecondUser::Alternating),
    ];
}

impl StartsText {
    const CHOICES: &[(&str, Starts)] =
        &[("freely", Starts::Freely), ("together", Starts::Together)];
}

impl IdsText {
    const CHOICES: &[(&str, SessionIds)] = &[
        ("client", SessionIds::Client),
        ("server", SessionIds::Server),
    ];
}

/// A list of texts, none of them empty.
#[derive(Debug)]
pub(super) struct Texts;

impl Leaf for Texts {
    type Out = Vec<String>;

    fn read(value: &Value) -> Result<Vec<String>, BadValue> {
        let not_list = || BadValue::new("not a list of texts", "a list such as [\"one\", \"two\"]");
        let entries = value.as_array().ok_or_else(not_list)?;
        if entries.len() > LIST_ENTRIES_MAX {
            let allowed = format!("at most {LIST_ENTRIES_MAX} entries");
            return Err(BadValue::new("the list is too long", allowed));
        }
        let texts = entries
            .iter()
            .map(|entry| read_name(entry.as_str().ok_or_else(not_list)?));
        texts.collect()
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": {"type": "string", "minLength": 1}})
    }
}

/// A list of templates of log lines.
#[derive(Debug)]
pub(super) struct LineTemplates;

impl Leaf for LineTemplates {
    type Out = Vec<String>;

    fn read(value: &Value) -> Result<Vec<String>, BadValue> {
        let templates = Texts::read(value)?;
        for template in &templates {
            Pattern::new(template).map_err(|bad| {
                let what = format!("`{}` {}", quoted(&bad.template), bad.what);
                let allowed = "words, with {user}, {file}, {count} and {error} in them, and [ ] \
                               around what may be missing";
                let help = "write it as in \"Stored for {user}[, file: {file}]\"";
                BadValue::new(what, allowed).help(help)
            })?;
        }
        Ok(templates)
    }
}

impl JsonSchema for LineTemplates {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LineTemplates".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": {"type": "string", "minLength": 1}})
    }
}

/// What a claim of a token says.
#[derive(Debug)]
pub(super) struct Claim;

impl Leaf for Claim {
    type Out = serde_json::Value;

    fn read(value: &Value) -> Result<serde_json::Value, BadValue> {
        auth::read_claim(value)
    }
}

impl JsonSchema for Claim {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Claim".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What the claim of this name says.",
            "type": ["string", "integer", "boolean", "array"],
        })
    }
}

/// Routes that are tried.
#[derive(Debug)]
pub(super) struct Routes;

impl Leaf for Routes {
    type Out = Vec<Route>;

    fn read(value: &Value) -> Result<Vec<Route>, BadValue> {
        trespass::read_routes(&Texts::read(value)?)
    }
}

impl JsonSchema for Routes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Routes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": Route::ALL.map(Route::name)},
        })
    }
}

/// A list of lower-case words.
#[derive(Debug)]
pub(super) struct TriggerWords;

impl Leaf for TriggerWords {
    type Out = Vec<String>;

    fn read(value: &Value) -> Result<Vec<String>, BadValue> {
        let words = Texts::read(value)?;
        for word in &words {
            let allowed = format!("lower-case letters, at least {TRIGGER_LETTERS_MIN}");
            let letters = word.chars().all(char::is_alphabetic);
            if !letters || *word != word.to_lowercase() {
                let what = format!("`{}` is not a lower-case word", quoted(word));
                let bad = BadValue::new(what, allowed);
                return Err(bad.help(format!("write \"{}\"", quoted(&word.to_lowercase()))));
            }
            if word.chars().count() < TRIGGER_LETTERS_MIN {
                let what = format!("`{word}` is too short: hardly a text is without it");
                return Err(BadValue::new(what, allowed));
            }
        }
        Ok(words)
    }
}

impl JsonSchema for TriggerWords {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TriggerWords".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": {"type": "string", "minLength": TRIGGER_LETTERS_MIN},
        })
    }
}

/// The value of the choice that a text names.
fn choose<T: Clone>(text: &str, noun: &str, choices: &[(&str, T)]) -> Result<T, BadValue> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(value.clone());
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let bad = BadValue::new(format!("unknown {noun}"), names.join(", "));
    Err(match nearest(text, &names) {
        Some(near) => bad.help(format!("did you mean `{near}`?")),
        None => bad,
    })
}

/// Reads a text that is not empty, printable, and of bounded length.
pub(super) fn read_name(text: &str) -> Result<String, BadValue> {
    let printable = !text.trim().is_empty() && !text.contains(char::is_control);
    if !printable || text.chars().count() > TEXT_CHARS_MAX {
        let allowed = format!("1 to {TEXT_CHARS_MAX} printable characters");
        return Err(BadValue::new("not a usable text", allowed));
    }
    Ok(text.to_owned())
}

fn read_file_name(text: &str) -> Result<FileName, BadValue> {
    let allowed = "\"unique\", or \"same:\" and a name, such as \"same:notes.txt\"";
    if text == "unique" {
        return Ok(FileName::Unique);
    }
    let Some(name) = text.strip_prefix("same:") else {
        let bad = BadValue::new("not a way to name files", allowed);
        return Err(bad.help(format!("did you mean \"same:{}\"?", quoted(text))));
    };
    // The name stands in a multipart header and on somebody's disk.
    let unfit = |c: char| c.is_control() || matches!(c, '/' | '\\' | '"');
    if name.trim().is_empty() || name.contains(unfit) || name.len() > 200 {
        return Err(BadValue::new("not a file name", allowed));
    }
    Ok(FileName::Same(name.to_owned()))
}

fn read_path(text: &str, sessions: usize) -> Result<String, BadValue> {
    let allowed = match sessions {
        0 => "a path such as \"/api/v1/chat\"",
        _ => "a path with one {session}, such as \"/voice/{session}\"",
    };
    let bad = |what: &str| Err(BadValue::new(what, allowed));
    if !text.starts_with('/') {
        return bad("a path begins with `/`");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return bad("a path has no blanks, query or fragment");
    }
    if text.matches("{session}").count() != sessions {
        return bad("the path has the wrong number of {session}");
    }
    read_name(text)
}
