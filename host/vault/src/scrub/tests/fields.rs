//! Tests of names and values of header fields and trailers, and of values that are spread over these and a body.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use vocabulary::Header;

use super::*;

const VALUE: &str = "Tok_Zm9vYmFyBAZquux4711";

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_ascii_lowercase(), value: value.as_bytes().to_vec() }
}

/// A whole answer as it is passed on, on one line.
fn answer(head: &[(&str, &str)], body: &[&str], trailers: &[(&str, &str)]) -> String {
    let (known, mut stream) = (scrubber(&[VALUE, "plain-value-2"]), Scrubbing::default());
    let fields = |fields: &[(&str, &str)]| fields.iter().map(|(name, value)| header(name, value)).collect::<Vec<_>>();
    let mut trailers = fields(trailers);
    stream.head(fields(head));
    let mut out: Vec<u8> = body.iter().flat_map(|piece| stream.push(&[&known], piece.as_bytes()).unwrap()).collect();
    out.extend(stream.finish(&[&known], &mut trailers).unwrap());
    let head = stream.take_head().unwrap();
    let lines = |fields: &[Header]| fields.iter().map(|field| format!("{}: {}\n", field.name, shown(&field.value))).collect::<String>();
    format!("{}\n{}\n{}", lines(&head), shown(&out), lines(&trailers))
}

fn stars(bytes: usize) -> String {
    "*".repeat(bytes)
}

#[test]
fn a_value_as_the_name_of_a_field_is_taken_out_whatever_its_case_was() {
    let bytes = VALUE.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let twice = URL_SAFE_NO_PAD.encode(STANDARD_NO_PAD.encode(bytes));
    for name in
        [VALUE.to_owned(), URL_SAFE_NO_PAD.encode(bytes), hex, VALUE.replace('_', "%5f"), twice.trim_end_matches(['4', 'x']).to_owned()]
    {
        for (before, after) in [("", ""), ("x-", "-y")] {
            let name = format!("{before}{name}{after}");
            for out in [answer(&[(&name, "1")], &["body"], &[]), answer(&[], &["body"], &[(&name, "1")])] {
                let longest = out.split(|letter| letter != '*').map(str::len).max().unwrap();
                assert!(longest + 4 >= name.len() - before.len() - after.len(), "{name}: {out}");
            }
        }
    }
    assert_eq!(answer(&[("x-request-id", "1")], &["body"], &[("x-tok_zm9v", "2")]), "x-request-id: 1\n\nbody\nx-tok_zm9v: 2\n");
}

#[test]
fn a_value_in_pieces_over_several_fields_is_taken_out() {
    let (one, rest) = VALUE.split_at(9);
    let (two, three) = rest.split_at(6);
    let (a, b, c) = (stars(9), stars(6), stars(8));
    // In order, in any order, with others between, at the ends of longer fields.
    assert_eq!(answer(&[("a", one), ("b", rest)], &[], &[]), format!("a: {a}\nb: {}\n\n\n", stars(14)));
    assert_eq!(answer(&[("b", rest), ("date", "today"), ("a", one)], &[], &[]), format!("b: {}\ndate: today\na: {a}\n\n\n", stars(14)));
    assert_eq!(
        answer(&[("c", &format!("{three} z")), ("d", "1"), ("b", two), ("a", &format!("x {one}"))], &[], &[]),
        format!("c: {c} z\nd: 1\nb: {b}\na: x {a}\n\n\n")
    );
    assert_eq!(answer(&[(one, "1"), ("x", "2"), (rest, "3")], &[], &[]), format!("{a}: 1\nx: 2\n{}: 3\n\n\n", stars(14)));
    // A part alone is not a whole value.
    assert_eq!(answer(&[("a", one), ("b", two)], &[three], &[]), format!("a: {a}\nb: {b}\n\n{c}\n"));
    assert_eq!(answer(&[("a", one), ("b", two)], &["other"], &[]), format!("a: {one}\nb: {two}\n\nother\n"));
}

#[test]
fn a_value_that_begins_in_the_head_and_ends_in_the_body_is_taken_out_of_both() {
    for at in 4..VALUE.len() {
        let (one, two) = VALUE.split_at(at);
        let (a, b) = (stars(one.len()), stars(two.len()));
        for body in [vec![two], vec![&two[..1], &two[1..]]] {
            assert_eq!(answer(&[("a", one)], &body, &[]), format!("a: {a}\n\n{b}\n"));
            let between = answer(&[("a", one), ("date", "today"), ("server", "s")], &body, &[]);
            assert_eq!(between, format!("a: {a}\ndate: today\nserver: s\n\n{b}\n"));
        }
        let long = format!("{two}{}", " more".repeat(1000));
        let out = answer(&[("a", one), ("date", "today")], &[&long], &[]);
        assert!(out.starts_with(&format!("a: {a}\ndate: today\n\n{b} more more")), "{out}");
        let out = answer(&[("a", &one[1..])], &[&long], &[]);
        assert!(out.starts_with(&format!("a: {}\n\n{two} more more", &one[1..])), "{out}");
    }
}

