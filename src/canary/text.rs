//! Canaries as text: `zq` and eight proquints, 42 lower-case letters that survive what stores,
//! models and scrubbers do to words.
//!
//! 40 letters spell 128 bits: a check of 32, then a payload of 96 masked by a hash of the check.
//! The mask makes neighbours look unrelated, and one changed letter changes the check, the mask
//! or the payload under it, never one identity into another.

use crate::model::{CanaryId, CanaryKind, Exactness, RunId, SeenCanary, SessionIx, UserIx};

use super::{CANARY_LETTERS, CORRECTIONS_PER_TEXT_MAX};

/// What every canary begins with. The proquint letters have no `q`, so it cannot occur inside.
const MAGIC: &str = "zq";
/// Letters that carry the bits.
const LETTERS: u32 = 40;
const _: () = assert!(MAGIC.len() + LETTERS as usize == CANARY_LETTERS);
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
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
    // `q` is rare in prose and searched for a machine word at a time.
    normalised.match_indices('q').filter_map(move |(q_ix, _)| {
        let start = (q_ix + 1).checked_sub(MAGIC.len())?;
        if !normalised.as_bytes()[start..].starts_with(MAGIC.as_bytes()) {
            return None;
        }
        let behind = &normalised[q_ix + 1..];
        let spelled = Spelled::read(behind)?;
        let (id, exactness) = if let Some(id) = spelled.exact() {
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
            match value_of(place, letter) {
                Some(value) => bits |= value << shift(place),
                None if bad_place.is_none() => bad_place = Some(place),
                None => return None,
            }
        }
        Some(Self {
            bits,
            bad_place,
            bytes: text.len() - letters.as_str().len(),
        })
    }

    fn exact(&self) -> Option<CanaryId> {
        match self.bad_place {
            Some(_) => None,
            None => decode(self.bits),
        }
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
    let letter = u8::try_from(letter).ok()?;
    let ix = alphabet(place).iter().position(|known| *known == letter)?;
    u128::try_from(ix).ok()
}

/// The letters that may stand at a place: consonant, vowel, consonant, vowel, consonant.
fn alphabet(place: u32) -> &'static [u8] {
    match place % 5 {
        1 | 3 => VOWELS,
        _ => CONSONANTS,
    }
}

