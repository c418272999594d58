//! Whom a store names as the owner of a record: one of us, a stand-in, nobody, or a stranger.

use crate::model::{OpKind, UserIx};

use super::Context;

/// The owner of a record, as the judge sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner<'a> {
    /// A synthetic user of this run.
    User(UserIx),
    /// A stand-in that the target is known to write as.
    Placeholder(&'a str),
    /// None is named.
    Nobody,
    /// Anybody else, who may be a real person.
    Foreign(&'a str),
}

/// Sorts an owner into its class.
///
/// The templates of all channels are tried: who owns a record is asked here, not by which
/// channel. A template without a user's name in it is a placeholder.
pub(crate) fn classify<'a>(context: &Context<'_>, owner: Option<&'a str>) -> Owner<'a> {
    let Some(owner) = owner.filter(|owner| !owner.trim().is_empty()) else {
        return Owner::Nobody;
    };
    let target = &context.scenario.target;
    let names = OpKind::ALL
        .into_iter()
        .filter_map(|kind| target.expected_owner.get(kind).user_name(owner));
    let mut template_of_nobody = false;
    for name in names {
        if let Some(user) = context.scenario.user_of_name(context.run, name) {
            return Owner::User(user);
        }
        template_of_nobody |= name.is_empty();
    }
    if template_of_nobody || target.placeholders.iter().any(|known| known == owner) {
        return Owner::Placeholder(owner);
    }
    Owner::Foreign(owner)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::model::RunId;

    #[test]
    fn owners_are_sorted_into_four_classes() {
        let scenario = testing::scenario();
        let context = testing::context(&scenario);
        let run = context.run;
        let ours = format!("dev-oid-{}", run.user_name(UserIx(3)));
        let colleague = format!("dev-oid-{}", RunId(run.0 ^ 1).user_name(UserIx(3)));
        let bare = run.user_name(UserIx(3));
        let table = [
            (None, Owner::Nobody),
            (Some(""), Owner::Nobody),
            (Some("  "), Owner::Nobody),
            (Some(ours.as_str()), Owner::User(UserIx(3))),
            (Some("poc-user"), Owner::Placeholder("poc-user")),
            (Some("dev-oid-"), Owner::Placeholder("dev-oid-")),
            (Some("poc-user2"), Owner::Foreign("poc-user2")),
            (Some(colleague.as_str()), Owner::Foreign(&colleague)),
            (Some(bare.as_str()), Owner::Foreign(&bare)),
            (Some("dev-oid-alice"), Owner::Foreign("dev-oid-alice")),
        ];
        for (owner, expected) in table {
            assert_eq!(classify(&context, owner), expected, "{owner:?}");
        }
    }
}
