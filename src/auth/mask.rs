//! Texts of others without secrets: what a target or a store says may repeat what it was sent.
//!
//! Credentials that are known are taken out wherever they stand, also cut short or escaped; what
//! only looks like one is taken out too. Prose about credentials stays, because it says what to
//! mend: `Invalid token: Signature has expired`.

use super::Secret;

/// What stands in the place of a credential.
const MASK: &str = "***";
/// Characters of a known credential that give it away where a text was cut.
const TELLING_CHARS: usize = 8;
/// Characters of what is taken for a credential by its look alone.
const CREDENTIAL_CHARS_MIN: usize = 16;
/// How credentials begin, in lower case: each goes on to the next character that cannot stand in
/// one.
const CREDENTIAL_STARTS: [&str; 4] = ["bearer ", "dev_", "basic ", "api-key "];
/// How a JSON Web Token begins: `{"` in base64.
const WEB_TOKEN_START: &str = "eyJ";
/// How a key in PEM form begins and ends.
const KEY_MARKS: (&str, &str) = ("-----begin", "-----end");
/// Names of fields whose values are secrets, in lower case and without `-` and `_`.
const SECRET_NAMES: [&str; 18] = [
    "accesstoken",
    "apikey",
    "assertion",
    "authorization",
    "authtoken",
    "clientsecret",
    "cookie",
    "devtoken",
    "idtoken",
    "passwd",
    "password",
    "privatekey",
    "refreshtoken",
    "secret",
    "sessiontoken",
    "setcookie",
    "token",
    "xdevtoken",
];

/// A text without these credentials, and without anything that looks like one.
pub fn mask<'a>(text: &str, credentials: impl IntoIterator<Item = &'a Secret>) -> String {
    let known: Vec<String> = credentials
        .into_iter()
        .flat_map(|secret| forms(secret.expose()))
        .collect();
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(character) = rest.chars().next()
    {
        let before = text.get(..at).unwrap_or_default();
        let here = Here {
            before,
            rest,
            lower: lower.get(at..).unwrap_or_default(),
        };
        if let Some(Found { shown, hidden }) = here.credential(&known) {
            masked.push_str(rest.get(..shown).unwrap_or_default());
            masked.push_str(MASK);
            at += (shown + hidden).max(1);
        } else {
            masked.push(character);
            at += character.len_utf8();
        }
    }
    masked
}

/// How a credential may stand in a text: as it is, escaped for JSON, or for a URL.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        secret.replace('\\', "\\\\").replace('"', "\\\""),
        secret.replace('/', "\\/"),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
    ];
    forms.retain(|form| !form.is_empty());
    forms.dedup();
    forms
}

/// A place of a text.
struct Here<'a> {
    before: &'a str,
    rest: &'a str,
    /// The rest in lower case.
    lower: &'a str,
}

/// A credential from here on.
struct Found {
    /// Bytes that are shown, because they say what is hidden.
    shown: usize,
    /// Bytes that are not.
    hidden: usize,
}

impl Here<'_> {
    fn credential(&self, known: &[String]) -> Option<Found> {
        whole(self.rest, known)
            .map(|hidden| Found { shown: 0, hidden })
            .or_else(|| self.started(known))
            .or_else(|| self.web_token())
            .or_else(|| self.key())
            .or_else(|| self.in_url())
            .or_else(|| self.field())
            .or_else(|| self.cut_short(known))
    }

    fn started(&self, known: &[String]) -> Option<Found> {
        let start = CREDENTIAL_STARTS
            .iter()
            .find(|start| self.lower.starts_with(**start))?;
        let after = self.rest.get(start.len()..)?;
        Some(Found {
            shown: start.len(),
            hidden: whole(after, known).unwrap_or(0).max(credential_len(after)),
        })
    }

    /// So much of the beginning of a known credential that it says too much.
    fn cut_short(&self, known: &[String]) -> Option<Found> {
        let hidden = known.iter().filter_map(|secret| {
            let same = self.rest.bytes().zip(secret.bytes());
            let same = same.take_while(|(here, there)| here == there).count();
            let same = (0..=same).rfind(|end| self.rest.is_char_boundary(*end))?;
            (same >= TELLING_CHARS).then_some(same)
        });
        hidden.max().map(|hidden| Found { shown: 0, hidden })
    }

    fn web_token(&self) -> Option<Found> {
        let begins = self.rest.starts_with(WEB_TOKEN_START) && !self.is_in_word();
        let hidden = credential_len(self.rest);
        (begins && hidden >= CREDENTIAL_CHARS_MIN).then_some(Found { shown: 0, hidden })
    }

    fn key(&self) -> Option<Found> {
        let (begin, end) = KEY_MARKS;
        if !self.lower.starts_with(begin) {
            return None;
        }
        let hidden = self.lower.find(end).unwrap_or(self.lower.len());
        Some(Found { shown: 0, hidden })
    }

    /// A user's name and password before the host.
    fn in_url(&self) -> Option<Found> {
        let start = "://";
        let authority = self.rest.strip_prefix(start)?;
        let end = authority.find(['/', '?', '#', '"', '\'', ' ', '\n']);
        let hidden = authority
            .get(..end.unwrap_or(authority.len()))?
            .rfind('@')?;
        Some(Found {
            shown: start.len(),
            hidden,
        })
    }

    /// The value of a field that is named after a secret: in JSON, in a form, in a header.
    fn field(&self) -> Option<Found> {
        if self.is_in_word() {
            return None;
        }
        let name_len = self
            .lower
            .find(|c: char| !is_of_name(c))
            .unwrap_or(self.lower.len());
        let name = self.lower.get(..name_len)?;
        let bare = name.replace(['-', '_'], "");
        if !SECRET_NAMES.contains(&bare.as_str()) {
            return None;
        }
        let after = self.rest.get(name_len..)?;
        let value = after.trim_start_matches(['"', '\'', '\\', ' ']);
        let sign = value.chars().next().filter(|c| matches!(c, '=' | ':'))?;
        let value = value.get(sign.len_utf8()..)?;
        let bare_value = value.trim_start_matches(['"', '\'', '\\', ' ']);
        let is_quoted = value.len() > bare_value.len()
            && value
                .get(..value.len() - bare_value.len())
                .is_some_and(|between| between.contains(['"', '\'']));
        let hidden = if is_quoted {
            bare_value
                .find(['"', '\'', '\\'])
                .unwrap_or(bare_value.len())
        } else {
            bare_value
                .find([' ', ',', ';', '&', '"', '\'', '\n', '\r', '}', ']', ')'])
                .unwrap_or(bare_value.len())
        };
        let word = bare_value.get(..hidden)?;
        // Of what stands behind a colon, prose is spared.
        let is_secret = is_quoted || sign == '=' || looks_like_a_credential(word);
        (is_secret && hidden > 0).then_some(Found {
            shown: self.rest.len() - bare_value.len(),
            hidden,
        })
    }

    fn is_in_word(&self) -> bool {
        self.before.chars().next_back().is_some_and(is_of_name)
    }
}

