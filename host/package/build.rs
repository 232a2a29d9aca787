//! Hands the code that lays them out for toolchains what they need: WASI's own WIT from the crate that carries it, ours, and the SDK for
//! Python.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a build script fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

include!("../../wit/locate.rs");

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn main() {
    let wit = wasip2_wit();
    let room = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts");
    let own = Path::new(&room).join("../../wit");
    let mut table = String::from("&[\n");
    for (folder, from) in [("deps", wit.join("deps")), ("deps/bailiwick-agent", own.clone())] {
        for file in files(&from, "wit") {
            let name = file.file_name().and_then(|name| name.to_str()).expect("names of WIT files are text");
            let to = if folder == "deps" { format!("deps/{name}") } else { format!("{folder}/{name}") };
            writeln!(table, "    ({to:?}, include_str!({:?})),", file.canonicalize().expect("the file is there"))
                .expect("a string takes all");
        }
    }
    table.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    std::fs::write(Path::new(&out).join("wit.rs"), table).expect("OUT_DIR can be written");
    std::fs::write(Path::new(&out).join("sdk.rs"), python_sdk(&Path::new(&room).join("../../sdk/python"))).expect("OUT_DIR can be written");
    println!("cargo::rerun-if-changed={}", own.display());
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
}

/// The modules of the SDK for Python, each by its place in the package.
fn python_sdk(sdk: &Path) -> String {
    let mut table = String::from("&[\n");
    for folder in ["bailiwick", "bailiwick/http"] {
        for file in files(&sdk.join(folder), "py") {
            let name = file.file_name().and_then(|name| name.to_str()).expect("names of modules are text");
            writeln!(table, "    ({:?}, include_str!({:?})),", format!("{folder}/{name}"), file.canonicalize().expect("the file is there"))
                .expect("a string takes all");
        }
    }
    println!("cargo::rerun-if-changed={}", sdk.join("bailiwick").display());
    table + "]\n"
}

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder that can be listed");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == ending));
    files.sort();
    files
}
