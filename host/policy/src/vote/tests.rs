//! Votes that count, and votes that do not.

use std::collections::BTreeMap;

use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};
use vocabulary::{GroupNeed, OpId, PolicyRules, RunId};

use super::*;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

fn person(groups: &[&str], seed: Option<u8>) -> Person {
    let keys = seed.map(|seed| key(seed).public_key().to_openssh().unwrap());
    Person { groups: groups.iter().map(|group| (*group).to_owned()).collect(), keys: keys.into_iter().collect(), user: None }
}

fn rules() -> PolicyRules {
    let people = [
        ("alice", person(&["board"], Some(1))),
        ("bob", person(&["board", "other"], Some(2))),
        ("carol", person(&["other"], Some(3))),
        ("dave", person(&["board"], Some(4))),
        ("eve", person(&["board"], None)),
    ];
    let people: BTreeMap<String, Person> = people.into_iter().map(|(name, person)| (name.to_owned(), person)).collect();
    PolicyRules { people, ..PolicyRules::default() }
}

fn needs(quorum: u32) -> Requirement {
    let groups = vec![GroupNeed { group: "board".to_owned(), quorum }];
    Requirement { decide_within_s: 1, groups, policies: Vec::new(), use_within_s: 1 }
}

fn id(op: u64) -> ApprovalId {
    ApprovalId { run: RunId::from_parts(1, [7; 10]), op: OpId(op) }
}

fn signature(seed: u8, namespace: &str, (approval, of, person, vote): (ApprovalId, &[u8], &str, Vote)) -> String {
    let statement = VoteStatement::new(approval, Digest::of(of), person, vote).to_bytes();
    key(seed).sign(namespace, HashAlg::Sha512, &statement).unwrap().to_pem(LineEnding::LF).unwrap()
}

