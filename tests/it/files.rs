//! Mounts: a guest can't leave them, can't change anything in them, and can open only files and folders; all looks are on the record.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use run::{RunOrder, RunReport};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::host::{TestHost, loopback, mount, printed};
use tests::server::{Server, Step, response};
use vocabulary::record::{Record, Touch};

use crate::ending::{done, lines, not_started, refusals};

/// Linux's flag for opening without waiting.
const O_NONBLOCK: i32 = 0o4000;

const SECRET: &str = "not for guests";

/// A folder with a secret in it, and beneath it the granted folder.
fn house_with_a_secret() -> (TempDir, std::path::PathBuf) {
    let outer = tempfile::tempdir().expect("a folder");
    fs::write(outer.path().join("secret"), SECRET).expect("a secret");
    fs::create_dir(outer.path().join("private")).expect("a folder");
    fs::write(outer.path().join("private/secret"), SECRET).expect("a secret");
    let root = outer.path().join("root");
    fs::create_dir_all(root.join("in/deep")).expect("a folder");
    fs::write(root.join("in/file"), "for guests").expect("a file");
    (outer, root)
}

fn order(host: &TestHost, guest: &str, args: &[&str], root: &Path) -> RunOrder {
    let mut order = host.order(guest, args);
    mount(&mut order, "/src", root);
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leaves_its_mount() {
    let host = TestHost::new();
    let (outer, root) = house_with_a_secret();
    let outside = outer.path().join("secret").to_str().unwrap().to_owned();
    symlink("../secret", root.join("up")).unwrap();
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../private", root.join("folder")).unwrap();
    symlink("in/../../secret", root.join("winding")).unwrap();
    symlink("up", root.join("twice")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("/proc/self/root", root.join("proc")).unwrap();
    symlink("/proc/self/cwd", root.join("cwd")).unwrap();
    let long = "a/".repeat(3000);
    let name = "a".repeat(300);
    let paths = [
        "..",
        "../",
        "../secret",
        "../root/../secret",
        "in/../../secret",
        "in/deep/../../../secret",
        "./../secret",
        ".//..//secret",
        "/../secret",
        "/",
        "//",
        &outside,
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "up",
        "up/",
        "up/.",
        "absolute",
        "twice",
        "winding",
        "folder/secret",
        "folder/../secret",
        "loop",
        "loop/secret",
        "proc/etc/passwd",
        "cwd",
        "..\\secret",
        "%2e%2e/secret",
        "%252e%252e/secret",
        "..%2fsecret",
        "\u{ff0e}\u{ff0e}/secret",
        "../secret\\0",
        "in/file\\0/../../secret",
        "",
        &long,
        &name,
        "in/file/",
        "in/file/.",
        "in/file/..",
        "in/file/../../../secret",
    ];
    let report = done(&host, order(&host, "escapes_mount", &paths, &root)).await;
    assert!(!printed(&report).contains(SECRET), "{}", printed(&report));
    assert!(!printed(&report).contains("root:"), "{}", printed(&report));
    for line in lines(&report) {
        for way in ["open", "follow", "directory", "stat", "hash"] {
            // Another spelling of a path inside is allowed. All other paths here lead outside, are links to the outside, or do not exist.
            let path = line["path"].as_str().unwrap();
            let unfollowed = way == "open" && matches!(path, "up" | "absolute" | "twice" | "winding" | "loop" | "cwd");
            assert!(line[way]["err"].is_string() || unfollowed && line[way]["ok"].is_string(), "{way} {line}");
        }
        assert!(line["std"]["err"].is_string(), "{line}");
    }
    let refused = refusals(&host, &report, "#open-at");
    assert!(refused.iter().any(|(resource, code)| resource.contains("../secret") && *code == "leaves-mount"), "{refused:?}");
    let read = report.evidence.touched.files.iter().filter(|file| file.what != Touch::Look);
    assert_eq!(read.map(|file| file.path.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_spellings_of_what_is_inside_are_the_same_thing() {
    let host = TestHost::new();
    let (_outer, root) = house_with_a_secret();
    symlink("in/file", root.join("inner")).unwrap();
    let paths = ["in/file", "./in//file", "in/deep/../file", "inner"];
    let report = done(&host, order(&host, "escapes_mount", &paths, &root)).await;
    for line in lines(&report) {
        assert!(line["follow"]["ok"]["begin"]["ok"].as_str().unwrap_or_default().contains("for guests"), "{line}");
        assert_eq!(line["stat"]["ok"], "DescriptorType::RegularFile", "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_swapped_while_it_is_followed_never_leaves() {
    let host = TestHost::new();
    let (outer, root) = house_with_a_secret();
    fs::write(root.join("in/secret"), "for guests").unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let (root, outside, ends) = (root.clone(), outer.path().join("private"), Arc::clone(&ends));
        move || {
            let mut swaps = 0_u64;
            while !ends.load(Ordering::Relaxed) {
                let target: &Path = if swaps.is_multiple_of(2) { &outside } else { Path::new("in") };
                symlink(target, root.join("new")).expect("a link");
                fs::rename(root.join("new"), root.join("door")).expect("it is put in its place");
                swaps += 1;
            }
            swaps
        }
    });
    let paths = ["door/secret"; 400];
    let report = done(&host, order(&host, "escapes_mount", &paths, &root)).await;
    ends.store(true, Ordering::Relaxed);
    assert!(swapping.join().unwrap() > 0);
    assert_eq!(lines(&report).len(), paths.len());
    assert!(!printed(&report).contains(SECRET), "it was read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_not_opened_and_blocks_nobody() {
    let host = TestHost::new();
    let (_outer, root) = house_with_a_secret();
    assert!(Command::new("mkfifo").arg(root.join("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    symlink("/dev/zero", root.join("zero")).unwrap();
    symlink("fifo", root.join("to-fifo")).unwrap();
    // Opening a FIFO for writing waits until it is opened for reading, which never happens here.
    let fifo = root.join("fifo");
    let waits = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::File::options().write(true).open(fifo).map(drop)
    });
    let mut order = order(&host, "opens_fifo", &["fifo", "socket", "zero", "to-fifo", "fifo/"], &root);
    order.limits.active_timeout_ms = 10_000;
    let report = done(&host, order).await;
    for line in lines(&report) {
        assert!(line["result"]["err"].is_string(), "{line}");
    }
    assert!(!waits.is_finished(), "it was opened");
    let _reader = fs::File::options().read(true).custom_flags(O_NONBLOCK).open(fifo).unwrap();
    waits.join().unwrap().unwrap();
    let codes: Vec<_> = refusals(&host, &report, "#open-at").into_iter().map(|(_, code)| code).collect();
    assert!(codes.contains(&"not-regular") && codes.contains(&"leaves-mount"), "{codes:?}");
}

fn contents(root: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let mut seen = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it can be listed").map(|entry| entry.expect("it is there")) {
            let meta = entry.metadata().expect("it is there");
            let path = entry.path();
            let bytes = if meta.is_file() { fs::read(&path).expect("it can be read") } else { Vec::new() };
            seen.push((path.display().to_string(), bytes, meta.modified().expect("it has a time")));
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    seen.sort();
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_a_mount_changes_and_each_try_is_on_the_record() {
    let host = TestHost::new();
    let (outer, root) = house_with_a_secret();
    let other = outer.path().join("other");
    fs::create_dir(&other).unwrap();
    let before = contents(outer.path());
    let mut order = order(&host, "tries_every_write", &["in/file", "in/deep"], &root);
    mount(&mut order, "/other", &other);
    let report = done(&host, order).await;
    assert_eq!(contents(outer.path()), before);
    let harmless = ["via-stream", " sync", " sync-data"];
    for line in lines(&report) {
        let call = line["call"].as_str().unwrap();
        if !harmless.iter().any(|harmless| call.ends_with(harmless)) {
            assert_eq!(line["result"], "not-permitted", "{line}");
        }
    }
    let refused: Vec<_> = host
        .records(report.run)
        .into_iter()
        .filter_map(|record| if let Record::Refused(refused) = record { Some(refused) } else { None })
        .collect();
    assert!(refused.iter().all(|refused| refused.reason == vocabulary::Reason::WriteNotGranted), "{refused:?}");
    let functions: std::collections::BTreeSet<_> = refused.iter().map(|refused| refused.ask.function.as_str().to_owned()).collect();
    let expected = [
        "create-directory-at",
        "link-at",
        "open-at",
        "remove-directory-at",
        "rename-at",
        "set-size",
        "set-times",
        "symlink-at",
        "unlink-file-at",
        "write",
    ];
    assert_eq!(functions, expected.iter().map(|name| format!("wasi:filesystem/types#{name}")).collect());
}

/// Sets fixed times for everything in a tree, including very old and very late ones.
fn dated(root: &Path) {
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 32);
    let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
    for (path, time) in [("in/file", early), ("linked", early), ("late", late), ("in", late)] {
        fs::File::open(root.join(path)).unwrap().set_modified(time).unwrap();
    }
}

/// The same without the hashes that identify an object within one run.
fn without_hashes(mut lines: Vec<Value>) -> Vec<Value> {
    for line in lines.iter_mut().filter_map(Value::as_object_mut) {
        assert!(["hash", "opened_hash"].iter().all(|name| line.remove(*name).is_some_and(|hash| hash.is_array())), "{line:?}");
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_tells_nothing_of_the_disk() {
    let host = TestHost::new();
    let ((_outer, root), (_other_outer, other)) = (house_with_a_secret(), house_with_a_secret());
    fs::hard_link(root.join("in/file"), root.join("linked")).unwrap();
    fs::copy(other.join("in/file"), other.join("linked")).unwrap();
    for root in [&root, &other] {
        fs::write(root.join("late"), "").unwrap();
        dated(root);
    }
    // Two trees that look the same to a guest but differ on the disk: in inodes, link counts and times of change.
    let real = [&root, &other].map(|root| fs::metadata(root.join("in/file")).unwrap());
    assert_ne!(real[0].ino(), real[1].ino());
    assert_eq!(real.map(|meta| meta.nlink()), [2, 1]);
    let args = ["in/file", "late", "linked", "in"];
    let seen = lines(&done(&host, order(&host, "reads_metadata", &args, &root)).await);
    let of_other = lines(&done(&host, order(&host, "reads_metadata", &args, &other)).await);
    assert_eq!(without_hashes(seen.clone()), without_hashes(of_other));

    assert_eq!(seen[0]["hash"], seen[0]["opened_hash"]);
    assert_eq!(seen[0]["hash"], seen[2]["hash"], "the same object has the same hash");
    assert_ne!(seen[0]["hash"], seen[1]["hash"]);
    // Another run has other hashes, because they are keyed by its seed.
    let again = lines(&done(&host, order(&host, "reads_metadata", &args, &root)).await);
    assert_ne!(seen[0]["hash"], again[0]["hash"]);
    assert_eq!(without_hashes(seen), without_hashes(again));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_offsets_and_lengths_size_nothing() {
    let host = TestHost::new();
    let (_outer, root) = house_with_a_secret();
    let report = done(&host, order(&host, "reads_odd_seeks", &["in/file"], &root)).await;
    assert_eq!(lines(&report).len(), 49);
    for line in lines(&report) {
        let (offset, length) = (line["offset"].as_u64().unwrap(), line["length"].as_u64().unwrap());
        let expected = 10_u64.saturating_sub(offset).min(length);
        let end = expected == 0 && length > 0;
        assert_eq!(line["read"]["ok"], format!("({expected}, {end})"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sparse_file_is_read_in_pieces() {
    let host = TestHost::new();
    let (_outer, root) = house_with_a_secret();
    fs::File::create(root.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let mut order = order(&host, "reads_one_file", &["/src/sparse", "3000000"], &root);
    order.limits.memory_bytes = 16 << 20;
    let report = done(&host, order).await;
    assert!(lines(&report)[0]["bytes"].as_u64().is_some_and(|bytes| (3_000_000..4_200_000).contains(&bytes)), "{}", printed(&report));
}

/// How much of a file was read, from each summary on the record.
fn read_of(host: &TestHost, report: &RunReport, path: &str) -> Vec<u64> {
    let records = host.records(report.run).into_iter();
    let objects =
        records.filter_map(|record| if let Record::Observed(observed) = record { Some(observed.objects) } else { None }).flatten();
    objects.filter(|object| object.what == Touch::File && object.path.as_str() == path).map(|object| object.amount).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_shrinks_while_it_is_read_ends_where_it_ends_then() {
    let host = TestHost::new();
    let (_outer, root) = house_with_a_secret();
    let file = root.join("in/file");
    // Cut the file behind what was read, and before that.
    for left in [1_500_000, 10] {
        fs::write(&file, vec![b'a'; 3_000_000]).unwrap();
        let cut = file.clone();
        // The file is cut exactly between two reads: the guest sends a request after its first read.
        let server = Server::answering(move |_, _| {
            fs::File::options().write(true).open(&cut).unwrap().set_len(left).unwrap();
            vec![Step::Say(response(200, b"it is cut"))]
        })
        .await;
        let mut order = order(&host, "reads_one_file", &["/src/in/file", "4000000", &server.url("/cut")], &root);
        loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
        let report = done(&host, order).await;
        assert_eq!(server.heard().len(), 1);
        let seen = &lines(&report)[0];
        let first = seen["first"].as_u64().unwrap();
        assert!((11..1_500_000).contains(&first), "{seen}");
        let whole = first.max(left);
        assert_eq!((seen["bytes"].as_u64(), &seen["err"]), (Some(whole), &Value::Null), "{seen}");
        let read = read_of(&host, &report, "/src/in/file");
        assert_eq!((read[0], read.iter().sum::<u64>()), (first, whole), "{read:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_files_are_a_readable_record() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    for folder in 0..20 {
        fs::create_dir(tree.path().join(folder.to_string())).unwrap();
        for file in 0..500 {
            fs::write(tree.path().join(format!("{folder}/{file}")), format!("{folder} {file}")).unwrap();
        }
    }
    let report = done(&host, order(&host, "reads_files", &["/src"], tree.path())).await;
    assert_eq!(lines(&report).len(), 10_000);
    assert!(report.evidence.record.entries < 200, "{}", report.evidence.record.entries);
    let (mut read, mut listed) = (0, 0);
    for record in host.records(report.run) {
        if let Record::Observed(observed) = record {
            read += observed.objects.iter().filter(|object| object.what == Touch::File && object.whole).count();
            listed += observed.objects.iter().filter(|object| object.what == Touch::Listing).count();
        }
    }
    assert_eq!((read, listed), (10_000, 21));
    // Many objects take few records and no extra syncs, since looks do not wait for the disk.
    let verified = journal::verify(&host.place().home, None, None, &mut |_| {});
    assert!(verified.holds() && verified.batches <= verified.size && verified.size < 200, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_tree_is_walked_or_refused_in_words() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    let mut deep = tree.path().to_owned();
    for _ in 0..100 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("end"), "end").unwrap();
    let report = done(&host, order(&host, "reads_files", &["/src"], tree.path())).await;
    assert!(printed(&report).contains("/end"), "{}", printed(&report));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mounts_are_what_was_granted_and_nothing_else() {
    let host = TestHost::new();
    let (outer, root) = house_with_a_secret();
    assert_eq!(lines(&done(&host, host.order("lists_mounts", &[])).await), Vec::<Value>::new());
    let mut order = order(&host, "lists_mounts", &[], &root);
    mount(&mut order, "/two", &outer.path().join("private"));
    let seen = lines(&done(&host, order).await);
    let mounts: Vec<_> = seen.iter().map(|line| &line["mount"]).collect();
    assert_eq!(mounts, [&json!("/src"), &json!("/two")]);
    assert!(seen.iter().all(|line| line["flags"] == "DescriptorFlags(READ)"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mount_that_is_not_there_or_no_folder_starts_nothing() {
    let host = TestHost::new();
    let (_outer, root) = house_with_a_secret();
    for name in ["nowhere", "in/file"] {
        let err = not_started(&host, order(&host, "reads_files", &["/src"], &root.join(name))).await;
        assert_eq!(err.exit(), 2, "{}", err.chain());
        assert!(err.chain().contains(name), "{}", err.chain());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_grows_for_ever_is_named_by_its_end_and_costs_no_more() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("d")).unwrap();
    fs::write(tree.path().join("secret"), "x").unwrap();
    for durable in [false, true] {
        let mut order = host.order("walks_in_circles", &["300"]);
        mount(&mut order, "/src", tree.path());
        order.durable = durable;
        let report = host.run(order).await;
        assert_eq!(report.outcome, vocabulary::Outcome::Done, "{report:?}");
        let files = &report.evidence.touched.files;
        assert!(files.iter().all(|file| file.path.as_str().len() <= 1100), "a path is bounded");
        let read = files.iter().filter(|file| file.path.as_str().ends_with("/secret") && file.amount == 1);
        assert_eq!(read.count(), 1, "the file that was read is named");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_not_utf8_are_on_the_record_though_no_guest_can_be_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("a"), "x").unwrap();
    fs::write(tree.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
    let mut order = host.order("reads_files", &["/src"]);
    mount(&mut order, "/src", tree.path());
    let report = host.run(order).await;
    let listed = report.evidence.touched.files.iter().find(|file| file.what == Touch::Listing).unwrap();
    assert_eq!((listed.amount, listed.untold), (1, 1));
}
