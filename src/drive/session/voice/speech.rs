//! What is said in one turn: the tones of its canary, then silence, in frames on a schedule.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::canary::tone::{self, SAMPLE_RATE_HZ};
use crate::model::Micros;
use crate::wire::Text;

/// Samples of one frame, as the reference web client sends them: about 171 ms.
const FRAME_SAMPLES: usize = 4_096;
/// Silence behind the tones: a turn ends by silence, after 500 to 800 ms of it.
const SILENCE_MS: usize = 1_000;

const FRAME_HEAD: &str = r#"{"type":"audio","data":""#;
const FRAME_TAIL: &str = r#""}"#;

static SILENT_FRAME: LazyLock<Text> = LazyLock::new(|| audio_frame(&[]));

/// One turn, on its way.
#[derive(Debug)]
pub(super) struct Speech {
    samples: Vec<i16>,
    frames: usize,
    frames_taken: usize,
    start: Micros,
    frame_every: Duration,
}

impl Speech {
    /// A canary, spoken from `start` on, `speed` times as fast as people speak.
    pub(super) fn new(canary: &str, speed: f64, start: Micros) -> Self {
        Self::of_samples(tone::speak(canary), speed, start)
    }

    fn of_samples(samples: Vec<i16>, speed: f64, start: Micros) -> Self {
        let rate = usize::try_from(SAMPLE_RATE_HZ).unwrap_or(usize::MAX);
        let samples_total = samples.len() + rate / 1_000 * SILENCE_MS;
        Self {
            frames: samples_total.div_ceil(FRAME_SAMPLES),
            samples,
            frames_taken: 0,
            start,
            frame_every: frame_every(speed),
        }
    }

    /// When the next frame is due; `None` when all are taken.
    pub(super) fn due(&self) -> Option<Micros> {
        (!self.is_over()).then(|| self.at(self.frames_taken))
    }

    /// Are all frames taken?
    pub(super) fn is_over(&self) -> bool {
        self.frames_taken >= self.frames
    }

    /// Are all frames taken that hold more than silence?
    pub(super) fn is_silent(&self) -> bool {
        self.frames_taken * FRAME_SAMPLES >= self.samples.len()
    }

    /// When the last frame will have been spoken.
    pub(super) fn end(&self) -> Micros {
        self.at(self.frames)
    }

    /// The next frame, if it is due.
    pub(super) fn take_due(&mut self, now: Micros) -> Option<Text> {
        if self.due()? > now {
            return None;
        }
        let first = (self.frames_taken * FRAME_SAMPLES).min(self.samples.len());
        let last = (first + FRAME_SAMPLES).min(self.samples.len());
        let samples = self.samples.get(first..last).unwrap_or_default();
        self.frames_taken += 1;
        Some(if samples.is_empty() {
            SILENT_FRAME.clone()
        } else {
            audio_frame(samples)
        })
    }

    /// From the start and not from the frame before, so that delays do not add up.
    fn at(&self, frame: usize) -> Micros {
        let frame = u32::try_from(frame).unwrap_or(u32::MAX);
        self.start + self.frame_every.saturating_mul(frame)
    }
}

/// The frame that asks for an agent.
pub(super) fn agent_frame(agent: &str) -> Text {
    Text::from(serde_json::json!({"type": "agent", "agent_id": agent}).to_string())
}

fn frame_every(speed: f64) -> Duration {
    let frame = Duration::from_micros(FRAME_SAMPLES as u64 * 1_000_000 / u64::from(SAMPLE_RATE_HZ));
    Duration::try_from_secs_f64(frame.as_secs_f64() / speed).unwrap_or(Duration::ZERO)
}

/// One frame of these samples, filled up with silence.
fn audio_frame(samples: &[i16]) -> Text {
    let mut pcm = Vec::with_capacity(2 * FRAME_SAMPLES);
    pcm.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    pcm.resize(2 * FRAME_SAMPLES, 0);
    let mut text =
        String::with_capacity(FRAME_HEAD.len() + pcm.len().div_ceil(3) * 4 + FRAME_TAIL.len());
    text.push_str(FRAME_HEAD);
    STANDARD.encode_string(&pcm, &mut text);
    text.push_str(FRAME_TAIL);
    Text::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut speech: Speech) -> (Vec<u64>, Vec<i16>) {
        let mut due_us = Vec::new();
        let mut samples = Vec::new();
        while let Some(due) = speech.due() {
            assert_eq!(speech.take_due(Micros(due.0 - 1)), None);
            let frame = speech.take_due(due).unwrap();
            let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(frame["type"], "audio");
            let pcm = STANDARD.decode(frame["data"].as_str().unwrap()).unwrap();
            let pairs = pcm.as_chunks::<2>().0;
            samples.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
            due_us.push(due.0);
        }
        (due_us, samples)
    }

    #[test]
    fn the_samples_are_followed_by_silence_enough() {
        let spoken: Vec<i16> = (1..=10_000).collect();
        let (_, heard) = all(Speech::of_samples(spoken.clone(), 1.0, Micros(5)));
        assert_eq!(heard.len() % FRAME_SAMPLES, 0);
        let (tones, silence) = heard.split_at(spoken.len());
        assert_eq!(tones, spoken);
        assert!(silence.iter().all(|sample| *sample == 0));
        assert!((24_000..24_000 + FRAME_SAMPLES).contains(&silence.len()));
    }

    #[test]
    fn frames_follow_the_clock_of_speech() {
        for (speed, every) in [(1.0, 170_666), (10.0, 17_066)] {
            let (due, _) = all(Speech::of_samples(vec![1; 9_000], speed, Micros(1_000)));
            assert_eq!(due[0], 1_000);
            for (frame, pair) in due.windows(2).enumerate() {
                let gap = pair[1] - pair[0];
                assert!(gap.abs_diff(every) <= 1, "frame {frame}: {gap}");
            }
        }
    }

    #[test]
    fn absurd_speeds_do_no_harm() {
        for speed in [f64::MIN_POSITIVE, f64::MAX, f64::NAN, 0.0] {
            let speech = Speech::of_samples(vec![1; 9_000], speed, Micros(1));
            assert!(speech.due() <= Some(speech.end()));
        }
    }
}
