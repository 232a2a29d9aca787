//! Votes: who may vote on what an agent asks, and whether a requirement is met.
//!
//! A vote counts if it is signed with a key that `[people]` has for the person, or if the person's own account on this machine gave it and
//! the act is in the sandbox only. Who started the run may not vote.

use std::collections::{BTreeMap, BTreeSet};

use ssh_key::{Fingerprint, HashAlg, PublicKey, SshSig};
use vocabulary::{
    ApprovalId, Digest, GroupNeed, Person, PolicyRules, Principal, Requirement, SANDBOX, SafeText, VOTE_NAMESPACE, Vote, VoteMeans,
    VoteStatement,
};

use crate::set::starter;

/// BOUND: bytes of an armoured signature.
pub const SIGNATURE_BYTES_MAX: usize = 8192;

/// A vote that was counted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CastVote {
    /// The fingerprint of the key that it was signed with. `None` if it is not signed.
    pub key: Option<SafeText>,
    /// The person.
    pub person: String,
    /// What the person said.
    pub vote: Vote,
}

/// A vote that somebody hands in.
#[derive(Clone, Debug)]
pub struct Ballot<'a> {
    /// The approval.
    pub approval: ApprovalId,
    /// The digest of what was asked.
    pub digest: Digest,
    /// The person who votes.
    pub person: &'a str,
    /// The armoured signature, if there is one.
    pub signature: Option<&'a str>,
    /// What the person says.
    pub vote: Vote,
    /// The user of the machine who hands it in.
    pub by: &'a Principal,
}

/// What a vote is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The environment of the act.
    pub environment: &'a str,
    /// Who must approve it.
    pub needs: &'a Requirement,
    /// Who started the run.
    pub started_by: &'a Principal,
    /// The votes so far.
    pub votes: &'a [CastVote],
}

/// Why a vote does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoteFault {
    /// `[people]` has nobody of this name.
    #[error("`[people]` has no `{0}`")]
    Unknown(SafeText),
    /// The person is in none of the groups that are asked.
    #[error("`{person}` is in none of the groups that are asked: {groups}")]
    NotAsked {
        /// The person.
        person: SafeText,
        /// The groups that are asked.
        groups: String,
    },
    /// The person started the run.
    #[error("`{0}` started the run, and nobody approves what he or she asked for")]
    Requester(SafeText),
    /// The person voted before.
    #[error("`{0}` has voted already")]
    Twice(SafeText),
    /// A vote that is not signed, outside of the sandbox.
    #[error("a vote in the environment `{0}` must be signed; only in `{SANDBOX}` a vote counts that is not")]
    Unsigned(SafeText),
    /// A vote that is not signed, handed in by somebody else.
    #[error("a vote that is not signed must be given by the person's own account `{account}`, and this is {by}")]
    OtherAccount {
        /// The person's account.
        account: SafeText,
        /// The account that handed it in.
        by: Principal,
    },
    /// The signature can't be read.
    #[error("the signature can't be read: {0}")]
    Unreadable(SafeText),
    /// The signature is by another key.
    #[error("the signature is by the key {key}, which `[people]` does not have for `{person}`")]
    OtherKey {
        /// The fingerprint of the key.
        key: SafeText,
        /// The person.
        person: SafeText,
    },
    /// The signature is for something else.
    #[error("the signature is not for this vote: it was made for another act, another vote, another person or another purpose")]
    OtherStatement,
}

/// Checks a vote.
///
/// # Errors
/// Why it does not count.
pub fn check(rules: &PolicyRules, question: &Question<'_>, ballot: &Ballot<'_>) -> Result<VoteMeans, VoteFault> {
    let shown = || SafeText::new(ballot.person, 64);
    let person = rules.people.get(ballot.person).ok_or_else(|| VoteFault::Unknown(shown()))?;
    if !question.needs.groups.iter().any(|need| person.groups.contains(&need.group)) {
        let groups = question.needs.groups.iter().map(|need| need.group.as_str()).collect::<Vec<_>>().join(", ");
        return Err(VoteFault::NotAsked { person: shown(), groups });
    }
    if starter(rules, question.started_by) == ballot.person {
        return Err(VoteFault::Requester(shown()));
    }
    // A vote that does not stand any more, because its key was taken out, can be given again.
    if question.votes.iter().any(|cast| cast.person == ballot.person && stands(person, question.environment, cast)) {
        return Err(VoteFault::Twice(shown()));
    }
    match ballot.signature {
        Some(signature) => signed(person, ballot, signature),
        None if question.environment != SANDBOX => Err(VoteFault::Unsigned(SafeText::new(question.environment, 64))),
        None => {
            let account = person.user.as_deref().unwrap_or(ballot.person);
            let is_own = ballot.by.name.as_ref().is_some_and(|name| name.as_str() == account);
            let other = || VoteFault::OtherAccount { account: SafeText::new(account, 64), by: ballot.by.clone() };
            if is_own { Ok(VoteMeans::Unsigned) } else { Err(other()) }
        }
    }
}

