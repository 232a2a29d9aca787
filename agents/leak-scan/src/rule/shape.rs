//! The shape of a credential as data: alphabets, lengths and literals. This module matches the description; the same description makes the
//! README's table, and the tests make from it tokens that must be found and near misses that must not.
//!
//! INVARIANT: matching reads at most the greatest length of each part, and never goes back, so the description bounds its cost.

/// Bytes that may stand in a part of a token.
pub(crate) struct Alphabet {
    /// The alphabet as a person would write it.
    #[cfg(test)]
    pub(crate) name: &'static str,
    bytes: [bool; 256],
}

impl Alphabet {
    /// Makes an alphabet from ranges and single bytes; a dash comes last.
    const fn new(name: &'static str) -> Self {
        let mut bytes = [false; 256];
        let mut rest = name.as_bytes();
        loop {
            rest = match rest {
                [from, b'-', to, after @ ..] => {
                    let mut byte = *from;
                    while byte <= *to {
                        set(&mut bytes, byte);
                        byte += 1;
                    }
                    after
                }
                [byte, after @ ..] => {
                    set(&mut bytes, *byte);
                    after
                }
                [] => {
                    return Self {
                        #[cfg(test)]
                        name,
                        bytes,
                    };
                }
            };
        }
    }

    pub(crate) const fn has(&self, byte: u8) -> bool {
        get(&self.bytes, byte)
    }
}

#[expect(clippy::indexing_slicing, reason = "a byte is an index below 256, and `get_mut` is not const")]
const fn set(bytes: &mut [bool; 256], byte: u8) {
    bytes[byte as usize] = true;
}

#[expect(clippy::indexing_slicing, reason = "a byte is an index below 256, and `get` is not const")]
const fn get(bytes: &[bool; 256], byte: u8) -> bool {
    bytes[byte as usize]
}

pub(crate) static DIGITS: Alphabet = Alphabet::new("0-9");
pub(crate) static HEX: Alphabet = Alphabet::new("0-9a-f");
pub(crate) static ANY_HEX: Alphabet = Alphabet::new("0-9a-fA-F");
pub(crate) static BASE32: Alphabet = Alphabet::new("A-Z2-7");
pub(crate) static BECH32: Alphabet = Alphabet::new("AC-HJ-NP-Z02-9");
pub(crate) static UPPER: Alphabet = Alphabet::new("A-Z0-9");
pub(crate) static LOWER: Alphabet = Alphabet::new("a-z0-9");
pub(crate) static ALNUM: Alphabet = Alphabet::new("A-Za-z0-9");
pub(crate) static WORD: Alphabet = Alphabet::new("A-Za-z0-9_");
pub(crate) static DASHED: Alphabet = Alphabet::new("A-Za-z0-9-");
pub(crate) static URL64: Alphabet = Alphabet::new("A-Za-z0-9_-");
pub(crate) static BASE64: Alphabet = Alphabet::new("A-Za-z0-9+/");
pub(crate) static AZURE: Alphabet = Alphabet::new("A-Za-z0-9_.~-");
pub(crate) static DOTTED: Alphabet = Alphabet::new("A-Za-z0-9_.=-");

/// One piece of a token.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// A run of bytes of an alphabet: as many as there are, at least and at most these numbers.
    Run(&'static Alphabet, usize, usize),
    /// This text.
    Lit(&'static str),
    /// One of these texts; a text that begins with another one stands before it.
    Any(&'static [&'static str]),
    /// As `Run`, up to this text within the run.
    Until(&'static Alphabet, usize, usize, &'static str),
}

pub(crate) const fn run(alphabet: &'static Alphabet, length: usize) -> Part {
    Part::Run(alphabet, length, length)
}

pub(crate) const fn runs(alphabet: &'static Alphabet, from: usize, to: usize) -> Part {
    Part::Run(alphabet, from, to)
}

pub(crate) const fn hex(length: usize) -> Part {
    Part::Run(&HEX, length, length)
}

pub(crate) const fn alnum(length: usize) -> Part {
    Part::Run(&ALNUM, length, length)
}

pub(crate) const fn url64(length: usize) -> Part {
    Part::Run(&URL64, length, length)
}

/// `8-4-4-4-12` hexadecimal digits.
pub(crate) const UUID: &[Part] = &[hex(8), Part::Lit("-"), hex(4), Part::Lit("-"), hex(4), Part::Lit("-"), hex(4), Part::Lit("-"), hex(12)];

impl Part {
    /// How many bytes at the beginning of `text` this part matches.
    fn length(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Run(alphabet, from, to) => {
                let length = text.iter().take(*to).take_while(|byte| alphabet.has(**byte)).count();
                (length >= *from).then_some(length)
            }
            Self::Lit(literal) => text.starts_with(literal.as_bytes()).then_some(literal.len()),
            Self::Any(literals) => literals.iter().find(|literal| text.starts_with(literal.as_bytes())).map(|literal| literal.len()),
            Self::Until(alphabet, from, to, literal) => {
                let reach = text.iter().take(to + literal.len()).take_while(|byte| alphabet.has(**byte)).count();
                let before = text.get(..reach)?.windows(literal.len()).position(|window| window == literal.as_bytes())?;
                (before >= *from).then_some(before + literal.len())
            }
        }
    }

    /// Whether one more `byte` would belong to this part.
    fn goes_on(&self, byte: u8) -> bool {
        match self {
            Self::Run(alphabet, ..) | Self::Until(alphabet, ..) => alphabet.has(byte),
            Self::Lit(_) | Self::Any(_) => false,
        }
    }

    /// A description for people.
    #[cfg(test)]
    pub(crate) fn describe(&self) -> String {
        let lengths = |from: &usize, to: &usize| if from == to { format!("{from}") } else { format!("{from}–{to}") };
        match self {
            Self::Run(alphabet, from, to) => format!("{} of `{}`", lengths(from, to), alphabet.name),
            Self::Lit(literal) => format!("`{literal}`"),
            Self::Any(literals) => literals.iter().map(|literal| format!("`{literal}`")).collect::<Vec<_>>().join("/"),
            Self::Until(alphabet, from, to, literal) => format!("{} of `{}`, `{literal}`", lengths(from, to), alphabet.name),
        }
    }
}

/// Where the parts, one after the other from `at` on, end. The next byte must not belong to them.
pub(crate) fn end_of(text: &[u8], at: usize, parts: &[Part]) -> Option<usize> {
    let mut end = at;
    for part in parts {
        end += part.length(text.get(end..)?)?;
    }
    let more = text.get(end).is_some_and(|byte| WORD.has(*byte) || parts.last().is_some_and(|part| part.goes_on(*byte)));
    (!more).then_some(end)
}

/// Whether a word may begin at this place: no character of a word stands before it, or an escape like `\n` or `%3D` does.
pub(crate) fn begins(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(3)..at).unwrap_or_default();
    match before {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !WORD.has(*last),
        [] => true,
    }
}
