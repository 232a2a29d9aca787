//! Walks a folder with `std::fs` and reads every file to its end. Prints path, length and digest, in the order of the folder's listing.
//! Arguments: the folders.

use std::fs;
use std::path::Path;

use guests::{args_from, json, say, sha256};

fn walk(folder: &Path) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(err) => return say(json!({ "path": folder, "err": err.to_string() })),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(err) => return say(json!({ "path": folder, "err": err.to_string() })),
        };
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path),
            Ok(kind) if kind.is_file() => match fs::read(&path) {
                Ok(bytes) => say(json!({ "path": path, "bytes": bytes.len(), "sha256": sha256(&bytes) })),
                Err(err) => say(json!({ "path": path, "err": err.to_string() })),
            },
            Ok(kind) => say(json!({ "path": path, "other": kind.is_symlink() })),
            Err(err) => say(json!({ "path": path, "err": err.to_string() })),
        }
    }
}

fn main() {
    for folder in args_from(1) {
        walk(Path::new(&folder));
    }
}
