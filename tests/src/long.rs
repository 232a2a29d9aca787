//! Makes a record with several segments, without the gigabytes that real segments have.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use journal::{Journal, Options, Reader, log_run};
use run::HomePlace;
use vocabulary::record::{Record, RecordKind, Recovered, VERSION};

/// The offsets at which whole batches end in the last segment of a home.
///
/// # Panics
/// If there is no record.
#[must_use]
pub fn end(home: &Path) -> (PathBuf, u64) {
    let at = Reader::open(home).expect("a record").records().map(|record| record.expect("it is whole").at).last().expect("a record");
    let path = home.join(format!("journal/{:08}.seg", at.segment));
    let bytes = std::fs::read(&path).expect("it is there");
    (path, bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
}

/// Adds small segments to the record of a home. Earlier runs are in the first segment.
///
/// # Panics
/// If there is no record, or the disk fails.
pub fn lengthen(place: &HomePlace) {
    let (path, bytes) = end(&place.home);
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(bytes)).expect("its space can be released");
    let options = Options { segment_bytes: 4096, ..Options::default() };
    let (journal, _) = Journal::open(&place.home, Some(&place.state), options).expect("it opens");
    for bytes in 0..30 {
        let filler: Record = Recovered { at: 1, bytes, kind: RecordKind::Recovered, v: VERSION }.into();
        journal.append(log_run(), filler.to_bytes(), Vec::new()).expect("it is taken").ticket.wait_blocking().expect("it is durable");
    }
    journal.close().expect("it closes");
}
