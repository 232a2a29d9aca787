//! Small logs, their frames, and disks that don't wait or that fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use vocabulary::{Digest, RunId};

use crate::disk::{Disk, RealDisk};
use crate::ids::HEADER_BYTES;
use crate::open::open_on;
use crate::scan::{Scanned, Scanner};
use crate::{Entry, Journal, OpenError, OpenedLog, Options, Payload, Reader, VerifyReport, verify};

/// A disk that never syncs. A process that dies leaves the same files behind as with syncs.
pub(crate) struct Hasty;

impl Disk for Hasty {
    fn create(&self, path: &Path) -> io::Result<File> {
        RealDisk.create(path)
    }
    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        RealDisk.allocate(file, bytes)
    }
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        RealDisk.write(file, bytes, at)
    }
    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()> {
        RealDisk.truncate(file, bytes)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Io,
    NoSpace,
    /// A write is short by half; the rest of it, and every later write, fails on a full disk.
    Short,
    /// A write is short by half, as after a signal.
    ShortOnce,
    /// A sync fails and the last write is lost, although the next sync would report success.
    Lost,
}

/// A disk whose operation number `at` fails, once.
pub(crate) struct Failing {
    pub(crate) at: usize,
    pub(crate) how: Failure,
    pub(crate) done: AtomicUsize,
    /// The position and the length of each write.
    pub(crate) writes: std::sync::Mutex<Vec<(u64, usize)>>,
    /// The limit for the length of a file.
    pub(crate) longest: AtomicU64,
}

impl Failing {
    pub(crate) fn new(at: usize, how: Failure) -> Arc<Self> {
        Arc::new(Self { at, how, done: AtomicUsize::new(0), writes: std::sync::Mutex::default(), longest: AtomicU64::new(u64::MAX) })
    }

    /// Refuses a write beyond the limit as a whole, as the system does.
    fn limit(&self, end: u64) -> io::Result<()> {
        if end > self.longest.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(27)) } else { Ok(()) }
    }

    pub(crate) fn failed(&self) -> bool {
        self.done.load(Ordering::SeqCst) > self.at
    }

    fn step(&self) -> io::Result<bool> {
        let now = self.done.fetch_add(1, Ordering::SeqCst) == self.at;
        match self.how {
            Failure::Io if now => Err(io::Error::from_raw_os_error(5)),
            Failure::NoSpace if now => Err(io::Error::from_raw_os_error(28)),
            Failure::Io | Failure::NoSpace | Failure::Short | Failure::ShortOnce | Failure::Lost => Ok(now),
        }
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.step()?;
        Hasty.create(path)
    }
    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.step()?;
        if bytes > file.metadata()?.len() {
            self.limit(bytes)?;
        }
        Hasty.allocate(file, bytes)
    }
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.writes.lock().unwrap().push((at, bytes.len()));
        let now = self.step()?;
        self.limit(at + bytes.len() as u64)?;
        if self.how == Failure::Short && self.failed() && !now {
            return Err(io::Error::from_raw_os_error(28));
        }
        let bytes = if now && matches!(self.how, Failure::Short | Failure::ShortOnce) { &bytes[..bytes.len() / 2] } else { bytes };
        Hasty.write(file, bytes, at)
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        if self.step()? && self.how == Failure::Lost {
            let (at, len) = *self.writes.lock().unwrap().last().unwrap();
            file.write_all_at(&vec![0; len], at)?;
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.step().map(drop)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        Hasty.rename(from, to)
    }
    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.step()?;
        Hasty.truncate(file, bytes)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Hasty.remove(path)
    }
    fn longest(&self) -> u64 {
        self.longest.load(Ordering::SeqCst)
    }
}

pub(crate) fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

/// Segments of one page.
pub(crate) fn small() -> Options {
    Options { segment_bytes: 4096, ..Options::default() }
}

