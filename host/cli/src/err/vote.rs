//! Why a vote was not handed in, and what is wrong with policies.

use std::borrow::Cow;
use std::io;

use vocabulary::exit;

use crate::words::safe;

/// Why a vote was not handed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VoteError {
    #[error("no act that waits for people has a name that begins with `{}`", safe(given))]
    NoApproval { given: String },
    #[error("several acts that wait for people have names that begin with `{}`", safe(given))]
    ManyApprovals { given: String },
    #[error("your account has no name on this machine, so say who votes")]
    VoteAsWhom,
    #[error("`{}` is not the digest of `{approval}`, or less than twelve digits of it", safe(given))]
    OtherDigest { approval: String, given: String },
    #[error("without a terminal, a vote names the digest of what you have seen")]
    VoteUnseen { approval: String },
    #[error("nothing was voted")]
    NotVoted,
    #[error("`ssh-keygen` did not sign: {why}")]
    SshKeygen {
        why: String,
        #[source]
        cause: Option<io::Error>,
    },
}

impl VoteError {
    /// The number that the program ends with.
    pub(super) fn exit(&self) -> u8 {
        match self {
            Self::SshKeygen { .. } => exit::HOST,
            _ => exit::USAGE,
        }
    }

    /// What to do next.
    pub(super) fn advice(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::NoApproval { .. } | Self::ManyApprovals { .. } => "`bailiwick approvals ls` shows all of them",
            Self::VoteAsWhom => "give `--as PERSON`, as `[people]` of the configuration has the name",
            Self::OtherDigest { .. } => "look at it again with `bailiwick approvals show`, which prints the digest",
            Self::SshKeygen { .. } => {
                "its own message is above; or sign elsewhere what `bailiwick approvals statement` prints, and give `--signature`"
            }
            Self::VoteUnseen { approval } => {
                return Some(Cow::Owned(format!(
                    "`bailiwick approvals show {approval}` shows it; then give `--digest` with its first twelve digits or more"
                )));
            }
            Self::NotVoted => return None,
        }))
    }
}

/// What is wrong with policies, their cases, or a question about them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error(transparent)]
    Case(#[from] package::policy_case::CaseError),
    #[error("{failed} of {of} cases failed: the policies do not answer as they should")]
    CasesFailed { failed: usize, of: usize },
    #[error("nothing was decided in record {seq} of run `{run}`: it is no intent, no refusal, and no act that is held back")]
    NothingDecided { run: vocabulary::RunId, seq: u64 },
}
