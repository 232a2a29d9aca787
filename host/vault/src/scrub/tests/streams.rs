//! Tests of streams: what is held back, values that overlap, and values that become known meanwhile.

use super::*;

/// A server that tries guesses for a guest must not be able to show how close a guess is.
#[test]
fn how_much_is_given_out_depends_on_how_much_came_and_on_nothing_else() {
    let known = scrubber(&["s3cr/t+\"v&l'<", "plain-value-2"]);
    let lengths = |text: &str| {
        let mut stream = Scrubbing::default();
        let pieces = text.repeat(200).into_bytes();
        let mut lengths: Vec<usize> = pieces.chunks(7).map(|piece| stream.push(&[&known], piece).unwrap().len()).collect();
        lengths.push(stream.finish(&[&known], &mut []).unwrap().len());
        lengths
    };
    let nothing = lengths("zzzzzzzzzzzzz");
    assert!(nothing.iter().filter(|length| **length > 0).count() > 10, "something is passed on before the end");
    for near in
        ["plain-value-2", "plain-value-X", "s3cr/t+\"v&l'<", "xxxxxxxplain-", "&#112;&#108;&", "cGxhaW4tdmFsd", "p\0l\0a\0i\0n\0-\0v"]
    {
        assert_eq!(lengths(near), nothing, "{near}");
    }
}

#[test]
fn of_two_that_overlap_nothing_is_left() {
    let known = scrubber(&["one-two-three", "three-four-five"]);
    let text = b"x one-two-three-four-five y";
    for piece in 1..=text.len() {
        assert_eq!(redacted(&known, text, piece), (b"x *********************** y".to_vec(), 1));
    }
    let mut whole = text.to_vec();
    assert_eq!(known.scrub(&mut whole).places, 1);
}

#[test]
fn a_value_that_comes_to_be_known_is_found_in_what_is_held_back() {
    let known = scrubber(&["plain-value-2"]);
    let mut stream = Scrubbing::default();
    let mut out = stream.push(&[&known], b"made: later-value-3, ").unwrap().to_vec();
    known.insert(&secret("later-value-3"), 7).unwrap();
    out.extend(stream.push(&[&known], b"over").unwrap());
    out.extend(stream.finish(&[&known], &mut []).unwrap());
    assert_eq!(out, b"made: *************, over");
    assert_eq!(stream.hits().of.get(&7), Some(&1));
}

#[test]
fn a_value_without_room_in_a_piece_is_found_over_many() {
    let value: String = (0..4096).map(|at| char::from(b'a' + u8::try_from(at * at % 26).unwrap())).collect();
    let known = scrubber(&[&value]);
    let text = format!("{value}. {value}").repeat(3);
    let (out, hits) = redacted(&known, text.as_bytes(), 1000);
    assert_eq!((hits, out.iter().filter(|byte| **byte == b'*').count()), (6, 6 * 4096));
}

#[test]
fn each_place_is_counted_once_and_under_its_own_tag() {
    let known = Scrubber::default();
    known.insert(&secret("first-value-1"), 1).unwrap();
    known.insert(&secret("second-value-2"), 2).unwrap();
    for piece in [1, 10, 1000] {
        let mut stream = Scrubbing::default();
        let text = b"first-value-1 second-value-2 first-value-1 first-value-1second-value-2 Zmlyc3QtdmFsdWUtMQ==";
        text.chunks(piece).for_each(|piece| drop(stream.push(&[&known], piece).unwrap()));
        stream.finish(&[&known], &mut []).unwrap();
        let of: Vec<(u64, u64)> = stream.hits().of.iter().map(|(tag, times)| (*tag, *times)).collect();
        assert_eq!((of, stream.hits().places), (vec![(1, 4), (2, 2)], 6), "in pieces of {piece}");
    }
}
