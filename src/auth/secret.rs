//! A credential that cannot be printed.

use std::fmt;

/// A credential. Its only way out is [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a credential that was given.
    pub fn new(credential: String) -> Self {
        Self(credential)
    }

    /// The credential itself, for the request that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let token = Secret::new("dev_cw-0012abcd-u17_analyst".to_owned());
        assert_eq!(format!("{token:?}"), "Secret(..)");
    }
}
