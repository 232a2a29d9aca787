//! Prints the paths of its mounts.

use guests::{json, say};
use wasip2::filesystem::preopens::get_directories;

fn main() {
    for (folder, path) in get_directories() {
        let flags = folder.get_flags().map(|flags| format!("{flags:?}")).unwrap_or_else(|code| code.name().to_owned());
        say(json!({ "mount": path, "flags": flags }));
    }
}
