//! Signatures of votes, good ones and forged ones.

use ssh_key::{HashAlg, LineEnding};
use vocabulary::{ApprovalId, Digest, OpId, VOTE_NAMESPACE, Vote, VoteStatement};

use super::claims::Means;
use super::rules::{key, person};
use crate::tests::kit::run_id;

/// The signature that is handed in.
pub(super) fn signature(
    people: usize,
    (op, old): (u64, Digest),
    digest: Digest,
    (name, word): (&str, Vote),
    means: Means,
) -> Option<String> {
    let seed = person(people, name).and_then(|(_, seed)| seed).unwrap_or(77);
    let (mut of, mut signed, mut who, mut said, mut purpose, mut with) = (op, digest, name, word, VOTE_NAMESPACE, seed);
    match means {
        Means::Unsigned | Means::UnsignedFromOtherAccount => return None,
        Means::Signed => {}
        Means::OtherKey => with = seed + 100,
        Means::OtherAct => of += 1,
        Means::OtherWord => said = if word == Vote::Approve { Vote::Reject } else { Vote::Approve },
        Means::OtherPerson => who = "somebody",
        Means::OldDigest => signed = old,
        Means::OtherPurpose => purpose = "file",
    }
    let statement = VoteStatement::new(ApprovalId { run: run_id(), op: OpId(of) }, signed, who, said).to_bytes();
    Some(key(with).sign(purpose, HashAlg::Sha512, &statement).unwrap().to_pem(LineEnding::LF).unwrap())
}
