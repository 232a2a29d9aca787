//! Views and commits of real folders.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and changes the folder from outside"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use vocabulary::{ChangeOpen, DiffKind, FileFault, FilesMode, Reason, RunId};

use super::*;
use crate::fault::StageFault;
use crate::overlay::{Listed, NodeId, Overlay, OverlayBounds};

const ROOT: NodeId = Overlay::ROOT;
const AT: u64 = 1_700_000_000_000_000_000;
const NEW: ChangeOpen = ChangeOpen { create: true, directory: false, exclusive: false, follow: true, truncate: false, write: true };

struct Bench {
    _dir: tempfile::TempDir,
    home: StageHome,
    folder: PathBuf,
    run: RunId,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (home, folder) = (dir.path().join("home"), dir.path().join("tree"));
        home::make_folder(&home).unwrap();
        fs::create_dir(&folder).unwrap();
        Self { home: StageHome::new(&home), folder, run: RunId::from_parts(1, [7; 10]), _dir: dir }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let bench = Self::new();
        files.iter().for_each(|(path, text)| bench.put(path, text));
        bench
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn view(&self) -> Overlay {
        self.bounded(OverlayBounds { changes: 200_000, bytes: 1 << 30, listing: 200_000 })
    }

    fn bounded(&self, bounds: OverlayBounds) -> Overlay {
        Overlay::new(Root::at(&self.folder).unwrap(), self.blobs(), bounds, false).unwrap()
    }

    fn blobs(&self) -> Root {
        self.home.blobs(self.run, 0).unwrap()
    }

    fn plan(&self, view: &Overlay) -> Option<Plan> {
        view.plan((0, "/w", FilesMode::Stage)).unwrap()
    }

    fn commit(&self, view: &Overlay) -> Result<FilesAnswer, CommitError> {
        self.commit_with(view, &mut |_| Ok(())).unwrap()
    }

    fn commit_with(&self, view: &Overlay, between: Between<'_>) -> Result<Result<FilesAnswer, CommitError>, Killed> {
        let root = Root::at(&self.folder).unwrap();
        let target = Target { folder: &self.folder, root: &root, of: (self.run, 0), state: None };
        apply_with(&self.home, &target, &self.plan(view).unwrap(), (&view.blobs.folder, between))
    }

    /// Everything in the folder: the content of files, the targets of links, `/` for folders.
    fn tree(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&self.folder).unwrap().to_string_lossy().into_owned();
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_symlink() {
                    found.insert(name, fs::read_link(&path).unwrap().to_string_lossy().into_owned());
                } else if meta.is_dir() {
                    found.insert(name, "/".to_owned());
                    folders.push(path);
                } else {
                    found.insert(name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
                }
            }
        }
        found
    }
}

fn write(view: &mut Overlay, path: &str, text: &str) {
    let (file, _) = view.open_to_change(ROOT, path, ChangeOpen { truncate: true, ..NEW }, AT).unwrap();
    view.write(file, None, text.as_bytes(), AT).unwrap();
    view.close(file);
}

