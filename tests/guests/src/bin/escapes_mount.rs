//! Tries to leave its mount through each path in its arguments, following links and not: opens, lists, stats and reads it.

use guests::{Value, args_from, file_outcome, json, mount, outcome, say};
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

fn opened(root: &Descriptor, path: &str, follow: PathFlags, open: OpenFlags) -> Value {
    let descriptor = match root.open_at(follow, path, open, DescriptorFlags::READ) {
        Ok(descriptor) => descriptor,
        Err(code) => return json!({ "err": code.name() }),
    };
    let begin = descriptor.read(64, 0).map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
    let listed = descriptor.read_directory().and_then(|entries| {
        let mut names = Vec::new();
        while let Some(entry) = entries.read_directory_entry()? {
            names.push(entry.name);
        }
        Ok::<_, ErrorCode>(names)
    });
    json!({ "ok": { "type": file_outcome(descriptor.get_type()), "begin": file_outcome(begin), "names": file_outcome(listed) } })
}

fn main() {
    let root = mount();
    for path in args_from(1) {
        // An argument can't contain a NUL, and a shell passes on no line end.
        let path = path.replace("\\0", "\0").replace("\\n", "\n");
        let follow = PathFlags::SYMLINK_FOLLOW;
        say(json!({
            "path": path,
            "open": opened(&root, &path, PathFlags::empty(), OpenFlags::empty()),
            "follow": opened(&root, &path, follow, OpenFlags::empty()),
            "directory": opened(&root, &path, follow, OpenFlags::DIRECTORY),
            "stat": file_outcome(root.stat_at(follow, &path).map(|stat| stat.type_)),
            "hash": file_outcome(root.metadata_hash_at(follow, &path).map(|_| ())),
            "link": file_outcome(root.readlink_at(&path)),
            "std": outcome(std::fs::read(&path).map(|bytes| bytes.len()).map_err(|err| err.kind())),
        }));
    }
}
