//! Tests of every form, and every form of a form.

use super::encoders::{ALL, Encoder};
use super::*;
use crate::scrub::stream::SPREAD_MAX;

const VALUES: &[&str] =
    &["plain-value-2", "s3cr/t+\"v&l'<>\\ ~=?ü.", "eight 88", "Zm9vYmFyYmF6cXV4cXV1eA==", "q%41&amp;b\\u0062=3D/z", "0123456789abcdef0123"];

/// A value of the same length and kind in which each letter is different. If the results for both values differ, the result reveals
/// something about the value.
fn other(value: &str) -> String {
    let next = |letter: char, first: char, last: char| if letter == last { first } else { char::from_u32(letter as u32 + 1).unwrap() };
    let letter = |letter: char| match letter {
        'a'..='c' => next(letter, 'a', 'c'),
        'd'..='z' => next(letter, 'd', 'z'),
        'A'..='Z' => next(letter, 'A', 'Z'),
        '0'..='9' => next(letter, '0', '9'),
        letter => letter,
    };
    value.chars().map(letter).collect()
}

/// Checks that nothing is left that reveals something about the value. Returns the problem if there is one.
fn fault(known: &Scrubber, value: &str, pieces: &[usize], encode: &dyn Fn(&[u8]) -> Vec<u8>) -> Option<String> {
    for (inner, outer) in [(("", ""), ("\"", "\"")), (("before ", " after"), ("text: ", " and more\n")), (("us:", "\n"), ("(", ")"))] {
        let text =
            |value: &str| [outer.0.as_bytes(), &encode(format!("{}{value}{}", inner.0, inner.1).as_bytes()), outer.1.as_bytes()].concat();
        let (text, like) = (text(value), text(&other(value)));
        if encode(value.as_bytes()).len() > SPREAD_MAX * value.len() {
            continue;
        }
        let (out, hits) = redacted(known, &text, text.len());
        if hits == 0 || out.len() != text.len() {
            return Some(format!("not found in {}", shown(&text)));
        }
        let is_left = |at: &usize| text[*at] != like[*at] && out[*at] != b'*';
        if let Some(at) = (0..text.len()).find(|at| text.len() == like.len() && is_left(at)) {
            return Some(format!("byte {at} is left of {} in {}", shown(&text), shown(&out)));
        }
        if let Some(piece) = pieces.iter().find(|piece| redacted(known, &text, **piece).0 != out) {
            return Some(format!("in pieces of {piece} it is another text: {}", shown(&text)));
        }
    }
    None
}

#[test]
fn each_form_of_a_value_is_taken_out() {
    let mut faults = Vec::new();
    for value in VALUES {
        let known = scrubber(&[value]);
        faults.extend(fault(&known, value, &[1, 7, 64], &|bytes| bytes.to_vec()).map(|fault| format!("{value} as it is: {fault}")));
        for (name, encode) in ALL {
            faults.extend(fault(&known, value, &[1, 7, 64], encode).map(|fault| format!("{value} in {name}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Where a stream is cut decides whether the last character counts as part of the value. In both cases nothing of the value is left.
#[test]
fn a_value_with_backslashes_at_its_end_is_taken_out() {
    let value = "with\\n-and\\at-its-end\\";
    let known = scrubber(&[value]);
    let faults: Vec<_> = ALL.iter().filter_map(|(name, encode)| Some((name, fault(&known, value, &[], encode)?))).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn each_form_of_a_form_is_taken_out() {
    let mut faults = Vec::new();
    for value in [VALUES[0], VALUES[1], VALUES[4]] {
        let known = scrubber(&[value]);
        for (at, (first, inner)) in ALL.iter().enumerate() {
            for (beside, (second, outer)) in ALL.iter().enumerate().filter(|(_, (name, _))| can_hold(name, first)) {
                // Streams are cut for only some of the pairs, because each pair takes long.
                let pieces: &[usize] = if (at + beside) % 5 == 0 { &[13] } else { &[] };
                let fault = fault(&known, value, pieces, &|bytes| outer(&inner(bytes)));
                faults.extend(fault.map(|fault| format!("{value} in {first} in {second}: {fault}")));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.get(..faults.len().min(10)).unwrap().join("\n"));
}

/// An encoder of text can't encode wide characters, and blanks before lines of base 64 become digits of it in a form.
fn can_hold(outer: &str, inner: &str) -> bool {
    if outer == "form" && inner == "base 64 in lines of 9, indented" {
        return false;
    }
    let is_wide = |name: &str| name.starts_with("utf-16");
    !is_wide(inner) || !["entities", "html", "json", "rust", "utf-16"].iter().any(|takes_text| outer.starts_with(takes_text))
}

#[test]
fn a_form_is_taken_out_wherever_a_stream_is_cut() {
    let value = VALUES[1];
    let known = scrubber(&[value]);
    let all: Vec<&Encoder> = ALL.iter().collect();
    for (name, encode) in all {
        let text = [b"before ".as_slice(), &encode(value.as_bytes()), b" after"].concat();
        let whole = redacted(&known, &text, text.len()).0;
        for cut in 0..=text.len() {
            let mut stream = Scrubbing::default();
            let (one, other) = text.split_at(cut);
            let out =
                [stream.push(&[&known], one).unwrap(), stream.push(&[&known], other).unwrap(), stream.finish(&[&known], &mut []).unwrap()]
                    .concat();
            assert_eq!((shown(&out), stream.hits().places), (shown(&whole), 1), "{name} cut at {cut}");
            assert!(out.starts_with(b"before ") && out.ends_with(b"after"), "{name} cut at {cut}: {}", shown(&out));
        }
    }
}

#[test]
fn texts_without_a_value_pass_unharmed() {
    let known = scrubber(VALUES);
    let all: Vec<u8> = (0..=255).collect();
    let alphabets: [&[u8]; 5] =
        [&all, b"abcdefABCDEF0123456789+/=\r\n", b"%&\\=;#x0123456789abcdefu", b"0123456789abcdef, x:-", b"plain-value 2s3cr/t"];
    for alphabet in alphabets {
        let text = noise(200_000, alphabet);
        assert_eq!(redacted(&known, &text, 5_000), (text, 0));
    }
    let like = "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB plain-value-3 plain-valu lain-value-2x s3cr/t \u{fc} Zm9vYmFy cGxhaW4tdmFsdWUt %70lain-value-";
    assert_eq!(redacted(&known, like.as_bytes(), 11), (like.as_bytes().to_vec(), 0));
}

#[test]
fn the_shortest_value_is_found_in_wide_characters_whose_first_or_last_byte_was_cut_off() {
    let known = scrubber(&["canary-5"]);
    let wide = |order: fn(u16) -> [u8; 2]| "canary-5".encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    assert!(known.finds(&little[..little.len() - 1]) && known.finds(&big[1..]));
    assert!(!known.finds(&little[..little.len() - 2]) && !known.finds(&big[2..]), "the control: one letter is missing");
}