/// What becomes of a vote: `signed`, `unsigned`, or why it does not count.
fn told(who: &str, signature: Option<&str>, environment: &str, votes: &[CastVote]) -> String {
    let (needs, started_by, by) = (needs(2), Principal::new(9, Some("dave")), Principal::new(1, Some(who)));
    let question = Question { environment, needs: &needs, started_by: &started_by, votes };
    let ballot = Ballot { approval: id(3), digest: Digest::of(b"x"), person: who, signature, vote: Vote::Approve, by: &by };
    match check(&rules(), &question, &ballot) {
        Ok(VoteMeans::Signed { .. }) => "signed".to_owned(),
        Ok(VoteMeans::Unsigned) => "unsigned".to_owned(),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn a_signature_counts_for_one_act_one_person_and_one_word() {
    let good = signature(1, VOTE_NAMESPACE, (id(3), b"x", "alice", Vote::Approve));
    assert_eq!(told("alice", Some(&good), "production", &[]), "signed");
    for (other, words) in [
        (signature(1, VOTE_NAMESPACE, (id(4), b"x", "alice", Vote::Approve)), "not for this vote"),
        (signature(1, VOTE_NAMESPACE, (id(3), b"y", "alice", Vote::Approve)), "not for this vote"),
        (signature(1, VOTE_NAMESPACE, (id(3), b"x", "bob", Vote::Approve)), "not for this vote"),
        (signature(1, VOTE_NAMESPACE, (id(3), b"x", "alice", Vote::Reject)), "not for this vote"),
        (signature(1, "file", (id(3), b"x", "alice", Vote::Approve)), "not for this vote"),
        (signature(2, VOTE_NAMESPACE, (id(3), b"x", "alice", Vote::Approve)), "does not have for `alice`"),
        (signature(9, VOTE_NAMESPACE, (id(3), b"x", "alice", Vote::Approve)), "does not have for `alice`"),
        (good.replace("A", "B"), "can't be read"),
        ("x".repeat(SIGNATURE_BYTES_MAX + 1), "too long"),
        (String::new(), "can't be read"),
    ] {
        let said = told("alice", Some(&other), "production", &[]);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn who_started_the_run_may_not_vote_and_neither_may_strangers() {
    let sign = |seed, who| signature(seed, VOTE_NAMESPACE, (id(3), b"x", who, Vote::Approve));
    assert!(told("dave", Some(&sign(4, "dave")), "production", &[]).contains("started the run"));
    assert!(told("carol", Some(&sign(3, "carol")), "production", &[]).contains("none of the groups"));
    assert!(told("mallory", Some(&sign(5, "mallory")), "production", &[]).contains("has no `mallory`"));
    let before = cast("bob", Some(2));
    assert!(told("bob", Some(&sign(2, "bob")), "production", &[before]).contains("has voted already"));
    assert_eq!(told("bob", Some(&sign(2, "bob")), "production", &[]), "signed", "the control");
}

#[test]
fn a_vote_that_is_not_signed_counts_in_the_sandbox_only_and_only_from_its_own_account() {
    assert_eq!(told("eve", None, SANDBOX, &[]), "unsigned");
    for elsewhere in ["production", "staging", "production and sandbox", ""] {
        assert!(told("eve", None, elsewhere, &[]).contains("must be signed"), "{elsewhere}");
    }
    let (needs, started_by, root) = (needs(1), Principal::new(9, Some("dave")), Principal::new(0, Some("root")));
    let question = Question { environment: SANDBOX, needs: &needs, started_by: &started_by, votes: &[] };
    let ballot = Ballot { approval: id(3), digest: Digest::of(b"x"), person: "eve", signature: None, vote: Vote::Approve, by: &root };
    assert!(matches!(check(&rules(), &question, &ballot), Err(VoteFault::OtherAccount { .. })));
}

fn cast(person: &str, seed: Option<u8>) -> CastVote {
    CastVote { key: seed.map(|seed| fingerprint(key(seed).public_key())), person: person.to_owned(), vote: Vote::Approve }
}

#[test]
fn a_requirement_is_met_by_the_people_of_now() {
    let (needs, started_by) = (needs(2), Principal::new(9, Some("dave")));
    let met = |rules: &PolicyRules, environment: &str, votes: &[CastVote]| {
        is_met(rules, &Question { environment, needs: &needs, started_by: &started_by, votes })
    };
    let both = [cast("alice", Some(1)), cast("bob", Some(2))];
    assert!(met(&rules(), "production", &both));
    assert!(!met(&rules(), "production", &both[..1]), "the quorum is read");
    assert!(!met(&rules(), "production", &[both[0].clone(), both[0].clone()]), "nobody counts twice");
    assert!(!met(&rules(), "production", &[both[0].clone(), cast("dave", Some(4))]), "who started the run");
    assert!(!met(&rules(), "production", &[both[0].clone(), cast("eve", None)]), "not signed");
    assert!(met(&rules(), SANDBOX, &[both[0].clone(), cast("eve", None)]));
    let rejected = CastVote { vote: Vote::Reject, ..both[1].clone() };
    assert!(!met(&rules(), "production", &[both[0].clone(), rejected]));
    let change = |of: fn(&mut PolicyRules)| {
        let mut rules = rules();
        of(&mut rules);
        met(&rules, "production", &both)
    };
    assert!(!change(|rules| drop(rules.people.remove("bob"))));
    assert!(!change(|rules| rules.people.get_mut("bob").unwrap().groups.clear()));
    assert!(!change(|rules| rules.people.get_mut("bob").unwrap().keys = vec![key(8).public_key().to_openssh().unwrap()]));
    let none = Requirement { groups: Vec::new(), ..needs.clone() };
    let question = Question { environment: "production", needs: &none, started_by: &started_by, votes: &both };
    assert!(!is_met(&rules(), &question), "nothing is approved by asking nobody");
}

#[test]
fn nobody_is_asked_if_those_who_can_vote_are_too_few() {
    let (four, three, started_by) = (needs(3), needs(2), Principal::new(9, Some("dave")));
    let of = |needs: &Requirement, environment: &str| {
        nobody_to_ask(&rules(), &Question { environment, needs, started_by: &started_by, votes: &[] }).is_some()
    };
    assert!(of(&four, "production"), "dave started the run, and eve has no key");
    assert!(!of(&four, SANDBOX));
    assert!(!of(&three, "production"));
}

#[test]
fn only_keys_whose_signatures_can_be_checked_are_read() {
    assert!(read_key(&key(1).public_key().to_openssh().unwrap()).is_ok());
    assert!(read_key("ssh-ed25519 AAAA").is_err());
    assert!(read_key("nonsense").is_err());
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7l7n0dHqVq8H5nXjQ3e0kP4lJmQ2sJ5pW7aB0B6m0hE7a7J7z0kQmR2V0l3JxFfP9y1l1kFZgk0wM4m5mTz2f1eJ7k2cB7uJ8lq9uRr7YwG9rW8pE5Uq8nJvY5b2mVnQq5qk6Wn8Xy1Zy3n7fM0lWcVZ0Yb3pVd4y2uN9o4y1rw== a";
    assert!(read_key(rsa).is_err());
}