/// Bytes of the longest known credential that a text begins with.
fn whole(text: &str, known: &[String]) -> Option<usize> {
    let begins = known
        .iter()
        .filter(|secret| text.starts_with(secret.as_str()));
    begins.map(String::len).max()
}

fn looks_like_a_credential(word: &str) -> bool {
    word.len() >= CREDENTIAL_CHARS_MIN && word.contains(|c: char| c.is_ascii_digit())
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

/// Bytes of what may be a credential at the beginning of a text.
fn credential_len(text: &str) -> usize {
    text.find(|c: char| !may_stand_in_credential(c))
        .unwrap_or(text.len())
}

/// The characters of a bearer token, and the mask's own.
fn may_stand_in_credential(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~+/=*".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "eyJ0.s3cret/x-and-more";

    #[track_caller]
    fn masks(text: &str, expect: &str) {
        let secret = Secret::new(SECRET.to_owned());
        let masked = mask(text, Some(&secret));
        assert_eq!(masked, expect, "{text}");
        assert_eq!(mask(&masked, [&secret]), expect, "twice: {text}");
    }

    #[test]
    fn a_known_credential_is_masked_wherever_it_stands() {
        for (text, expect) in [
            ("", ""),
            ("nothing here", "nothing here"),
            (
                "token eyJ0.s3cret/x-and-more, expired",
                "token ***, expired",
            ),
            ("xeyJ0.s3cret/x-and-morex", "x***x"),
            ("cut: eyJ0.s3c", "cut: ***"),
            ("cut: eyJ0.s3cü", "cut: ***ü"),
            ("too little: eyJ0.s3", "too little: eyJ0.s3"),
            ("json eyJ0.s3cret\\/x-and-more", "json ***"),
            ("url ?q=eyJ0.s3cret%2Fx-and-more&", "url ?q=***&"),
            ("bearer eyJ0.s3cret/x-and-more!", "bearer ***!"),
        ] {
            masks(text, expect);
        }
    }

    #[test]
    fn what_looks_like_a_credential_is_masked() {
        for (text, expect) in [
            (
                "{\"authorization\":\"Bearer abc.DEF-1=\"}",
                "{\"authorization\":\"***\"}",
            ),
            ("BEARER a BEARER b", "BEARER *** BEARER ***"),
            (
                "ü: dev_cw-0012abcd-u17_analyst has no role",
                "ü: dev_*** has no role",
            ),
            ("Bearer dev_a-u1_viewer", "Bearer ***"),
            ("Bearer ", "Bearer ***"),
            ("got eyJhbGciOiJSUzI1NiJ9.e30.c2ln.", "got ***"),
            ("Authorization: Api-Key z_1", "Authorization: Api-Key ***"),
            (
                "{\"access_token\": \"a b\", \"x\": 1}",
                "{\"access_token\": \"***\", \"x\": 1}",
            ),
            (
                "{\\\"client_secret\\\":\\\"ab\\\"}",
                "{\\\"client_secret\\\":\\\"***\\\"}",
            ),
            (
                "grant=1&client_secret=ab%20c&x=2",
                "grant=1&client_secret=***&x=2",
            ),
            (
                "Set-Cookie: sid=0123456789abcdef; Path=/",
                "Set-Cookie: ***; Path=/",
            ),
            ("X-Dev-Token: 0123456789abcdef0", "X-Dev-Token: ***"),
            ("at http://me:hush@host/x", "at http://***@host/x"),
            (
                "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----",
                "***-----END PRIVATE KEY-----",
            ),
        ] {
            masks(text, expect);
        }
    }

    #[test]
    fn prose_about_credentials_stays() {
        for text in [
            "Invalid token: Signature has expired",
            "Missing authentication token",
            "the secret: none",
            "keyJar, monkey=3, tokens: 12",
            "http://127.0.0.1:8082/a?b@c",
        ] {
            masks(text, text);
        }
    }
}
