//! Components written by hand, for what no toolchain makes: `tests/guests/wat`, put together on the spot.

use std::fs;

use crate::guests::{source, stems};

/// The bytes of `tests/guests/wat/NAME.wat`. Not all of them are valid; that is what they are for.
///
/// # Panics
/// Where there is none of that name, or it is not even text that can be put together.
#[must_use]
pub fn wat(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(source().join(format!("wat/{name}.wat"))).unwrap_or_else(|err| panic!("there is no `{name}`: {err}"));
    assembled(&text)
}

/// The bytes of a text.
///
/// # Panics
/// Where it can't be put together.
#[must_use]
pub fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|err| panic!("{err}"))
}

/// The names of all of them, sorted.
///
/// # Panics
/// Where the folder can't be listed.
#[must_use]
pub fn names() -> Vec<String> {
    stems(&source().join("wat"), "wat")
}
