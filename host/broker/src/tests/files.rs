//! Paths that a guest may ask for, and what no path reaches.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use vocabulary::{AskedPath, ChangeKind, Digest, FileAnswer, FileAsk, FileFault, FileId, FileKind, FileOpen, Limits, Reason, Stop};

use super::kit::{Home, done, header, live, mount};
use crate::Mounts;
use crate::files::Files;
use effects::Observation;

const ROOT: FileId = FileId(1);

/// An observation with its own permit.
trait ObserveNow {
    fn observe_now(&mut self, ask: &FileAsk) -> Result<Observation, Stop>;
}

impl ObserveNow for Files {
    fn observe_now(&mut self, ask: &FileAsk) -> Result<Observation, Stop> {
        let (bounds, run) = (vocabulary::Bounds::default(), vocabulary::RunId::from_parts(1, [0; 10]));
        self.observe(permit::issue(permit::PermitParts { ask: ask.clone(), bounds, op: vocabulary::OpId(0), run }))
    }
}

fn files(root: &Path, limits: Limits) -> Files {
    let header = header(mount(root), limits);
    let mounts = Mounts::open(&header.spec.grants).unwrap();
    Files::new(header.spec, mounts, &[9; 32])
}

fn open_at(dir: FileId, path: &str, follow: bool, directory: bool) -> FileAsk {
    FileAsk::Open(FileOpen { dir, directory, follow, path: AskedPath::new(path).unwrap() })
}

fn open(path: &str) -> FileAsk {
    open_at(ROOT, path, true, false)
}

