//! The exit code of each error.

use home::Exposed;
use vocabulary::exit;

use super::CliError;

impl CliError {
    /// The number that the program ends with.
    pub(crate) fn exit(&self) -> u8 {
        run::fair_exit(self, self.exit_by_kind())
    }

    fn exit_by_kind(&self) -> u8 {
        if Exposed::of(self).is_some() {
            return exit::USAGE;
        }
        if super::keys::sealed_under(self).is_some() {
            return exit::HOST;
        }
        match self.gave_up() {
            Some(home::GaveUp::Ended(signal)) => return exit::of_means(crate::signals::means(*signal)),
            Some(home::GaveUp::TimedOut { .. }) => return exit::HOST,
            None => {}
        }
        if let Self::Read(_) | Self::Accept(_) = self
            && self.is_out_of_reach()
        {
            return exit::HOST;
        }
        match self {
            Self::Service(err) => err.exit(),
            Self::NeverAccepted { .. } | Self::NeverTrusted { .. } => exit::USAGE,
            Self::Vote(err) => err.exit(),
            Self::Policy(_) => exit::USAGE,
            Self::Project(_) | Self::TypedTwice => exit::USAGE,
            Self::NoDestination { .. }
            | Self::NotADestination
            | Self::WouldBeRefused(_)
            | Self::Outside(_)
            | Self::NoCredential { .. }
            | Self::InUse { .. } => exit::USAGE,
            Self::NoValue { .. } | Self::SameValue { .. } | Self::FormerValue { .. } | Self::ValueIsGone { .. } => exit::USAGE,
            Self::RevokeWhat | Self::NothingRevoked { .. } => exit::USAGE,
            Self::NotRecorded { .. } => exit::RECORD,
            Self::NotInPlace { .. } => exit::HOST,
            Self::Vault(err) => vault_exit(err),
            Self::Run(err) => err.exit(),
            Self::Failed { exit, .. } | Self::CutOff { exit, .. } | Self::Lost { exit, .. } => *exit,
            Self::EndedEarly { means } | Self::EndedWaiting { means } | Self::Undone { means } | Self::NotPruned { means } => {
                exit::of_means(*means)
            }
            Self::WasCutOff(_) => exit::USAGE,
            Self::HeldByOther { .. } | Self::Manager { .. } => exit::HOST,
            Self::NotSeconds(_) | Self::NotALogWord { .. } => exit::USAGE,
            Self::Read(journal::ReadError::NoLog { .. } | journal::ReadError::NotThere) => exit::USAGE,
            Self::Read(journal::ReadError::Newer(_)) | Self::Accept(journal::OpenError::Newer(_)) => exit::HOST,
            Self::Read(_) => exit::RECORD,
            Self::Accept(journal::OpenError::Held { .. } | journal::OpenError::Unfit { .. }) => exit::HOST,
            Self::Accept(journal::OpenError::Whole) => exit::USAGE,
            Self::Accept(_) => exit::RECORD,
            Self::File { .. }
            | Self::NotAFile(_)
            | Self::TooLarge { .. }
            | Self::InputNotText
            | Self::InputTwice
            | Self::NoShards { .. }
            | Self::ShardTwice => exit::USAGE,
            Self::NotARun(_) | Self::NoSuchRun(_) | Self::SeveralRuns { .. } | Self::NoSuchRecord { .. } => exit::USAGE,
            Self::NotShown(missing) => not_shown_exit(missing),
            Self::NotALease(_)
            | Self::NotOnRecord { .. }
            | Self::HasNoBody { .. }
            | Self::OfOneRecord
            | Self::OfAWholeRun
            | Self::RawToTerminal
            | Self::RawOfMore
            | Self::WeakValue { .. }
            | Self::NotGoing(_)
            | Self::Ended(_)
            | Self::NotAMoment(_)
            | Self::NotAKind { .. }
            | Self::PublicKey { .. }
            | Self::NoHome { .. } => exit::USAGE,
            Self::Home(_) | Self::Form(_) => exit::HOST,
            Self::Backup(err) => err.exit(),
            Self::Unread(_) | Self::OfAPart(_) | Self::PruneDamaged => exit::RECORD,
            Self::PruneWhat | Self::PruneWhere | Self::HoldWhy | Self::NotHeld(_) | Self::Settings(_) => exit::USAGE,
            Self::Keys(err) => err.exit(),
            Self::NothingToBuild { .. } | Self::Case { .. } | Self::NoCases | Self::NotACaseName(_) => exit::USAGE,
            Self::HostGone | Self::TooManyValues | Self::NotEnding(_) | Self::Runtime(_) | Self::Write(_) => exit::HOST,
        }
    }
}

/// Usage errors for what the operator named or gave, host errors for a vault that does not open.
fn vault_exit(err: &vault::LocalError) -> u8 {
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

/// Damage is an error of the record. A file that could not be read may be undamaged, so that is an error of the host.
fn not_shown_exit(missing: &gate::Missing) -> u8 {
    use gate::Missing;
    match missing {
        Missing::Damaged(_) => exit::RECORD,
        Missing::Unreadable(_) => exit::HOST,
        Missing::NotKept | Missing::Forgotten | Missing::NoKey(_) | Missing::HeldValue => exit::USAGE,
    }
}
