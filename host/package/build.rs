//! Collects the files that the crate lays out: WASI's own WIT from the crate that contains it, our WIT, and both SDKs with the projects
//! that `new` starts from.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a build script fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

include!("../../wit/locate.rs");

/// A table as Rust source: a path within the folder that is laid out, and the text of a file.
#[derive(Default)]
struct Table(Vec<(String, PathBuf)>);

impl Table {
    /// Every file in a folder and its sub-folders whose name has this ending.
    fn folder(mut self, to: &str, from: &Path, ending: &str) -> Self {
        println!("cargo::rerun-if-changed={}", from.display());
        for file in files(from, ending) {
            let within = file.strip_prefix(from).expect("it lies in there").to_str().expect("names are text");
            self.0.push((format!("{to}{within}"), file.clone()));
        }
        self
    }

    fn file(self, to: &str, from: PathBuf) -> Self {
        println!("cargo::rerun-if-changed={}", from.display());
        self.made(to, from)
    }

    /// A file that this script wrote. It is not watched: each build would find it newer than the build before, and run the script again.
    fn made(mut self, to: &str, from: PathBuf) -> Self {
        self.0.push((to.to_owned(), from));
        self
    }

    fn write(&self, name: &str) {
        let mut text = String::from("&[\n");
        for (to, from) in &self.0 {
            let from = from.canonicalize().expect("the file is there");
            writeln!(text, "    ({to:?}, include_str!({from:?})),").expect("a string takes all");
        }
        write_out(name, &(text + "]\n"));
    }
}

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn main() {
    let wit = wasip2_wit();
    let room = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts");
    let root = Path::new(&room).join("../..");
    let own = root.join("wit");
    Table::default().folder("deps/", &wit.join("deps"), "wit").folder("deps/bailiwick-agent/", &own, "wit").write("wit.rs");

    let (rust, python) = (root.join("sdk/rust"), root.join("sdk/python"));
    let python_sdk = |to: &str| Table::default().folder(to, &python.join("bailiwick"), "py");
    python_sdk("bailiwick/").write("sdk_python.rs");
    python_sdk("sdk/python/bailiwick/").folder("", &python.join("template"), "").write("project_python.rs");
    let manifest = write_out("sdk_rust.toml", &standing_alone(&root.join("Cargo.toml"), &rust.join("Cargo.toml")));
    Table::default()
        .folder("", &rust.join("template"), "")
        .file("rust-toolchain.toml", root.join("rust-toolchain.toml"))
        .made("sdk/rust/Cargo.toml", manifest)
        .file("sdk/rust/README.md", rust.join("README.md"))
        .folder("sdk/rust/src/", &rust.join("src"), "rs")
        .folder("wit/", &own, "wit")
        .write("project_rust.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
}

/// A member's `Cargo.toml` with the values that it inherits from its workspace written out, so that it does not need the workspace.
fn standing_alone(workspace: &Path, member: &Path) -> String {
    let (workspace_table, mut table) = (toml(workspace), toml(member));
    let shared = &workspace_table["workspace"];
    for (key, value) in table["package"].as_table_mut().expect("a package is a table") {
        if is_inherited(value) {
            *value = shared["package"][key.as_str()].clone();
        }
    }
    table.remove("lints");
    write_out_dependencies(&mut table, shared);
    for target in table.get_mut("target").and_then(toml::Value::as_table_mut).into_iter().flat_map(|targets| targets.iter_mut()) {
        write_out_dependencies(target.1.as_table_mut().expect("a target is a table"), shared);
    }
    for file in [workspace, member] {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    toml::to_string(&table).expect("what was parsed can be written")
}

fn write_out_dependencies(table: &mut toml::Table, shared: &toml::Value) {
    for (name, value) in table.get_mut("dependencies").and_then(toml::Value::as_table_mut).into_iter().flatten() {
        if !is_inherited(value) {
            continue;
        }
        let own = value.as_table_mut().expect("it says `workspace`");
        own.remove("workspace");
        let mut whole = match shared["dependencies"][name.as_str()].clone() {
            toml::Value::Table(whole) => whole,
            version => toml::Table::from_iter([("version".to_owned(), version)]),
        };
        whole.extend(std::mem::take(own));
        *own = whole;
    }
}

fn is_inherited(value: &toml::Value) -> bool {
    value.get("workspace").and_then(toml::Value::as_bool) == Some(true)
}

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn toml(file: &Path) -> toml::Table {
    std::fs::read_to_string(file).expect("a file that can be read").parse().expect("it is TOML")
}

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn write_out(name: &str, text: &str) -> PathBuf {
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    let file = Path::new(&out).join(name);
    std::fs::write(&file, text).expect("OUT_DIR can be written");
    file
}

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder that can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("__pycache__") {
                folders.push(path);
            } else if path.is_file() && path.to_str().is_some_and(|path| path.ends_with(ending)) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
