//! What sessions do and what goes wrong with them: the sections `[sessions.NAME]` and
//! `[disturbances]`.

use std::ops::RangeInclusive;

use super::convert::{Key, name_of, seconds};
use super::error::BadValue;
use super::file::{RawDisturbances, RawSession, SESSION_CHARACTERS_MAX};
use super::read::Reader;
use super::text::{KindName, KindText};
use super::{
    ChatSpec, Disturbances, FileName, Pause, RecallSpec, SecondUser, SessionIds, SessionSpec,
    TalkSpec, TrespassSpec, UploadSpec, VoiceSpec, trespass,
};

/// What rounding may add to a sum of rates.
const RATE_SLACK: f64 = 1e-9;

impl Reader<'_> {
    /// What a session does.
    pub(super) fn session(&mut self, name: &str, raw: &RawSession) -> SessionSpec {
        let at = |key| ["sessions", name, key];
        self.section_name("sessions", name);
        let kind = self.need(&at("kind"), &raw.kind, KindName::Chat);
        if raw.kind.value.is_some() {
            let label = name_of(KindText::CHOICES, kind);
            self.foreign(&["sessions", name], label, &session_keys(raw, kind));
        }
        let one_second = Pause {
            min: seconds(1),
            max: seconds(1),
        };
        let think = self.take(&at("think"), &raw.think, one_second);
        let turns = short(&self.take(&at("turns"), &raw.turns, 1..=1));
        let words = short(&self.take(&at("words"), &raw.words, 12..=40));
        let agent = self.take(&at("agent"), &raw.agent, "elena".to_owned());
        match kind {
            KindName::Chat => {
                let overlap =
                    self.take(&at("intra_session_overlap"), &raw.intra_session_overlap, 0);
                let spec = ChatSpec {
                    turns,
                    think,
                    words,
                    agent,
                    session_ids: self.take(
                        &at("session_ids"),
                        &raw.session_ids,
                        SessionIds::Client,
                    ),
                    second_user: self.take(&at("second_user"), &raw.second_user, SecondUser::None),
                    relogin: self.take(&at("relogin"), &raw.relogin, false),
                    overlap: u16::try_from(overlap).unwrap_or(u16::MAX),
                };
                self.check_chat(name, &spec);
                SessionSpec::Chat(spec)
            }
            KindName::Recall => SessionSpec::Recall(RecallSpec {
                turns,
                think,
                words,
                agent,
            }),
            KindName::Trespass => SessionSpec::Trespass(TrespassSpec {
                routes: self.take(&at("routes"), &raw.routes, trespass::usual_routes()),
                // Follows from the credentials, which flags may change.
                standings: Vec::new(),
                think,
                words,
                agent,
            }),
            KindName::Stream => SessionSpec::Stream(TalkSpec {
                turns,
                think,
                words,
                agent,
            }),
            KindName::Turn => SessionSpec::Turn(TalkSpec {
                turns,
                think,
                words,
                agent,
            }),
            KindName::Upload => SessionSpec::Upload(self.upload(name, raw, think)),
            KindName::Voice => SessionSpec::Voice(VoiceSpec {
                turns,
                think,
                speed: self.take(&at("speed"), &raw.speed, 1.0),
                agent,
            }),
        }
    }

    /// What goes wrong on purpose.
    pub(super) fn disturbances(&mut self, raw: &RawDisturbances) -> Disturbances {
        let at = |key| ["disturbances", key];
        let none = Disturbances::NONE;
        let read = Disturbances {
            cancel_rate: self.take(&at("cancel_rate"), &raw.cancel_rate, 0.0),
            cancel_after: self.take(&at("cancel_after"), &raw.cancel_after, none.cancel_after),
            drop_rate: self.take(&at("drop_rate"), &raw.drop_rate, 0.0),
            early_close_rate: self.take(&at("early_close_rate"), &raw.early_close_rate, 0.0),
            double_submit_rate: self.take(&at("double_submit_rate"), &raw.double_submit_rate, 0.0),
            slow_read_rate: self.take(&at("slow_read_rate"), &raw.slow_read_rate, 0.0),
            slow_read_pause: self.take(
                &at("slow_read_pause"),
                &raw.slow_read_pause,
                none.slow_read_pause,
            ),
        };
        let cancel = ("cancel_rate", read.cancel_rate);
        let slow = ("slow_read_rate", read.slow_read_rate);
        let double = ("double_submit_rate", read.double_submit_rate);
        let drop = ("drop_rate", read.drop_rate);
        for (struck, rates) in [
            ("a chat turn", [cancel, double, slow]),
            ("an upload", [cancel, drop, slow]),
        ] {
            let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
            let last = rates.iter().rfind(|(_, rate)| *rate > 0.0);
            if let Some((key, _)) = last.filter(|_| sum > 1.0 + RATE_SLACK) {
                let what = format!("the rates of what can strike {struck} add up to {sum:.3}");
                let allowed = format!("at most 1 for {}", rates.map(|(key, _)| key).join(" + "));
                self.bad(&at(key), BadValue::new(what, allowed));
            }
        }
        read
    }

    /// Which values of a chat session do not go together.
    fn check_chat(&mut self, name: &str, spec: &ChatSpec) {
        let (shared, overlap) = ("second_user", "intra_session_overlap");
        let asked = [
            (shared, spec.second_user != SecondUser::None),
            ("relogin", spec.relogin),
            (overlap, spec.overlap > 0),
        ];
        let asked: Vec<&str> = asked
            .iter()
            .filter(|(_, asked)| *asked)
            .map(|(key, _)| *key)
            .collect();
        if let (Some(key), 0..2) = (asked.first(), *spec.turns.end()) {
            let bad = BadValue::new("the session has one turn only", "`turns` of 2 and more");
            self.bad(&["sessions", name, *key], bad);
        }
        if asked.contains(&shared) && asked.len() > 1 {
            let bad = BadValue::new(
                "a session that two users send in is sent with one credential each, turn by turn",
                "`second_user` without `relogin` and `intra_session_overlap`",
            );
            self.bad(
                &["sessions", name, shared],
                bad.help("use two kinds of session"),
            );
        }
        let unnamed = asked.iter().find(|key| **key == shared || **key == overlap);
        if let (Some(key), SessionIds::Server) = (unnamed, spec.session_ids) {
            let bad = BadValue::new(
                "the session has no name before its first answer",
                "only with `session_ids = \"client\"`",
            );
            self.bad(&["sessions", name, *key], bad);
        }
    }

    fn upload(&mut self, name: &str, raw: &RawSession, think: Pause) -> UploadSpec {
        let at = |key| ["sessions", name, key];
        let uploads = short(&self.take(&at("uploads"), &raw.uploads, 1..=1));
        let characters = self.take(&at("characters"), &raw.characters, 4_000..=4_000);
        let in_session = u64::from(*uploads.end()) * u64::from(*characters.end());
        if in_session > SESSION_CHARACTERS_MAX {
            let what = format!("the documents of one session could have {in_session} characters");
            let allowed = format!("at most {SESSION_CHARACTERS_MAX} for `uploads` × `characters`");
            self.bad(&at("characters"), BadValue::new(what, allowed));
        }
        UploadSpec {
            uploads,
            think,
            characters,
            file_name: self.take(&at("file_name"), &raw.file_name, FileName::Unique),
        }
    }
}

