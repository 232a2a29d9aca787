//! Finds out how much memory this machine has left for one more process.

use std::path::Path;

/// How many bytes of memory may be allocated now: the least of what the system counts as available and what is left in each control group
/// of this process. `None` if the system does not report it.
pub(crate) fn available_bytes() -> Option<u64> {
    let of_machine = read("/proc/meminfo").as_deref().and_then(available_of);
    let group = read("/proc/self/cgroup").as_deref().and_then(group_of);
    let of_groups = group.into_iter().flat_map(|group| left_of_groups(&group));
    of_machine.into_iter().chain(of_groups).min()
}

#[expect(clippy::disallowed_methods, reason = "door: how much memory the machine has left")]
fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemAvailable` of proc_meminfo(5), in bytes.
fn available_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The path of this process in the one hierarchy of control groups (cgroups(7)).
fn group_of(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::/")).map(str::to_owned)
}

/// How much memory is left in a group and in each group above it.
fn left_of_groups(group: &str) -> Vec<u64> {
    let mut left = Vec::new();
    let mut folder = Path::new("/sys/fs/cgroup").join(group);
    while folder.starts_with("/sys/fs/cgroup") {
        let number = |name: &str| read(folder.join(name))?.trim().parse::<u64>().ok();
        // A group without a limit has `max` here, which is not a number.
        left.extend(number("memory.max").zip(number("memory.current")).map(|(max, current)| max.saturating_sub(current)));
        if !folder.pop() {
            break;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::{available_bytes, available_of, group_of};

    #[test]
    fn what_the_system_says_is_read_and_nothing_else_is_taken_for_it() {
        assert_eq!(available_of("MemTotal:  100 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        for odd in ["", "MemAvailable: x kB", "MemAvailable: 12", "MemTotal: 1 kB", "MemAvailable: 99999999999999999999 kB"] {
            assert_eq!(available_of(odd), None, "{odd}");
        }
        assert_eq!(group_of("12:pids:/x\n0::/user.slice/a.scope\n"), Some("user.slice/a.scope".to_owned()));
        assert_eq!(group_of("12:pids:/x\n"), None);
        assert!(available_bytes().is_some_and(|bytes| bytes > 0));
    }
}
