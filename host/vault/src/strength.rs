//! Estimates how many guesses are needed for a value by somebody who knows how it was made. It is a lower bound, based on what people
//! choose.
//!
//! It can't tell whether a value is in a list of leaked values, or is made from something that others know.

use std::collections::BTreeSet;

use crate::secret::Secret;

/// With so many bits, nobody can guess a value by trying servers and requests.
pub const STRONG_BITS: u32 = 64;

/// Bits of a letter in a word, or in text that reads like one: natural languages have about two.
const WORD_LETTER_BITS: f64 = 2.2;
/// Bits of a place that follows from the one before it: `aaaa`, `4567`, `zyx`.
const NEXT_BITS: f64 = 0.3;
/// How many letters in a row are read as a word.
const WORD_LETTERS_MIN: usize = 4;

impl Secret {
    /// About how many bits have to be guessed.
    pub fn strength_bits(&self) -> u32 {
        // A private key is as strong as its kind, whatever its letters look like.
        if self.private_key().is_some() {
            return STRONG_BITS * 2;
        }
        let value = repeated(self.expose());
        let bits = runs(value).map(run_bits).sum::<f64>().min(alphabet_bits(value));
        // It is rounded down, so a value near the limit is weak.
        (0..=4096_u32).take_while(|whole| f64::from(*whole) <= bits).last().unwrap_or(0)
    }
}

/// The part that is repeated, if the value consists only of repetitions.
fn repeated(value: &[u8]) -> &[u8] {
    let is_it = |part: &&[u8]| value.len().is_multiple_of(part.len()) && value.chunks(part.len()).all(|other| other == *part);
    (1..=value.len() / 2).filter_map(|length| value.get(..length)).find(is_it).unwrap_or(value)
}

/// Stretches of one kind: letters that read like a word, or anything else.
fn runs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.chunk_by(|one, other| one.is_ascii_alphabetic() == other.is_ascii_alphabetic())
}

fn run_bits(run: &[u8]) -> f64 {
    if reads_like_a_word(run) {
        return WORD_LETTER_BITS * count(run.len()) + 1.0;
    }
    let first = run.first().map_or(0.0, |byte| byte_bits(*byte));
    let rest = run.windows(2).zip(std::iter::once(None).chain(run.windows(2).map(Some))).map(|(pair, before)| {
        let (step, before) = (step(pair), before.map(step));
        // The same step as before, or none, or to a neighbour.
        if step.abs() <= 1 && before.is_none_or(|before| before == step || before.abs() > 1) {
            NEXT_BITS
        } else {
            pair.last().map_or(0.0, |byte| byte_bits(*byte))
        }
    });
    first + rest.sum::<f64>()
}

fn step(pair: &[u8]) -> i16 {
    match pair {
        [one, other] => i16::from(*other) - i16::from(*one),
        _ => 0,
    }
}

/// The bits of one letter that was chosen by chance among its kind.
fn byte_bits(byte: u8) -> f64 {
    match byte {
        b'0'..=b'9' => 10_f64,
        b'a'..=b'z' | b'A'..=b'Z' => 26.0,
        b' '..=b'~' => 32.0,
        _ => 64.0,
    }
    .log2()
}

/// All in one case except the first, with vowels among them, and never more than four consonants in a row.
fn reads_like_a_word(run: &[u8]) -> bool {
    let is_vowel = |byte: &u8| b"aeiouyAEIOUY".contains(byte);
    let rest = run.get(1..).unwrap_or_default();
    let one_case = rest.iter().all(u8::is_ascii_lowercase) || run.iter().all(u8::is_ascii_uppercase);
    let vowels = run.iter().filter(|byte| is_vowel(byte)).count();
    let hardest = run.split(is_vowel).map(<[u8]>::len).max().unwrap_or(0);
    run.len() >= WORD_LETTERS_MIN && run.iter().all(u8::is_ascii_alphabetic) && one_case && vowels * 5 >= run.len() && hardest <= 4
}

/// At most the bits that its letters allow, if they were in any order.
fn alphabet_bits(value: &[u8]) -> f64 {
    let letters: BTreeSet<u8> = value.iter().copied().collect();
    // The letters may have been chosen from a few more than occurred.
    count(value.len()) * (count(letters.len()) + 2.0).log2()
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn bits(text: &str) -> u32 {
        Secret::new(text.as_bytes().to_vec()).unwrap().strength_bits()
    }

    #[test]
    fn what_people_choose_is_weak() {
        for weak in [
            "12345678",
            "99999999",
            "20261129",
            "password",
            "Passw0rd!",
            "correct-horse",
            "hunter2hunter2",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "0123456789abcdef",
            "letmein-please",
            "Summer2026!",
            "qqqqqqqqwwwwwwww",
            "administrator",
            "abcabcabcabcabcabcabcabcabcabc",
            "4711471147114711",
            "changeme-changeme",
        ] {
            assert!(bits(weak) < STRONG_BITS, "{weak}: {}", bits(weak));
        }
    }

    #[test]
    fn what_was_made_by_chance_is_strong() {
        for strong in [
            // 128 bits in hexadecimal, a version 4 UUID, 20 letters and digits, as password managers and services make them.
            "8f3a51d0c27e4b96a1f0d93b5c6e7781",
            "3f2b8c1e-94d7-4a06-b5e3-7c9a10d2f846",
            "kT9vQ2xLm7RzWc4HbN8y",
            "tGzv3JOkF0XG5Qx2TlKWIA",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "x7$Kp!2vQz@9Lm#4Wt",
        ] {
            assert!(bits(strong) >= STRONG_BITS, "{strong}: {}", bits(strong));
        }
        // The host's own.
        for _ in 0..64 {
            assert!(Secret::random().unwrap().strength_bits() >= 128);
        }
    }
}
