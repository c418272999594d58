//! `crosswire explain`: what the names in a report mean.

use crate::model::UnknownName;
use crate::reconcile::guide::{self, Topic};

use super::args::ExplainArgs;
use super::exit::{Exit, Failure};
use super::output;

/// Prints the guide to one name, or the list of names.
///
/// # Errors
/// Nothing has this name.
pub(super) fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let text = match &args.name {
        Some(name) => guide::page(topic(name)?),
        None => guide::list(),
    };
    output::print(&text)?;
    Ok(Exit::Pass)
}

fn topic(name: &str) -> Result<Topic, Failure> {
    let topics = Topic::all();
    let exact = topics.iter().copied().find(|topic| topic.name() == name);
    exact.ok_or_else(|| {
        let names: Vec<&str> = topics.iter().map(|topic| topic.name()).collect();
        Failure::usage(UnknownName::new("anomaly, reason or trait", name, &names))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    #[test]
    fn names_are_found_and_unknown_ones_suggest_the_nearest() {
        assert_eq!(topic("torn").unwrap(), Topic::Code(Code::Torn));
        for (name, nearest) in [
            ("wrongowner", "`wrong-owner`"),
            ("no-overlp", "`no-overlap`"),
            ("cancel", "`cancels`"),
        ] {
            let failure = topic(name).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.error.to_string().contains(nearest), "{name}");
        }
    }
}
