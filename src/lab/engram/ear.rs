//! Hears when somebody speaks and when the turn is over, counted in samples.
//!
//! Time does not matter: sound that is sent faster than it was spoken has the same turns.

use crate::canary::tone::SAMPLE_RATE_HZ;

/// A sample louder than this is speech, of 32 767.
const LOUD: u16 = 500;
/// Silence that ends a turn, in milliseconds of sound.
const SILENCE_MS: u32 = 500;
/// Samples of silence that end a turn.
const SILENCE_SAMPLES: u32 = SAMPLE_RATE_HZ / 1_000 * SILENCE_MS;
/// Samples of one turn: after a minute it ends without silence.
const TURN_SAMPLES_MAX: usize = 60 * 24_000;

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody began to speak.
    Began,
    /// The turn is over; its samples, without the silence around them.
    Ended(Vec<i16>),
}

/// Listens to one socket.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// The turn so far; empty while nobody speaks.
    turn: Vec<i16>,
    /// Silent samples at its end.
    silent: u32,
}

impl Ear {
    /// Takes the next samples, in the order in which they were spoken.
    pub(super) fn hear(&mut self, samples: impl IntoIterator<Item = i16>) -> Vec<Heard> {
        let mut heard = Vec::new();
        for sample in samples {
            let is_loud = sample.unsigned_abs() > LOUD;
            if self.turn.is_empty() {
                if !is_loud {
                    continue;
                }
                heard.push(Heard::Began);
            }
            self.turn.push(sample);
            self.silent = if is_loud { 0 } else { self.silent + 1 };
            if self.silent >= SILENCE_SAMPLES || self.turn.len() >= TURN_SAMPLES_MAX {
                let mut turn = std::mem::take(&mut self.turn);
                let silent = usize::try_from(self.silent).unwrap_or(0);
                turn.truncate(turn.len() - silent);
                self.silent = 0;
                heard.push(Heard::Ended(turn));
            }
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(milliseconds: usize) -> Vec<i16> {
        vec![100; milliseconds * 24]
    }

    #[test]
    fn turns_end_by_silence_whatever_the_frames() {
        let word = [9_000, 0, -9_000];
        let said = [
            &silence(800)[..],
            &word,
            &silence(400),
            &word,
            &silence(500),
            &silence(300),
            &word,
            &silence(600),
        ]
        .concat();
        let first = [&word[..], &silence(400), &word].concat();
        let expected = [
            Heard::Began,
            Heard::Ended(first),
            Heard::Began,
            Heard::Ended(word.to_vec()),
        ];
        for frame in [1, 7, 4_096, said.len()] {
            let mut ear = Ear::default();
            let heard: Vec<_> = said
                .chunks(frame)
                .flat_map(|frame| ear.hear(frame.iter().copied()))
                .collect();
            assert_eq!(heard, expected, "frames of {frame}");
        }
    }

    #[test]
    fn a_turn_without_end_ends() {
        let mut ear = Ear::default();
        let heard = ear.hear(std::iter::repeat_n(i16::MIN, TURN_SAMPLES_MAX));
        assert_eq!(heard.len(), 2);
    }
}
