//! Approvals: what a person is asked to say yes to, and what is said.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::canon;
use crate::err::ParseError;
use crate::ids::{Digest, OpId, RunId};
use crate::text::SafeText;

/// What must happen before an act is permitted: who must say yes, and how long that may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// How long people may take to decide, in seconds. After that the act is refused.
    pub decide_within_s: u64,
    /// The groups that must approve, in order of their names. There is at least one.
    pub groups: Vec<GroupNeed>,
    /// The policies that demand it, in order of their ids.
    pub policies: Vec<PolicyNote>,
    /// How long the approval may be used once it was given, in seconds.
    pub use_within_s: u64,
}

/// A group, and how many of its people must approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNeed {
    /// The name of the group.
    pub group: String,
    /// How many people must approve.
    pub quorum: u32,
}

/// A policy, and its author's reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyNote {
    /// The policy's `@id`.
    pub id: SafeText,
    /// The policy's `@why`; empty if it has none.
    #[serde(default, skip_serializing_if = "SafeText::is_empty")]
    pub why: SafeText,
}

/// The policies that determined a decision, and the set that they belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyBasis {
    /// The policies' `@id`s, in order.
    pub policies: Vec<SafeText>,
    /// The digest of the policy set.
    pub set: Digest,
}

/// The name of one approval: the run, and the number of the operation in it. Written `RUN-OP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApprovalId {
    /// The run that asks.
    pub run: RunId,
    /// The operation that is held back.
    pub op: OpId,
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.op.0)
    }
}

impl FromStr for ApprovalId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("an approval", text, "the id of a run, a hyphen and a number, as `bailiwick approvals ls` shows it");
        let (run, op) = text.rsplit_once('-').ok_or_else(bad)?;
        let plain = !op.is_empty() && !op.starts_with('0') && op.bytes().all(|byte| byte.is_ascii_digit());
        let op = op.parse().ok().filter(|_| plain).ok_or_else(bad)?;
        Ok(Self { run: run.parse().map_err(|_| bad())?, op: OpId(op) })
    }
}

/// What a person says to an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vote {
    /// It may happen.
    Approve,
    /// It may not happen. One such vote is enough.
    Reject,
}

impl Vote {
    /// The word on the record and in what is signed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

impl fmt::Display for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an approval ended without being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalEnd {
    /// The run was ended, or the agent gave the act up.
    Cancelled,
    /// Nobody decided in time.
    Expired,
    /// It was approved, and not used in time.
    Lapsed,
    /// Somebody rejected it.
    Rejected,
    /// It was taken back before it was used: by a person, or because a person who approved it may not vote any more.
    Revoked,
    /// The policies changed, so the act is decided again.
    Superseded,
}

impl ApprovalEnd {
    /// The word on the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Lapsed => "lapsed",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for ApprovalEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// By which means a vote was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoteMeans {
    /// Signed with an SSH key (`ssh-keygen -Y sign`).
    Signed {
        /// The fingerprint of the key: `SHA256:…`.
        key: SafeText,
        /// The armoured signature of [`VoteStatement::to_bytes`] under the namespace [`VOTE_NAMESPACE`].
        signature: String,
    },
    /// Not signed: the host knows only which user of the machine gave it. It counts in the environment [`SANDBOX`] only.
    Unsigned,
}

/// The namespace of signatures of votes. A signature that was made for another purpose has another one.
pub const VOTE_NAMESPACE: &str = "bailiwick-vote";
/// The environment in which a vote counts that is not signed.
pub const SANDBOX: &str = "sandbox";

/// What a person signs: canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VoteStatement {
    /// The approval, `RUN-OP`.
    pub approval: String,
    /// The digest of what was asked.
    pub digest: Digest,
    /// The name of the person who votes, as the configuration has it.
    pub person: String,
    /// The version of this form.
    v: u32,
    /// What the person says.
    pub vote: Vote,
}

impl VoteStatement {
    /// The statement of one vote.
    pub fn new(approval: ApprovalId, digest: Digest, person: &str, vote: Vote) -> Self {
        Self { approval: approval.to_string(), digest, person: person.to_owned(), v: 1, vote }
    }

    /// The bytes that are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        canon::to_vec(self)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = ApprovalId { run: RunId::from_parts(1_700_000_000_000, [7; 10]), op: OpId(12) };
        assert_eq!(id.to_string().parse::<ApprovalId>().unwrap(), id);
        for bad in
            ["", "12", "x-1", &format!("{}-", id.run), &format!("{}-0", id.run), &format!("{}-01", id.run), &format!("{}-+1", id.run)]
        {
            assert!(bad.parse::<ApprovalId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_signed_is_canonical_and_differs_for_each_part() {
        let id = |op| ApprovalId { run: RunId::from_parts(1_700_000_000_000, [7; 10]), op: OpId(op) };
        let bytes = |op, of: &[u8], person, vote| VoteStatement::new(id(op), Digest::of(of), person, vote).to_bytes();
        let one = bytes(1, b"a", "alice", Vote::Approve);
        assert!(canon::is_canonical(&one));
        for other in [
            bytes(2, b"a", "alice", Vote::Approve),
            bytes(1, b"b", "alice", Vote::Approve),
            bytes(1, b"a", "bob", Vote::Approve),
            bytes(1, b"a", "alice", Vote::Reject),
        ] {
            assert_ne!(one, other);
        }
    }
}