#[test]
fn a_head_is_shown_once_the_beginning_of_the_body_was_searched_and_not_before() {
    let (known, mut stream) = (scrubber(&[VALUE]), Scrubbing::default());
    stream.head(vec![header("a", "1")]);
    assert_eq!(stream.take_head(), None);
    let mut pieces = 0;
    while stream.take_head().is_none() {
        // Nothing of the body is passed on before it.
        let out = stream.push(&[&known], &[b'x'; 64]).unwrap();
        pieces += 1;
        assert!(out.len() <= 64 * pieces && pieces < 1000);
    }
    assert!(pieces > 1, "one piece is less than what is held back");
    assert_eq!(stream.take_head(), None, "it is shown once");
    // An answer without a body has its head at its end. If nothing is searched for, the head comes with the first byte.
    let mut empty = Scrubbing::default();
    empty.head(vec![header("a", VALUE)]);
    empty.finish(&[&known], &mut []).unwrap();
    assert_eq!(empty.take_head(), Some(vec![header("a", &stars(VALUE.len()))]));
    let mut nothing = Scrubbing::default();
    nothing.head(vec![header("a", "1")]);
    assert!(!nothing.push(&[], b"some bytes").unwrap().is_empty());
    assert!(nothing.take_head().is_some());
}

#[test]
fn a_value_over_body_and_trailers_is_taken_out_of_both() {
    let (one, rest) = VALUE.split_at(9);
    let (two, three) = rest.split_at(6);
    let (a, b, c) = (stars(9), stars(6), stars(8));
    let long = format!("{}{one}", "more ".repeat(1000));
    for body in [one, &long] {
        let out = answer(&[], &[body], &[("x", rest)]);
        assert!(out.ends_with(&format!("{a}\nx: {}\n", stars(14))), "{out}");
        let out = answer(&[], &[body], &[("y", "1"), ("x", three), ("z", two)]);
        assert!(out.ends_with(&format!("{a}\ny: 1\nx: {c}\nz: {b}\n")), "{out}");
    }
    assert_eq!(answer(&[], &["body"], &[("y", one), ("x", rest)]), format!("\nbody\ny: {a}\nx: {}\n", stars(14)));
    assert_eq!(answer(&[("h", one)], &[two], &[("x", three)]), format!("h: {a}\n\n{b}\nx: {c}\n"));
    assert_eq!(answer(&[("h", one)], &["body"], &[("x", rest)]), format!("h: {a}\n\nbody\nx: {}\n", stars(14)));
    // The head of a long answer was shown before, so only the rest is removed.
    let out = answer(&[("h", one)], &[&"more ".repeat(1000)], &[("x", rest)]);
    assert!(out.starts_with(&format!("h: {one}\n")) && out.ends_with(&format!("x: {}\n", stars(14))), "{out}");
    assert_eq!(answer(&[], &["body"], &[("x", one), ("y", two)]), format!("\nbody\nx: {one}\ny: {two}\n"));
}

#[test]
fn a_value_in_pieces_is_taken_out_whatever_other_field_fits_as_well() {
    let (one, rest) = VALUE.split_at(9);
    let (two, three) = rest.split_at(6);
    let (a, b, c) = (stars(9), stars(6), stars(8));
    // A field that is longer than a piece, and begins with the piece.
    let longer = &rest[..8];
    for fields in [[two, longer, three], [longer, two, three], [three, longer, two]] {
        let out = answer(&[("a", one), ("b", fields[0]), ("c", fields[1]), ("d", fields[2])], &[], &[]);
        let shown = |piece: &str| if piece == longer { longer.to_owned() } else { stars(piece.len()) };
        assert_eq!(out, format!("a: {a}\nb: {}\nc: {}\nd: {}\n\n\n", shown(fields[0]), shown(fields[1]), shown(fields[2])));
    }
    // There is no whole value: the same fields without the end.
    let out = answer(&[("a", one), ("b", two), ("c", longer)], &[], &[]);
    assert_eq!(out, format!("a: {one}\nb: {two}\nc: {longer}\n\n\n"));
    // Values over body and trailers.
    let out = answer(&[], &[one], &[("x", longer), ("y", two), ("z", three)]);
    assert_eq!(out, format!("\n{a}\nx: {longer}\ny: {b}\nz: {c}\n"));
}

#[test]
fn each_copy_of_a_piece_is_taken_out_and_so_is_each_way_to_put_a_value_together() {
    let (one, rest) = VALUE.split_at(9);
    let (two, three) = rest.split_at(6);
    let out = answer(&[("a", one), ("b", rest), ("c", rest), ("d", two), ("e", three), ("f", one)], &[], &[]);
    let lengths = [("a", 9), ("b", 14), ("c", 14), ("d", 6), ("e", 8), ("f", 9)];
    let expected: String = lengths.iter().map(|(name, length)| format!("{name}: {}\n", stars(*length))).collect();
    assert_eq!(out, format!("{expected}\n\n"));
}

#[test]
fn however_many_fields_fit_a_part_of_a_value_is_not_found() {
    // A value of one repeated letter, and separate fields of that letter in many lengths. No eight of them are as long as the value.
    let value = "z".repeat(4000);
    let known = scrubber(&[&value, VALUE]);
    let shown = |fields: Vec<Header>| {
        let mut stream = Scrubbing::default();
        stream.head(fields);
        stream.finish(&[&known], &mut []).unwrap();
        stream.take_head().unwrap()
    };
    let many =
        |lengths: std::ops::Range<usize>| lengths.flat_map(|length| [header("x", &value[..length]), header("y", "-")]).collect::<Vec<_>>();
    assert_eq!(shown(many(4..200)), many(4..200));
    assert_ne!(shown(many(495..505)), many(495..505), "eight of them are a value");
    // Many copies of the known beginning, each with a guess of the next letter: the right guess is shown like all others.
    let letters = (b'!'..=b'~').map(|letter| header("l", &char::from(letter).to_string()));
    let guesses = (b'!'..=b'~').map(|letter| header("g", &format!("{}{}", &VALUE[..4], char::from(letter))));
    let guessing: Vec<Header> = letters.chain((0..190).map(|_| header("b", &VALUE[..4]))).chain(guesses).collect();
    assert_eq!(shown(guessing.clone()), guessing);
}
