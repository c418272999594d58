//! `altered`: another text than was sent.

use crate::model::{Code, Likeness};

use super::super::verbatim::{self, Sent};
use super::super::{Draft, Evidence};
use super::Check;

#[derive(Debug)]
pub(crate) struct Altered;

impl Check for Altered {
    fn code(&self) -> Code {
        Code::Altered
    }

    fn definition(&self) -> &'static str {
        "What a user sent is stored with other words in it than were sent."
    }

    fn explanation(&self) -> &'static str {
        "The person will be held to what they did not say. The usual causes are a buffer that \
         is written while it is read, a wrong encoding, and a filter that rewrites. The text that \
         was sent is made again from the plan; case, white space, escapes and the form of letters \
         do not count. Only the user's own words under their own name are judged, and only where \
         their canary is whole."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        verbatim::drafts(evidence, Code::Altered, |likeness, sent| match likeness {
            Likeness::Altered => Some(words(sent)),
            Likeness::Unjudged | Likeness::Same | Likeness::Torn { .. } => None,
        })
    }
}

fn words(sent: &Sent) -> (String, String) {
    (
        format!("{}'s text is stored changed: {}", sent.user, sent.record),
        "its canary is whole, yet the text around it is neither the one that was sent nor a part \
         of it"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::check;
    use crate::model::Likeness;

    #[test]
    fn another_text_is_altered_and_the_same_is_not() {
        for (likeness, expected) in [
            (Likeness::Altered, &["altered: m0.1u"][..]),
            (Likeness::Same, &[]),
            (Likeness::Unjudged, &[]),
        ] {
            check(
                |history| history.record("m0.1u").likeness = likeness,
                expected,
            );
        }
    }

    #[test]
    fn it_must_be_so_in_two_reads_and_under_its_owner() {
        // It was as sent at first, and was seen changed only once.
        check(
            |history| {
                history.record("m0.1u").likeness = Likeness::Same;
                let mut later = history.record("m0.1u").clone();
                later.likeness = Likeness::Altered;
                later.scan = 4;
                later.reads = 1;
                history.sightings.push(later);
            },
            &["altered?: m0.1u"],
        );
        check(
            |history| {
                history.record("m0.1u").likeness = Likeness::Altered;
                history.record("m0.1u").owner = Some("poc-user".to_owned());
                history.record("m0.1u").session = Some("elsewhere".to_owned());
            },
            &["placeholder-owner: m0.1u"],
        );
    }
}
