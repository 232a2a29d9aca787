//! What an approval is for, as one value with a digest.

use serde::Serialize;

use crate::canon;
use crate::decision::Bounds;
use crate::function::Function;
use crate::ids::{Digest, RunId};

/// Everything that an approval is for. Its digest is what people vote on, and what is compared when the approval is used.
///
/// INVARIANT: `params` covers every byte of the ask: the method, the target, the headers and the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalSubject<'a> {
    /// The digest of the agent's component.
    pub agent: Digest,
    /// When people were asked, in milliseconds since 1970: a vote on an earlier asking does not count for a later one.
    pub asked_at: u64,
    /// What would be permitted: the rule, the credential, the addresses.
    pub bounds: &'a Bounds,
    /// The environment of the resource.
    pub environment: &'a str,
    /// The function.
    pub function: Function,
    /// The number of the operation.
    pub op: u64,
    /// The keyed digest of the whole ask.
    pub params: Digest,
    /// The digest of the policy set.
    pub policy: Digest,
    /// The run.
    pub run: RunId,
    /// The version of this form.
    pub v: u32,
}

impl ApprovalSubject<'_> {
    /// The digest of the canonical JSON (RFC 8785).
    pub fn digest(&self) -> Digest {
        Digest::of(&canon::to_vec(self))
    }
}
