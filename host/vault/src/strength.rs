//! Estimates how many guesses an attacker needs for a value if they know how it was made. The estimate is a lower bound, based on how
//! people choose values.
//!
//! It can't detect a value that is in a list of leaked values, or that is made from something that others know.

use std::collections::BTreeSet;

use crate::secret::Secret;

/// The number of bits from which a value can't be guessed by trying it at servers or in requests.
pub const STRONG_BITS: u32 = 64;

/// Bits of a letter in a word, or in text that reads like one. Natural languages have about two bits per letter.
const WORD_LETTER_BITS: f64 = 2.2;
/// Bits of a character that follows from the one before it, as in `aaaa`, `4567` or `zyx`.
const NEXT_BITS: f64 = 0.3;
/// How many letters in a row count as a word.
const WORD_LETTERS_MIN: usize = 4;

impl Secret {
    /// About how many bits of the value have to be guessed.
    pub fn strength_bits(&self) -> u32 {
        // The strength of a private key depends on its kind and not on its letters.
        if self.private_key().is_some() {
            return STRONG_BITS * 2;
        }
        let value = repeated(self.expose());
        let bits = runs(value).map(run_bits).sum::<f64>().min(alphabet_bits(value));
        // The result is rounded down, so a value near the limit counts as weak.
        (0..=4096_u32).take_while(|whole| f64::from(*whole) <= bits).last().unwrap_or(0)
    }
}

/// The part that is repeated, if the value consists only of repetitions. Otherwise the value itself.
fn repeated(value: &[u8]) -> &[u8] {
    let is_it = |part: &&[u8]| value.len().is_multiple_of(part.len()) && value.chunks(part.len()).all(|other| other == *part);
    (1..=value.len() / 2).filter_map(|length| value.get(..length)).find(is_it).unwrap_or(value)
}

/// The value in stretches of one kind: letters that read like a word, or anything else.
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
        // A step is predictable if it is the same as the one before, or zero, or to a neighbouring letter.
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

/// The bits of one character that was chosen at random among those of its kind.
fn byte_bits(byte: u8) -> f64 {
    match byte {
        b'0'..=b'9' => 10_f64,
        b'a'..=b'z' | b'A'..=b'Z' => 26.0,
        b' '..=b'~' => 32.0,
        _ => 64.0,
    }
    .log2()
}

/// Whether all letters except the first have the same case, with vowels among them, and never more than four consonants in a row.
fn reads_like_a_word(run: &[u8]) -> bool {
    let is_vowel = |byte: &u8| b"aeiouyAEIOUY".contains(byte);
    let rest = run.get(1..).unwrap_or_default();
    let one_case = rest.iter().all(u8::is_ascii_lowercase) || run.iter().all(u8::is_ascii_uppercase);
    let vowels = run.iter().filter(|byte| is_vowel(byte)).count();
    let hardest = run.split(is_vowel).map(<[u8]>::len).max().unwrap_or(0);
    run.len() >= WORD_LETTERS_MIN && run.iter().all(u8::is_ascii_alphabetic) && one_case && vowels * 5 >= run.len() && hardest <= 4
}

/// At most as many bits as the number of different letters allows, whatever their order.
fn alphabet_bits(value: &[u8]) -> f64 {
    let letters: BTreeSet<u8> = value.iter().copied().collect();
    // The letters may have been chosen from a few more than those that occur.
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
            // 128 bits in hexadecimal, a version 4 UUID, and 20 letters and digits, as password managers and services make them.
            "8f3a51d0c27e4b96a1f0d93b5c6e7781",
            "3f2b8c1e-94d7-4a06-b5e3-7c9a10d2f846",
            "kT9vQ2xLm7RzWc4HbN8y",
            "tGzv3JOkF0XG5Qx2TlKWIA",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "x7$Kp!2vQz@9Lm#4Wt",
        ] {
            assert!(bits(strong) >= STRONG_BITS, "{strong}: {}", bits(strong));
        }
        // The values that the host itself makes.
        for _ in 0..64 {
            assert!(Secret::random().unwrap().strength_bits() >= 128);
        }
    }
}
