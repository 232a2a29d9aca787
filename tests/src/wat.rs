//! Assembles the components in `tests/guests/wat`, which are written by hand because no toolchain makes them.

use std::fs;

use crate::guests::{source, stems};

/// The bytes of `tests/guests/wat/NAME.wat`. Some are invalid on purpose.
///
/// # Panics
/// If there is no such file, or its text can't be assembled.
#[must_use]
pub fn wat(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(source().join(format!("wat/{name}.wat"))).unwrap_or_else(|err| panic!("there is no `{name}`: {err}"));
    assembled(&text)
}

/// The bytes of a WebAssembly text.
///
/// # Panics
/// If it can't be assembled.
#[must_use]
pub fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|err| panic!("{err}"))
}

/// The names of all of them, sorted.
///
/// # Panics
/// If the folder can't be listed.
#[must_use]
pub fn names() -> Vec<String> {
    stems(&source().join("wat"), "wat")
}
