//! The file system that a folder lies on, and whether its locks and syncs are reliable.
//!
//! The numbers are those that `statfs` reports (statfs(2), `linux/magic.h`). Decision 0100 says how each kind is treated, and why.

use std::io;
use std::path::Path;

/// How reliable a file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footing {
    /// A lock holds against every process that can reach the file, and synced data is on a disk.
    Firm,
    /// Locks hold, but all files are lost when the machine stops or the container is removed.
    Fleeting,
    /// Locks hold on this machine. A crash may also lose synced data: the file system has no journal, or does not say that it has one.
    Weak,
    /// Another machine may write the same files despite a lock of this one, or synced data may only be in the memory of another machine.
    Shared,
    /// A kind that this version does not know.
    Unknown,
}

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Its name, as `mount` prints it; `unknown` for a kind that this version does not know.
    pub name: &'static str,
    /// The number that the system reports.
    pub magic: u64,
    /// How reliable it is.
    pub footing: Footing,
}

const KINDS: &[(u64, &str, Footing)] = &[
    // Disks of this machine, with a journal or copy on write.
    (0xEF53, "ext4", Footing::Firm),
    (0x5846_5342, "xfs", Footing::Firm),
    (0x9123_683E, "btrfs", Footing::Firm),
    (0x2FC1_2FC1, "zfs", Footing::Firm),
    (0xF2F5_2010, "f2fs", Footing::Firm),
    (0xCA45_1A4E, "bcachefs", Footing::Firm),
    (0x3153_464A, "jfs", Footing::Firm),
    (0x3434, "nilfs2", Footing::Firm),
    (0x2405_1905, "ubifs", Footing::Firm),
    (0xF15F, "ecryptfs", Footing::Firm),
    // In memory, or in the layer of a container.
    (0x0102_1994, "tmpfs", Footing::Fleeting),
    (0x8584_58F6, "ramfs", Footing::Fleeting),
    (0x794C_7630, "overlay", Footing::Fleeting),
    // No journal.
    (0x4D44, "vfat", Footing::Weak),
    (0x2011_BAB0, "exfat", Footing::Weak),
    (0x5346_544E, "ntfs", Footing::Weak),
    (0x7366_746E, "ntfs3", Footing::Weak),
    (0x4244, "hfs", Footing::Weak),
    (0x482B, "hfsplus", Footing::Weak),
    // Shared with other machines, clusters or the host of a virtual machine, or served by a program of a user.
    (0x6969, "nfs", Footing::Shared),
    (0x517B, "smb", Footing::Shared),
    (0xFF53_4D42, "cifs", Footing::Shared),
    (0xFE53_4D42, "smb2", Footing::Shared),
    (0x564C, "ncp", Footing::Shared),
    (0x7375_7245, "coda", Footing::Shared),
    (0x5346_414F, "afs", Footing::Shared),
    (0x6B41_4653, "afs", Footing::Shared),
    (0x00C3_6400, "ceph", Footing::Shared),
    (0x0102_1997, "9p", Footing::Shared),
    (0x0BD0_0BD0, "lustre", Footing::Shared),
    (0x4750_4653, "gpfs", Footing::Shared),
    (0x1983_0326, "beegfs", Footing::Shared),
    (0x2003_0528, "orangefs", Footing::Shared),
    (0x0116_1970, "gfs2", Footing::Shared),
    (0x7461_636F, "ocfs2", Footing::Shared),
    (0x786F_4256, "vboxsf", Footing::Shared),
    (0xBACB_ACBC, "vmhgfs", Footing::Shared),
    (0x7C7C_6673, "prl_fs", Footing::Shared),
    (0x6573_5546, "fuse", Footing::Shared),
];

impl Ground {
    /// The kind with this number.
    pub fn of(magic: u64) -> Self {
        let known = KINDS.iter().find(|(number, ..)| *number == magic);
        known.map_or(Self { name: "unknown", magic, footing: Footing::Unknown }, |(magic, name, footing)| Self {
            name,
            magic: *magic,
            footing: *footing,
        })
    }
}

/// The file system that a folder lies on, or would lie on once it is made.
///
/// # Errors
/// What the system says.
pub fn ground(folder: &Path) -> io::Result<Ground> {
    for there in folder.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match rustix::fs::statfs(there) {
            Err(rustix::io::Errno::NOENT) => {}
            // The system reports 32 bits, which some machines extend with their sign.
            found => return Ok(Ground::of(u64::from(u32::try_from(found?.f_type & 0xFFFF_FFFF).unwrap_or(0)))),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_other_machines_reach_is_shared_and_disks_are_firm() {
        for magic in [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400, 0x786F_4256] {
            assert_eq!(Ground::of(magic).footing, Footing::Shared, "{magic:x}");
        }
        for (magic, name) in [(0xEF53, "ext4"), (0x5846_5342, "xfs"), (0x9123_683E, "btrfs")] {
            assert_eq!(Ground::of(magic), Ground { name, magic, footing: Footing::Firm });
        }
        assert_eq!((Ground::of(0x0102_1994).footing, Ground::of(0x794C_7630).footing), (Footing::Fleeting, Footing::Fleeting));
        assert_eq!(Ground::of(1).footing, Footing::Unknown);
        let numbers: BTreeSet<u64> = KINDS.iter().map(|(magic, ..)| *magic).collect();
        assert_eq!(numbers.len(), KINDS.len(), "each number once");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_lies_where_the_next_one_above_lies() {
        let folder = tempfile::tempdir().unwrap();
        let here = ground(folder.path()).unwrap();
        assert_eq!(ground(&folder.path().join("not/there/yet")).unwrap(), here);
        assert_eq!(ground(Path::new("/proc/self")).unwrap().footing, Footing::Unknown);
    }
}
