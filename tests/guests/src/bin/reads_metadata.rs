//! Prints all metadata of each path in its arguments: none of it may come from the disk itself.

use guests::{Value, args_from, json, mount, say};
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, MetadataHashValue, OpenFlags, PathFlags};

fn main() {
    let root = mount();
    for path in args_from(1) {
        let opened = root.open_at(PathFlags::SYMLINK_FOLLOW, &path, OpenFlags::empty(), DescriptorFlags::READ);
        let of_it = opened.as_ref().map(|file| {
            let same = file.is_same_object(file);
            format!("{:?} {:?} {:?} {same}", file.stat(), file.get_flags(), file.get_type())
        });
        let opened_hash = opened.as_ref().map_err(|code| *code).and_then(Descriptor::metadata_hash);
        say(json!({
            "path": path,
            "opened": of_it.map_err(|code| code.name().to_owned()).unwrap_or_else(|name| name),
            "at": format!("{:?}", root.stat_at(PathFlags::empty(), &path)),
            "hash": hash(root.metadata_hash_at(PathFlags::SYMLINK_FOLLOW, &path)),
            "opened_hash": hash(opened_hash),
        }));
    }
}

fn hash(hash: Result<MetadataHashValue, ErrorCode>) -> Value {
    match hash {
        Ok(hash) => json!([hash.lower, hash.upper]),
        Err(code) => json!(code.name()),
    }
}
