//! Files of a held home are removed, moved, replaced or written by others: nothing that was acknowledged is overwritten.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use home::Ground;

use super::kit::{Hasty, bodies, check, copy, open_with, put, run, segment, small};
use crate::disk::Disk;
use crate::memory::home_memory_path;
use crate::open::open_on;
use crate::{AppendError, FailedStep, Journal, OpenError, Options, state_path};

struct Home {
    home: PathBuf,
    state: PathBuf,
    journal: Journal,
    _folder: tempfile::TempDir,
}

/// A held home, with three records of a run that has a key.
fn held() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let (home, state) = (folder.path().join("home"), folder.path().join("state"));
    let (journal, _) = open_with(&home, Some(&state), small()).unwrap();
    journal.open_run_key(run(1)).unwrap();
    ["one", "two", "three"].iter().for_each(|body| _ = put(&journal, run(1), body));
    Home { home, state, journal, _folder: folder }
}

impl Home {
    fn put(&self, body: &str) -> Result<(), AppendError> {
        Ok(self.journal.append(run(1), body.into(), Vec::new())?.ticket.wait_blocking()?)
    }

    /// Checks that the writer stops with these words, and writes nothing more.
    #[track_caller]
    fn stops(&self, words: &str) {
        let Err(AppendError::Broken(broken)) = self.put("four") else { panic!("the writer did not stop") };
        let said = format!("{}", broken.cause.as_ref().unwrap());
        assert_eq!(broken.step, FailedStep::Exchanged, "{said}");
        assert!(said.contains(words), "{said}");
        assert!(self.put("five").is_err() && self.journal.clone().close().is_err());
    }

    /// Checks that everything that was acknowledged is there, and that the home can be used.
    #[track_caller]
    fn goes_on(&self) {
        let (journal, opened) = open_with(&self.home, Some(&self.state), small()).unwrap();
        assert_eq!(opened.size, 3);
        put(&journal, run(1), "after");
        journal.close().unwrap();
        assert_eq!(bodies(&self.home), ["one", "two", "three", "after"]);
        assert!(check(&self.home, None).holds());
    }

