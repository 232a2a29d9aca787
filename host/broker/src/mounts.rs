//! The folders of the host that a run may look into, held open from before its start.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::Dir;
use effect::Grants;

/// Open folders, in the order of the grants. Cheap to clone: runs of one agent share them.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    dirs: Arc<[Arc<Dir>]>,
}

/// A folder that was granted and can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("could not open `{}`, which is granted as `{guest}`", host.display())]
pub struct MountError {
    /// As the guest would see it.
    pub guest: String,
    /// The folder.
    pub host: PathBuf,
    /// Why.
    #[source]
    pub cause: io::Error,
}

impl Mounts {
    /// Opens every folder that is granted. The descriptors name the folders, not their paths: what is put in a folder's place later is
    /// not seen.
    ///
    /// # Errors
    /// The first that can't be opened, or is no folder.
    #[expect(clippy::disallowed_methods, reason = "door: the only place that opens a folder by its path")]
    pub fn open(grants: &Grants) -> Result<Self, MountError> {
        let open = |grant: &effect::FilesGrant| {
            Dir::open_ambient_dir(&grant.host, cap_std::ambient_authority()).map(Arc::new).map_err(|cause| MountError {
                guest: grant.guest.clone(),
                host: grant.host.clone(),
                cause,
            })
        };
        Ok(Self { dirs: grants.files.iter().map(open).collect::<Result<_, _>>()? })
    }

    pub(crate) fn len(&self) -> usize {
        self.dirs.len()
    }

    pub(crate) fn get(&self, mount: usize) -> Option<&Arc<Dir>> {
        self.dirs.get(mount)
    }
}
