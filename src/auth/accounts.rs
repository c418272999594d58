//! A file of users and their credentials: CSV with a line of column names, or JSON lines.
//!
//! What is wrong with it is told by line and user; no value of a secret is ever repeated.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::{Secret, read_claims};
use crate::model::limits::PLANNED_USERS_MAX;
use crate::scenario::{SecretRef, read_secret_ref};

/// Bytes of a file of credentials.
pub const ACCOUNTS_BYTES_MAX: u64 = 1 << 28;
/// Characters of a user's name.
const NAME_CHARS_MAX: usize = 200;

/// A user and what proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What the file calls the user.
    pub user: String,
    /// The owner at the target, from the file or the token.
    pub oid: Option<String>,
    /// The proof.
    pub proof: Proof,
}

/// What proves who a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// This token.
    Token(Secret),
    /// A client at an issuer.
    Client {
        /// Its id.
        id: String,
        /// Where its secret is.
        secret: SecretRef,
    },
}

/// Why a file of credentials cannot be used. Fits after "could not use ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the credentials in {file}{}: {what}; {remedy}", place(*.line))]
pub struct AccountsError {
    /// The file.
    pub file: String,
    /// The line, counted from 1; `None` for the whole file.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    user: String,
    #[serde(default)]
    oid: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<String>,
}

fn place(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

/// Reads a file of credentials; paths in it are relative to its own folder.
///
/// # Errors
/// It is neither CSV nor JSON lines, a line lacks something, or two users cannot be told apart.
pub fn read_accounts(text: &str, file: &Path) -> Result<Vec<Account>, AccountsError> {
    let shown = file.display().to_string();
    let text = text.trim_start_matches('\u{feff}');
    let rows = if text.trim_start().starts_with('{') {
        json_rows(text, &shown)?
    } else {
        csv_rows(text, &shown)?
    };
    let most = usize::try_from(PLANNED_USERS_MAX).unwrap_or(usize::MAX);
    if rows.is_empty() || rows.len() > most {
        return Err(AccountsError {
            file: shown,
            line: None,
            what: format!("it names {} users", rows.len()),
            remedy: format!("give 1 to {PLANNED_USERS_MAX}"),
        });
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut accounts = Vec::with_capacity(rows.len());
    let mut seen = Seen::default();
    for (line, row) in rows {
        let wrong = |what: String, remedy: &str| AccountsError {
            file: shown.clone(),
            line: Some(line),
            what,
            remedy: remedy.to_owned(),
        };
        let account = account(row, folder).map_err(|(what, remedy)| wrong(what, remedy))?;
        seen.take(&account, line)
            .map_err(|what| wrong(what, "give each user a credential of their own, once"))?;
        accounts.push(account);
    }
    Ok(accounts)
}

fn json_rows(text: &str, file: &str) -> Result<Vec<(u64, Row)>, AccountsError> {
    let lines = (1..).zip(text.lines());
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            // The library's own words may repeat a value.
            serde_json::from_str(line)
                .map(|row| (number, row))
                .map_err(|error| AccountsError {
                    file: file.to_owned(),
                    line: Some(number),
                    what: format!("no object of a user, as seen at column {}", error.column()),
                    remedy: COLUMNS.to_owned(),
                })
        })
        .collect()
}

const COLUMNS: &str = "give `user` and `token`, or `user`, `client_id` and `client_secret`, and \
                       `oid` if you like";

