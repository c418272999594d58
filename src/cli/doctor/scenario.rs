//! The two users that the doctor sends for, and what they send.

use std::time::Duration;

use crate::model::{GroupIx, OpKind};
use crate::scenario::{
    ChatSpec, Connections, Disturbances, Executor, FileName, Group, Pause, Scenario, SecondUser,
    SessionIds, SessionSpec, TalkSpec, UploadSpec, VoiceSpec,
};

/// Users that are tried: one asks for what the other has said.
const USERS: u32 = 2;
/// The longest that an operation is waited for.
const LIMIT: Duration = Duration::from_mins(1);
const NO_PAUSE: Pause = Pause {
    min: Duration::ZERO,
    max: Duration::ZERO,
};

/// One session of one operation for each user and kind; of a scenario that was named, only the
/// kinds that it has.
pub(super) fn throw_away(mut scenario: Scenario, is_named: bool) -> Scenario {
    let has = |kind: &OpKind| {
        let mut groups = scenario.groups.iter();
        groups.any(|group| group.session.kind() == *kind)
    };
    let kinds: Vec<OpKind> = OpKind::ALL
        .into_iter()
        .filter(|kind| !is_named || has(kind))
        .collect();
    // The lab listens ten times as fast as people speak.
    let speed = if scenario.target.url.is_none() {
        10.0
    } else {
        1.0
    };
    scenario.users = USERS.min(scenario.users);
    scenario.disturbances = Disturbances::NONE;
    let vus = scenario.users;
    let groups = (0..).zip(kinds).map(|(ix, kind)| Group {
        ix: GroupIx(ix),
        name: kind.name().to_owned(),
        session: session(kind, speed),
        executor: Executor::PerVuIterations {
            vus,
            iterations: 1,
            max_duration: LIMIT,
        },
        start_time: Duration::ZERO,
        graceful_stop: LIMIT,
        connections: Connections::Own,
        starts_together: false,
    });
    scenario.groups = groups.collect();
    "doctor".clone_into(&mut scenario.name);
    scenario
}

fn session(kind: OpKind, speed: f64) -> SessionSpec {
    let agent = "elena".to_owned();
    let talk = |agent| TalkSpec {
        turns: 1..=1,
        think: NO_PAUSE,
        words: 12..=40,
        agent,
    };
    match kind {
        OpKind::Chat => SessionSpec::Chat(ChatSpec {
            turns: 1..=1,
            think: NO_PAUSE,
            words: 12..=40,
            agent,
            session_ids: SessionIds::Client,
            second_user: SecondUser::None,
            relogin: false,
            overlap: 0,
        }),
        OpKind::Upload => SessionSpec::Upload(UploadSpec {
            uploads: 1..=1,
            think: NO_PAUSE,
            characters: 2_000..=4_000,
            file_name: FileName::Unique,
        }),
        OpKind::Voice => SessionSpec::Voice(VoiceSpec {
            turns: 1..=1,
            think: NO_PAUSE,
            speed,
            agent,
        }),
        OpKind::Stream => SessionSpec::Stream(talk(agent)),
        OpKind::Turn => SessionSpec::Turn(talk(agent)),
    }
}