fn value_count(place: u32) -> u128 {
    match place % 5 {
        1 | 3 => 4,
        _ => 16,
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
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::{find, normalise};
    use super::*;
    use crate::model::limits::{CONTROL_USERS, SESSIONS_MAX, USERS_MAX};

    fn any_id() -> impl Strategy<Value = CanaryId> {
        (
            any::<u32>(),
            0..USERS_MAX,
            0..SESSIONS_MAX,
            any::<u16>(),
            0..3_u8,
        )
            .prop_map(|(run, user, session, item, kind)| CanaryId {
                run: RunId(run),
                user: UserIx(user),
                session: SessionIx(session),
                item,
                kind: match kind {
                    0 => CanaryKind::Turn,
                    1 => CanaryKind::Block,
                    _ => CanaryKind::Control,
                },
            })
    }

    fn turn(user: u32, session: u32, item: u16) -> CanaryId {
        CanaryId {
            run: RunId(0x0012_abcd),
            user: UserIx(user),
            session: SessionIx(session),
            item,
            kind: CanaryKind::Turn,
        }
    }

    fn exact(id: CanaryId) -> Vec<SeenCanary> {
        vec![SeenCanary {
            id,
            exactness: Exactness::Exact,
        }]
    }

    /// Replaces the letter at `ix` by another one.
    fn damage(canary: &mut String, ix: usize, choice: u8) {
        let old = canary.as_bytes()[ix];
        let new = (b'a'..=b'z')
            .filter(|letter| *letter != old)
            .nth(usize::from(choice % 25));
        canary.replace_range(ix..=ix, &char::from(new.unwrap()).to_string());
    }

    proptest! {
        #[test]
        fn an_identity_reads_back_from_any_surroundings(
            id in any_id(), before in "[a-zA-Z0-9 .,;:'*_-]{0,12}", after in "[ -~]{0,12}",
        ) {
            let canary = plant(id, &[]);
            prop_assert_eq!(canary.len(), CANARY_LETTERS);
            prop_assert!(canary.bytes().all(|b| b.is_ascii_lowercase()));
            prop_assert_eq!(find(&format!("{before}{canary}{after}")), exact(id));
        }

        #[test]
        fn damaged_letters_never_prove_an_identity(
            id in any_id(), places in prop::collection::btree_set(2..CANARY_LETTERS, 1..=3),
            choices in prop::array::uniform3(any::<u8>()),
        ) {
            let mut canary = plant(id, &[]);
            for (place, choice) in places.iter().zip(choices) {
                damage(&mut canary, *place, choice);
            }
            for seen in find(&canary) {
                prop_assert_eq!(seen.exactness, Exactness::Corrected);
                prop_assert_eq!(seen.id, id);
            }
        }

        #[test]
        fn foreign_text_holds_no_canary(text in "\\PC{0,200}") {
            prop_assert_eq!(find(&normalise(&text)), vec![]);
        }

        #[test]
        fn random_letters_of_the_right_shape_are_no_canary(bits in any::<u128>()) {
            prop_assert_eq!(from_bits(bits), None);
        }
    }

    #[test]
    fn one_damaged_letter_is_corrected_wherever_it_stands() {
        let id = turn(17, 203, 4);
        for place in 2..CANARY_LETTERS {
            for choice in [0, 7, 14, 21] {
                let mut canary = plant(id, &[]);
                damage(&mut canary, place, choice);
                let corrected = SeenCanary {
                    id,
                    exactness: Exactness::Corrected,
                };
                assert_eq!(find(&canary), [corrected], "{canary}");
            }
        }
    }

    #[test]
    fn canaries_survive_what_stores_and_models_do_to_words() {
        let id = turn(17, 203, 4);
        let canary = plant(id, &[]);
        let spelled_as = |spell: &dyn Fn(u32) -> String| {
            let letters: Vec<String> = canary.chars().map(|c| spell(u32::from(c))).collect();
            letters.concat()
        };
        let every_letter_then = |mark| {
            let letters = canary.chars().flat_map(|letter| [letter, mark]);
            letters.collect::<String>()
        };
        let full_width = canary
            .chars()
            .map(|c| char::from_u32(u32::from(c) - 0x61 + 0xff41).unwrap());
        for text in [
            canary.to_uppercase(),
            format!("<b>{canary}</b>&nbsp;"),
            spelled_as(&|code| format!("&#{code};")),
            format!("**{canary}** or __{canary}__"),
            format!("`{canary}`"),
            full_width.collect(),
            every_letter_then('\u{200b}'),
            every_letter_then('\u{ad}'),
            format!("“{canary}”, \"{canary}\""),
            format!("{{\"text\":\"word\\n{canary}\\u0022\"}}"),
            spelled_as(&|code| format!("\\u{code:04x}")),
            format!("?q=word%20{canary}%2C"),
            spelled_as(&|code| format!("%{code:02X}")),
            format!("{canary}’s word"),
            format!("word{canary}word"),
            format!("({canary})."),
        ] {
            assert_eq!(find(&normalise(&text)), exact(id), "{text}");
        }
    }

    #[test]
    fn neighbours_share_no_visible_prefix() {
        let first = plant(turn(17, 203, 4), &[]);
        for other in [turn(17, 203, 5), turn(18, 203, 4), turn(17, 204, 4)] {
            let other = plant(other, &[]);
            let same = first.bytes().zip(other.bytes()).filter(|(a, b)| a == b);
            assert!(same.count() < CANARY_LETTERS / 2, "{first} {other}");
            assert_ne!(first[..10], other[..10]);
        }
    }

    #[test]
    fn canaries_of_different_identities_differ() {
        let ids = (0..20).flat_map(|user| {
            (0..20).flat_map(move |session| (0..20).map(move |item| turn(user, session, item)))
        });
        let canaries: BTreeSet<String> = ids.map(|id| plant(id, &[])).collect();
        assert_eq!(canaries.len(), 20 * 20 * 20);
    }

    #[test]
    fn canaries_that_touch_are_all_found() {
        let (first, second) = (turn(1, 1, 1), turn(2, 1, 1));
        let text = format!("zzq{}{}", plant(first, &[]), plant(second, &[]));
        assert_eq!(find(&text), [exact(first), exact(second)].concat());
    }

    #[test]
    fn the_controls_have_canaries() {
        for user in CONTROL_USERS {
            let id = CanaryId {
                kind: CanaryKind::Control,
                ..turn(user, SESSIONS_MAX - 1, u16::MAX)
            };
            assert_eq!(find(&plant(id, &[])), exact(id));
        }
    }

    #[test]
    fn another_spelling_is_taken_where_the_first_holds_a_trigger_word() {
        let id = turn(17, 203, 4);
        let first = plant(id, &[]);
        let trigger = vec![first[5..8].to_owned()];
        let second = plant(id, &trigger);
        assert_ne!(first, second);
        assert_eq!(find(&second), exact(id));
        // No spelling is without the magic: the first one has to do.
        assert_eq!(plant(id, &["zq".to_owned()]), first);
        assert_eq!(plant(id, &[String::new()]), first);
    }

    #[test]
    fn cut_off_canaries_are_not_found() {
        let canary = plant(turn(17, 203, 4), &[]);
        assert_eq!(find(&canary[..CANARY_LETTERS - 1]), []);
        assert_eq!(find(&canary[1..]), []);
        assert_eq!(find("zq"), []);
        assert_eq!(find("q"), []);
    }

    #[test]
    fn spellings_stay_what_they_are() {
        // Stores hold canaries of older versions: they must stay readable.
        assert_eq!(
            plant(turn(17, 203, 4), &[]),
            "zqnubaphukuggokottironhisupropitrumuhbolar"
        );
    }
}
