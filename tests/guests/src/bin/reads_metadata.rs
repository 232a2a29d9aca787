//! Prints everything that metadata tells of each path in its arguments: nothing of the disk's own may be among it.

use guests::{args_from, json, mount, say};
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn main() {
    let root = mount();
    for path in args_from(1) {
        let opened = root.open_at(PathFlags::SYMLINK_FOLLOW, &path, OpenFlags::empty(), DescriptorFlags::READ);
        let of_it = opened.as_ref().map(|file| {
            let same = file.is_same_object(file);
            let hash = file.metadata_hash().map(|hash| (hash.lower, hash.upper)).map_err(|code| code.name());
            format!("{:?} {:?} {:?} {hash:?} {same}", file.stat(), file.get_flags(), file.get_type())
        });
        let hash = root.metadata_hash_at(PathFlags::SYMLINK_FOLLOW, &path).map(|hash| (hash.lower, hash.upper));
        say(json!({
            "path": path,
            "opened": of_it.map_err(|code| code.name().to_owned()).unwrap_or_else(|name| name),
            "at": format!("{:?}", root.stat_at(PathFlags::empty(), &path)),
            "hash": hash.map_err(|code| code.name().to_owned()).map_or_else(|name| json!(name), |hash| json!(hash)),
        }));
    }
}
