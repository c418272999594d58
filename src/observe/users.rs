//! Making the run's users in a store that refuses sessions of users it does not know.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;

use super::error::StoreError;
use super::store::StoreClient;
use crate::dialect::{Change, Dialect, Question};
use crate::model::{OpKind, RunId, UserIx, UsersAsked};
use crate::scenario::Scenario;

/// Users whose owners the store is asked for, a read for each of their names.
const USERS_ASKED_MAX: u32 = 10;

impl StoreClient {
    /// Makes the users that the run's records should belong to and those that the scenario names
    /// beside them, where the scenario asks for it; gives how many were made. Who is there already
    /// stays as it is. This is the only thing that is written to a store before a run.
    ///
    /// # Errors
    /// A user is not there and could not be made. Others may have been.
    pub async fn create_users(&self, run: RunId, scenario: &Scenario) -> Result<u32, StoreError> {
        let wanted = wanted(run, scenario);
        let mut asked = stream::iter(wanted)
            .map(|user| async move { self.create_user(&user).await })
            .buffer_unordered(self.read_concurrency());
        let mut made = 0;
        while let Some(answer) = asked.next().await {
            made += u32::from(answer?);
        }
        Ok(made)
    }

    /// Asks the store for the owners of the run's first ten users.
    ///
    /// # Errors
    /// The store gave no usable answer.
    pub async fn ask_for_users(
        &self,
        run: RunId,
        scenario: &Scenario,
    ) -> Result<UsersAsked, StoreError> {
        let users: BTreeSet<String> =
            owners(run, scenario, scenario.users.min(USERS_ASKED_MAX)).collect();
        let mut asked = UsersAsked::default();
        for user in &users {
            let question = Question::User { user };
            let known = self.ask(&question, <dyn Dialect>::read_user).await?;
            asked.asked += 1;
            asked.unknown += u32::from(!known);
        }
        Ok(asked)
    }

    async fn create_user(&self, user: &str) -> Result<bool, StoreError> {
        let question = Question::User { user };
        if self.ask(&question, <dyn Dialect>::read_user).await? {
            return Ok(false);
        }
        self.change(&Change::CreateUser { user }).await
    }
}

/// Everybody who is to be there when the run begins.
fn wanted(run: RunId, scenario: &Scenario) -> BTreeSet<String> {
    let mut wanted: BTreeSet<String> = scenario.memory.also_create.iter().cloned().collect();
    if scenario.memory.create_users {
        wanted.extend(owners(run, scenario, scenario.users));
    }
    wanted
}

/// Whose the records of the first so many users should be.
fn owners(run: RunId, scenario: &Scenario, users: u32) -> impl Iterator<Item = String> {
    (0..users).flat_map(move |user| {
        let name = scenario.user_name(run, UserIx(user));
        OpKind::ALL.map(|kind| scenario.target.expected_owner.get(kind).owner(&name))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fake::{Content, FakeStore, context, owner};
    use super::UsersAsked;

    #[tokio::test]
    async fn users_are_made_once_and_only_where_it_is_asked_for() {
        let store = FakeStore::start(Content {
            users: vec![owner(1)],
            ..Content::default()
        });
        let mut context = context();
        let client = store.connect(&context).await;
        let made = client.create_users(context.run, &context.scenario).await;
        assert_eq!((made.unwrap(), store.content().users.len()), (0, 1));
        let asked = client.ask_for_users(context.run, &context.scenario).await;
        assert_eq!(
            asked.unwrap(),
            UsersAsked {
                asked: 4,
                unknown: 3
            }
        );

        let mut scenario = (*context.scenario).clone();
        scenario.memory.create_users = true;
        scenario.memory.also_create = vec!["voice-user".to_owned()];
        context.scenario = Arc::new(scenario);
        for made in [4, 0] {
            let now = client.create_users(context.run, &context.scenario).await;
            assert_eq!(now.unwrap(), made);
            let asked = client.ask_for_users(context.run, &context.scenario).await;
            assert_eq!(
                asked.unwrap(),
                UsersAsked {
                    asked: 4,
                    unknown: 0
                }
            );
        }
        let mut users = store.content().users.clone();
        users.sort();
        let mut expected: Vec<String> = (0..4).map(owner).collect();
        expected.push("voice-user".to_owned());
        assert_eq!(users, expected);
    }
}
