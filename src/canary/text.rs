//! Canaries as text: `zq` and eight proquints, 42 lower-case letters that survive what stores,
//! models and scrubbers do to words.
//!
//! 40 letters spell 128 bits: a check of 32, then a payload of 96 masked by a hash of the check.
//! The mask makes neighbours look unrelated, and one changed letter changes the check, the mask
//! or the payload under it, never one identity into another.

use crate::model::{CanaryId, CanaryKind, Exactness, RunId, SeenCanary, SessionIx, UserIx};

use super::{CANARY_LETTERS, CORRECTIONS_PER_TEXT_MAX};

/// What every canary begins with. The proquint letters have no `q`, so it cannot occur inside.
pub(super) const MAGIC: &str = "zq";
/// Letters that carry the bits.
const LETTERS: u32 = 40;
const _: () = assert!(MAGIC.len() + LETTERS as usize == CANARY_LETTERS);
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
const CONSONANT_VALUES: [u8; 256] = values_of(CONSONANTS);
const VOWEL_VALUES: [u8; 256] = values_of(VOWELS);
/// Stands for bytes that are in no alphabet.
const NO_VALUE: u8 = u8::MAX;
/// Spellings of one identity.
const SALTS: u128 = 4;
const PAYLOAD_BITS: u32 = 96;
const PAYLOAD_MASK: u128 = (1 << PAYLOAD_BITS) - 1;
/// Public: any run's canary can be read. The check guards integrity, not secrecy.
const CHECK_KEY: &[u8; 32] = b"crosswire text canary, version 1";

/// A canary and where it stands.
pub(super) struct Found {
    pub(super) canary: SeenCanary,
    /// First byte of it in the text.
    pub(super) start: usize,
    /// First byte behind it.
    pub(super) end: usize,
}

/// The first spelling of an identity without a trigger word in it, else the first spelling.
pub(super) fn plant(id: CanaryId, trigger_words: &[String]) -> String {
    let is_clean = |canary: &String| {
        !trigger_words
            .iter()
            .any(|word| !word.is_empty() && canary.contains(word.as_str()))
    };
    (0..SALTS)
        .map(|salt| spell(encode(id, salt)))
        .find(is_clean)
        .unwrap_or_else(|| spell(encode(id, 0)))
}

/// All canaries of a normalised text, in the order in which they stand there.
pub(super) fn scan(normalised: &str) -> impl Iterator<Item = Found> {
    let mut corrections_left = CORRECTIONS_PER_TEXT_MAX;
    // Most texts carry one canary twice, and a check costs two hashes.
    let mut last: Option<(u128, CanaryId)> = None;
    // `q` is rare in prose and searched for a machine word at a time.
    normalised.match_indices('q').filter_map(move |(q_ix, _)| {
        let start = (q_ix + 1).checked_sub(MAGIC.len())?;
        if !normalised.as_bytes()[start..].starts_with(MAGIC.as_bytes()) {
            return None;
        }
        let behind = &normalised[q_ix + 1..];
        let spelled = Spelled::read(behind)?;
        let is_last = |(bits, _): &(u128, CanaryId)| spelled.is_whole() && *bits == spelled.bits;
        let known = last.filter(is_last).map(|(_, id)| id);
        let (id, exactness) = if let Some(id) = known.or_else(|| spelled.exact()) {
            last = Some((spelled.bits, id));
            (id, Exactness::Exact)
        } else {
            corrections_left = corrections_left.checked_sub(1)?;
            (spelled.corrected()?, Exactness::Corrected)
        };
        Some(Found {
            canary: SeenCanary { id, exactness },
            start,
            end: q_ix + 1 + spelled.bytes,
        })
    })
}

/// The 128 bits of a canary that is spelled exactly; `None` if it is not one or its check fails.
pub(super) fn bits_of(canary: &str) -> Option<u128> {
    let spelled = Spelled::read(canary.strip_prefix(MAGIC)?)?;
    (canary.len() == CANARY_LETTERS && spelled.exact().is_some()).then_some(spelled.bits)
}

/// The canary that spells the bits; `None` if their check fails.
pub(super) fn from_bits(bits: u128) -> Option<String> {
    decode(bits).map(|_| spell(bits))
}

/// Is it a letter of which canaries are spelled?
pub(super) fn is_letter(letter: char) -> bool {
    value_of(0, letter).or(value_of(1, letter)).is_some()
}

/// How many letters are such as a canary may have in their place, behind the magic.
pub(super) fn fitting_letters(letters: impl Iterator<Item = char>) -> usize {
    let fits = |(place, letter): &(u32, char)| value_of(*place, *letter).is_some();
    (0..LETTERS).zip(letters).filter(fits).count()
}

/// Forty letters as they were read.
struct Spelled {
    /// Their bits; zero where a letter is not of the alphabet.
    bits: u128,
    /// The one place that holds no letter of its alphabet.
    bad_place: Option<u32>,
    /// Bytes that they take in the text.
    bytes: usize,
}

impl Spelled {
    /// Reads forty letters from the beginning of a text; `None` if there are fewer or if more
    /// than one cannot belong to a canary.
    fn read(text: &str) -> Option<Self> {
        let mut letters = text.char_indices();
        let (mut bits, mut bad_place) = (0, None);
        for place in 0..LETTERS {
            let (_, letter) = letters.next()?;
            let value = match value_of(place, letter) {
                Some(value) => value,
                None if bad_place.is_none() => {
                    bad_place = Some(place);
                    0
                }
                None => return None,
            };
            bits = (bits << bit_count(place)) | value;
        }
        Some(Self {
            bits,
            bad_place,
            bytes: text.len() - letters.as_str().len(),
        })
    }

