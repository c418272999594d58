//! The scenarios that the program brings along.

/// Every embedded scenario: its name and its file's text.
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    &[
        ("quick", include_str!("../../scenarios/quick.toml")),
        ("mixed", include_str!("../../scenarios/mixed.toml")),
        ("voice", include_str!("../../scenarios/voice.toml")),
        ("upload", include_str!("../../scenarios/upload.toml")),
        ("staging", include_str!("../../scenarios/staging.toml")),
        ("overlap", include_str!("../../scenarios/overlap.toml")),
        (
            "shared-session",
            include_str!("../../scenarios/shared-session.toml"),
        ),
        ("trespass", include_str!("../../scenarios/trespass.toml")),
        ("f878ddb", include_str!("../../scenarios/f878ddb.toml")),
        ("channels", include_str!("../../scenarios/channels.toml")),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::{Executor, Scenario, SessionSpec, parse};
    use super::*;
    use crate::model::OpKind;

    /// What the program's first run promises to whoever reads about it.
    #[test]
    fn quick_is_large_repeatable_and_short() {
        let (name, text) = embedded()[0];
        assert_eq!(name, "quick");
        let scenario = parse(name, text, name).unwrap();
        assert!(scenario.users >= 100);
        let mut sessions = 0;
        let mut kinds = BTreeSet::new();
        for group in &scenario.groups {
            let Executor::PerVuIterations {
                vus, iterations, ..
            } = group.executor
            else {
                panic!("{} does not send the same twice", group.name);
            };
            sessions += vus * iterations;
            kinds.insert(group.session.kind());
            let (operations, think) = match &group.session {
                SessionSpec::Chat(chat) => (*chat.turns.end(), chat.think.max),
                SessionSpec::Upload(upload) => (*upload.uploads.end(), upload.think.max),
                SessionSpec::Voice(voice) => (*voice.turns.end(), voice.think.max),
                SessionSpec::Recall(recall) => (*recall.turns.end(), recall.think.max),
                SessionSpec::Stream(talk) | SessionSpec::Turn(talk) => {
                    (*talk.turns.end(), talk.think.max)
                }
                SessionSpec::Trespass(_) => panic!("{} needs more than one turn", group.name),
            };
            let thinking = think * iterations * u32::from(operations);
            assert!(thinking < Duration::from_secs(10), "{}", group.name);
        }
        assert!(sessions >= 300);
        assert_eq!(
            kinds,
            BTreeSet::from([OpKind::Chat, OpKind::Upload, OpKind::Voice])
        );
    }

    #[test]
    fn staging_sends_sixty_turns_from_ten_users_and_names_no_host() {
        let (name, text) = embedded()[4];
        assert_eq!(name, "staging");
        let scenario = parse(name, text, name).unwrap();
        assert_eq!(scenario.users, 10);
        assert_eq!(scenario.target.url, None);
        let [group] = scenario.groups.as_slice() else {
            panic!("more than one group");
        };
        let Executor::PerVuIterations {
            vus, iterations, ..
        } = group.executor
        else {
            panic!("the number of turns depends on the target");
        };
        let SessionSpec::Chat(chat) = &group.session else {
            panic!("more than chat");
        };
        assert_eq!(chat.turns, 1..=1);
        assert_eq!(vus * iterations, 60);
        // Otherwise nobody overlaps with anybody where answers are quick.
        assert!(group.starts_together);
        assert_eq!(chat.think.min, Duration::from_secs(10));
    }

    #[test]
    fn every_scenario_parses_and_reads_back_equal() {
        for (name, text) in embedded() {
            let scenario = parse(name, text, name).unwrap();
            assert_eq!(scenario.name, *name);
            assert!(!scenario.description.is_empty(), "{name}");
            let stored = serde_json::to_string(&scenario).unwrap();
            let read: Scenario = serde_json::from_str(&stored).unwrap();
            assert_eq!(read, scenario);
        }
    }
}
