//! Finds the leaked value again: a finding says where it is and never what it is.

use crate::input::Place;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};

/// BOUND: bytes that are read of the file, up to the end of the line.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// BOUND: how many values of a line are tried. The host answers 60 questions at once, and then one a second.
const CANDIDATES_MAX: usize = 16;
/// The host refuses values outside of these bounds.
const VALUE_BYTES: std::ops::RangeInclusive<usize> = 8..=4096;

/// The texts at a place that may be the leaked value, the likeliest first.
pub(crate) fn candidates(place: &Place) -> io::Result<Vec<String>> {
    let reader = BufReader::new(File::open(&place.uri)?.take(FILE_BYTES_MAX));
    let line = reader.split(b'\n').nth(usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1));
    let line = line.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the file has no such line"))??;
    Ok(of_line(&String::from_utf8_lossy(&line), place.column))
}

/// As [`candidates`], for a line.
pub(crate) fn of_line(line: &str, column: u32) -> Vec<String> {
    let skipped = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let from = line.char_indices().nth(skipped).map_or("", |(at, _)| line.get(at..).unwrap_or_default()).trim();
    let mut found: Vec<String> = Vec::new();
    let mut add = |text: &str| {
        let is_new = VALUE_BYTES.contains(&text.len()) && !found.iter().any(|known| known == text);
        if is_new && found.len() < CANDIDATES_MAX {
            found.push(text.to_owned());
        }
    };
    for text in from.split("://").skip(1).filter_map(password) {
        add(text);
        add(&decoded(text));
    }
    // A finding about a URL begins at its password.
    if let Some((text, _)) = authority(from).rsplit_once('@') {
        add(text);
        add(&decoded(text));
    }
    // A secret ends at a quote or a blank. What stands before it is its name, and `=` or `:`.
    let ends = |letter: char| letter.is_whitespace() || "\"'`<>(){}[],;".contains(letter);
    from.split(ends).for_each(&mut add);
    for word in from.split(ends) {
        word.match_indices(['=', ':']).filter_map(|(at, _)| word.get(at + 1..)).for_each(&mut add);
        word.split(['=', ':', '@', '/', '?', '&']).for_each(&mut add);
    }
    found
}

/// The password of a URL without its scheme: `user:password@host`.
fn password(rest: &str) -> Option<&str> {
    let (login, _) = authority(rest).rsplit_once('@')?;
    login.split_once(':').map(|(_, password)| password)
}

/// What stands before the path of a URL.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#', '"', '\'', ' ']).next().unwrap_or_default()
}

/// The text with its percent-encoding taken away, where that gives text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
