//! The folders of the host that a run may observe. They are opened before the run starts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use vocabulary::Grants;

/// File systems that are views of the system itself and contain no ordinary files (linux/magic.h).
const PSEUDO: &[u64] = &[
    0x9FA0,      // proc
    0x6265_6572, // sysfs
    0x1CD1,      // devpts
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x0027_E0EB, // cgroup
    0x6367_7270, // cgroup2
    0xCAFE_4A11, // bpf
    0x6165_676C, // pstore
    0xDE5E_81E4, // efivarfs
    0x6265_6570, // configfs
    0xF97C_FF8C, // selinuxfs
    0x4249_4E4D, // binfmt_misc
    0x1980_0202, // mqueue
    0x5A3C_69F0, // apparmorfs
    0x4341_5D53, // smackfs
    0x6573_5543, // fusectl
    0x6759_6969, // rpc_pipefs
    0x6E66_7364, // nfsd
    0x0765_5821, // resctrl
    0xABBA_1974, // xenfs
    0x9FA2,      // usbdevfs
    0x9FA1,      // openpromfs
    0x6E73_6673, // nsfs
    0x5049_5045, // pipefs
    0x534F_434B, // sockfs
    0x0904_1934, // anon_inodefs
    0x5345_434D, // secretmem
    0x0187,      // autofs: what is there is mounted by looking at it
];

/// The open folders, in the order of the grants. Clones are cheap: runs of one agent share the folders.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    dirs: Arc<[Arc<Dir>]>,
}

/// A folder that was granted but can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("could not open `{}`, which is granted as `{guest}`", host.display())]
pub struct MountError {
    /// The path that the guest would see.
    pub guest: String,
    /// The path of the folder.
    pub host: PathBuf,
    /// The reason.
    #[source]
    pub cause: MountFault,
}

/// The reason why a folder can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum MountFault {
    /// The system returned an error.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The path was resolved when it was granted. Now a link leads to another place.
    #[error("it now leads to `{}`, which is not granted", .0.display())]
    Moved(PathBuf),
    /// The folder is `/proc`, `/sys` or similar.
    #[error("it is not a folder on a disk, but a view of the system itself")]
    Pseudo,
}

impl Mounts {
    /// Opens every folder that is granted. The descriptors refer to the folders and not to their paths, so something that is put in a
    /// folder's place later is not seen.
    ///
    /// # Errors
    /// The first folder that can't be opened, or is not a folder.
    pub fn open(grants: &Grants) -> Result<Self, MountError> {
        let open = |grant: &vocabulary::FilesGrant| {
            let dir = open_dir(&grant.host).map_err(|cause| MountError { guest: grant.guest.clone(), host: grant.host.clone(), cause })?;
            Ok(Arc::new(dir))
        };
        let dirs = grants.files.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { dirs })
    }

    pub(crate) fn len(&self) -> usize {
        self.dirs.len()
    }

    pub(crate) fn get(&self, mount: usize) -> Option<&Arc<Dir>> {
        self.dirs.get(mount)
    }
}

/// SECURITY: a grant has the path that a folder had when it was trusted; a resumed run has it from its record. If a link was put there
/// since then, it leads to a folder that was not granted.
#[expect(clippy::disallowed_methods, reason = "door: the only place that opens a folder by its path")]
fn open_dir(host: &Path) -> Result<Dir, MountFault> {
    let real = host.canonicalize()?;
    if real != host {
        return Err(MountFault::Moved(real));
    }
    let dir = Dir::open_ambient_dir(host, cap_std::ambient_authority())?;
    let asked = rustix::fs::fstatfs(&dir).map_err(io::Error::from);
    let kind = asked.and_then(|found| u64::try_from(found.f_type).map_err(|_| io::ErrorKind::Unsupported.into()));
    judge(kind)?;
    Ok(dir)
}

/// SECURITY: if the system does not report the kind of the file system, the folder is not opened.
fn judge(kind: io::Result<u64>) -> Result<(), MountFault> {
    if PSEUDO.contains(&kind?) { Err(MountFault::Pseudo) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_can_not_be_asked_what_it_is_is_no_mount() {
        assert!(matches!(judge(Err(io::ErrorKind::Unsupported.into())), Err(MountFault::System(_))));
        assert!(matches!(judge(Ok(0x9FA0)), Err(MountFault::Pseudo)));
        assert!(judge(Ok(0xEF53)).is_ok(), "the control: ext4");
    }
}
