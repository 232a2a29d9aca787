//! File systems that are mounted beneath a mount: the kernel's own views, and any other.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use serde_json::Value;
use tests::guests::guest;
use tests::program::{Program, config};
use tests::tools::{missing, tool};
use vocabulary::{FilesGrant, FilesMode, Grants};

/// Every way in which the guest accesses a path.
const WAYS: [&str; 5] = ["open", "follow", "directory", "stat", "hash"];

/// The file systems are mounted in a separate mount namespace for the program. They are gone when it ends, and no other process sees them.
const MOUNTS: &str = "set -e
(cd \"$TREE\"
mount -t proc proc kernel
mount -t sysfs sysfs system
mount -t tmpfs tmpfs memory && echo secret > memory/file && ln -s file memory/link
mount --bind elsewhere bound)
exec \"$@\"";

struct Tree {
    program: Program,
    tree: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        let at = |name: &str| tree.path().join(name);
        for folder in ["kernel", "system", "memory", "bound", "elsewhere", "plain"] {
            fs::create_dir(at(folder)).unwrap();
        }
        for file in ["elsewhere/file", "plain/file"] {
            fs::write(at(file), "ordinary").unwrap();
        }
        for (to, link) in [("kernel/version", "version"), ("kernel/self/root", "root"), ("memory", "tmp"), ("plain/file", "near")] {
            symlink(to, at(link)).unwrap();
        }
        let mount = FilesGrant { guest: "/src".to_owned(), host: tree.path().canonicalize().unwrap(), mode: FilesMode::Read };
        let grants = Grants { files: vec![mount], ..Grants::default() };
        Self { program: Program::new(&config("escapes-mount", &guest("escapes_mount"), &grants)), tree }
    }

    /// The guest's result for each path, with the file systems mounted or not.
    fn asked(&self, mounted: bool, paths: &[&str]) -> Vec<Value> {
        let before = if mounted { vec!["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNTS, "sh"] } else { Vec::new() };
        let args: Vec<&str> = ["run", "escapes-mount", "--trust", "--json", "--"].iter().chain(paths).copied().collect();
        let mut command = self.program.command(&before, &args);
        let output: Output = command.env("TREE", self.tree.path()).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let text = report.pointer("/claims/output").and_then(Value::as_str).unwrap_or_default();
        assert!(!text.is_empty(), "{report}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn may_mount() -> bool {
    let Some(unshare) = tool("unshare") else { return false };
    let tried = Command::new(unshare).args(["--mount", "--propagation", "private", "mount", "-t", "proc", "proc", "/mnt"]).output();
    let may = tried.is_ok_and(|tried| tried.status.success());
    if !may {
        missing("the right to mount (root)");
    }
    may
}

#[test]
fn a_file_system_mounted_beneath_a_mount_answers_nothing_whatever_is_asked() {
    if !may_mount() {
        return;
    }
    let tree = Tree::new();
    let beneath = [
        "kernel",
        "kernel/",
        "kernel/.",
        "kernel/version",
        "kernel/self",
        "kernel/self/",
        "kernel/self/environ",
        "kernel/1/root",
        "kernel/self/cwd",
        "kernel/self/fd/0",
        "kernel/../plain/file",
        "system",
        "system/kernel",
        "system/class/net",
        "memory",
        "memory/file",
        "memory/link",
        "memory/../plain",
        "bound",
        "bound/file",
        "version",
        "root/etc/passwd",
        "tmp/file",
        "tmp/",
    ];
    for line in tree.asked(true, &beneath) {
        for way in WAYS {
            // A link at the end of a path that is not followed lies in the mount itself.
            let is_link = way == "open" && ["version"].contains(&line["path"].as_str().unwrap_or_default());
            assert!(line[way]["err"].is_string() || is_link, "{way}: {line}");
        }
        let is_link = ["version"].contains(&line["path"].as_str().unwrap_or_default());
        assert!(line["link"]["err"].is_string() || is_link, "{line}");
    }
    // The control: files in the mount itself, and the same folders with nothing mounted on them.
    for line in tree.asked(true, &["plain", "plain/file", "near", "."]) {
        assert!(line["stat"]["ok"].is_string() && line["follow"]["ok"].is_object(), "{line}");
    }
    for line in tree.asked(false, &["kernel", "system", "memory", "bound", "tmp/"]) {
        assert!(line["stat"]["ok"].is_string() && line["follow"]["ok"].is_object(), "{line}");
    }
}

#[test]
fn a_listing_names_a_mount_point_and_tells_nothing_of_what_is_mounted_there() {
    if !may_mount() {
        return;
    }
    let tree = Tree::new();
    let lines = tree.asked(true, &[".", "plain"]);
    let names = lines[0]["follow"]["ok"]["names"]["ok"].as_str().unwrap().to_owned();
    assert!(names.contains("\"kernel\"") && !names.contains("self"), "{names}");
    assert_eq!(lines[1]["follow"]["ok"]["names"]["ok"], "[\"file\"]", "the control");
}
