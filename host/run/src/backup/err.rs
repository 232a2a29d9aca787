//! Errors of backups and restores.

use std::io;
use std::path::PathBuf;

use key::PassphraseError;
use vocabulary::exit;

/// Why a backup was not made or not restored. No part of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file can't be used.
    #[error("could not {verb} `{}`", path.display())]
    File {
        /// The operation that failed.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The record is not whole, or it is not the one that this machine remembers.
    #[error("the record of the home is not sound, so a backup of it would not be either")]
    Damaged(#[source] journal::LogFault),
    /// The record can't be read.
    #[error("the record of the home can't be read")]
    Unread(#[source] journal::ReadError),
    /// The keys do not belong to the record.
    #[error("the keys of the home are not sound, so a backup of them would not be either: {0}")]
    Keys(String),
    /// The unpacked record can't be continued.
    #[error("the record in the backup can't be continued, so nothing was restored")]
    Record(#[source] journal::OpenError),
    /// The restore can't be recorded in the restored home.
    #[error("the restore could not be recorded, so nothing was restored")]
    Unrecorded(#[source] journal::AppendError),
    /// The home contains something that can't be in a backup.
    #[error("`{}` can't be in a backup: {why}", path.display())]
    NotKept {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The home has no record yet, so there is nothing to back up.
    #[error("nothing was recorded in `{}` yet", .0.display())]
    NoLog(PathBuf),
    /// The key of the record can't be used.
    #[error("the keys of the home can't be used, and a backup needs them")]
    Key(#[source] journal::OpenError),
    /// Something was changed while the backup read it.
    #[error("{0} while the backup was made; run the command again")]
    Changed(&'static str),
    /// A change of an operator or an agent is not complete: its note is still there.
    #[error("a change of a credential, of trust or of an acceptance is under way in the home, or was cut off")]
    ChangePending,
    /// The backup would lie in the home that it copies.
    #[error("`{}` lies in the home itself, so the backup would contain itself", .0.display())]
    Within(PathBuf),
    /// A file of that name exists.
    #[error("`{}` already exists", .0.display())]
    Exists(PathBuf),
    /// The file is not a backup, or it was changed.
    #[error("`{}` is not an intact backup: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The backup is of a newer form.
    #[error("`{}` was made by a newer program, in a form that this one does not know", .0.display())]
    Newer(PathBuf),
    /// The backup is sealed under a passphrase, and none was given.
    #[error("`{}` is sealed under a passphrase", .0.display())]
    Sealed(PathBuf),
    /// The backup does not open with this passphrase.
    #[error("`{}` does not open: the passphrase is wrong, or the file was changed or cut short", .0.display())]
    OtherPassphrase(PathBuf),
    /// The backup is signed by another key than the given one.
    #[error("`{}` is not signed by the key that was given", .0.display())]
    OtherKey(PathBuf),
    /// Another process is restoring into the same home.
    #[error("another process is restoring into `{}`", .0.display())]
    Busy(PathBuf),
    /// The home is not empty.
    #[error("`{}` is not empty: a backup can be restored only into an empty home", .0.display())]
    NotEmpty(PathBuf),
    /// The home in the backup is of a form that this program does not know.
    #[error("the home in the backup can't be used by this program")]
    Form(#[source] home::FormError),
    /// The passphrase can't be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

impl BackupError {
    /// The exit code for this error.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Damaged(fault) if fault.unread().is_some() => exit::HOST,
            Self::Damaged(_) | Self::Keys(_) | Self::Record(_) | Self::Unrecorded(_) | Self::Broken { .. } | Self::OtherKey(_) => {
                exit::RECORD
            }
            Self::Unread(journal::ReadError::NoLog { .. }) => exit::USAGE,
            Self::Unread(journal::ReadError::Io { .. } | journal::ReadError::Newer(_)) => exit::HOST,
            Self::Unread(_) => exit::RECORD,
            Self::NoLog(_) | Self::Within(_) | Self::Exists(_) | Self::NotEmpty(_) | Self::Sealed(_) | Self::OtherPassphrase(_) => {
                exit::USAGE
            }
            Self::Passphrase(_) => exit::USAGE,
            Self::File { .. }
            | Self::NotKept { .. }
            | Self::Busy(_)
            | Self::Key(_)
            | Self::Changed(_)
            | Self::ChangePending
            | Self::Newer(_)
            | Self::Form(_)
            | Self::Random => exit::HOST,
        }
    }
}