fn opened(files: &mut Files, ask: &FileAsk) -> FileId {
    match files.observe_now(ask).unwrap().answer {
        FileAnswer::Opened { file, .. } => file,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(files: &mut Files, ask: &FileAsk, reason: &Reason) {
    let observed = files.observe_now(ask).unwrap();
    assert_eq!(observed.answer, FileAnswer::Fault(FileFault::NotPermitted), "{ask:?}");
    assert_eq!(observed.refused.as_ref(), Some(reason), "{ask:?}");
}

#[track_caller]
fn faulty(files: &mut Files, ask: &FileAsk, fault: FileFault) {
    let observed = files.observe_now(ask).unwrap();
    assert_eq!((observed.answer, observed.refused), (FileAnswer::Fault(fault), None), "{ask:?}");
}

/// `root` is the mount. Beside it are files that must not be reached.
fn lot() -> tempfile::TempDir {
    let lot = tempfile::tempdir().unwrap();
    let root = lot.path().join("root");
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::write(lot.path().join("secret"), b"secret").unwrap();
    fs::write(root.join("a.txt"), b"hello").unwrap();
    fs::write(root.join("sub/b.txt"), b"below").unwrap();
    symlink("a.txt", root.join("near")).unwrap();
    symlink("../secret", root.join("out")).unwrap();
    symlink("/etc/passwd", root.join("abs")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("../a.txt", root.join("sub/back")).unwrap();
    symlink("round", root.join("round")).unwrap();
    lot
}

#[test]
fn paths_that_leave_the_mount_are_refused() {
    let lot = lot();
    let mut files = files(&lot.path().join("root"), Limits::default());
    for path in ["..", "../secret", "sub/../../secret", "/etc/passwd", "/", "out", "abs", "up/secret", "up", "sub/../..", "./../secret"] {
        refused(&mut files, &open(path), &Reason::LeavesMount);
        let path = AskedPath::new(path).unwrap();
        refused(&mut files, &FileAsk::StatAt { dir: ROOT, path, follow: true }, &Reason::LeavesMount);
    }
    let sub = opened(&mut files, &open("sub"));
    refused(&mut files, &open_at(sub, "../a.txt", true, false), &Reason::LeavesMount);
    refused(&mut files, &open_at(sub, "back", true, false), &Reason::LeavesMount);
    refused(&mut files, &FileAsk::ReadLink { dir: ROOT, path: AskedPath::new("abs").unwrap() }, &Reason::LeavesMount);
}

#[test]
fn paths_within_the_mount_are_opened() {
    let lot = lot();
    let mut files = files(&lot.path().join("root"), Limits::default());
    for path in ["a.txt", "./a.txt", "sub/../a.txt", "near", "sub//b.txt", "sub/back"] {
        let file = opened(&mut files, &open(path));
        let read = files.observe_now(&FileAsk::Read { file, offset: 0, len: 5 }).unwrap().answer;
        assert!(matches!(&read, FileAnswer::Bytes(bytes) if bytes.len() == 5), "{path} {read:?}");
    }
    let link = files.observe_now(&FileAsk::ReadLink { dir: ROOT, path: AskedPath::new("near").unwrap() }).unwrap().answer;
    assert_eq!(link, FileAnswer::Link("a.txt".to_owned()));
}

#[test]
fn what_is_not_there_or_of_another_kind_is_told_as_such() {
    let lot = lot();
    let mut files = files(&lot.path().join("root"), Limits::default());
    faulty(&mut files, &open("nothing"), FileFault::NotFound);
    faulty(&mut files, &open("a.txt/"), FileFault::NotDirectory);
    faulty(&mut files, &open("a.txt/x"), FileFault::NotDirectory);
    faulty(&mut files, &open_at(ROOT, "a.txt", true, true), FileFault::NotDirectory);
    faulty(&mut files, &open_at(ROOT, "near", false, false), FileFault::Loop);
    faulty(&mut files, &open("round"), FileFault::Loop);
    faulty(&mut files, &open(&"n".repeat(300)), FileFault::NameTooLong);
    faulty(&mut files, &FileAsk::Read { file: FileId(77), offset: 0, len: 1 }, FileFault::Invalid);
    faulty(&mut files, &FileAsk::Read { file: ROOT, offset: 0, len: 1 }, FileFault::IsDirectory);
    let file = opened(&mut files, &open("a.txt"));
    faulty(&mut files, &open_at(file, "x", true, false), FileFault::NotDirectory);
    assert_eq!(files.observe_now(&FileAsk::Close { file }).unwrap().answer, FileAnswer::Closed);
    faulty(&mut files, &FileAsk::Read { file, offset: 0, len: 1 }, FileFault::Invalid);
    faulty(&mut files, &FileAsk::Close { file }, FileFault::Invalid);
}

#[test]
fn fifos_sockets_and_devices_are_never_opened() {
    let lot = lot();
    let root = lot.path().join("root");
    rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(root.join("sock")).unwrap();
    let mut mine = files(&root, Limits::default());
    refused(&mut mine, &open("fifo"), &Reason::NotRegular);
    refused(&mut mine, &open("sock"), &Reason::NotRegular);
    let mut devices = files(Path::new("/dev"), Limits::default());
    refused(&mut devices, &open("null"), &Reason::NotRegular);
    refused(&mut devices, &open("zero"), &Reason::NotRegular);
}

#[test]
fn views_of_the_system_are_neither_mounted_nor_opened_beneath_a_mount() {
    for pseudo in ["/proc", "/proc/self", "/sys"] {
        let err = Mounts::open(&header(mount(&fs::canonicalize(pseudo).unwrap()), Limits::default()).spec.grants).unwrap_err();
        assert!(matches!(err.cause, crate::MountFault::Pseudo), "{pseudo}: {err:?}");
    }
    let mut files = files(Path::new("/"), Limits::default());
    for path in ["proc/self/status", "proc/1/status", "proc/self", "sys/kernel"] {
        let observed = files.observe_now(&open(path)).unwrap();
        let never = observed.refused == Some(Reason::NotRegular) || observed.refused == Some(Reason::LeavesMount);
        assert!(never, "{path}: {observed:?}");
    }
    // Links that only the system has lead nowhere.
    for path in ["proc/self/root/etc/passwd", "proc/self/cwd/Cargo.toml", "proc/self/exe", "proc/self/fd/0"] {
        let observed = files.observe_now(&open(path)).unwrap();
        assert!(!matches!(observed.answer, FileAnswer::Opened { .. }), "{path}: {observed:?}");
    }
    opened(&mut files, &open("etc/passwd"));
}

#[test]
fn a_mount_that_became_a_link_is_not_opened() {
    let lot = lot();
    let granted = lot.path().join("root");
    let grants = header(mount(&granted), Limits::default()).spec.grants.clone();
    assert!(Mounts::open(&grants).is_ok());
    fs::rename(&granted, lot.path().join("moved")).unwrap();
    symlink("moved", &granted).unwrap();
    let err = Mounts::open(&grants).unwrap_err();
    assert!(matches!(&err.cause, crate::MountFault::Moved(to) if to.ends_with("moved")), "{err:?}");
}

#[test]
fn a_directory_that_becomes_a_link_meanwhile_never_leads_out() {
    let lot = lot();
    let root = lot.path().join("root");
    fs::create_dir(lot.path().join("outside")).unwrap();
    fs::write(lot.path().join("outside/f"), b"outside").unwrap();
    fs::create_dir(root.join("inside")).unwrap();
    fs::write(root.join("inside/f"), b"inside!").unwrap();
    symlink("../outside", root.join("link")).unwrap();
    symlink("inside", root.join("swap")).unwrap();
    let stop = AtomicBool::new(false);
    let (mut read, mut refused) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // `inside` is a directory, then a link that leads out, then a directory again.
                let at = rustix::fs::CWD;
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(at, root.join("inside"), at, root.join("link"), flags).unwrap();
            }
        });
        let mut files = files(&root, Limits::default());
        // It continues until both sides of the swap were seen. Before that, the test proves nothing.
        for tries in 0..200_000 {
            if tries >= 10_000 && !read.is_empty() && refused > 0 {
                break;
            }
            let Ok(observed) = files.observe_now(&open("inside/f")) else { break };
            refused += usize::from(observed.refused == Some(Reason::LeavesMount));
            if let FileAnswer::Opened { file, .. } = observed.answer {
                read.push(files.observe_now(&FileAsk::Read { file, offset: 0, len: 16 }).map(|observed| observed.answer));
                let _ = files.observe_now(&FileAsk::Close { file });
            }
        }
        // Nothing is asserted before this point, because the other thread would then never end.
        stop.store(true, Ordering::Relaxed);
    });
    assert!(!read.is_empty() && refused > 0, "{} were opened, {refused} led out: the swap was never met", read.len());
    let outside: Vec<_> = read.iter().filter(|read| **read != Ok(FileAnswer::Bytes(bytes::Bytes::from_static(b"inside!")))).collect();
    assert!(outside.is_empty(), "{} of {}: {:?}", outside.len(), read.len(), outside.first());
}