pub(crate) fn open(home: &Path) -> (Journal, OpenedLog) {
    open_with(home, None, small()).unwrap()
}

pub(crate) fn open_with(home: &Path, state: Option<&Path>, options: Options) -> Result<(Journal, OpenedLog), OpenError> {
    open_on(Arc::new(Hasty), home, state, options)
}

/// Appends one record and waits for it.
pub(crate) fn put(journal: &Journal, run: RunId, body: &str) -> Digest {
    let appended = journal.append(run, body.into(), Vec::new()).unwrap();
    appended.ticket.wait_blocking().unwrap();
    appended.leaf
}

/// Three batches: two records of two runs with a payload between them, one record, two records.
pub(crate) fn sample(home: &Path, state: Option<&Path>) {
    let (journal, _) = open_with(home, state, small()).unwrap();
    journal.open_run_key(run(1)).unwrap();
    journal.open_run(run(2)).unwrap();
    let with_payload = Entry { payloads: vec![Payload(b"secret".to_vec())], ..Entry::new(run(1), b"a1".to_vec()) };
    let first = journal.append_all(vec![with_payload, Entry::new(run(2), b"b1".to_vec())]).unwrap();
    first[0].ticket.wait_blocking().unwrap();
    put(&journal, run(1), "a2");
    let last = Entry { ends: true, ..Entry::new(run(1), b"a3".to_vec()) };
    journal.append_all(vec![Entry::new(run(2), b"b2".to_vec()), last]).unwrap()[0].ticket.wait_blocking().unwrap();
    journal.close().unwrap();
}

pub(crate) fn segment(home: &Path, number: u32) -> PathBuf {
    crate::segment::path(&crate::segment::folder(home), number)
}

pub(crate) fn forget_index(home: &Path) {
    std::fs::remove_file(home.join("journal.index")).unwrap();
}

pub(crate) fn check(home: &Path, state: Option<&Path>) -> VerifyReport {
    verify(home, None, state, &mut |_| {})
}

pub(crate) fn bodies(home: &Path) -> Vec<String> {
    let records = Reader::open(home).unwrap().records();
    records.map(|record| String::from_utf8(record.unwrap().body).unwrap()).collect()
}

/// A frame of a segment: its position, the number of leaves before it in the log, and its batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: u8,
    pub(crate) leaves: u64,
    pub(crate) batch: usize,
}

/// All frames of the first segment.
pub(crate) fn frames(home: &Path) -> Vec<Place> {
    let mut scanner = Scanner::new(File::open(segment(home, 1)).unwrap(), HEADER_BYTES as u64);
    let (mut places, mut leaves, mut batch) = (Vec::new(), 0, 0);
    while scanner.advance().unwrap() == Scanned::Batch {
        let found = scanner.batch();
        let base = usize::try_from(found.start).unwrap();
        for span in found.frames {
            let (start, end) = (base + span.start(), base + span.content.end);
            places.push(Place { start, end, kind: span.kind, leaves, batch });
            leaves += u64::from(span.is_leaf());
        }
        batch += 1;
    }
    places
}

/// Replaces bytes of the first segment. What follows is shifted.
pub(crate) fn splice(home: &Path, range: std::ops::Range<usize>, with: &[u8]) {
    let path = segment(home, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.splice(range, with.iter().copied());
    std::fs::write(path, bytes).unwrap();
}

pub(crate) fn bytes(home: &Path) -> Vec<u8> {
    std::fs::read(segment(home, 1)).unwrap()
}

/// Changes one byte of a file in place.
pub(crate) fn flip(path: &Path, at: usize, mask: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    byte[0] ^= mask;
    file.write_all_at(&byte, at as u64).unwrap();
}

/// Copies a home, which may be in use: a file that is being written aside may be gone after it was listed, since it gets its name by a
/// rename.
pub(crate) fn copy(from: &Path, to: &Path) {
    home::make_folder(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            match std::fs::copy(entry.path(), target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}
