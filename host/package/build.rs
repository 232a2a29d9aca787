//! Hands WASI's own WIT to the code that lays it out for toolchains, from the crate that carries it.
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
        for file in wit_files(&from) {
            let name = file.file_name().and_then(|name| name.to_str()).expect("names of WIT files are text");
            let to = if folder == "deps" { format!("deps/{name}") } else { format!("{folder}/{name}") };
            writeln!(table, "    ({to:?}, include_str!({:?})),", file.canonicalize().expect("the file is there"))
                .expect("a string takes all");
        }
    }
    table.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    std::fs::write(Path::new(&out).join("wit.rs"), table).expect("OUT_DIR can be written");
    println!("cargo::rerun-if-changed={}", own.display());
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
}

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn wit_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of WIT files");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wit"));
    files.sort();
    files
}
