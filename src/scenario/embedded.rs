//! The scenarios that the program brings along.

/// Every embedded scenario: its name and its file's text.
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    &[
        ("quick", include_str!("../../scenarios/quick.toml")),
        ("mixed", include_str!("../../scenarios/mixed.toml")),
        ("voice", include_str!("../../scenarios/voice.toml")),
        ("upload", include_str!("../../scenarios/upload.toml")),
        ("staging", include_str!("../../scenarios/staging.toml")),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, parse};
    use super::*;

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
