//! The manual steps of a check, as commands to paste. The token stays in its variable.

use std::fmt::Write as _;

use crate::model::OpKind;
use crate::scenario::{Scenario, Store};

/// The commands. Where no address is known its variable stands.
pub(super) fn steps(scenario: &Scenario, user_id: &str, tests: &[OpKind]) -> String {
    let target = match &scenario.target.url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => "$TARGET".to_owned(),
    };
    let memory = match &scenario.memory.store {
        Store::Url(url) => url.as_str().trim_end_matches('/').to_owned(),
        Store::Lab | Store::None => "$MEMORY".to_owned(),
    };
    let paths = &scenario.target.paths;
    let session = format!("check-{}", safe(user_id));
    let auth = "-H \"Authorization: Bearer $AUTH_TOKEN\"";
    let mut text = format!(
        "# The credential of user {}: export AUTH_TOKEN=… (it is not printed here)\n",
        safe(user_id)
    );
    for kind in tests {
        // Writing to a string cannot fail.
        let _ = match kind {
            OpKind::Chat => write!(
                text,
                "\n# 1: chat\ncurl -sS -X POST \"{target}{}\" {auth} \\\n  \
                 -H 'Content-Type: application/json' \\\n  \
                 -d '{{\"content\":\"Hello, remember zebra.\",\"agent_id\":\"elena\",\"session_id\":\"{session}\"}}'\n\
                 curl -sS \"{memory}/api/v1/sessions/{session}\"\n\
                 curl -sS \"{memory}/api/v1/sessions/{session}/messages\"\n",
                paths.chat
            ),
            OpKind::Upload => write!(
                text,
                "\n# 2: document\nprintf 'Zebras live in herds.' > check-notes.txt\n\
                 curl -sS -X POST \"{target}{}\" {auth} \\\n  \
                 -F 'file=@check-notes.txt;type=text/plain'\n",
                paths.upload
            ),
            OpKind::Voice => {
                let path = paths
                    .voice
                    .replace("{session}", &format!("{session}-voice"));
                write!(
                    text,
                    "\n# 3: voice: 101 with the token, 401 or 403 without it\n{}\n{}\n",
                    upgrade(&target, &path, &format!(" {auth}")),
                    upgrade(&target, &path, "")
                )
            }
            OpKind::Stream | OpKind::Turn => Ok(()),
        };
    }
    text
}

fn upgrade(target: &str, path: &str, auth: &str) -> String {
    format!(
        "curl -sS -i -N --max-time 5 \"{target}{path}\"{auth} \\\n  \
         -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\\n  \
         -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='"
    )
}

/// A name that cannot leave its place in a command.
fn safe(name: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || "-._@".contains(*c);
    name.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_a_command() {
        assert_eq!(safe("a'; rm -rf $HOME #@b"), "arm-rfHOME@b");
    }
}
