//! Where a value comes from, by its binding.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use effect::{Binding, Source};
use rustix::fs::OFlags;

use crate::local::{Local, LocalError};
use crate::secret::{Secret, UnfitError, VALUE_BYTES_MAX};

/// There is no value. Nothing of one is in here.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The home's vault says no.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// No such variable.
    #[error("the variable `{0}` is not set")]
    NoVariable(String),
    /// The file can't be read.
    #[error("could not read `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// What is there is no secret.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
}

/// Everything that values come from.
#[derive(Clone, Debug)]
pub struct Vault {
    local: Local,
}

impl Vault {
    /// Opens nothing.
    pub fn new(home: &Path) -> Self {
        Self { local: Local::new(home) }
    }

    /// The value of a binding just now. Asked for each request, so that what was revoked is
    /// gone with the next one.
    ///
    /// # Errors
    /// No value, for whatever reason.
    pub fn value(&self, binding: &Binding) -> Result<Secret, SourceError> {
        match &binding.source {
            Source::Local => Ok(self.local.get(&binding.name)?.0),
            Source::Env(name) => Ok(Secret::new(variable(name)?)?),
            Source::File(path) => Ok(Secret::of_line(file(path)?)?),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "door: secrets that the operator hands over in the environment")]
fn variable(name: &str) -> Result<Vec<u8>, SourceError> {
    let value = std::env::var_os(name).ok_or_else(|| SourceError::NoVariable(name.to_owned()))?;
    Ok(value.into_encoded_bytes())
}

/// As Kubernetes and systemd hand them over.
#[expect(clippy::disallowed_methods, reason = "door: secrets that the operator hands over in files")]
fn file(path: &Path) -> Result<Vec<u8>, SourceError> {
    let failed = |cause| SourceError::File { path: path.to_owned(), cause };
    // Without waiting for the other end of a pipe.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let mut value = Vec::with_capacity(VALUE_BYTES_MAX + 3);
    file.take(VALUE_BYTES_MAX as u64 + 3).read_to_end(&mut value).map_err(failed)?;
    Ok(value)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use effect::{Placement, Scheme};

    use super::*;

    #[test]
    fn a_file_gives_its_one_line_and_what_is_no_secret_is_told_without_it() {
        let home = tempfile::tempdir().unwrap();
        let vault = Vault::new(home.path());
        let binding = |source| Binding {
            name: "a".to_owned(),
            hosts: Vec::new(),
            placement: Placement::Bearer,
            scheme: Scheme::Https,
            source,
            until: None,
        };
        let path = home.path().join("token");
        let of_file = || vault.value(&binding(Source::File(path.clone())));
        assert!(matches!(of_file(), Err(SourceError::File { .. })));
        let pipe = home.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(vault.value(&binding(Source::File(pipe))), Err(SourceError::File { .. })), "and nobody waits");
        std::fs::write(&path, "correct-horse\r\n").unwrap();
        assert_eq!(of_file().unwrap().expose(), b"correct-horse");
        for unfit in ["correct\nhorse", "short", &"x".repeat(5000), "\n"] {
            std::fs::write(&path, unfit).unwrap();
            let err = of_file().unwrap_err();
            assert!(matches!(err, SourceError::Unfit(_)) && (unfit.len() < 3 || !format!("{err:?} {err}").contains(unfit)));
        }
        assert!(matches!(vault.value(&binding(Source::Env("NO_SUCH_VARIABLE".to_owned()))), Err(SourceError::NoVariable(_))));
        assert!(matches!(vault.value(&binding(Source::Local)), Err(SourceError::Local(LocalError::Absent(_)))));
    }
}
