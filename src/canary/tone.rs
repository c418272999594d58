//! Canaries as sound: PCM16, little-endian, mono, 24 kHz, four bits a tone.
//!
//! A canary is two marker tones and 32 tones of 20 ms, 680 ms in all. Every tone fills its 20 ms
//! with whole periods: it begins and ends at zero and is silent at the frequencies of the others.
//! The markers let a listener find the first tone after any silence; the canary's own check says
//! whether what was heard is what was spoken.

use std::f32::consts::TAU;

use super::text;

/// Samples a second.
pub const SAMPLE_RATE_HZ: u32 = 24_000;

/// Samples of one tone: 20 ms.
const TONE_SAMPLES: u16 = 480;
/// Tones with which every canary begins, in Hz. They carry nothing else.
const MARKERS_HZ: [u16; 2] = [2_400, 2_700];
/// Tones that carry a canary's 128 bits, after the markers.
const TONES: usize = 32;
/// Samples after which every wave repeats, because all frequencies are multiples of 100 Hz.
const WAVE_SAMPLES: usize = 240;
/// Different tones: four bits each.
const PITCHES: usize = 16;
/// The tone that stands for 0, and the step to the next, in Hz.
const PITCH_ZERO_HZ: u16 = 600;
const PITCH_STEP_HZ: u16 = 100;
/// Loudness of a spoken tone, of 32 767.
const AMPLITUDE: f32 = 8_000.0;

/// Samples between two places where markers are looked for.
const SEARCH_STEP: usize = 120;
/// Samples between two places that are compared to find where exactly markers begin.
const REFINE_STEP: usize = 30;
/// Part of a marker's energy that must be at its frequency.
const MARKER_SHARE_MIN: f32 = 0.3;
/// Part of the loudest tone's energy that a marker must have.
const LOUDNESS_MIN: f32 = 0.1;
/// Markers after which a canary is tried in one turn, so that any sound costs bounded work.
const MARKERS_TRIED_MAX: usize = 8;

/// The samples that speak a canary, without leading or trailing silence; none if the text is not
/// exactly one canary.
pub fn speak(canary: &str) -> Vec<i16> {
    let Some(bits) = text::bits_of(canary) else {
        return Vec::new();
    };
    let tones_hz = (0..TONES).filter_map(|tone| {
        let pitch = usize::try_from((bits >> tone_shift(tone)) & 0xf).ok()?;
        PITCHES_HZ.get(pitch).copied()
    });
    let tones_hz = MARKERS_HZ.into_iter().chain(tones_hz);
    let wave = wave();
    let mut samples = Vec::with_capacity((MARKERS_HZ.len() + TONES) * usize::from(TONE_SAMPLES));
    for tone_hz in tones_hz {
        samples.extend(tone(&wave, tone_hz));
    }
    samples
}

/// Listens to one turn: finds the tones in the samples and returns the canary they spell, `None`
/// where there is none or its check fails.
pub fn listen(samples: &[i16]) -> Option<String> {
    let places = (0..samples.len()).step_by(SEARCH_STEP);
    let loudest = places
        .map(|at| energy(tone_at(samples, at, 0)))
        .fold(0.0, f32::max);
    let mut tried = 0;
    let mut at = 0;
    while at < samples.len() && tried < MARKERS_TRIED_MAX {
        let is_loud = energy(tone_at(samples, at, 0)) > LOUDNESS_MIN * loudest;
        if is_loud && marker_share(samples, at) > MARKER_SHARE_MIN {
            let start = marker_start(samples, at);
            if let Some(canary) = spelled(samples, start) {
                return Some(canary);
            }
            tried += 1;
            at = start + usize::from(TONE_SAMPLES);
        } else {
            at += SEARCH_STEP;
        }
    }
    None
}

const PITCHES_HZ: [u16; PITCHES] = {
    let mut pitches = [PITCH_ZERO_HZ; PITCHES];
    let mut pitch = 1;
    while pitch < PITCHES {
        pitches[pitch] = pitches[pitch - 1] + PITCH_STEP_HZ;
        pitch += 1;
    }
    pitches
};

/// How far left the bits of a tone stand.
fn tone_shift(tone: usize) -> usize {
    4 * (TONES - 1 - tone)
}

/// Radians from one sample to the next.
fn radians_per_sample(frequency_hz: u16) -> f32 {
    /// `SAMPLE_RATE_HZ`, exactly.
    const RATE: f32 = 24_000.0;
    TAU * f32::from(frequency_hz) / RATE
}

/// One period of the slowest wave, 100 Hz. Faster ones skip through it.
fn wave() -> [i16; WAVE_SAMPLES] {
    let mut wave = [0; WAVE_SAMPLES];
    for (sample, n) in wave.iter_mut().zip(0_u16..) {
        *sample = rounded(AMPLITUDE * (radians_per_sample(PITCH_STEP_HZ) * f32::from(n)).sin());
    }
    wave
}

