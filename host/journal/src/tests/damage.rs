//! Flipped bits: each bit of a small log is flipped, and the fault is found at the right position.

use super::kit::{check, flip, frames, sample, segment};
use crate::ids::HEADER_BYTES;
use crate::{FaultKind, Position, state_path};

#[test]
fn every_flipped_bit_is_found_and_placed() {
    let dir = tempfile::tempdir().unwrap();
    let (home, states) = (dir.path().join("home"), dir.path().join("state"));
    sample(&home, Some(&states));
    let whole = check(&home, None);
    assert_eq!((whole.holds(), whole.size, whole.batches, whole.torn_bytes), (true, 5, 3, 0));
    let state = state_path(&states, whole.log.unwrap());
    assert!(check(&home, Some(&state)).holds());

    let (path, places) = (segment(&home, 1), frames(&home));
    let end = places[places.len() - 1].end;
    for bit in 0..end * 8 {
        let (at, mask) = (bit / 8, 1 << (bit % 8));
        flip(&path, at, mask);
        let report = check(&home, None);
        match places.iter().find(|place| (place.start..place.end).contains(&at)) {
            None => {
                assert!(at < HEADER_BYTES);
                assert_eq!(report.fault.unwrap().what, FaultKind::HeaderBroken, "bit {bit}");
            }
            Some(place) if place.batch < 2 => {
                let fault = report.fault.unwrap();
                let expected = Position { segment: 1, offset: place.start as u64, index: place.leaves };
                assert_eq!(fault.at, expected, "bit {bit}: {fault}");
                assert_eq!(fault.what, FaultKind::FrameBroken, "bit {bit}");
            }
            Some(_) => {
                assert_eq!((report.holds(), report.size), (true, 3), "bit {bit}");
                let begin = places.iter().find(|place| place.batch == 2).unwrap().start;
                assert_eq!(report.torn_bytes, (end - begin) as u64, "bit {bit}");
                let known = check(&home, Some(&state));
                assert_eq!(known.fault.unwrap().what, FaultKind::Behind { size: 3, known: 5 }, "bit {bit}");
            }
        }
        flip(&path, at, mask);
    }
    assert!(check(&home, Some(&state)).holds());
}

#[test]
fn a_bit_in_the_empty_space_is_torn_bytes_in_the_last_segment_and_a_fault_in_others() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    let end = frames(home).last().unwrap().end;
    flip(&segment(home, 1), end + 99, 4);
    let report = check(home, None);
    assert_eq!((report.holds(), report.size, report.torn_bytes), (true, 5, 100));
    // Since there is a later segment, this can't be the torn end of a write.
    let header = crate::frame::FrameHeader { log: report.log.unwrap(), number: 2, first: 5, begins: crate::frame::HEADER_END };
    std::fs::write(segment(home, 2), header.encode()).unwrap();
    let fault = check(home, None).fault.unwrap();
    assert_eq!((fault.at.offset, fault.what), (end as u64, FaultKind::TrailingBytes));
}

#[test]
fn opening_refuses_what_the_verifier_finds() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    let places = frames(home);
    let index = std::fs::read(home.join("journal.index")).unwrap();
    for place in places.iter().filter(|place| place.batch < 2) {
        flip(&segment(home, 1), place.end - 1, 1);
        super::kit::forget_index(home);
        let refused = super::kit::open_with(home, None, super::kit::small()).err().unwrap();
        let crate::OpenError::Fault(fault) = refused else { panic!("{refused}") };
        assert_eq!((fault.at.offset, fault.at.index), (place.start as u64, place.leaves));
        flip(&segment(home, 1), place.end - 1, 1);
        std::fs::write(home.join("journal.index"), &index).unwrap();
    }
    assert_eq!(super::kit::open(home).1.size, 5);
}