fn read(view: &mut Overlay, path: &str) -> String {
    let (file, _) = view.open(ROOT, path, (true, false)).unwrap();
    let bytes = view.read(file, 0, 65_536).unwrap();
    view.close(file);
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn names(view: &mut Overlay, path: &str) -> Vec<String> {
    let (dir, _) = view.open(ROOT, path, (true, true)).unwrap();
    let Listed::Names(entries, _) = view.list(dir).unwrap() else { panic!("too many") };
    view.close(dir);
    entries.into_iter().map(|entry| entry.name).collect()
}

fn tree(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// Changes of every kind.
fn change_everything(view: &mut Overlay) {
    write(view, "new", "n\n");
    write(view, "changed", "after\n");
    view.unlink(ROOT, "gone", AT).unwrap();
    view.rename((ROOT, "old"), (ROOT, "d/moved"), AT).unwrap();
    view.make_folder(ROOT, "made", AT).unwrap();
    write(view, "made/in", "i");
    view.unlink(ROOT, "e/last", AT).unwrap();
    view.remove_folder(ROOT, "e", AT).unwrap();
    view.make_link(ROOT, "made/link", "../changed", AT).unwrap();
    view.rename((ROOT, "swap-a"), (ROOT, "tmp"), AT).unwrap();
    view.rename((ROOT, "swap-b"), (ROOT, "swap-a"), AT).unwrap();
    view.rename((ROOT, "tmp"), (ROOT, "swap-b"), AT).unwrap();
    view.rename((ROOT, "f"), (ROOT, "g"), AT).unwrap();
    write(view, "temp", "replaced\n");
    view.rename((ROOT, "temp"), (ROOT, "target"), AT).unwrap();
}

const BEFORE: &[(&str, &str)] = &[
    ("changed", "before\n"),
    ("gone", "x"),
    ("old", "o"),
    ("d/stays", "s"),
    ("e/last", "l"),
    ("swap-a", "A"),
    ("swap-b", "B"),
    ("f/one", "1"),
    ("f/deep/two", "2"),
    ("target", "first\n"),
];

fn after() -> BTreeMap<String, String> {
    tree(&[
        ("changed", "after\n"),
        ("d", "/"),
        ("d/moved", "o"),
        ("d/stays", "s"),
        ("g", "/"),
        ("g/deep", "/"),
        ("g/deep/two", "2"),
        ("g/one", "1"),
        ("made", "/"),
        ("made/in", "i"),
        ("made/link", "../changed"),
        ("new", "n\n"),
        ("swap-a", "B"),
        ("swap-b", "A"),
        ("target", "replaced\n"),
    ])
}

#[test]
fn the_folder_is_as_it_was_until_the_commit_and_then_as_the_run_saw_it() {
    let bench = Bench::with(BEFORE);
    let before = bench.tree();
    let mut view = bench.view();
    change_everything(&mut view);
    assert_eq!(bench.tree(), before, "nothing is changed before the commit");
    assert_eq!(read(&mut view, "made/link"), "after\n");
    assert_eq!(names(&mut view, "."), ["changed", "d", "g", "made", "new", "swap-a", "swap-b", "target"]);
    let inode = fs::metadata(bench.folder.join("old")).unwrap().ino();
    let counts = bench.commit(&view).unwrap().counts;
    assert_eq!(bench.tree(), after());
    assert_eq!(fs::metadata(bench.folder.join("d/moved")).unwrap().ino(), inode, "what is only moved is the same file");
    assert!(counts.created >= 4 && counts.changed >= 2 && counts.removed >= 2 && counts.moved >= 3, "{counts}");
}

#[test]
fn a_commit_that_is_cut_off_anywhere_is_finished_or_taken_back_as_a_whole() {
    let steps = {
        let (bench, mut count) = (Bench::with(BEFORE), 0);
        let mut view = bench.view();
        change_everything(&mut view);
        bench
            .commit_with(&view, &mut |_| {
                count += 1;
                Ok(())
            })
            .unwrap()
            .unwrap();
        count
    };
    assert!(steps > 20, "{steps}");
    let (mut finished, mut back) = (0, 0);
    for cut in 0..steps {
        let bench = Bench::with(BEFORE);
        let before = bench.tree();
        let mut view = bench.view();
        change_everything(&mut view);
        let mut at = 0;
        let killed = bench.commit_with(&view, &mut |_| {
            at += 1;
            if at > cut { Err(Killed) } else { Ok(()) }
        });
        assert!(killed.is_err(), "cut {cut}");
        assert_eq!(recover(&bench.home), Vec::<String>::new(), "cut {cut}");
        let now = bench.tree();
        if now == before {
            back += 1;
            assert!(committed(&bench.home, bench.run, 0).is_none(), "cut {cut}");
        } else {
            finished += 1;
            assert_eq!(now, after(), "cut {cut}");
            assert!(committed(&bench.home, bench.run, 0).is_some(), "cut {cut}");
        }
        assert_eq!(recover(&bench.home), Vec::<String>::new(), "recovering twice changes nothing");
        assert_eq!(bench.tree(), now);
    }
    assert!(finished > 0 && back > 0, "{finished} {back}");
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten_and_nothing_is_done() {
    let disturb: &[(&str, &dyn Fn(&Bench))] = &[
        ("changed", &|bench| bench.put("changed", "theirs\n")),
        ("gone", &|bench| bench.put("gone", "theirs")),
        ("new", &|bench| bench.put("new", "theirs")),
        ("e", &|bench| bench.put("e/theirs", "theirs")),
        ("old", &|bench| fs::remove_file(bench.folder.join("old")).unwrap()),
        ("d", &|bench| {
            fs::rename(bench.folder.join("d"), bench.folder.join("elsewhere")).unwrap();
            symlink("elsewhere", bench.folder.join("d")).unwrap();
        }),
    ];
    for (what, disturb) in disturb {
        let bench = Bench::with(BEFORE);
        let mut view = bench.view();
        change_everything(&mut view);
        let plan = bench.plan(&view).unwrap();
        disturb(&bench);
        let theirs = bench.tree();
        let root = Root::at(&bench.folder).unwrap();
        let target = Target { folder: &bench.folder, root: &root, of: (bench.run, 0), state: None };
        let refused = apply(&bench.home, &target, &plan, &view.blobs.folder);
        assert!(matches!(refused, Err(CommitError::Conflict(_))), "{what}: {refused:?}");
        assert_eq!(bench.tree(), theirs, "{what}");
    }
}

#[test]
fn what_is_exchanged_between_the_check_and_the_step_is_put_back() {
    let bench = Bench::with(&[("a", "before"), ("b", "before")]);
    let mut view = bench.view();
    write(&mut view, "a", "after");
    view.unlink(ROOT, "b", AT).unwrap();
    let done = bench.commit_with(&view, &mut |phase| {
        if phase == "noted" {
            fs::write(bench.folder.join("x"), "theirs").unwrap();
            fs::rename(bench.folder.join("x"), bench.folder.join("a")).unwrap();
        }
        Ok(())
    });
    assert!(matches!(done, Ok(Err(CommitError::Conflict(_)))), "{done:?}");
    assert_eq!(bench.tree(), tree(&[("a", "theirs"), ("b", "before")]));
}

#[test]
fn a_file_that_changed_after_the_run_read_it_is_a_conflict_also_if_it_is_written_later() {
    let bench = Bench::with(&[("a", "one")]);
    let mut view = bench.view();
    assert_eq!(read(&mut view, "a"), "one");
    bench.put("a", "two, by somebody else");
    write(&mut view, "a", "three");
    assert!(matches!(view.plan((0, "/w", FilesMode::Stage)), Err(CommitError::Conflict(_))));
}

#[test]
fn no_path_and_no_link_leads_out_of_the_mount() {
    let bench = Bench::with(&[("d/f", "x")]);
    symlink("/etc", bench.folder.join("abs")).unwrap();
    symlink("../..", bench.folder.join("d/up")).unwrap();
    let mut view = bench.view();
    let left = StageFault::Refused(Reason::LeavesMount);
    for path in ["../x", "abs/passwd", "d/up/x", "/etc/passwd", "d/../../x"] {
        assert_eq!(view.open_to_change(ROOT, path, NEW, AT), Err(left.clone()), "{path}");
        assert_eq!(view.open(ROOT, path, (true, false)), Err(left.clone()), "{path}");
    }
    assert_eq!(view.make_link(ROOT, "l", "../x", AT), Err(left.clone()));
    assert_eq!(view.make_link(ROOT, "d/l", "/etc", AT), Err(left.clone()));
    assert_eq!(view.make_link(ROOT, "d/l", "../f", AT), Ok(()), "the control");
    // A link that is moved may point elsewhere than before.
    view.rename((ROOT, "d/l"), (ROOT, "l"), AT).unwrap();
    assert!(matches!(view.plan((0, "/w", FilesMode::Stage)), Err(CommitError::LinkLeaves(_))));
    assert_eq!(view.open_to_change(ROOT, ".bailiwick-stage-x", NEW, AT), Err(StageFault::Refused(Reason::WriteNotGranted)));
}

#[test]
fn bytes_and_changes_are_bounded_and_sparse_sizes_count_as_what_they_seem() {
    let bench = Bench::with(&[("big", "0123456789")]);
    let mut view = bench.bounded(OverlayBounds { changes: 3, bytes: 16, listing: 10 });
    let full = Err(StageFault::Fault(FileFault::NoSpace));
    let (file, _) = view.open_to_change(ROOT, "a", NEW, AT).unwrap();
    assert_eq!(view.resize(file, 1 << 40, AT), full);
    assert_eq!(view.write(file, Some(u64::MAX), b"x", AT), full);
    assert_eq!(view.write(file, Some(16), b"x", AT), full);
    assert_eq!(view.write(file, None, b"0123456", AT), Ok(()));
    let (big, _) = view.open_to_change(ROOT, "big", ChangeOpen { create: false, ..NEW }, AT).unwrap();
    assert_eq!(view.write(big, None, b"x", AT), full, "a copy of it counts");
    assert_eq!(view.resize(file, 0, AT), Ok(()));
    assert_eq!(view.write(big, None, b"x", AT), Ok(()));
    view.make_folder(ROOT, "c", AT).unwrap();
    assert_eq!(view.make_folder(ROOT, "d", AT), full);
    assert_eq!(read(&mut view, "big"), "0123456789x");
}

#[test]
fn a_file_keeps_its_mode_but_no_bit_that_runs_it_as_somebody_else() {
    let bench = Bench::with(&[("tool", "a\n"), ("plain", "a\n")]);
    fs::set_permissions(bench.folder.join("tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(bench.folder.join("plain"), fs::Permissions::from_mode(0o640)).unwrap();
    let mut view = bench.view();
    for path in ["tool", "plain", "made"] {
        write(&mut view, path, "b\n");
    }
    let plan = bench.plan(&view).unwrap();
    let tool = plan.ask.changes.iter().find(|change| change.path == "tool").unwrap();
    assert_eq!((tool.before.as_ref().unwrap().mode, tool.after.as_ref().unwrap().mode, tool.kind()), (0o4755, 0o755, DiffKind::Changed));
    bench.commit(&view).unwrap();
    let mode = |path: &str| fs::metadata(bench.folder.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("tool"), mode("plain"), mode("made")], [0o755, 0o640, 0o644]);
}

#[test]
fn names_that_are_no_text_keep_their_folder_from_being_removed_or_moved() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::with(&[("d/a", "x")]);
    fs::write(bench.folder.join("d").join(OsStr::from_bytes(b"\xff")), "hidden").unwrap();
    let mut view = bench.view();
    view.unlink(ROOT, "d/a", AT).unwrap();
    assert_eq!(view.remove_folder(ROOT, "d", AT), Err(FileFault::NotEmpty.into()));
    assert_eq!(view.rename((ROOT, "d"), (ROOT, "e"), AT), Err(FileFault::Unsupported.into()));
    let (dir, _) = view.open(ROOT, "d", (true, true)).unwrap();
    assert_eq!(view.list(dir).unwrap(), Listed::Names(Vec::new(), 1));
}

#[test]
fn what_is_removed_while_it_is_open_can_still_be_used_and_is_not_committed() {
    let bench = Bench::with(&[("a", "x")]);
    let mut view = bench.view();
    let (file, _) = view.open_to_change(ROOT, "journal", NEW, AT).unwrap();
    view.write(file, None, b"kept", AT).unwrap();
    view.unlink(ROOT, "journal", AT).unwrap();
    assert_eq!(&*view.read(file, 0, 10).unwrap(), b"kept");
    view.close(file);
    assert!(!view.is_changed(), "nothing is left of it");
    assert!(bench.plan(&view).is_none());
}

#[test]
fn the_difference_of_texts_is_shown_line_by_line_and_of_everything_else_by_digests() {
    let bench = Bench::with(&[("t", "one\ntwo\nthree\n"), ("gone", "bye\n")]);
    fs::write(bench.folder.join("bin"), b"\0\x01").unwrap();
    let mut view = bench.view();
    write(&mut view, "t", "one\n2\nthree\n");
    write(&mut view, "bin", "\0\u{2}");
    view.unlink(ROOT, "gone", AT).unwrap();
    let text = bench.plan(&view).unwrap().ask.text;
    assert!(text.contains("-two\n+2\n") && text.contains("--- a/t\n+++ b/t\n"), "{text}");
    assert!(text.contains("# changed `bin`: no text") && text.contains("-bye\n") && text.contains("+++ /dev/null"), "{text}");
    assert_eq!(bench.plan(&view).unwrap().ask, bench.plan(&view).unwrap().ask, "the same changes give the same text");
}

#[test]
fn a_view_made_again_by_the_same_asks_gives_the_same_commit() {
    let bench = Bench::with(BEFORE);
    let mut plans = Vec::new();
    for _ in 0..2 {
        let mut view = bench.view();
        change_everything(&mut view);
        plans.push(bench.plan(&view).unwrap().ask);
    }
    assert_eq!(plans[0], plans[1]);
}

#[test]
fn a_hundred_thousand_files_are_committed_and_one_more_is_refused() {
    let bench = Bench::new();
    let mut view = bench.bounded(OverlayBounds { changes: 100_000, bytes: 1 << 30, listing: 200_000 });
    for folder in 0..100 {
        view.make_folder(ROOT, &format!("d{folder}"), AT).unwrap();
        for file in 0..999 {
            let (id, _) = view.open_to_change(ROOT, &format!("d{folder}/f{file}"), NEW, AT).unwrap();
            view.close(id);
        }
    }
    assert_eq!(view.make_folder(ROOT, "more", AT), Err(FileFault::NoSpace.into()));
    assert_eq!(bench.commit(&view).unwrap().counts.created, 100_000);
    assert_eq!(fs::read_dir(bench.folder.join("d99")).unwrap().count(), 999);
    assert_eq!(fs::read_dir(&bench.folder).unwrap().count(), 100, "nothing of the commit's own is left");
}

#[test]
fn of_two_commits_to_an_agents_folder_that_began_with_the_same_version_only_one_is_done() {
    let bench = Bench::new();
    let state = bench.home.state("agent", "key").unwrap();
    let began = state.version().unwrap();
    let bounds = OverlayBounds { changes: 10, bytes: 100, listing: 10 };
    let runs: Vec<RunId> = (1..3).map(|n| RunId::from_parts(n, [1; 10])).collect();
    let mut done = Vec::new();
    let mut views: Vec<Overlay> =
        runs.iter().map(|run| Overlay::new(state.root(), bench.home.blobs(*run, 0).unwrap(), bounds, true).unwrap()).collect();
    for (n, view) in views.iter_mut().enumerate() {
        write(view, &format!("file-{n}"), "x");
    }
    let root = state.root();
    for (run, view) in runs.iter().zip(&mut views) {
        let after = view.version().unwrap();
        let plan = view.plan((0, "/state", FilesMode::State)).unwrap().unwrap();
        let target = Target { folder: state.path(), root: &root, of: (*run, 0), state: Some((&state, began)) };
        done.push(apply(&bench.home, &target, &plan, &view.blobs.folder).map(|_| after));
    }
    assert!(matches!(done[..], [Ok(_), Err(CommitError::Conflict(_))]), "{done:?}");
    assert_eq!(done[0].as_ref().unwrap(), &state.version().unwrap(), "the version is the one that was committed");
}