fn csv_rows(text: &str, file: &str) -> Result<Vec<(u64, Row)>, AccountsError> {
    let wrong = |line: Option<u64>, what: String| AccountsError {
        file: file.to_owned(),
        line,
        what,
        remedy: COLUMNS.to_owned(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let names = reader.headers().cloned().unwrap_or_default();
    let known = ["user", "oid", "token", "client_id", "client_secret"];
    let is_header = names.iter().any(|name| name == "user");
    if !is_header || names.iter().any(|name| !known.contains(&name)) {
        // What stands there may be a token: a file without its first line.
        let what = "the first line does not name the columns".to_owned();
        return Err(wrong(Some(1), what));
    }
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| {
            let line = error.position().map(csv::Position::line);
            wrong(line, "not as many values as columns, or no text".to_owned())
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Row = record
            .deserialize(Some(&names))
            .map_err(|_| wrong(Some(line), "no line of a user".to_owned()))?;
        rows.push((line, row));
    }
    Ok(rows)
}

fn account(row: Row, folder: &Path) -> Result<Account, (String, &'static str)> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let user = row.user;
    let printable = !user.trim().is_empty() && !user.contains(char::is_control);
    if !printable || user.chars().count() > NAME_CHARS_MAX {
        return Err((
            "the user has no usable name".to_owned(),
            "give 1 to 200 printable characters",
        ));
    }
    let oid = given(row.oid);
    let client = (given(row.client_id), given(row.client_secret));
    let proof = match (given(row.token), client) {
        (Some(token), (None, None)) => {
            if token.contains(|c: char| c.is_control() || c.is_whitespace()) {
                let what = format!("the token of `{user}` cannot stand in a header");
                return Err((what, "write it without blanks and line breaks"));
            }
            Proof::Token(Secret::new(token))
        }
        (None, (Some(id), Some(secret))) => {
            let secret = read_secret_ref(&secret).map_err(|_| {
                let what = format!("`client_secret` of `{user}` does not say where the secret is");
                (what, "write env:NAME or file:PATH")
            })?;
            Proof::Client {
                id,
                secret: located(secret, folder),
            }
        }
        (Some(_) | None, _) => {
            let what = format!("`{user}` has not one credential");
            return Err((what, COLUMNS));
        }
    };
    let told = match &proof {
        Proof::Token(token) => read_claims(token).owner,
        Proof::Client { .. } => None,
    };
    if let (Some(oid), Some(told)) = (&oid, &told)
        && oid != told
    {
        let what = format!("the token of `{user}` names the owner `{told}`, and `oid` is `{oid}`");
        return Err((what, "leave `oid` out, or give the user's own token"));
    }
    Ok(Account {
        user,
        oid: oid.or(told),
        proof,
    })
}

fn located(secret: SecretRef, folder: &Path) -> SecretRef {
    match secret {
        SecretRef::Env(name) => SecretRef::Env(name),
        SecretRef::File(path) => SecretRef::File(folder.join(path).display().to_string()),
    }
}

/// What each user has for itself, by the line on which it stands and the user.
#[derive(Default)]
struct Seen {
    names: HashMap<String, (u64, String)>,
    proofs: HashMap<String, (u64, String)>,
}

impl Seen {
    /// Notes a user; says whom it cannot be told from.
    fn take(&mut self, account: &Account, line: u64) -> Result<(), String> {
        let Account { user, oid, proof } = account;
        let mut names = vec![user];
        names.extend(oid.iter().filter(|oid| *oid != user));
        for name in names {
            if let Some((first, other)) = self.names.insert(name.clone(), (line, user.clone())) {
                return Err(if other == *user {
                    format!("`{user}` is there twice, first on line {first}")
                } else {
                    format!("`{user}` and `{other}` on line {first} are one user: `{name}`")
                });
            }
        }
        let (proof, what) = match proof {
            Proof::Token(token) => (token.expose(), "token"),
            Proof::Client { id, .. } => (id.as_str(), "client id"),
        };
        match self.proofs.insert(proof.to_owned(), (line, user.clone())) {
            None => Ok(()),
            Some((first, other)) => Err(format!(
                "`{user}` has the same {what} as `{other}` on line {first}: the target cannot \
                 tell them apart"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Account>, String> {
        read_accounts(text, Path::new("in/users.csv")).map_err(|error| error.to_string())
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = "user,token,oid\nanna,dev_anna_analyst,\nbob, t0k3n ,b-1\n# nobody,x,\n";
        let json = "{\"user\":\"anna\",\"token\":\"dev_anna_analyst\"}\n\n\
                    {\"user\":\"bob\",\"token\":\"t0k3n\",\"oid\":\"b-1\"}\n";
        let accounts = read(csv).unwrap();
        assert_eq!(accounts, read(json).unwrap());
        assert_eq!(accounts.len(), 2);
        assert_eq!(accounts[0].oid.as_deref(), Some("dev-oid-anna"));
        assert_eq!(accounts[1].oid.as_deref(), Some("b-1"));
        assert_eq!(
            accounts[1].proof,
            Proof::Token(Secret::new("t0k3n".to_owned()))
        );
    }

    #[test]
    fn clients_name_their_secrets() {
        let text = "user,client_id,client_secret\na,c1,env:S1\nb,c2,file:s2\n";
        let secrets: Vec<Proof> = read(text).unwrap().into_iter().map(|a| a.proof).collect();
        let client = |id: &str, secret| Proof::Client {
            id: id.to_owned(),
            secret,
        };
        let file = SecretRef::File("in/s2".to_owned());
        assert_eq!(
            secrets,
            [
                client("c1", SecretRef::Env("S1".to_owned())),
                client("c2", file)
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_without_any_secret() {
        for (text, line, what) in [
            ("", "line 1", "does not name the columns"),
            ("anna,s3cret\n", "line 1", "does not name the columns"),
            ("user,password\na,s3cret\n", "line 1", "does not name"),
            ("user,token\n", "users.csv: it names 0", ""),
            ("user,token\na\n", "line 2", "not as many values"),
            ("user,token\na,\n", "line 2", "`a` has not one credential"),
            ("user,token\n,s3cret\n", "line 2", "no usable name"),
            (
                "user,token\na,s3cret\nb,s3cret\n",
                "line 3",
                "same token as `a` on line 2",
            ),
            (
                "user,token\na,s3cret\na,s3cret2\n",
                "line 3",
                "`a` is there twice",
            ),
            (
                "user,token,oid\na,s3cret,o\nb,s3cret2,o\n",
                "line 3",
                "are one user: `o`",
            ),
            (
                "user,token,oid\na,dev_s3cret_x,o\n",
                "line 2",
                "and `oid` is `o`",
            ),
            (
                "user,client_id,client_secret\na,c,s3cret\n",
                "line 2",
                "does not say where",
            ),
            (
                "user,client_id,client_secret\na,c,env:A\nb,c,env:B\n",
                "line 3",
                "same client id",
            ),
            (
                "{\"user\":\"a\",\"token\":\"s3cret\"\n",
                "line 1",
                "no object of a user",
            ),
            (
                "{\"user\":\"a\",\"token\":\"s3cret\",\"s3cret\":1}",
                "line 1",
                "no object",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.contains(line) && error.contains(what),
                "{text}\n{error}"
            );
            let of_dev = text.contains("dev_");
            assert!(of_dev || !error.contains("s3cret"), "{error}");
        }
    }
}
