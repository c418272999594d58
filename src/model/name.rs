//! Names of closed sets, and the one wording for a name that is in none.

/// A name that is not in a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`; did you mean `{nearest}`? One of {allowed}")]
pub struct UnknownName {
    /// The set.
    pub what: &'static str,
    /// What was given.
    pub name: String,
    /// The name of the set that is most like it.
    pub nearest: String,
    /// What is allowed, separated by commas.
    pub allowed: String,
}

impl UnknownName {
    /// The error for a name that is none of these.
    pub fn new(what: &'static str, name: &str, all: &[&str]) -> Self {
        let edits = |known: &&&str| strsim::damerau_levenshtein(known, name);
        let nearest = all.iter().min_by_key(edits).copied();
        Self {
            what,
            name: name.to_owned(),
            nearest: nearest.unwrap_or_default().to_owned(),
            allowed: all.join(", "),
        }
    }

    /// Finds a name in a closed set.
    ///
    /// # Errors
    /// The name is not in the set; the error lists the set and suggests one.
    pub fn look_up<T: Copy>(
        what: &'static str,
        all: &[T],
        name_of: impl Fn(T) -> &'static str,
        name: &str,
    ) -> Result<T, Self> {
        let found = all.iter().copied().find(|item| name_of(*item) == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|item| name_of(*item)).collect();
            Self::new(what, name, &names)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_suggested_and_all_are_listed() {
        let sets = ["quick", "voice"];
        let look_up = |name| UnknownName::look_up("set", &sets, |name| name, name);
        assert_eq!(look_up("voice"), Ok("voice"));
        for (name, told) in [
            (
                "quik",
                "unknown set `quik`; did you mean `quick`? One of quick, voice",
            ),
            (
                "vioce",
                "unknown set `vioce`; did you mean `voice`? One of quick, voice",
            ),
        ] {
            assert_eq!(look_up(name).unwrap_err().to_string(), told);
        }
    }
}
