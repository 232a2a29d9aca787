//! Calls the functions that WASI 0.2 has for a command, also those that fail, and prints the result of each call under its own name.

use guests::{Value, args_from, file_outcome, json, mount, outcome, say, stream_end};
use wasip2::cli::{environment, stderr, stdin, stdout, terminal_stdin, terminal_stdout};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Advice, Descriptor, DescriptorFlags, DescriptorStat, ErrorCode, NewTimestamp, OpenFlags, PathFlags};
use wasip2::io::poll::poll;
use wasip2::random::{insecure, insecure_seed, random};

fn saw(what: &str, saw: Value) {
    say(json!({ "what": what, "saw": saw }));
}

fn main() {
    surroundings();
    clocks();
    streams();
    let root = mount();
    looks(&root);
    odd_paths(&root);
    changes(&root);
    reads(&root);
}

fn surroundings() {
    saw("args", json!(args_from(1)));
    saw("env", json!(environment::get_environment()));
    saw("cwd", json!(environment::initial_cwd()));
    saw("terminals", json!([terminal_stdin::get_terminal_stdin().is_some(), terminal_stdout::get_terminal_stdout().is_some()]));
    saw("random", json!([random::get_random_bytes(0).len(), random::get_random_bytes(33).len()]));
    saw("random-differs", json!(random::get_random_u64() != random::get_random_u64()));
    saw("insecure", json!([insecure::get_insecure_random_bytes(5).len(), insecure_seed::insecure_seed() == insecure_seed::insecure_seed()]));
}

fn clocks() {
    let (one, other) = (monotonic_clock::now(), monotonic_clock::now());
    saw("monotonic", json!(one <= other));
    saw("monotonic-resolution", json!(monotonic_clock::resolution()));
    let wall = wall_clock::now();
    saw("wall", json!([wall.seconds > 1_700_000_000, wall.nanoseconds < 1_000_000_000]));
    let resolution = wall_clock::resolution();
    saw("wall-resolution", json!([resolution.seconds, resolution.nanoseconds]));
    let past = monotonic_clock::subscribe_instant(0);
    past.block();
    saw("past-is-ready", json!(past.ready()));
    let (soon, late) = (monotonic_clock::subscribe_duration(1_000_000), monotonic_clock::subscribe_duration(3_600_000_000_000));
    saw("poll-of-several", json!(poll(&[&late, &soon])));
    saw("poll-of-one-twice", json!(poll(&[&soon, &late, &soon])));
    saw("late-is-ready", json!(late.ready()));
    let before = monotonic_clock::now();
    monotonic_clock::subscribe_duration(2_000_000).block();
    saw("waited", json!(monotonic_clock::now() - before >= 2_000_000));
}

fn streams() {
    let input = stdin::get_stdin();
    saw("stdin-read-0", outcome(input.read(0).map_err(stream_end)));
    saw("stdin-blocking-read", outcome(input.blocking_read(4).map_err(stream_end)));
    saw("stdin-skip", outcome(input.blocking_skip(2).map_err(stream_end)));
    saw("stdin-rest", outcome(input.blocking_read(100).map_err(stream_end)));
    saw("stdin-at-end", outcome(input.blocking_read(100).map_err(stream_end)));
    saw("stdin-read-at-end", outcome(input.read(1).map_err(stream_end)));
    saw("stdin-read-0-at-end", outcome(input.read(0).map_err(stream_end)));
    let end = input.subscribe();
    end.block();
    saw("stdin-ready-at-end", json!(end.ready()));
    let output = stdout::get_stdout();
    saw("stdout-room", json!(output.check_write().is_ok_and(|room| room > 0)));
    saw("stdout-nothing", outcome(output.write(b"").map_err(stream_end)));
    saw("stdout-flush", outcome(output.blocking_flush().map_err(stream_end)));
    saw("stdout-ready", json!(output.subscribe().ready()));
    let error = stderr::get_stderr();
    saw("stderr-write", outcome(error.blocking_write_and_flush(b"a word\n").map_err(stream_end)));
    saw("stderr-zeroes", outcome(error.blocking_write_zeroes_and_flush(3).map_err(stream_end)));
}

