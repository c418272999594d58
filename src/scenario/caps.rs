//! Bounds on what a run may do to its target.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a run may do at most; `None` where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Caps {
    /// Operations that may begin. At the next one the run stops.
    pub ops: Option<u64>,
    /// Operations that may begin in a second. What would come faster waits.
    pub rate: Option<u32>,
    /// Calls of a language model: one a turn. Before the next one the run stops.
    pub model_calls: Option<u64>,
    /// How long operations may begin, from the first one on. Then the run stops.
    pub wall: Option<Duration>,
}

impl Caps {
    /// The values of flags, and these where a flag is not given.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            ops: self.ops.or(file.ops),
            rate: self.rate.or(file.rate),
            model_calls: self.model_calls.or(file.model_calls),
            wall: self.wall.or(file.wall),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file() {
        let flags = Caps {
            ops: Some(1),
            ..Caps::default()
        };
        let file = Caps {
            ops: Some(2),
            rate: Some(3),
            model_calls: Some(4),
            wall: Some(Duration::from_secs(5)),
        };
        let both = flags.or(file);
        assert_eq!(
            both,
            Caps {
                ops: Some(1),
                ..file
            }
        );
    }
}