    /// Are all letters of the alphabet of their place?
    fn is_whole(&self) -> bool {
        self.bad_place.is_none()
    }

    fn exact(&self) -> Option<CanaryId> {
        self.is_whole().then(|| decode(self.bits)).flatten()
    }

    /// The identity if exactly one change of one letter gives a canary whose check holds. At most
    /// 408 changes are tried.
    fn corrected(&self) -> Option<CanaryId> {
        let places = match self.bad_place {
            Some(place) => place..place + 1,
            None => 0..LETTERS,
        };
        let changed = places.flat_map(|place| {
            let as_read = (self.bits >> shift(place)) & (value_count(place) - 1);
            (0..value_count(place)).map(move |value| (place, as_read ^ value))
        });
        let mut ids =
            changed.filter_map(|(place, flip)| decode(self.bits ^ (flip << shift(place))));
        let id = ids.next()?;
        ids.next().is_none().then_some(id)
    }
}

fn encode(id: CanaryId, salt: u128) -> u128 {
    let kind = match id.kind {
        CanaryKind::Turn => 0,
        CanaryKind::Block => 1,
        CanaryKind::Control => 2,
    };
    let mut payload = u128::from(id.run.0);
    payload = (payload << 24) | u128::from(id.user.0 & 0xff_ffff);
    payload = (payload << 20) | u128::from(id.session.0 & 0xf_ffff);
    payload = (payload << 16) | u128::from(id.item);
    payload = (payload << 2) | kind;
    payload = (payload << 2) | (salt & (SALTS - 1));
    let check = check_of(payload);
    (u128::from(check) << PAYLOAD_BITS) | (payload ^ mask_of(check))
}

fn decode(bits: u128) -> Option<CanaryId> {
    let check = low_u32(bits >> PAYLOAD_BITS);
    let payload = (bits & PAYLOAD_MASK) ^ mask_of(check);
    if check_of(payload) != check {
        return None;
    }
    let kind = match (payload >> 2) & 3 {
        0 => CanaryKind::Turn,
        1 => CanaryKind::Block,
        2 => CanaryKind::Control,
        _ => return None,
    };
    Some(CanaryId {
        run: RunId(low_u32(payload >> 64)),
        user: UserIx(low_u32((payload >> 40) & 0xff_ffff)),
        session: SessionIx(low_u32((payload >> 20) & 0xf_ffff)),
        item: u16::try_from((payload >> 4) & 0xffff).ok()?,
        kind,
    })
}

fn check_of(payload: u128) -> u32 {
    // 12 bytes: as long as no other input of this key.
    let hash = blake3::keyed_hash(CHECK_KEY, &payload.to_be_bytes()[4..]);
    let mut first = [0; 4];
    first.copy_from_slice(&hash.as_bytes()[..4]);
    u32::from_be_bytes(first)
}

fn mask_of(check: u32) -> u128 {
    let hash = blake3::keyed_hash(CHECK_KEY, &check.to_be_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_be_bytes(first) & PAYLOAD_MASK
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low 32 bits are what is wanted"
)]
fn low_u32(bits: u128) -> u32 {
    bits as u32
}

fn spell(bits: u128) -> String {
    let mut canary = String::with_capacity(CANARY_LETTERS);
    canary.push_str(MAGIC);
    for place in 0..LETTERS {
        let value = (bits >> shift(place)) & (value_count(place) - 1);
        let letters = alphabet(place);
        let letter = usize::try_from(value).ok().and_then(|ix| letters.get(ix));
        canary.extend(letter.map(|letter| char::from(*letter)));
    }
    canary
}

fn value_of(place: u32, letter: char) -> Option<u128> {
    let values = match place % 5 {
        1 | 3 => &VOWEL_VALUES,
        _ => &CONSONANT_VALUES,
    };
    let value = values[usize::from(u8::try_from(letter).ok()?)];
    (value != NO_VALUE).then(|| u128::from(value))
}

/// The value of each byte: its place in an alphabet.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`try_from` cannot be called for a constant, and an alphabet has at most 16 letters"
)]
const fn values_of(alphabet: &[u8]) -> [u8; 256] {
    let mut values = [NO_VALUE; 256];
    let mut value = 0;
    while value < alphabet.len() {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values
}

/// The letters that may stand at a place: consonant, vowel, consonant, vowel, consonant.
fn alphabet(place: u32) -> &'static [u8] {
    match place % 5 {
        1 | 3 => VOWELS,
        _ => CONSONANTS,
    }
}

fn value_count(place: u32) -> u128 {
    1 << bit_count(place)
}

fn bit_count(place: u32) -> u32 {
    match place % 5 {
        1 | 3 => 2,
        _ => 4,
    }
}

/// How far left the bits of a place stand.
fn shift(place: u32) -> u32 {
    let within_proquint = match place % 5 {
        0 => 12,
        1 => 10,
        2 => 6,
        3 => 4,
        _ => 0,
    };
    112 - 16 * (place / 5) + within_proquint
}

#[cfg(test)]
mod tests;
