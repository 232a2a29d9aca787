//! The record: a segment whose bytes somebody has changed. An auditor may be given such a file.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use journal::{Journal, Options, Payload, PublicKey, Reader, public_key, verify};
use vocabulary::{Digest, RunId};

/// The length of the header of the segment, which comes before the first batch and is not changed.
const HEADER_BYTES: usize = 64;
/// The bytes before the content of a frame: its length, and a checksum over both.
const HEAD_BYTES: usize = 8;

const EDIT_BYTES: usize = 6;
/// BOUND: more changes would only make the segment longer, and test nothing new.
const EDITS_MAX: usize = 200;

/// A home whose segment is overwritten for each input, and its original content.
struct Home {
    folder: PathBuf,
    key: PublicKey,
    header: Vec<u8>,
    batches: Vec<u8>,
    leaves: Vec<Digest>,
}

fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let folder = crate::scratch();
        let options = Options { segment_bytes: 64 << 10, ..Options::default() };
        let (journal, _) = Journal::open(&folder, None, options).expect("the home can be made");
        for (n, batch) in [(1, 1), (2, 3)] {
            let run = RunId::from_bytes([n; 16]);
            journal.open_run_key(run).expect("the run is new");
            for n in 0..batch {
                let payloads = vec![Payload(vec![n; 8]); usize::from(n)];
                let last = journal.append(run, format!("record {n}").into_bytes(), payloads).expect("the record fits");
                last.ticket.wait_blocking().expect("there is room");
            }
        }
        journal.close().expect("there is room");
        let key = public_key(&folder).expect("the key was made");
        let mut leaves = Vec::new();
        assert!(verify(&folder, Some(&key), None, &mut |leaf| leaves.push(leaf.leaf)).holds());
        let mut header = std::fs::read(segment(&folder)).expect("the segment was made");
        let mut batches = header.split_off(HEADER_BYTES);
        batches.truncate(batches.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        // Derived files would only be compared with the segment, so they are removed.
        let names = std::fs::read_dir(&folder).expect("the folder was made").map(|entry| entry.expect("the entry can be read").path());
        names.filter(|path| path.extension().is_some_and(|extension| extension == "index")).for_each(|path| {
            std::fs::remove_file(path).expect("the file can be removed");
        });
        Home { folder, key, header, batches, leaves }
    })
}

fn segment(folder: &Path) -> PathBuf {
    folder.join("journal/00000001.seg")
}

/// Inputs that change nothing, that change a byte in each tenth, and that cut, copy or move a part.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let flips = (0..100_u8).flat_map(|tenth| [0, tenth.wrapping_mul(41), tenth / 10, 0, 0, tenth]);
    let parts = [[1, 82, 1, 68, 0, 0], [2, 82, 1, 68, 1, 0], [3, 0, 0, 80, 1, 1]];
    let mut seeds = vec![vec![0], vec![1], flips.collect()];
    seeds.extend(parts.iter().map(|edit| [&[1], edit.as_slice()].concat()));
    seeds
}

/// If the first byte is odd, the checksums are corrected at the end. After that byte, every six bytes describe one change of the batches.
/// The input is not the segment itself, since the log has another name and another key in each process.
///
/// # Panics
/// Anything that was not signed is returned as a record.
pub fn frame(bytes: &[u8]) {
    let Some((first, edits)) = bytes.split_first() else { return };
    let home = home();
    let mut batches = home.batches.clone();
    for change in edits.as_chunks::<EDIT_BYTES>().0.iter().take(EDITS_MAX) {
        edit(&mut batches, *change);
    }
    if first % 2 == 1 {
        mend_checksums(&mut batches);
    }
    std::fs::write(segment(&home.folder), [home.header.as_slice(), &batches].concat()).expect("there is room");

    let mut seen = Vec::new();
    let report = verify(&home.folder, Some(&home.key), None, &mut |leaf| seen.push(leaf.leaf));
    assert!(home.leaves.starts_with(&seen), "a record that was not signed was returned");
    assert!(report.size <= home.leaves.len() as u64, "more records were counted than there are");
    assert!(batches != home.batches || report.holds(), "the unchanged record does not verify");

    let Ok(reader) = Reader::of_what_is_whole(&home.folder, None) else { return };
    let read: Vec<_> = reader.records().map_while(Result::ok).map(|record| (place(record.at), record.leaf)).collect();
    // After damage, nothing in the same segment can be proved; the reported damage says so. The position of a record is certain, but its
    // number is not: it is counted from a checkpoint after the damage. Reading may continue before the byte that was found broken, since a
    // checkpoint says where its batch begins.
    let unproved = reader.damage().into_iter().flat_map(|damage| [Some(damage.fault.at), damage.until]).flatten();
    let proved = unproved.map(place).min().unwrap_or((u32::MAX, 0));
    let before = read.iter().filter(|(at, _)| *at < proved).map(|(_, leaf)| leaf);
    assert!(home.leaves.iter().zip(before.clone()).all(|(signed, leaf)| signed == leaf), "a record that was not signed was read");
    assert!(before.count() <= home.leaves.len(), "more records were read than there are");
}

fn place(at: journal::Position) -> (u32, u64) {
    (at.segment, at.offset)
}

/// Makes one change: the kind of the change, its position, the number of bytes, and the target position or the new byte.
fn edit(batches: &mut Vec<u8>, [what, low, high, count, to, byte]: [u8; EDIT_BYTES]) {
    let place = |low, high| usize::from(u16::from_le_bytes([low, high])).min(batches.len());
    let start = place(low, high);
    let end = start.saturating_add(count.into()).min(batches.len());
    match what % 5 {
        0 => {
            if let Some(at) = batches.get_mut(start) {
                *at = byte;
            }
        }
        1 => {
            batches.drain(start..end);
        }
        2 => {
            let part: Vec<u8> = batches.get(start..end).unwrap_or_default().to_vec();
            let to = place(to, byte);
            batches.splice(to..to, part);
        }
        3 => {
            let part: Vec<u8> = batches.drain(start..end).collect();
            let to = usize::from(u16::from_le_bytes([to, byte])).min(batches.len());
            batches.splice(to..to, part);
        }
        _ => batches.truncate(start),
    }
}

/// Corrects the checksum of each frame, as far as the frames can be parsed, so that the code after the checksum is reached.
fn mend_checksums(mut bytes: &mut [u8]) {
    while let Some((head, rest)) = bytes.split_first_chunk_mut::<HEAD_BYTES>() {
        let [a, b, c, d, ..] = *head;
        let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let Some((content, after)) = rest.split_at_mut_checked(size) else { return };
        let [e, f, g, h] = crc32c::crc32c_append(crc32c::crc32c(&[a, b, c, d]), content).to_le_bytes();
        *head = [a, b, c, d, e, f, g, h];
        bytes = after;
    }
}
