//! The checks: one anomaly each, with its definition and explanation beside the code.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::Code;

use super::{Draft, Evidence};

mod altered;
mod chunk_mix;
mod duplicate;
mod foreign_owner;
mod ghost;
mod late;
mod log_mismatch;
mod lost;
mod missing_owner;
mod partial_ingest;
mod phantom;
mod placeholder_owner;
mod reordered;
mod response_bleed;
mod resurrected;
mod session_bleed;
mod split_identity;
mod stale_identity;
mod torn;
mod trespass;
mod unattributable;
mod wrong_owner;

pub(crate) use phantom::is_phantom;
pub(crate) use wrong_owner::WrongOwner;

/// Looks for one anomaly.
pub trait Check: fmt::Debug + Sync {
    /// The anomaly.
    fn code(&self) -> Code;

    /// When it holds, in one sentence.
    fn definition(&self) -> &'static str;

    /// What it means for the people behind the users, what usually causes it, and what it does
    /// not prove.
    fn explanation(&self) -> &'static str;

    /// All its findings in one bucket.
    fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft>;
}

/// All checks, gravest first.
pub const ALL: &[&dyn Check] = &[
    &WrongOwner,
    &foreign_owner::ForeignOwner,
    &split_identity::SplitIdentity,
    &stale_identity::StaleIdentity,
    &response_bleed::ResponseBleed,
    &trespass::Trespass,
    &chunk_mix::ChunkMix,
    &placeholder_owner::PlaceholderOwner,
    &missing_owner::MissingOwner,
    &lost::Lost,
    &partial_ingest::PartialIngest,
    &resurrected::Resurrected,
    &session_bleed::SessionBleed,
    &phantom::Phantom,
    &duplicate::Duplicate,
    &reordered::Reordered,
    &torn::Torn,
    &altered::Altered,
    &ghost::Ghost,
    &late::Late,
    &log_mismatch::LogMismatch,
    &unattributable::Unattributable,
];

/// The check of an anomaly.
pub fn of(code: Code) -> Option<&'static dyn Check> {
    ALL.iter().copied().find(|check| check.code() == code)
}

/// Carries out one check. One that panics has found nothing and proved nothing: its code is
/// given back, so that the run cannot pass.
pub(crate) fn run(check: &dyn Check, evidence: &Evidence<'_>) -> Result<Vec<Draft>, Code> {
    // Nothing outlives the call but the code, so no broken state can be seen afterwards.
    catch_unwind(AssertUnwindSafe(|| check.check(evidence))).map_err(|_| check.code())
}

#[cfg(test)]
mod tests {
    use super::super::testing::History;
    use super::*;

    #[derive(Debug)]
    struct Broken;

    impl Check for Broken {
        fn code(&self) -> Code {
            Code::Lost
        }

        fn definition(&self) -> &'static str {
            "breaks"
        }

        fn explanation(&self) -> &'static str {
            "breaks"
        }

        fn check(&self, evidence: &Evidence<'_>) -> Vec<Draft> {
            unreachable!("a check that breaks on {evidence:?}")
        }
    }

    #[test]
    fn every_anomaly_has_one_check_in_the_order_of_the_codes() {
        let codes: Vec<Code> = ALL.iter().map(|check| check.code()).collect();
        assert_eq!(codes, Code::ALL);
        for code in Code::ALL {
            let check = of(code).unwrap();
            assert!(check.definition().ends_with('.'), "{code}");
            assert!(
                check.explanation().len() > check.definition().len(),
                "{code}"
            );
        }
    }

    #[test]
    fn a_check_that_breaks_is_named() {
        let history = History::new(1, 1);
        let context = history.context();
        let evidence = Evidence::new(&context, 0..1, &history.ops, history.sightings.iter());
        assert_eq!(run(&Broken, &evidence).unwrap_err(), Code::Lost);
    }
}
