//! Checks that tell a credential from text that only looks like one: a checksum if the issuer includes one, and otherwise how evenly
//! the characters are spread (entropy).

use std::ops::Range;

/// The check for a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Only the shape counts.
    Shape,
    /// The least entropy, in hundredths of a bit per character.
    Entropy(u32),
    /// The last six of 36 characters are the CRC-32 of those before, in base 62: GitHub
    /// (<https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/>) and npm. A longer token has none.
    Crc62,
    /// The last eight characters are the CRC-32 of all before their underscore, least significant byte first: Grafana's `satokengen`.
    CrcHex,
    /// The checksum of BIP 173 over the whole token: age.
    Bech32,
}

impl Check {
    /// Whether the token passes the check. Its secret part begins after `public` bytes.
    pub(crate) fn holds(self, token: &[u8], public: usize) -> bool {
        let secret = token.get(public..).unwrap_or_default();
        match self {
            Self::Shape => true,
            Self::Entropy(least) => entropy(secret) >= f64::from(least) / 100.0,
            Self::Crc62 => secret.len() != 36 || crc62_holds(secret),
            Self::CrcHex => crc_hex_holds(token),
            Self::Bech32 => bech32_holds(token),
        }
    }

    /// Whether the check leaves no doubt. Then a word in the token or the file's path does not weaken the hit.
    pub(crate) fn proves(self, token: &[u8], public: usize) -> bool {
        match self {
            Self::Shape | Self::Entropy(_) => false,
            Self::Crc62 => token.len() == public + 36,
            Self::CrcHex | Self::Bech32 => true,
        }
    }

    /// A description for people; empty if only the shape counts.
    #[cfg(test)]
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Shape => String::new(),
            Self::Entropy(least) => format!("; entropy {}.{} or more", least / 100, least / 10 % 10),
            Self::Crc62 => "; checksum (CRC-32, if the token has 36 characters)".to_owned(),
            Self::CrcHex => "; checksum (CRC-32)".to_owned(),
            Self::Bech32 => "; checksum (Bech32)".to_owned(),
        }
    }
}

fn crc62_holds(secret: &[u8]) -> bool {
    let Some((random, sum)) = secret.split_last_chunk::<6>() else { return false };
    base62(crc32(random)) == *sum
}

/// A number as six digits, most significant first; 2^32 is less than 62^6.
pub(crate) fn base62(number: u32) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [b'0'; 6];
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        *digit = DIGITS.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    text
}

fn crc_hex_holds(token: &[u8]) -> bool {
    let Some((before, sum)) = token.split_last_chunk::<8>() else { return false };
    let Some((b'_', key)) = before.split_last() else { return false };
    crc_hex(key).as_bytes() == sum
}

pub(crate) fn crc_hex(key: &[u8]) -> String {
    crc32(key).to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// CRC-32 of IEEE 802.3, one bit at a time: tokens are short and rare.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

pub(crate) const BECH32: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

fn bech32_holds(token: &[u8]) -> bool {
    let Some(one) = token.iter().rposition(|byte| *byte == b'1') else { return false };
    let (prefix, data) = (token.get(..one).unwrap_or_default(), token.get(one + 1..).unwrap_or_default());
    let values: Option<Vec<u8>> = data.iter().map(|byte| BECH32.iter().position(|known| known == byte).map(|at| at as u8)).collect();
    values.is_some_and(|values| polymod(&[&expanded(prefix), values.as_slice()].concat()) == 1)
}

/// The prefix in the expanded form that the checksum uses, in lower case.
pub(crate) fn expanded(prefix: &[u8]) -> Vec<u8> {
    let lower = || prefix.iter().map(u8::to_ascii_lowercase);
    lower().map(|byte| byte >> 5).chain([0]).chain(lower().map(|byte| byte & 31)).collect()
}

pub(crate) fn polymod(values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.iter().fold(1, |sum: u32, value| {
        let top = sum >> 25;
        let next = ((sum & 0x01ff_ffff) << 5) ^ u32::from(*value);
        GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |next, (_, part)| next ^ part)
    })
}

/// Shannon entropy, in bits per byte.
pub(crate) fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = text.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length).map(|share| -share * share.log2()).sum()
}

/// `xxxxxxxx`, `********` and the like: no more than two different characters.
pub(crate) fn placeholder(text: &[u8]) -> bool {
    let mut others = text.iter().filter(|byte| Some(*byte) != text.first());
    let second = others.next();
    others.all(|byte| Some(byte) == second)
}

/// Words that people write in place of a secret. Case is ignored.
const STOP_WORDS: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "dummy",
    "sample",
    "redacted",
    "your-",
    "your_",
    "yourapi",
    "yourkey",
    "yoursecret",
    "yourtoken",
    "insert-",
    "insert_",
    "replace",
    "goes-here",
    "goes_here",
    "xxxxxx",
    "0123456789",
    "1234567890",
    "abcdefgh",
    "deadbeef",
    "foobar",
    "notreal",
    "not-real",
    "not_real",
    "fakekey",
    "faketoken",
    "fakesecret",
    "testtest",
    "secretsecret",
];

/// Whether a word in `text` says that it is not a secret.
pub(crate) fn stopped(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    STOP_WORDS.iter().any(|word| contains(&lower, word.as_bytes()))
}

pub(crate) fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len().max(1)).any(|window| window == word)
}

/// A place in a text, and how much of its beginning is the same in all credentials of the rule.
pub(crate) struct Place {
    pub(crate) at: Range<usize>,
    pub(crate) public: usize,
}
