//! Opens a folder again and again through itself and its parent, each time from the new handle, and closes the old one: the path gets
//! longer, but the place stays the same. Argument: how often (1000). In the end it reads `secret` there.

use guests::{file_outcome, json, mount, number, say};
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn main() {
    let way = format!("d/..{}", "/d/..".repeat(800));
    let mut at = mount();
    for _ in 0..number(1, 1000) {
        at = at.open_at(PathFlags::empty(), &way, OpenFlags::DIRECTORY, DescriptorFlags::READ).expect("it leads back");
    }
    let secret = at.open_at(PathFlags::empty(), "secret", OpenFlags::empty(), DescriptorFlags::READ).and_then(|file| file.read(64, 0));
    say(json!({ "secret": file_outcome(secret.map(|(bytes, _)| bytes.len())) }));
}
