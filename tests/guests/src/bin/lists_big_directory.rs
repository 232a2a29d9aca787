//! Lists a folder to its end. Arguments: the path, how often (1), `keep` to hold all the listings open at once.

use guests::{arg, json, mount, number, say, sha256};
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

fn main() {
    let folder =
        mount().open_at(PathFlags::SYMLINK_FOLLOW, &arg(1), OpenFlags::DIRECTORY, DescriptorFlags::READ).expect("the folder opens");
    let keep = std::env::args().nth(3).as_deref() == Some("keep");
    let mut kept = Vec::new();
    for time in 0..number(2, 1) {
        let listing = match folder.read_directory() {
            Ok(listing) => listing,
            Err(code) => return say(json!({ "time": time, "err": code.name() })),
        };
        let (mut count, mut names, mut sorted, mut before) = (0_u64, Vec::new(), true, String::new());
        loop {
            match listing.read_directory_entry() {
                Ok(Some(entry)) => {
                    count += 1;
                    sorted &= before < entry.name;
                    names.extend_from_slice(entry.name.as_bytes());
                    before = entry.name;
                }
                Ok(None) => break,
                Err(code) => return say(json!({ "time": time, "count": count, "err": code.name() })),
            }
        }
        say(json!({ "time": time, "count": count, "sorted": sorted, "sha256": sha256(&names) }));
        if keep {
            kept.push(listing);
        }
    }
}