/// Leaves out the size of folders, which means nothing, and times and link counts, which depend on the disk.
fn shown(stat: DescriptorStat) -> String {
    format!("{:?}, {} bytes", stat.type_, if format!("{:?}", stat.type_).contains("Directory") { 0 } else { stat.size })
}

fn open(root: &Descriptor, path: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    root.open_at(PathFlags::SYMLINK_FOLLOW, path, open, flags)
}

fn looks(root: &Descriptor) {
    saw("mounts", json!(get_directories().iter().map(|(_, path)| path).collect::<Vec<_>>()));
    saw("root-type", file_outcome(root.get_type()));
    saw("root-flags", file_outcome(root.get_flags()));
    saw("root-stat", file_outcome(root.stat().map(shown)));
    for path in ["file", "empty", "folder", "link", "dangling", "none", "file/below", "folder/../file", "./file"] {
        saw(&format!("stat {path}"), file_outcome(root.stat_at(PathFlags::empty(), path).map(shown)));
        saw(&format!("stat-follow {path}"), file_outcome(root.stat_at(PathFlags::SYMLINK_FOLLOW, path).map(shown)));
        saw(&format!("open {path}"), file_outcome(open(root, path, OpenFlags::empty(), DescriptorFlags::READ).and_then(|file| file.get_type())));
        saw(&format!("readlink {path}"), file_outcome(root.readlink_at(path)));
    }
    let mut names = Vec::new();
    let listing = root.read_directory().expect("a folder is listed");
    while let Ok(Some(entry)) = listing.read_directory_entry() {
        names.push(format!("{} {:?}", entry.name, entry.type_));
    }
    names.sort();
    saw("listing", json!(names));
    saw("listing-after-its-end", file_outcome(listing.read_directory_entry().map(|entry| entry.is_some())));
    let file = open(root, "file", OpenFlags::empty(), DescriptorFlags::READ).expect("it opens");
    let again = open(root, "link", OpenFlags::empty(), DescriptorFlags::READ).expect("it opens");
    saw("listing-of-file", file_outcome(file.read_directory().map(drop)));
    saw("file-flags", file_outcome(file.get_flags()));
    saw("same", json!([file.is_same_object(&again), file.is_same_object(root)]));
    let hash = |hash: Result<wasip2::filesystem::types::MetadataHashValue, ErrorCode>| hash.map(|hash| (hash.lower, hash.upper)).ok();
    saw("hash-of-same", json!(hash(file.metadata_hash()) == hash(again.metadata_hash())));
    saw("hash-at", json!(hash(file.metadata_hash()) == hash(root.metadata_hash_at(PathFlags::SYMLINK_FOLLOW, "link"))));
    saw("hash-of-other", json!(hash(file.metadata_hash()) == hash(root.metadata_hash())));
    saw("hash-of-none", file_outcome(root.metadata_hash_at(PathFlags::empty(), "none").map(drop)));
    saw("stat-from-file", file_outcome(file.stat_at(PathFlags::empty(), "x").map(shown)));
    saw("open-from-file", file_outcome(open(&file, "x", OpenFlags::empty(), DescriptorFlags::READ).map(drop)));
}

fn odd_paths(root: &Descriptor) {
    let long = "a".repeat(300);
    let paths = ["", ".", "..", "/", "/file", "../x", "up", "absolute", "file/", "folder/", "a\0b", "folder/./../folder/inner", &long];
    for path in paths {
        let shown_path = if path.len() > 100 { "long".to_owned() } else { format!("{path:?}") };
        saw(&format!("stat odd {shown_path}"), file_outcome(root.stat_at(PathFlags::SYMLINK_FOLLOW, path).map(shown)));
        let opened = open(root, path, OpenFlags::empty(), DescriptorFlags::READ);
        saw(&format!("open odd {shown_path}"), file_outcome(opened.and_then(|file| file.get_type())));
    }
    let nofollow = root.open_at(PathFlags::empty(), "link", OpenFlags::empty(), DescriptorFlags::READ);
    saw("open link unfollowed", file_outcome(nofollow.map(drop)));
    saw("open file as folder", file_outcome(open(root, "file", OpenFlags::DIRECTORY, DescriptorFlags::READ).map(drop)));
    saw("open folder as folder", file_outcome(open(root, "folder", OpenFlags::DIRECTORY, DescriptorFlags::READ).map(drop)));
    saw("open without rights", file_outcome(open(root, "file", OpenFlags::empty(), DescriptorFlags::empty()).map(drop)));
}

