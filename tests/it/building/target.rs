//! A compiler without the standard library of components: rustup installs it before the first build.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Project, ends_with, words};

const TARGET: &str = "wasm32-wasip2";

/// What the installed compiler answers.
fn sysroot() -> PathBuf {
    let output = Command::new("rustc").args(["--print", "sysroot"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

/// Copies folders, by hard links where the file system allows it: a compiler has hundreds of megabytes.
const COPY: &str = "copy() { cp -al \"$@\" 2>/dev/null || cp -a \"$@\"; }";

fn shell(script: &str) {
    assert!(Command::new("/bin/sh").args(["-euc", script]).status().unwrap().success(), "{script}");
}

/// The same compiler in a folder of its own, without the standard library of components.
fn compiler_without_target(at: &Path) -> PathBuf {
    let (real, own) = (sysroot(), at.join(sysroot().file_name().unwrap()));
    let (real, to) = (real.display(), own.display());
    shell(&format!("{COPY}; mkdir -p {to}; copy {real}/bin {real}/lib {to}/; rm -r {to}/lib/rustlib/{TARGET}"));
    own
}

/// A `rustup` that knows this compiler only. Its `target add` takes the library from the installed compiler in place of a server, if it may.
fn rustup(at: &Path, compiler: &Path, may_install: bool) {
    let (real, own) = (sysroot().join("lib/rustlib"), compiler.join("lib/rustlib"));
    let (real, own, asked) = (real.display(), own.display(), at.join("asked"));
    let add = if may_install { format!("copy {real}/{TARGET} {own}/") } else { "exit 1".to_owned() };
    let answers = format!("\"which cargo\") echo {}/bin/cargo ;;\n\"target add\") {add} ;;\n*) exit 2 ;;\n", compiler.display());
    let script = format!("#!/bin/sh\n{COPY}\necho \"$@\" >> {}\ncase \"$1 $2\" in\n{answers}esac\n", asked.display());
    std::fs::create_dir_all(at).unwrap();
    std::fs::write(at.join("rustup"), script).unwrap();
    std::fs::set_permissions(at.join("rustup"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn rustup_installs_the_target_of_agents_before_the_first_build_and_only_then() {
    let place = tempfile::tempdir().unwrap();
    let compiler = compiler_without_target(place.path());
    let bin = place.path().join("bin");
    let project = Project::new(&[
        ("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n"),
        ("src/main.rs", "fn main() { println!(\"built\"); }\n"),
    ]);
    let run = || {
        let mut command = project.program.command(&[], &["run", "x", "--trust"]);
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())).output().unwrap()
    };
    // What the person has to do, if rustup can't.
    rustup(&bin, &compiler, false);
    let failed = run();
    ends_with(&failed, 1);
    let name = compiler.file_name().unwrap().to_str().unwrap();
    assert!(words(&failed).contains(&format!("rustup target add --toolchain {name} {TARGET}")), "{}", words(&failed));
    rustup(&bin, &compiler, true);
    let built = run();
    ends_with(&built, 0);
    assert!(words(&built).contains("rustup installs the target"), "{}", words(&built));
    let asked = || std::fs::read_to_string(bin.join("asked")).unwrap().lines().filter(|line| line.starts_with("target add")).count();
    assert_eq!(asked(), 2);
    project.write("src/main.rs", "fn main() { println!(\"built again\"); }\n");
    ends_with(&run(), 0);
    assert_eq!(asked(), 2, "it is there already");
}
