//! Looks at names that do not exist, a new one each time. Arguments: how many (100000), the letters of a name (40).

use guests::{json, mount, number, say};
use wasip2::filesystem::types::PathFlags;

fn main() {
    let (count, letters, mount) = (number(1, 100_000), number(2, 40) as usize, mount());
    let found = (0..count).filter(|n| mount.stat_at(PathFlags::empty(), &format!("{n:0>letters$}")).is_ok()).count();
    say(json!({ "looked": count, "found": found }));
}
