//! Opens one file again and again and closes none. Arguments: the path, how often (100000), `streams` to open a stream on each.

use std::mem::forget;

use guests::{arg, json, mount, number, say};
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn main() {
    let (root, path, count) = (mount(), arg(1), number(2, 100_000));
    let streams = std::env::args().nth(3).as_deref() == Some("streams");
    for opened in 0..count {
        match root.open_at(PathFlags::SYMLINK_FOLLOW, &path, OpenFlags::empty(), DescriptorFlags::READ) {
            Ok(file) => {
                if streams {
                    forget(file.read_via_stream(0));
                }
                forget(file);
            }
            Err(code) => return say(json!({ "opened": opened, "err": code.name() })),
        }
    }
    say(json!({ "opened": count }));
}
