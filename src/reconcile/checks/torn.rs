//! `torn`: part of a text is missing.

use crate::model::{Code, Likeness};

use super::super::verbatim::{self, Sent};
use super::super::{Draft, Evidence};
use super::Check;

/// Lengths at which stores and agents are known to cut, in characters.
const LIMITS: [u32; 3] = [1_000, 2_500, 4_096];
/// Characters by which a cut may miss a limit: marks of omission, and letters that normalising
/// makes one or two of.
const NEAR_LIMIT_CHARS: u32 = 8;

#[derive(Debug)]
pub(crate) struct Torn;

impl Check for Torn {
    fn code(&self) -> Code {
        Code::Torn
    }

    fn definition(&self) -> &'static str {
        "What a user sent is stored with its beginning, its end or a piece in the middle missing."
    }

    fn explanation(&self) -> &'static str {
        "The agent will answer on half a sentence. The usual cause is a limit on length that is \
         applied without a word, of 1 000, 2 500 or 4 096 characters, or a cut inside a letter \
         of more than one byte. The text that was sent is made again from the plan and compared \
         after normalisation; only the user's own words under their own name are judged, as the \
         agent may shorten what it repeats. Where the cut took the canary too, the text counts \
         as lost."
    }

    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
        verbatim::drafts(evidence, Code::Torn, |likeness, sent| match likeness {
            Likeness::Torn { kept, sent: of } => Some(words(sent, kept, of)),
            Likeness::Unjudged | Likeness::Same | Likeness::Altered => None,
        })
    }
}

fn words(sent: &Sent, kept: u32, of: u32) -> (String, String) {
    let limit = LIMITS
        .into_iter()
        .find(|limit| limit.abs_diff(kept) <= NEAR_LIMIT_CHARS);
    let limit = limit.map_or_else(String::new, |limit| {
        format!(", as by a limit of {limit} characters")
    });
    (
        format!(
            "of {}'s text of {of} characters, {kept} are stored{limit}: {}",
            sent.user, sent.record
        ),
        "the text was made again from the plan, and the stored one is the same but for one \
         missing piece"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{check, owner, spoilt, told};
    use crate::model::Likeness;

    #[test]
    fn a_text_with_a_piece_missing_is_torn_and_the_limit_is_named() {
        for (kept, limit) in [
            (999, Some("of 1000 characters")),
            (2_500, Some("of 2500 characters")),
            (1_200, None),
        ] {
            let history = spoilt(|history| {
                history.record("m0.1u").likeness = Likeness::Torn { kept, sent: 3_000 };
            });
            let findings = history.findings();
            assert_eq!(told(&findings), ["torn: m0.1u"]);
            let claim = &findings[0].claim;
            assert!(claim.contains("3000 characters") && claim.contains(&kept.to_string()));
            match limit {
                Some(limit) => assert!(claim.contains(limit), "{claim}"),
                None => assert!(!claim.contains("limit"), "{claim}"),
            }
        }
    }

    #[test]
    fn once_is_a_glimpse_and_a_wrong_owner_weighs_more() {
        let torn = Likeness::Torn { kept: 9, sent: 99 };
        check(
            |history| {
                history.record("m0.1u").likeness = torn;
                history.record("m0.1u").reads = 1;
            },
            &["torn?: m0.1u"],
        );
        check(
            |history| {
                history.record("m0.1u").likeness = torn;
                history.record("m0.1u").session = Some("elsewhere".to_owned());
                history.record("m0.1u").owner = Some(owner(2));
            },
            &["wrong-owner: m0.1u"],
        );
    }

    #[test]
    fn the_agents_words_and_what_has_become_whole_are_not_torn() {
        let torn = Likeness::Torn { kept: 9, sent: 99 };
        check(|history| history.record("m0.1a").likeness = torn, &[]);
        check(
            |history| {
                let mut whole = history.record("m0.1u").clone();
                whole.scan += 1;
                history.record("m0.1u").likeness = torn;
                history.sightings.push(whole);
            },
            &[],
        );
    }

    #[test]
    fn an_unknown_turn_may_be_torn_too() {
        check(
            |history| {
                history.record("m0.1u").likeness = Likeness::Torn { kept: 9, sent: 99 };
                history.op(0, 1).completion = None;
            },
            &["torn: m0.1u"],
        );
    }
}