    fn second(&self) -> Result<(Journal, crate::OpenedLog), OpenError> {
        open_with(&self.home, Some(&self.state), small())
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_second_one_is_refused_though_the_lock_is_removed_or_replaced() {
    for replaced in [false, true] {
        let home = held();
        fs::remove_file(home.home.join("lock")).unwrap();
        if replaced {
            write(&home.home.join("lock"), b"");
        }
        assert!(matches!(home.second(), Err(OpenError::Held { .. })), "the segment that grows is locked as well");
        fs::remove_file(home.home.join("lock")).unwrap();
        home.stops("lock` is no longer there");
        home.goes_on();
    }
    let home = held();
    home.put("the control").unwrap();
    assert_eq!(home.journal.size(), 4);
}

#[test]
fn the_lock_on_the_segment_that_grows_goes_along_when_there_is_a_next_one() {
    let home = held();
    let long = "x".repeat(900);
    (0..12).for_each(|_| home.put(&long).unwrap());
    assert!(segment(&home.home, 3).exists());
    fs::remove_file(home.home.join("lock")).unwrap();
    assert!(matches!(home.second(), Err(OpenError::Held { .. })));
    drop(home.journal.clone().close());
    assert_eq!(home.second().unwrap().1.size, 15);
}

#[test]
fn a_writer_whose_lock_is_another_file_stops() {
    let home = held();
    // The lock file of the second process stays, although that process was refused.
    fs::remove_file(home.home.join("lock")).unwrap();
    assert!(home.second().is_err());
    home.stops("lock` was replaced by another file");
    home.goes_on();
}

#[test]
fn a_segment_that_is_moved_or_removed_stops_the_writer() {
    let home = held();
    let (at, away) = (segment(&home.home, 1), home.home.join("away"));
    fs::rename(&at, &away).unwrap();
    home.stops("00000001.seg` is no longer there");
    fs::rename(&away, &at).unwrap();
    home.goes_on();
    // Another file counts as replaced even if it has the same bytes.
    let home = held();
    let bytes = fs::read(segment(&home.home, 1)).unwrap();
    fs::remove_file(segment(&home.home, 1)).unwrap();
    write(&segment(&home.home, 1), &bytes);
    home.stops("00000001.seg` was replaced by another file");
    home.goes_on();
}

#[test]
fn the_folder_of_the_log_exchanged_stops_the_writer_and_a_second_one_begins_nothing_in_its_place() {
    let home = held();
    let (at, away) = (home.home.join("journal"), home.home.join("away"));
    fs::rename(&at, &away).unwrap();
    fs::remove_file(home.home.join("lock")).unwrap();
    assert!(matches!(home.second(), Err(OpenError::Behind { size: 0, known: 3, .. })), "second state remembers it");
    home.stops("lock` was replaced by another file");
    fs::remove_dir_all(&at).unwrap();
    fs::rename(&away, &at).unwrap();
    home.goes_on();
}

#[test]
fn what_another_machine_has_written_is_not_overwritten() {
    // The lock of the other process is not seen here, so it has written to the same file.
    let home = held();
    let other = home.home.with_file_name("other");
    copy(&home.home, &other);
    let (journal, _) = open_with(&other, None, small()).unwrap();
    put(&journal, run(1), "by the other");
    journal.close().unwrap();
    let theirs = fs::read(segment(&other, 1)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(segment(&home.home, 1)).unwrap();
    file.write_all_at(&theirs, 0).unwrap();
    home.stops("has bytes of somebody else");
    assert_eq!(bodies(&home.home), ["one", "two", "three", "by the other"]);
    let (journal, opened) = home.second().unwrap();
    assert_eq!(opened.size, 4);
    journal.close().unwrap();
    // Another process has begun the next segment.
    let home = held();
    write(&segment(&home.home, 2), b"");
    home.stops("00000002.seg` was begun by somebody else");
    // The end of what was written has changed; or the file is longer than was reserved.
    let home = held();
    let end = super::kit::frames(&home.home).last().unwrap().end;
    super::kit::flip(&segment(&home.home, 1), end - 2, 1);
    home.stops("does not end with what was written to it last");
    let home = held();
    fs::OpenOptions::new().write(true).open(segment(&home.home, 1)).unwrap().set_len(9000).unwrap();
    home.stops("does not have the length");
}

#[test]
fn second_state_removed_replaced_or_written_by_another_stops_the_writer() {
    let path = |home: &Home| state_path(&home.state, home.journal.log());
    let home = held();
    let bytes = fs::read(path(&home)).unwrap();
    fs::remove_file(path(&home)).unwrap();
    home.stops("is no longer there");
    write(&path(&home), &bytes);
    home.goes_on();

    let home = held();
    let bytes = fs::read(path(&home)).unwrap();
    fs::remove_file(path(&home)).unwrap();
    write(&path(&home), &bytes);
    home.stops("was replaced by another file");
    home.goes_on();

    let home = held();
    let bytes = fs::read(path(&home)).unwrap();
    // A copy of the home is used beside it, with the same second state, and does not see this home, as in another container.
    let other = home.home.with_file_name("other");
    copy(&home.home, &other);
    assert!(matches!(open_with(&other, Some(&home.state), small()), Err(OpenError::Copy { .. })), "a copy that sees this home is refused");
    fs::remove_file(crate::seat::seat_path(&home.state, home.journal.log())).unwrap();
    let (journal, _) = open_with(&other, Some(&home.state), small()).unwrap();
    put(&journal, run(1), "by the other");
    home.stops("does not hold what was written to it last");
    journal.close().unwrap();
    fs::write(path(&home), bytes).unwrap();
    fs::remove_dir_all(&other).unwrap();
    home.goes_on();
}

#[test]
fn the_keys_of_runs_removed_or_grown_stop_the_writer() {
    let home = held();
    let path = home.home.join("keys");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    home.stops("keys` is no longer there");
    write(&path, &bytes);
    home.goes_on();
    let home = held();
    fs::OpenOptions::new().write(true).open(home.home.join("keys")).unwrap().set_len(256).unwrap();
    home.stops("keys` does not have the length");
}

#[test]
fn a_writer_that_stopped_leaves_no_index_of_what_is_not_there() {
    let mut home = held();
    home.journal.snapshot(b"folded".to_vec()).unwrap();
    home.journal.clone().close().unwrap();
    home.journal = home.second().unwrap().0;
    let before = fs::read(home.home.join("journal.index")).unwrap();
    home.put("four").unwrap();
    let (at, away) = (segment(&home.home, 1), home.home.join("away"));
    fs::rename(&at, &away).unwrap();
    home.journal.snapshot(b"folded again".to_vec()).unwrap();
    assert!(home.journal.clone().close().is_err() || home.journal.broken().is_some());
    assert_eq!(fs::read(home.home.join("journal.index")).unwrap(), before);
    fs::rename(&away, &at).unwrap();
    assert_eq!(home.second().unwrap().1.size, 4);
}

/// A disk on this kind of file system. Once, while it syncs a file, it calls `meanwhile`.
struct On {
    kind: u64,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

fn on(kind: u64) -> Arc<On> {
    Arc::new(On { kind, meanwhile: Mutex::new(None) })
}

impl Disk for On {
    fn create(&self, path: &Path) -> std::io::Result<fs::File> {
        Hasty.create(path)
    }
    fn allocate(&self, file: &fs::File, bytes: u64) -> std::io::Result<()> {
        Hasty.allocate(file, bytes)
    }
    fn write(&self, file: &fs::File, bytes: &[u8], at: u64) -> std::io::Result<usize> {
        Hasty.write(file, bytes, at)
    }
    fn sync(&self, file: &fs::File) -> std::io::Result<()> {
        if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
            meanwhile();
        }
        Hasty.sync(file)
    }
    fn sync_folder(&self, path: &Path) -> std::io::Result<()> {
        Hasty.sync_folder(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        Hasty.rename(from, to)
    }
    fn truncate(&self, file: &fs::File, bytes: u64) -> std::io::Result<()> {
        Hasty.truncate(file, bytes)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        Hasty.remove(path)
    }
    fn ground(&self, _: &Path) -> std::io::Result<Ground> {
        Ok(Ground::of(self.kind))
    }
}

#[test]
fn a_home_that_other_machines_share_is_refused_unless_its_kind_is_named() {
    const NFS: u64 = 0x6969;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let named = |name: &str| Options { file_systems: vec![name.to_owned()], ..small() };
    for options in [small(), named("ext4"), named("fuse")] {
        let refused = open_on(on(NFS), &home, None, options);
        assert!(matches!(refused, Err(OpenError::Unfit { kind: "nfs", .. })), "{refused:?}");
        assert!(!home.exists(), "nothing was made");
    }
    assert!(open_on(on(NFS), &home, None, named("nfs")).is_ok());
    // For fleeting, weak or unknown file systems, only `doctor` warns.
    for kind in [0xEF53, 0x0102_1994, 0x794C_7630, 0x4D44, 1] {
        assert!(open_on(on(kind), &home, None, small()).is_ok(), "{kind:x}");
    }
}

#[test]
fn the_memory_of_a_home_is_beside_that_of_its_log() {
    let home = held();
    assert!(home_memory_path(&home.state, &home.home).exists() && state_path(&home.state, home.journal.log()).exists());
}

/// A process is stopped while it syncs a batch. Meanwhile, a copy of the log replaces the log, and another process continues the copy.
#[test]
fn a_batch_is_not_acknowledged_if_the_log_was_exchanged_while_it_was_synced() {
    const EXT4: u64 = 0xEF53;
    let folder = tempfile::tempdir().unwrap();
    let (home, state) = (folder.path().join("home"), folder.path().join("state"));
    let disk = on(EXT4);
    let (journal, _) = open_on(disk.clone(), &home, Some(&state), small()).unwrap();
    let put = |text: &str| journal.append(crate::log_run(), text.as_bytes().to_vec(), Vec::new()).unwrap().ticket.wait_blocking();
    put("one").unwrap();
    let remembered = |log| crate::remembered(&state_path(&state, log)).unwrap().map(|known| known.size);
    let at = segment(&home, 1);
    let copy = fs::read(&at).unwrap();
    *disk.meanwhile.lock().unwrap() = Some(Box::new(move || {
        fs::remove_file(&at).unwrap();
        write(&at, &copy);
    }));
    let broken = put("two").unwrap_err();
    assert_eq!(broken.step, FailedStep::Exchanged);
    assert!(broken.cause.as_ref().unwrap().to_string().contains("was replaced by another file"), "{broken:?}");
    assert_eq!(remembered(journal.log()), Some(1), "second state has not been changed");
}