fn session_keys(raw: &RawSession, kind: KindName) -> [Key; 13] {
    use KindName::{Chat, Recall, Stream, Trespass, Turn, Upload, Voice};
    let key = |name, given, of: &[KindName]| Key {
        name,
        given,
        own: of.contains(&kind),
    };
    let overlap = raw.intra_session_overlap.value.is_some();
    let all = [Chat, Upload, Voice, Recall, Stream, Turn, Trespass];
    let told = [Chat, Recall, Stream, Turn, Trespass];
    let talks = [Chat, Voice, Recall, Stream, Turn];
    let with_agent = [Chat, Voice, Recall, Stream, Turn, Trespass];
    [
        key("turns", raw.turns.value.is_some(), &talks),
        key("think", raw.think.value.is_some(), &all),
        key("words", raw.words.value.is_some(), &told),
        key("agent", raw.agent.value.is_some(), &with_agent),
        key("session_ids", raw.session_ids.value.is_some(), &[Chat]),
        key("second_user", raw.second_user.value.is_some(), &[Chat]),
        key("relogin", raw.relogin.value.is_some(), &[Chat]),
        key("intra_session_overlap", overlap, &[Chat]),
        key("uploads", raw.uploads.value.is_some(), &[Upload]),
        key("characters", raw.characters.value.is_some(), &[Upload]),
        key("file_name", raw.file_name.value.is_some(), &[Upload]),
        key("routes", raw.routes.value.is_some(), &[Trespass]),
        key("speed", raw.speed.value.is_some(), &[Voice]),
    ]
}

/// Bounds that the values' types have made sure of fit in 16 bits.
fn short(range: &RangeInclusive<u32>) -> RangeInclusive<u16> {
    let short = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    short(*range.start())..=short(*range.end())
}