fn tone(wave: &[i16; WAVE_SAMPLES], frequency_hz: u16) -> impl Iterator<Item = i16> {
    let skip = usize::from(frequency_hz / PITCH_STEP_HZ);
    (0..usize::from(TONE_SAMPLES)).map(move |n| wave[n * skip % WAVE_SAMPLES])
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most the amplitude, and rounded"
)]
fn rounded(height: f32) -> i16 {
    height.round() as i16
}

/// The samples of the n-th tone of a canary that begins at a place; fewer, or none, at the end.
fn tone_at(samples: &[i16], start: usize, n: usize) -> &[i16] {
    let tone_samples = usize::from(TONE_SAMPLES);
    let from = (start + n * tone_samples).min(samples.len());
    let to = (from + tone_samples).min(samples.len());
    &samples[from..to]
}

/// Sum of the squares.
#[expect(
    clippy::cast_precision_loss,
    reason = "energies are only compared, and coarsely"
)]
fn energy(samples: &[i16]) -> f32 {
    let sum: u64 = samples
        .iter()
        .map(|s| u64::from(s.unsigned_abs()).pow(2))
        .sum();
    sum as f32
}

/// Energy at each of some frequencies, in the unit of [`energy`]: a pure tone has all of its
/// energy at its frequency. (Goertzel's algorithm, all frequencies at once.)
fn energies_at<const N: usize>(samples: &[i16], frequencies_hz: [u16; N]) -> [f32; N] {
    let factors = frequencies_hz.map(|hz| 2.0 * radians_per_sample(hz).cos());
    let (mut last, mut before) = ([0.0_f32; N], [0.0_f32; N]);
    for sample in samples {
        let height = f32::from(*sample);
        for ((last, before), factor) in last.iter_mut().zip(&mut before).zip(&factors) {
            let next = height + factor * *last - *before;
            *before = *last;
            *last = next;
        }
    }
    let mut energies = [0.0; N];
    for (ix, energy) in energies.iter_mut().enumerate() {
        let (last, before) = (last[ix], before[ix]);
        let power = last * last + before * before - factors[ix] * last * before;
        *energy = 2.0 * power / f32::from(TONE_SAMPLES);
    }
    energies
}

/// The part of the energy at a place that the markers have if they begin there: of the two the
/// smaller.
fn marker_share(samples: &[i16], start: usize) -> f32 {
    let shares = MARKERS_HZ.into_iter().enumerate().map(|(n, marker_hz)| {
        let tone = tone_at(samples, start, n);
        let [at_marker] = energies_at(tone, [marker_hz]);
        at_marker / energy(tone).max(f32::MIN_POSITIVE)
    });
    shares.fold(1.0, f32::min)
}

/// Where markers begin that were first noticed at a place.
fn marker_start(samples: &[i16], noticed: usize) -> usize {
    let from = noticed.saturating_sub(SEARCH_STEP);
    (from..=noticed + usize::from(TONE_SAMPLES))
        .step_by(REFINE_STEP)
        .map(|start| (marker_share(samples, start), start))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map_or(noticed, |(_, start)| start)
}

