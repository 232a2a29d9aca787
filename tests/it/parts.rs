//! A part of a record is never presented as all of it: each reader says what is missing, and ends with 6.

use std::fs;
use std::path::{Path, PathBuf};

use journal::Reader;
use serde_json::Value;
use tests::guests::guest;
use tests::long::{end, lengthen};
use tests::program::{Program, config};
use vocabulary::Grants;

use crate::damaged::{both, ends};

/// A home whose record has several segments, and two runs: one in the first segment, one in the last.
pub(crate) struct Home {
    pub(crate) program: Program,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) segments: u32,
}

pub(crate) fn run(program: &Program) -> String {
    let output = program.run(&["run", "exits-with", "--json", "--", "0"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", both(&output)));
    report["run"].as_str().unwrap().to_owned()
}

impl Home {
    pub(crate) fn new() -> Self {
        let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
        assert!(program.run(&["trust"]).status.success());
        let first = run(&program);
        // From here on the segments are small.
        let place = program.place().clone();
        lengthen(&place);
        let last = run(&program);
        let segments = fs::read_dir(place.home.join("journal")).unwrap().count() as u32;
        assert!(segments >= 3, "{segments}");
        Self { program, first, last, segments }
    }

    pub(crate) fn home(&self) -> &Path {
        &self.program.place().home
    }

    pub(crate) fn segment(&self, number: u32) -> PathBuf {
        self.home().join(format!("journal/{number:08}.seg"))
    }

    fn readers(&self) -> Vec<Vec<&str>> {
        let (first, last) = (self.first.as_str(), self.last.as_str());
        vec![
            vec!["audit", "verify"],
            vec!["audit", "touched"],
            vec!["audit", "touched", "--json"],
            vec!["audit", "show"],
            vec!["audit", "diff", first, last],
            vec!["show", first],
            vec!["show", last],
            vec!["logs", first],
            vec!["ps"],
            vec!["replay", first],
            vec!["resume", first],
            vec!["doctor"],
            vec!["run", "exits-with", "--", "0"],
        ]
    }

    /// Checks that every reader ends with 6 and prints these words.
    #[track_caller]
    fn all_miss(&self, words: &str) {
        for args in self.readers() {
            let output = self.program.run(&args);
            let said = both(&output);
            assert_eq!(output.status.code(), Some(6), "{args:?}: {said}");
            assert!(said.contains(words), "{args:?} does not say {words:?}: {said}");
            assert!(!said.contains("nothing has run with this home"), "{args:?}: {said}");
        }
    }
}

#[test]
fn of_a_whole_record_nothing_is_missed() {
    let home = Home::new();
    for args in home.readers() {
        let code = if args[0] == "resume" { 2 } else { 0 };
        ends(&home.program, &args, code);
    }
}

#[test]
fn a_missing_segment_is_missed_by_every_reader() {
    let home = Home::new();
    for number in [1, 2, home.segments] {
        for with_index in [true, false] {
            let (at, away) = (home.segment(number), home.home().join("away"));
            fs::rename(&at, &away).unwrap();
            let names = ["journal.index", "journal.touched"].map(|name| (home.home().join(name), home.home().join(format!("away-{name}"))));
            if !with_index {
                names.iter().for_each(|(name, away)| drop(fs::rename(name, away)));
            }
            // The missing end may be noticed before the missing segment.
            let words = if number == home.segments { "known" } else { "missing" };
            home.all_miss(words);
            fs::rename(&away, &at).unwrap();
            names.iter().for_each(|(name, away)| drop(fs::rename(away, name)));
            let _ = fs::remove_file(home.home().join("journal.damaged"));
        }
    }
    ends(&home.program, &["ps"], 0);
    ends(&home.program, &["run", "exits-with", "--", "0"], 0);
}

#[test]
fn a_record_that_is_gone_altogether_is_not_one_that_never_was() {
    for removed in [false, true] {
        let home = Home::new();
        fs::rename(home.home().join("journal"), home.home().join("away")).unwrap();
        if !removed {
            fs::create_dir(home.home().join("journal")).unwrap();
            fs::set_permissions(home.home().join("journal"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        }
        for args in home.readers() {
            let output = home.program.run(&args);
            let said = both(&output);
            assert_eq!(output.status.code(), Some(6), "{args:?}: {said}");
            let words = ["is gone", "is missing", "is behind", "known"];
            assert!(words.iter().any(|words| said.contains(words)), "{args:?}: {said}");
        }
        let said = ends(&home.program, &["ps"], 6);
        assert!(said.contains("are remembered") && said.contains("accept-rollback"), "{said}");
    }
    // The control: a home without any record.
    let fresh = Program::new("");
    assert!(ends(&fresh, &["ps"], 0).contains("no run is open"));
    assert!(ends(&fresh, &["audit", "verify"], 2).contains("nothing has run with this home yet"));
}

#[test]
fn a_record_that_was_cut_at_a_checkpoint_is_missed_by_every_reader() {
    let home = Home::new();
    let (path, _) = end(home.home());
    // The last segment is cut before the last batch.
    let records: Vec<_> = Reader::open(home.home()).unwrap().records().map(|record| record.unwrap()).collect();
    let last = records.last().unwrap().at;
    let bytes = fs::read(&path).unwrap();
    let cut = bytes[..last.offset as usize].windows(23).rposition(|bytes| bytes.starts_with(b"\x03bailiwick.log/")).unwrap();
    let length = u32::from_le_bytes(bytes[cut - 8..cut - 4].try_into().unwrap()) as usize;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len((cut + length) as u64).unwrap();
    home.all_miss("known");
    // First only the index shows it, then only the other derived files.
    fs::remove_dir_all(&home.program.place().state).unwrap();
    for args in [vec!["ps"], vec!["show", &home.first], vec!["audit", "touched"], vec!["audit", "show"]] {
        assert!(ends(&home.program, &args, 6).contains("known"), "{args:?}");
    }
}

/// Changes a letter in a record and corrects its checksum, as an attacker would. Restores the time of the last change, too.
fn forge(path: &Path, needle: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let at = bytes.windows(needle.len()).position(|bytes| bytes == needle).unwrap();
    // The frame that contains this place.
    let head = (0..at).rev().find(|head| is_frame_around(&bytes, *head, at)).unwrap();
    let length = u32::from_le_bytes(bytes[head..head + 4].try_into().unwrap()) as usize;
    bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
    let crc = crc32c(&bytes[head..head + 4], &bytes[head + 8..head + 8 + length]);
    bytes[head + 4..head + 8].copy_from_slice(&crc.to_le_bytes());
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

fn is_frame_around(bytes: &[u8], head: usize, at: usize) -> bool {
    let length = u32::from_le_bytes(bytes[head..head + 4].try_into().unwrap()) as usize;
    let Some(content) = bytes.get(head + 8..).and_then(|rest| rest.get(..length)) else { return false };
    let crc = u32::from_le_bytes(bytes[head + 4..head + 8].try_into().unwrap());
    head + 8 + length > at && crc32c(&bytes[head..head + 4], content) == crc
}

/// CRC-32C (RFC 3720) over a frame's length and content, one bit at a time.
fn crc32c(length: &[u8], content: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
    !length.iter().chain(content).fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

#[test]
fn a_record_that_was_changed_with_its_checksum_made_right_is_not_shown_as_evidence() {
    for (number, with_index) in [(1, true), (1, false), (0, true), (0, false)] {
        let home = Home::new();
        let number = if number == 0 { home.segments } else { number };
        let run = if number == 1 { &home.first } else { &home.last };
        if !with_index {
            fs::remove_file(home.home().join("journal.index")).unwrap();
            let _ = fs::remove_file(home.home().join("journal.touched"));
        }
        forge(&home.segment(number), b"exits-with");
        for args in [
            vec!["audit", "touched"],
            vec!["audit", "touched", run],
            vec!["show", run],
            vec!["show", run, "--json"],
            vec!["audit", "show"],
            vec!["audit", "diff", &home.first, &home.last],
            vec!["replay", run],
            vec!["logs", run],
            vec!["audit", "verify"],
        ] {
            let output = home.program.run(&args);
            let said = both(&output);
            assert_eq!(output.status.code(), Some(6), "segment {number}, {args:?}: {said}");
            assert!(!said.contains("xxits-with"), "{args:?}: {said}");
        }
        ends(&home.program, &["run", "exits-with", "--", "0"], 6);
    }
}
