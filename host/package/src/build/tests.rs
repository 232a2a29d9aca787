//! Claims about builds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use effect::Digest;

use super::{BuildError, Built, Frozen, Order, Schemas, build, inputs, tool};
use crate::config;
use crate::trust::Trusted;

struct Shop {
    place: tempfile::TempDir,
    trusted: Trusted,
}

impl Shop {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join(config::FILE_NAME);
        std::fs::write(&file, "").unwrap();
        let trusted = Trusted::for_this_run(&config::read(&file).unwrap());
        let shop = Self { place, trusted };
        for (path, text) in files {
            shop.write(path, text);
        }
        shop
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("agent")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn build(&self) -> Result<Built, BuildError> {
        let cache = self.place.path().join("cache");
        build(&Order { folder: &self.folder(), cache: &cache, trusted: &self.trusted }, &mut |_| {})
    }

    fn frozen(&self) -> Frozen {
        let Built::Raw(raw) = self.build().unwrap() else { unreachable!() };
        raw.freeze(Some(Schemas { input: true.into(), output: true.into() })).unwrap()
    }
}

const AGENT: &str = "[agent]\nname = \"tiny\"\nversion = \"0.1.0\"\ndescription = \"Says nothing.\"\n";
const CARGO: &str = "[package]\nname = \"tiny\"\nedition = \"2024\"\n[workspace]\n[profile.agent]\ninherits = \"release\"\n";
const TOOLCHAIN: &str = include_str!("../../../../rust-toolchain.toml");

#[test]
fn a_folder_becomes_a_component_once_for_each_change() {
    let shop =
        Shop::new(&[("agent.toml", AGENT), ("Cargo.toml", CARGO), ("rust-toolchain.toml", TOOLCHAIN), ("src/main.rs", "fn main() {}\n")]);
    let first = shop.frozen();
    let seen = crate::look(&first.read().unwrap()).unwrap();
    assert_eq!(seen.manifest.map(|manifest| (manifest.name, manifest.input)), Some(("tiny".to_owned(), Some(true.into()))));
    assert!(matches!(shop.build().unwrap(), Built::Fresh(again) if again.digest == first.digest));

    shop.write("agent.toml", &AGENT.replace("nothing", "little"));
    let second = shop.frozen();
    assert_ne!(second.digest, first.digest);
    assert!(matches!(first.read(), Err(BuildError::Changed(_))), "its place was taken");

    // What is kept is not taken for fresh once somebody changed it.
    std::fs::write(&second.file, "evil").unwrap();
    assert!(matches!(shop.build().unwrap(), Built::Raw(_)));

    shop.write("src/main.rs", "fn main() { oops }\n");
    assert!(matches!(shop.build(), Err(BuildError::ToolFailed { tool: "cargo", .. })));
}

#[test]
fn a_folder_that_does_not_say_how_is_not_guessed_at() {
    assert!(matches!(Shop::new(&[("Cargo.toml", CARGO)]).build(), Err(BuildError::Manifest(_))));
    assert!(matches!(Shop::new(&[("agent.toml", AGENT)]).build(), Err(BuildError::NoRecipe(_))));
    let python = format!("{AGENT}[build]\npython = \"app\"\n");
    assert!(matches!(Shop::new(&[("agent.toml", &python), ("Cargo.toml", CARGO)]).build(), Err(BuildError::TwoRecipes(_))));
}

#[test]
fn the_digest_of_a_folder_hangs_on_names_and_contents_and_not_on_what_tools_leave() {
    let shop = Shop::new(&[("a", "1"), ("b/c", "2")]);
    let digest = || inputs::source(&shop.folder(), &[]).unwrap();
    let before = digest();
    shop.write("target/x", "left");
    for left in ["b/__pycache__/x", "b/.c.swp", "b/c~", "b/.#c"] {
        shop.write(left, "left");
    }
    assert_eq!(digest(), before);
    let mut seen = vec![before];
    let mut differs = |now: Digest| {
        assert!(!seen.contains(&now));
        seen.push(now);
    };
    shop.write("b/c", "3");
    differs(digest());
    std::fs::rename(shop.folder().join("a"), shop.folder().join("b/a")).unwrap();
    differs(digest());
    std::os::unix::fs::symlink("b/a", shop.folder().join("link")).unwrap();
    differs(digest());
    let pipe = shop.folder().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    differs(digest());
}

#[test]
fn a_file_outside_that_changes_or_goes_is_noticed() {
    let shop = Shop::new(&[("a", "1")]);
    let paths = [shop.folder().join("a")];
    let before = inputs::others(&paths).unwrap();
    shop.write("a", "2");
    let changed = inputs::others(&paths).unwrap();
    std::fs::remove_file(shop.folder().join("a")).unwrap();
    assert!(changed != before && inputs::others(&paths).unwrap() != changed);
}

fn shell(script: &str) -> (Result<Vec<u8>, BuildError>, Vec<String>) {
    let mut said = Vec::new();
    let result = tool::output("sh", tool::tool("sh", Path::new("/")).args(["-c", script]), &mut |line| said.push(line.to_owned()));
    (result, said)
}

#[test]
fn a_tool_sees_little_of_the_environment() {
    // cargo sets this one for every test; a token would be no different.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let (output, _) = shell("env | cut -d= -f1");
    let names = String::from_utf8(output.unwrap()).unwrap();
    let own = ["PWD", "SHLVL", "_", "OLDPWD"];
    assert!(names.lines().all(|name| own.contains(&name) || tool::ENVIRONMENT.contains(&name)), "{names}");
}

#[test]
fn what_a_tool_says_is_safe_to_print_and_bounded() {
    let (output, said) = shell("printf 'a\\033[2Jb\\nc' >&2; head -c 10000 /dev/zero | tr '\\0' x >&2; head -c 300000 /dev/zero");
    assert_eq!(output.unwrap().len(), 300_000);
    assert_eq!(said.first().map(String::as_str), Some("a\\u{1b}[2Jb"));
    assert!(said.iter().all(|line| line.len() <= 4096));
}

#[test]
fn a_tool_that_fails_or_is_not_there_is_named() {
    assert!(matches!(shell("exit 3").0, Err(BuildError::ToolFailed { tool: "sh", status }) if status.code() == Some(3)));
    let missing = tool::output("no-such-tool", &mut tool::tool("no-such-tool", Path::new("/")), &mut |_| {});
    assert!(matches!(missing, Err(BuildError::NoTool { tool: "no-such-tool", .. })));
}
