//! Tests of what counts as source and how it is copied. The tests of what a build may do are in `tests/it/building.rs`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and starts a shell of its own")]

use std::path::{Path, PathBuf};
use std::process::Command;

use vocabulary::Digest;

use super::inputs::{InputKind, Nobody, Places, Sink};
use super::stage::BuildStage;
use super::tool::{self, BuildWatcher};
use super::{BuildError, declared, project};

struct Shop {
    _place: tempfile::TempDir,
    root: PathBuf,
}

impl Shop {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let shop = Self { root: place.path().canonicalize().unwrap(), _place: place };
        std::fs::create_dir(shop.folder()).unwrap();
        files.iter().for_each(|(path, text)| shop.write(path, text));
        shop
    }

    fn folder(&self) -> PathBuf {
        self.root.join("agent")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn link(&self, to: &str, path: &str) {
        std::os::unix::fs::symlink(to, self.folder().join(path)).unwrap();
    }

    fn places(&self) -> Places {
        Places { folder: self.folder(), ..Places::default() }
    }

    fn digest(&self) -> Digest {
        digests(&self.places()).unwrap().0
    }
}

fn digests(places: &Places) -> Result<(Digest, Digest), BuildError> {
    places.digests(&places.find(&[])?, &mut Nobody)
}

#[test]
fn what_tools_people_and_the_host_leave_beside_a_source_is_no_source() {
    let shop = Shop::new(&[("app.py", "1"), ("b/c", "2"), ("agent.toml", "")]);
    let before = shop.digest();
    for left in [
        "target/x",
        "b/__pycache__/x",
        "b/.c.swp",
        "b/c~",
        "b/.#c",
        ".git/config",
        "b/.git",
        ".venv/x",
        "node_modules/x",
        "cases/first.json",
        ".github/x",
        "bailiwick.toml",
        "bailiwick.lock",
        "found.sarif",
        "report.json",
        "log",
        "b/target/CACHEDIR.TAG",
        "b/target/x",
    ] {
        shop.write(left, "left");
        assert_eq!(shop.digest(), before, "{left}");
    }
}

