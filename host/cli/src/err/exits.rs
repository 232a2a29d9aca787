//! The numbers of errors of the vault and of builds, which have many kinds.

use crate::exit;

/// What the operator named or gave is one thing, a vault that does not open another.
pub(super) fn vault_exit(err: &vault::LocalError) -> u8 {
    use vault::LocalError;
    match err {
        LocalError::NotAName(_)
        | LocalError::Absent(_)
        | LocalError::Revoked(_)
        | LocalError::NotRevoked(_)
        | LocalError::Unfit(_)
        | LocalError::Destinations => exit::USAGE,
        LocalError::Full | LocalError::FullOfRevoked | LocalError::Staged(_) | LocalError::NotStaged(_) | LocalError::Changed(_) => {
            exit::USAGE
        }
        LocalError::OtherPassphrase { .. } | LocalError::NoKey { .. } => exit::HOST,
        LocalError::Unwitnessed(_) => exit::RECORD,
        LocalError::Passphrase | LocalError::Locked(_) | LocalError::NotLocked(_) | LocalError::PassphraseIsOpen(_) => exit::USAGE,
        LocalError::Io { .. } | LocalError::KeyIsOpen(_) | LocalError::Key(_) | LocalError::Keyring { .. } | LocalError::Sealed(_) => {
            exit::HOST
        }
        LocalError::Newer { .. } => exit::HOST,
        LocalError::Costly(_) | LocalError::Memory | LocalError::Random | LocalError::FullOfLive => exit::HOST,
    }
}

/// What is damaged is a part of the record, and what could not be read may be whole.
pub(super) fn not_shown_exit(missing: &gate::Missing) -> u8 {
    use gate::Missing;
    match missing {
        Missing::Damaged(_) => exit::RECORD,
        Missing::Unreadable(_) => exit::HOST,
        Missing::NotKept | Missing::Forgotten | Missing::NoKey(_) | Missing::HeldValue => exit::USAGE,
    }
}

/// An error in what somebody wrote has another exit code than a tool that is missing or fails.
pub(super) fn build_exit(err: &package::build::BuildError) -> u8 {
    use package::build::BuildError;
    match err {
        BuildError::Component(_) | BuildError::Freeze(_) | BuildError::Unexpected { .. } => exit::REFUSED,
        BuildError::LeadsOut { .. } | BuildError::Outside { .. } | BuildError::Toolchain { .. } | BuildError::NotFetched(_) => {
            exit::REFUSED
        }
        BuildError::Manifest(_) | BuildError::NoRecipe(_) | BuildError::TwoRecipes(_) | BuildError::TooMuchSource { .. } => exit::USAGE,
        BuildError::TooLong { .. } => exit::LIMIT,
        BuildError::Stopped => exit::TERMINATED,
        BuildError::File(_) | BuildError::Schemas(_) | BuildError::Changed(_) | BuildError::NotText => exit::HOST,
        BuildError::NoTool { .. } | BuildError::NotFound(_) | BuildError::NotPython(_) | BuildError::NoToolchain(_) => exit::HOST,
        BuildError::ToolFailed { .. } | BuildError::ToolSaid { .. } | BuildError::ToolComplained { .. } => exit::HOST,
    }
}