#[test]
fn nothing_can_be_changed() {
    let lot = lot();
    let mut files = files(&lot.path().join("root"), Limits::default());
    for function in [ChangeKind::OpenAt, ChangeKind::Write, ChangeKind::UnlinkFileAt, ChangeKind::SymlinkAt, ChangeKind::RenameAt] {
        let ask = FileAsk::Change { function, file: ROOT, path: AskedPath::new("a.txt") };
        refused(&mut files, &ask, &Reason::WriteNotGranted);
    }
    assert_eq!(fs::read(lot.path().join("root/a.txt")).unwrap(), b"hello");
}

#[test]
fn a_large_listing_is_sorted_whole_and_bounded() {
    let lot = tempfile::tempdir().unwrap();
    for n in 0..10_000 {
        fs::write(lot.path().join(format!("f{}", (n * 7919) % 10_000)), b"").unwrap();
    }
    use std::os::unix::ffi::OsStrExt as _;
    fs::write(lot.path().join(std::ffi::OsStr::from_bytes(b"\xff")), b"").unwrap();
    let mut all = files(lot.path(), Limits::default());
    let FileAnswer::List { entries, unreadable } = all.observe_now(&FileAsk::List { dir: ROOT }).unwrap().answer else { panic!("no list") };
    assert_eq!((entries.len(), unreadable), (10_000, 1));
    assert!(entries.is_sorted_by(|left, right| left.name.as_bytes() < right.name.as_bytes()));
    assert!(entries.iter().all(|entry| entry.kind == FileKind::File));
    let mut few = files(lot.path(), Limits { listing_entries: 9_999, ..Limits::default() });
    assert_eq!(few.observe_now(&FileAsk::List { dir: ROOT }), Err(Stop::Limit(vocabulary::Limit::ListingEntries)));
}

