//! Opens files that are not regular, for reading and for writing: a FIFO, a socket, a device. Arguments: the paths. No call may block.

use guests::{args_from, json, mount, outcome, say};
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn main() {
    let root = mount();
    for path in args_from(1) {
        for (way, flags) in [("read", DescriptorFlags::READ), ("write", DescriptorFlags::WRITE), ("none", DescriptorFlags::empty())] {
            let opened = root.open_at(PathFlags::SYMLINK_FOLLOW, &path, OpenFlags::empty(), flags);
            let read = opened.and_then(|descriptor| descriptor.read(16, 0)).map(|(bytes, _)| bytes.len());
            say(json!({ "path": path, "way": way, "result": outcome(read.map_err(|code| code.name())) }));
        }
        let std = std::fs::read(&path).map(|bytes| bytes.len()).map_err(|err| err.kind());
        say(json!({ "path": path, "way": "std", "result": outcome(std) }));
    }
}