/// The mount is for reading only: each of these must fail.
fn changes(root: &Descriptor) {
    let write = DescriptorFlags::READ | DescriptorFlags::WRITE;
    saw("open to write", file_outcome(open(root, "file", OpenFlags::empty(), write).map(drop)));
    saw("create", file_outcome(open(root, "new", OpenFlags::CREATE, write).map(drop)));
    saw("create what is there", file_outcome(open(root, "file", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, write).map(drop)));
    saw("truncate", file_outcome(open(root, "file", OpenFlags::TRUNCATE, write).map(drop)));
    saw("unlink", file_outcome(root.unlink_file_at("file")));
    saw("unlink none", file_outcome(root.unlink_file_at("none")));
    saw("remove folder", file_outcome(root.remove_directory_at("folder")));
    saw("make folder", file_outcome(root.create_directory_at("new")));
    saw("make link", file_outcome(root.symlink_at("file", "new")));
    saw("rename", file_outcome(root.rename_at("file", root, "new")));
    saw("hard link", file_outcome(root.link_at(PathFlags::empty(), "file", root, "new")));
    saw("times at", file_outcome(root.set_times_at(PathFlags::empty(), "file", NewTimestamp::Now, NewTimestamp::Now)));
    let file = open(root, "file", OpenFlags::empty(), DescriptorFlags::READ).expect("it opens");
    saw("write", file_outcome(file.write(b"x", 0)));
    saw("set size", file_outcome(file.set_size(0)));
    saw("times", file_outcome(file.set_times(NewTimestamp::Now, NewTimestamp::Now)));
    saw("write stream", file_outcome(file.write_via_stream(0).map(drop)));
    saw("append stream", file_outcome(file.append_via_stream().map(drop)));
    saw("sync", file_outcome(file.sync()));
    saw("sync data", file_outcome(file.sync_data()));
    saw("sync root", file_outcome(root.sync()));
}

fn reads(root: &Descriptor) {
    let file = open(root, "file", OpenFlags::empty(), DescriptorFlags::READ).expect("it opens");
    for (length, offset) in [(0, 0), (4, 0), (100, 6), (1, 10), (1, 11), (0, 10), (5, 1 << 40)] {
        saw(&format!("read {length} at {offset}"), file_outcome(file.read(length, offset)));
    }
    saw("advise", file_outcome(file.advise(0, 10, Advice::WillNeed)));
    let stream = file.read_via_stream(2).expect("a stream");
    saw("stream-read-0", outcome(stream.read(0).map_err(stream_end)));
    saw("stream-blocking-read", outcome(stream.blocking_read(3).map_err(stream_end)));
    saw("stream-skip", outcome(stream.blocking_skip(1).map_err(stream_end)));
    saw("stream-rest", outcome(stream.blocking_read(100).map_err(stream_end)));
    saw("stream-end", outcome(stream.blocking_read(100).map_err(stream_end)));
    saw("stream-after-end", outcome(stream.blocking_read(100).map_err(stream_end)));
    saw("stream-read-0-at-end", outcome(stream.read(0).map_err(stream_end)));
    let behind = file.read_via_stream(1000).expect("a stream");
    saw("stream-behind-end", outcome(behind.blocking_read(1).map_err(stream_end)));
    let folder = open(root, "folder", OpenFlags::DIRECTORY, DescriptorFlags::READ).expect("it opens");
    saw("read folder", file_outcome(folder.read(1, 0)));
    saw("stream of folder", file_outcome(folder.read_via_stream(0).map(drop)));
}