#[test]
fn only_so_many_files_are_open_at_once() {
    let lot = lot();
    let mut files = files(&lot.path().join("root"), Limits { files_open: 3, ..Limits::default() });
    let first = opened(&mut files, &open("a.txt"));
    opened(&mut files, &open("a.txt"));
    opened(&mut files, &open("sub"));
    faulty(&mut files, &open("a.txt"), FileFault::TooManyOpen);
    files.observe_now(&FileAsk::Close { file: first }).unwrap();
    assert_eq!(opened(&mut files, &open("a.txt")), FileId(5));
}

#[test]
fn identity_is_the_same_for_the_same_file_and_tells_nothing_of_the_disk() {
    use std::os::unix::fs::MetadataExt as _;
    let lot = lot();
    let root = lot.path().join("root");
    let mut mine = files(&root, Limits::default());
    let mut stat = |path: &str| {
        let path = AskedPath::new(path).unwrap();
        match mine.observe_now(&FileAsk::StatAt { dir: ROOT, path, follow: true }).unwrap().answer {
            FileAnswer::Stat(stat) => stat,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(stat("a.txt").identity, stat("near").identity);
    assert_ne!(stat("a.txt").identity, stat("sub/b.txt").identity);
    assert_eq!((stat("a.txt").size, stat("sub").size), (5, 0));
    let inode = fs::metadata(root.join("a.txt")).unwrap().ino();
    assert!(!stat("a.txt").identity.contains(&inode));
    fs::File::open(root.join("a.txt")).unwrap().set_modified(std::time::UNIX_EPOCH - std::time::Duration::from_secs(5)).unwrap();
    assert_eq!(stat("a.txt").modified_ns, 0);
}

#[test]
fn reads_are_whole_up_to_the_end_wherever_they_begin() {
    let lot = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..200_001u32).map(|n| n.to_le_bytes()[0]).collect();
    fs::write(lot.path().join("f"), &content).unwrap();
    let mut files = files(lot.path(), Limits::default());
    let file = opened(&mut files, &open("f"));
    for (offset, len) in [(0u64, 65_536u32), (199_990, 65_536), (200_001, 10), (1 << 60, 10), (5, 1), (0, u32::MAX), (u64::MAX, 8)] {
        let FileAnswer::Bytes(bytes) = files.observe_now(&FileAsk::Read { file, offset, len }).unwrap().answer else { panic!("no bytes") };
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let to = content.len().min(from + usize::try_from(len).unwrap().min(65_536));
        assert_eq!(bytes, content[from..to], "{offset} {len}");
    }
    // It grows while it is open.
    fs::write(lot.path().join("f"), content.repeat(2)).unwrap();
    let FileAnswer::Bytes(bytes) = files.observe_now(&FileAsk::Read { file, offset: 200_000, len: 1000 }).unwrap().answer else {
        panic!("no bytes")
    };
    assert_eq!(bytes.len(), 1000);
}

#[tokio::test]
async fn a_file_read_from_start_to_end_is_on_the_record_with_its_digest() {
    use vocabulary::Door as _;
    let lot = lot();
    let content = vec![7u8; 150_000];
    fs::write(lot.path().join("root/big"), &content).unwrap();
    let home = Home::new();
    let gate = home.open(header(mount(&lot.path().join("root")), Limits::default()));
    let mut world = live(&gate, None);
    let FileAnswer::Opened { file, .. } = world.observe(open("big")).unwrap() else { panic!("not opened") };
    let mut at = 0;
    while let FileAnswer::Bytes(bytes) = world.observe(FileAsk::Read { file, offset: at, len: 65_536 }).unwrap() {
        at += bytes.len() as u64;
        if bytes.is_empty() {
            break;
        }
    }
    assert_eq!(world.observe(open("../secret")), Ok(FileAnswer::Fault(FileFault::NotPermitted)));
    gate.close(done()).await.unwrap();
    let bodies = home.bodies(gate.header().run).join("\n");
    let digest = Digest::of(&content);
    let object = format!(r#"{{"amount":150000,"digest":"{digest}","path":"/src/big","times":1,"what":"file","whole":true}}"#);
    assert!(bodies.contains(&object), "{bodies}");
    assert!(bodies.contains("leaves-mount"));
    let touched = gate::Touched::of_run(&home.journal.reader().unwrap(), gate.header().run, journal::Position::start()).unwrap();
    assert_eq!((touched.files.len(), touched.files[0].amount, touched.refused.len()), (1, 150_000, 1));
}