/// The canary whose markers begin at a place; `None` if its check fails.
fn spelled(samples: &[i16], start: usize) -> Option<String> {
    let mut bits = 0;
    for tone in 0..TONES {
        let energies = energies_at(tone_at(samples, start, MARKERS_HZ.len() + tone), PITCHES_HZ);
        let loudest = energies
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        let (pitch, _) = loudest?;
        bits |= u128::try_from(pitch).ok()? << tone_shift(tone);
    }
    text::from_bits(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::super::plant;
    use super::*;
    use crate::model::{CanaryId, CanaryKind, RunId, SessionIx, UserIx};

    fn canary(user: u32) -> String {
        let id = CanaryId {
            run: RunId(0x0012_abcd),
            user: UserIx(user),
            session: SessionIx(203),
            item: 4,
            kind: CanaryKind::Turn,
        };
        plant(id, &[])
    }

    /// Adds noise of up to `peak` to every sample.
    fn with_noise(samples: &[i16], peak: i16) -> Vec<i16> {
        let mut rng = ChaCha8Rng::from_seed([7; 32]);
        let width = 2 * u32::from(peak.unsigned_abs()) + 1;
        let noisy = samples.iter().map(|sample| {
            let noise = i32::try_from(rng.next_u32() % width).unwrap() - i32::from(peak);
            i16::try_from(i32::from(*sample) + noise).unwrap()
        });
        noisy.collect()
    }

    fn with_silence(before: usize, samples: &[i16], after: usize) -> Vec<i16> {
        [&vec![0; before], samples, &vec![0; after]].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_canary_is_heard_whatever_the_silence_around_it(
            user in 0..1_000_u32, before in 0..5_000_usize, after in 0..5_000_usize,
            peak in 0..1_500_i16,
        ) {
            let canary = canary(user);
            let samples = with_silence(before, &speak(&canary), after);
            prop_assert_eq!(listen(&with_noise(&samples, peak)), Some(canary));
        }
    }

    #[test]
    fn a_turn_lasts_680_ms() {
        let milliseconds =
            speak(&canary(1)).len() * 1_000 / usize::try_from(SAMPLE_RATE_HZ).unwrap();
        assert_eq!(milliseconds, 680);
    }

    #[test]
    fn loudness_does_not_matter() {
        let canary = canary(17);
        let spoken = speak(&canary);
        for (times, parts) in [(4, 1), (2, 1), (1, 2), (1, 10), (1, 100), (1, 1_000)] {
            let changed: Vec<i16> = spoken
                .iter()
                .map(|s| i16::try_from(i32::from(*s) * times / parts).unwrap())
                .collect();
            assert_eq!(listen(&changed), Some(canary.clone()), "{times}/{parts}");
        }
        let clipped: Vec<i16> = spoken.iter().map(|s| (*s).clamp(-2_000, 2_000)).collect();
        assert_eq!(listen(&clipped), Some(canary), "clipped");
    }

    #[test]
    fn strong_noise_and_an_offset_do_not_matter() {
        let canary = canary(17);
        let samples = with_noise(&with_silence(10_007, &speak(&canary), 3), 8_000);
        assert_eq!(listen(&samples), Some(canary.clone()));
        let offset: Vec<i16> = speak(&canary).iter().map(|s| s + 4_000).collect();
        assert_eq!(listen(&with_silence(77, &offset, 77)), Some(canary));
    }

    #[test]
    fn long_silence_before_a_canary_is_passed_over() {
        let canary = canary(17);
        let minute = 60 * usize::try_from(SAMPLE_RATE_HZ).unwrap();
        let samples = with_silence(minute + 1, &speak(&canary), 0);
        assert_eq!(listen(&samples), Some(canary));
    }

    #[test]
    fn of_two_canaries_the_first_is_heard_and_a_broken_one_passed_over() {
        let (first, second) = (speak(&canary(1)), speak(&canary(2)));
        let both = [first.as_slice(), &second].concat();
        assert_eq!(listen(&both), Some(canary(1)));
        let cut = [&first[..first.len() / 2], &second].concat();
        assert_eq!(listen(&cut), Some(canary(2)));
    }

    #[test]
    fn what_is_no_canary_is_not_heard() {
        let spoken = speak(&canary(17));
        let wave = wave();
        let marker: Vec<i16> = MARKERS_HZ
            .into_iter()
            .flat_map(|hz| tone(&wave, hz))
            .collect();
        for (name, samples) in [
            ("nothing", Vec::new()),
            ("silence", vec![0; 48_000]),
            ("one sample", vec![1]),
            ("noise", with_noise(&vec![0; 48_000], 8_000)),
            ("a constant", vec![i16::MAX; 48_000]),
            ("the lowest", vec![i16::MIN; 48_000]),
            (
                "a steady tone",
                tone(&wave, 1_000).collect::<Vec<_>>().repeat(40),
            ),
            ("markers only", marker.repeat(60)),
            ("half a canary", spoken[..spoken.len() / 2].to_vec()),
            (
                "all but a tone",
                spoken[..spoken.len() - usize::from(TONE_SAMPLES)].to_vec(),
            ),
            ("backwards", spoken.iter().rev().copied().collect()),
        ] {
            assert_eq!(listen(&samples), None, "{name}");
        }
    }

    #[test]
    fn a_changed_tone_is_not_another_canary() {
        for changed in [0, 15, 31] {
            let mut samples = speak(&canary(17));
            let from = (MARKERS_HZ.len() + changed) * usize::from(TONE_SAMPLES);
            let heard: Vec<Option<String>> = PITCHES_HZ
                .into_iter()
                .map(|pitch| {
                    samples.splice(from..from + usize::from(TONE_SAMPLES), tone(&wave(), pitch));
                    listen(&samples)
                })
                .collect();
            let heard: Vec<String> = heard.into_iter().flatten().collect();
            assert_eq!(heard, [canary(17)]);
        }
    }

    #[test]
    fn only_canaries_are_spoken() {
        let canary = canary(17);
        let mut damaged = canary.clone();
        damaged.replace_range(10..11, "x");
        for text in [
            "",
            "zq",
            "hello",
            &damaged,
            &canary[1..],
            &format!("{canary}a"),
        ] {
            assert!(speak(text).is_empty(), "{text}");
        }
    }
}