fn signed(person: &Person, ballot: &Ballot<'_>, text: &str) -> Result<VoteMeans, VoteFault> {
    let unreadable = |why: &str| VoteFault::Unreadable(SafeText::new(why, 200));
    if text.len() > SIGNATURE_BYTES_MAX {
        return Err(unreadable("it is too long"));
    }
    let signature = SshSig::from_pem(text.trim()).map_err(|err| unreadable(&err.to_string()))?;
    let key = PublicKey::from(signature.public_key().clone());
    let name = fingerprint(&key);
    if !person.keys.iter().filter_map(|line| read_key(line).ok()).any(|known| known.key_data() == key.key_data()) {
        return Err(VoteFault::OtherKey { key: name, person: SafeText::new(ballot.person, 64) });
    }
    let statement = VoteStatement::new(ballot.approval, ballot.digest, ballot.person, ballot.vote).to_bytes();
    key.verify(VOTE_NAMESPACE, &statement, &signature).map_err(|_| VoteFault::OtherStatement)?;
    Ok(VoteMeans::Signed { key: name, signature: text.trim().to_owned() })
}

/// The fingerprint of a key: `SHA256:…`, as `ssh-keygen -l` shows it.
fn fingerprint(key: &PublicKey) -> SafeText {
    let print: Fingerprint = key.fingerprint(HashAlg::Sha256);
    SafeText::new(&print.to_string(), 64)
}

/// Reads a public key in the form of OpenSSH: `ssh-ed25519 AAAA…`, perhaps with a comment.
///
/// # Errors
/// A key that is none, or of a kind whose signatures can't be checked here.
pub fn read_key(line: &str) -> Result<PublicKey, String> {
    use ssh_key::Algorithm;
    let key = PublicKey::from_openssh(line).map_err(|err| err.to_string())?;
    match key.algorithm() {
        Algorithm::Ed25519
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256
        | Algorithm::Ecdsa { curve: ssh_key::EcdsaCurve::NistP256 } => Ok(key),
        other => Err(format!("keys of the kind `{other}` can't be used: take ed25519, ECDSA over P-256, or one of a security key")),
    }
}

/// Whether a vote still stands: the person has the key with which it was signed, or it needs no signature.
fn stands(person: &Person, environment: &str, cast: &CastVote) -> bool {
    let has = |print: &SafeText| person.keys.iter().filter_map(|line| read_key(line).ok()).any(|key| fingerprint(&key) == *print);
    cast.key.as_ref().map_or(environment == SANDBOX, has)
}

/// The votes that count now: a person who was taken out of `[people]` or of the group, or whose key was taken out, does not count any more.
fn counting<'a>(rules: &'a PolicyRules, question: &Question<'a>) -> BTreeMap<&'a str, &'a Person> {
    let counts = |cast: &&CastVote| cast.vote == Vote::Approve && starter(rules, question.started_by) != cast.person;
    let votes = question.votes.iter().filter(counts);
    votes
        .filter_map(|cast| {
            let person = rules.people.get(&cast.person)?;
            stands(person, question.environment, cast).then_some((cast.person.as_str(), person))
        })
        .collect()
}

/// How many of a group have approved.
pub fn approved_of(rules: &PolicyRules, question: &Question<'_>, need: &GroupNeed) -> u32 {
    let count = counting(rules, question).values().filter(|person| person.groups.contains(&need.group)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether enough people of all groups have approved.
pub fn is_met(rules: &PolicyRules, question: &Question<'_>) -> bool {
    !question.needs.groups.is_empty() && question.needs.groups.iter().all(|need| approved_of(rules, question, need) >= need.quorum)
}

/// The people who may vote, by group.
pub fn may_vote(rules: &PolicyRules, question: &Question<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let starter = starter(rules, question.started_by);
    let can = |(name, person): &(&String, &Person)| **name != starter && (!person.keys.is_empty() || question.environment == SANDBOX);
    let of = |need: &GroupNeed| {
        let people = rules.people.iter().filter(can).filter(|(_, person)| person.groups.contains(&need.group));
        (need.group.clone(), people.map(|(name, _)| name.clone()).collect())
    };
    question.needs.groups.iter().map(of).collect()
}

/// Why a requirement can't be met by anybody, if that is so.
pub fn nobody_to_ask(rules: &PolicyRules, question: &Question<'_>) -> Option<SafeText> {
    let may = may_vote(rules, question);
    let lacking = question.needs.groups.iter().find(|need| {
        let people = may.get(&need.group).map_or(0, BTreeSet::len);
        people < usize::try_from(need.quorum).unwrap_or(usize::MAX)
    })?;
    let people = may.get(&lacking.group).map_or(0, BTreeSet::len);
    let GroupNeed { group, quorum } = lacking;
    let words = format!(
        "{quorum} of the group `{group}` must approve it, and {people} of them can: who started the run can't, and who has no key can't outside of `{SANDBOX}`"
    );
    Some(SafeText::new(&words, 300))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