#[test]
fn each_file_that_changes_a_build_is_source() {
    let shop = Shop::new(&[("src/lib.rs", "1")]);
    let mut seen = vec![shop.digest()];
    let mut differs = |shop: &Shop, what: &str| {
        let now = shop.digest();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    for source in [
        "build.rs",
        "Cargo.toml",
        ".cargo/config.toml",
        ".cargo/config",
        "rust-toolchain",
        "rust-toolchain.toml",
        "app.py",
        "pyproject.toml",
        "README.md",
        "src/deep/data.bin",
        "data/x.json",
        "wit/x.wit",
        "agent.toml",
    ] {
        shop.write(source, "1");
        differs(&shop, source);
        shop.write(source, "2");
        differs(&shop, source);
    }
    std::fs::rename(shop.folder().join("data/x.json"), shop.folder().join("data/y.json")).unwrap();
    differs(&shop, "another name");
    shop.link("x.wit", "wit/link.wit");
    differs(&shop, "a link");
    let pipe = shop.folder().join("src/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    differs(&shop, "a pipe without a reader");
}

#[test]
fn what_lies_outside_and_the_lock_have_a_digest_of_their_own() {
    let shop = Shop::new(&[("src/lib.rs", "1"), ("../beside/src/lib.rs", "1")]);
    let places = Places { outside: vec![shop.root.join("beside"), shop.folder().join("Cargo.lock")], ..shop.places() };
    let mut seen = vec![digests(&places).unwrap()];
    for (path, text) in [("../beside/src/lib.rs", "2"), ("../beside/build.rs", ""), ("Cargo.lock", ""), ("Cargo.lock", "1")] {
        shop.write(path, text);
        let now = digests(&places).unwrap();
        let (inside, outside) = seen.last().unwrap();
        assert!(now.0 == *inside && now.1 != *outside, "{path}");
        seen.push(now);
    }
}

#[test]
fn the_digest_is_the_same_wherever_a_project_lies() {
    let files = [("src/lib.rs", "1"), ("../beside/lib.rs", "1"), ("src/link", "")];
    let [one, other] = [Shop::new(&files), Shop::new(&files)];
    let of = |shop: &Shop| {
        std::fs::remove_file(shop.folder().join("src/link")).unwrap();
        shop.link(shop.folder().join("src/lib.rs").to_str().unwrap(), "src/link");
        digests(&Places { outside: vec![shop.root.join("beside")], ..shop.places() }).unwrap()
    };
    assert_eq!(of(&one), of(&other));
}

#[test]
fn a_link_that_leads_out_of_the_source_is_refused_and_one_within_is_taken() {
    let shop = Shop::new(&[("src/lib.rs", "1"), ("data/x", "1"), (".git/config", "token"), ("../key", "secret")]);
    shop.link("lib.rs", "src/within.rs");
    shop.link("../data", "src/folder");
    shop.link("nowhere", "src/broken");
    assert!(digests(&shop.places()).is_ok());
    for hostile in ["../../key", "../..", "/etc/passwd", "../.git/config", "../.git", "/"] {
        shop.link(hostile, "src/hostile");
        assert!(matches!(digests(&shop.places()), Err(BuildError::LeadsOut { .. })), "{hostile}");
        std::fs::remove_file(shop.folder().join("src/hostile")).unwrap();
    }
    assert!(digests(&shop.places()).is_ok());
}

#[test]
fn what_is_copied_is_what_has_the_digest_and_what_went_is_taken_away() {
    let shop = Shop::new(&[("src/lib.rs", "1"), ("src/old/x", "1"), (".git/config", "token"), ("src/f", "1")]);
    shop.link("lib.rs", "src/link.rs");
    let copy = |shop: &Shop| {
        let mut stage = BuildStage::new(shop.root.join("stage")).unwrap();
        let places = Places { stubs: vec![shop.folder().join("stub/lib.rs")], ..shop.places() };
        places.digests(&places.find(&[]).unwrap(), &mut stage).unwrap();
        stage.finish().unwrap();
        stage.place(&shop.folder())
    };
    let staged = copy(&shop);
    let read = |path: &str| std::fs::read_to_string(staged.join(path)).ok();
    assert_eq!((read("src/link.rs").as_deref(), read("stub/lib.rs").as_deref(), read(".git/config")), (Some("1"), Some(""), None));
    let untouched = std::fs::metadata(staged.join("src/lib.rs")).unwrap().modified().unwrap();
    // A file becomes a folder, and a folder is removed.
    std::fs::remove_dir_all(shop.folder().join("src/old")).unwrap();
    std::fs::remove_file(shop.folder().join("src/f")).unwrap();
    shop.write("src/f/x", "2");
    std::fs::write(staged.join("src/left"), "by a build").unwrap();
    assert_eq!(copy(&shop), staged);
    assert_eq!((read("src/f/x").as_deref(), read("src/old/x"), read("src/left")), (Some("2"), None, None));
    assert_eq!(std::fs::metadata(staged.join("src/lib.rs")).unwrap().modified().unwrap(), untouched);
}

/// A file that is replaced before it is read.
#[test]
fn a_file_that_becomes_a_link_before_it_is_read_is_refused() {
    struct Exchanges(PathBuf);
    impl Sink for Exchanges {
        fn take(&mut self, _: &Path, _: &InputKind, _: &[u8]) -> Result<(), BuildError> {
            let _ = std::fs::remove_file(&self.0);
            std::os::unix::fs::symlink("/etc/passwd", &self.0).unwrap();
            Ok(())
        }
    }
    let shop = Shop::new(&[("src/a.rs", "1"), ("src/b.rs", "1")]);
    let places = shop.places();
    let found = places.find(&[]).unwrap();
    assert!(matches!(places.digests(&found, &mut Exchanges(shop.folder().join("src/b.rs"))), Err(BuildError::File(_))));
}

#[test]
fn what_a_manifest_names_besides_lies_in_the_project() {
    let shop = Shop::new(&[("x", ""), ("../wit/a.wit", ""), ("../bailiwick.toml", "")]);
    let (folder, within) = (shop.folder(), project(&shop.folder(), &shop.folder()));
    let of = |source: &str| declared(&folder, &[source.into()], &within);
    assert_eq!(of("../wit").unwrap(), [shop.root.join("wit")]);
    assert_eq!(of("x").unwrap(), [folder.join("x")]);
    shop.link("/etc", "away");
    for hostile in ["../..", "../../../../../../../etc", "away/passwd"] {
        assert!(matches!(of(hostile), Err(BuildError::Outside { .. })), "{hostile}");
    }
    std::fs::remove_file(shop.root.join("bailiwick.toml")).unwrap();
    assert!(matches!(declared(&folder, &["../wit".into()], &project(&folder, &folder)), Err(BuildError::Outside { .. })));
}

fn shell(script: &str, stop: &mut dyn FnMut() -> bool) -> (Result<Vec<u8>, BuildError>, Vec<String>) {
    let mut said = Vec::new();
    let mut watcher = BuildWatcher { say: &mut |line| said.push(line.to_owned()), stop };
    let result = tool::output("sh", crate::tools::command(Path::new("/bin/sh")).args(["-c", script]), &mut watcher);
    (result, said)
}

#[test]
fn a_tool_sees_little_of_the_environment() {
    // cargo sets this variable for every test. It stands for a token.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let (output, _) = shell("env | cut -d= -f1", &mut || false);
    let names = String::from_utf8(output.unwrap()).unwrap();
    let own = ["PWD", "SHLVL", "_", "OLDPWD"];
    assert!(names.lines().all(|name| own.contains(&name) || crate::tools::ENVIRONMENT.contains(&name)), "{names}");
}

#[test]
fn what_a_tool_says_is_safe_to_print_and_bounded() {
    let (output, said) =
        shell("printf 'a\\033[2Jb\\nc' >&2; head -c 10000 /dev/zero | tr '\\0' x >&2; head -c 300000 /dev/zero", &mut || false);
    assert_eq!(output.unwrap().len(), 300_000);
    assert_eq!(said.first().map(String::as_str), Some("a\\u{1b}[2Jb"));
    assert!(said.iter().all(|line| line.len() <= 4096));
}

#[test]
fn a_tool_that_fails_is_not_there_or_is_not_wanted_any_more_is_named() {
    assert!(matches!(shell("exit 3", &mut || false).0, Err(BuildError::ToolFailed { tool: "sh", status }) if status.code() == Some(3)));
    let mut watcher = BuildWatcher { say: &mut |_| {}, stop: &mut || false };
    let missing = tool::output("no-such-tool", &mut Command::new("/nonexistent"), &mut watcher);
    assert!(matches!(missing, Err(BuildError::NoTool { tool: "no-such-tool", .. })));
    assert!(matches!(shell("exec sleep 1000", &mut || true).0, Err(BuildError::Stopped)));
}
