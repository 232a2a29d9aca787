//! What must hold of every record and of every act that begins, in plain words. It knows the true time, the rules and the people of each
//! moment, and nothing of how the gate decides.

use std::collections::{BTreeMap, BTreeSet};

use ssh_key::{HashAlg, SshSig};
use vocabulary::record::{ApprovalAsked, ApprovalClosed, ApprovalVoted, Asked, Record, VERSION};
use vocabulary::{ApprovalEnd, ApprovalId, ApprovalSubject, Digest, OpId, VOTE_NAMESPACE, Vote, VoteMeans, VoteStatement};

use super::rules::{ACTS, AllRules, DECIDE_S, POLICIES, Says, USE_S, act, key, person};
use crate::Keyed;
use crate::tests::kit::run_id;

/// So close to the end of a time, nothing is claimed: a step takes a moment itself.
const INEXACT_MS: u64 = 50;

/// The truth about one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    /// How much time has really passed, in milliseconds.
    pub(super) true_ms: u64,
    /// How often the machine was restarted.
    pub(super) boot: u64,
    /// How far the machine's clock is ahead, in seconds.
    pub(super) ahead_s: i64,
    /// The policy in force.
    pub(super) policy: usize,
    /// The set of people in force.
    pub(super) people: usize,
}

impl Truth {
    /// Whether so many seconds have passed. If the machine was restarted and its clock was set back meanwhile, nobody could know.
    fn has_passed(&self, since: &Self, seconds: u64) -> bool {
        let knows = self.boot == since.boot || self.ahead_s >= since.ahead_s;
        knows && self.true_ms - since.true_ms >= seconds * 1000 + INEXACT_MS
    }

    /// Whether it is certain that not so many seconds have passed, for a machine that was not restarted.
    fn is_within(&self, since: &Self, seconds: u64) -> bool {
        self.boot == since.boot && self.true_ms - since.true_ms + INEXACT_MS < seconds * 1000
    }
}

/// How a vote is handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    Signed,
    OtherKey,
    OtherAct,
    OtherWord,
    OtherPerson,
    OldDigest,
    OtherPurpose,
    Unsigned,
    UnsignedFromOtherAccount,
}

#[derive(Clone, Debug)]
struct Card {
    act: usize,
    asked: Truth,
    digest: Digest,
    /// Person, seed of the key, and the word.
    votes: Vec<(String, Option<u8>, Vote)>,
    approved: Option<Truth>,
    is_rejected: bool,
    is_closed: bool,
}

/// How often something happened.
pub(super) type Tally = BTreeMap<String, u64>;

#[derive(Default)]
pub(super) struct Claims {
    /// Which act each operation is. The guest says so.
    pub(super) acts: BTreeMap<u64, usize>,
    /// What a person is just revoking.
    pub(super) revoking: Option<u64>,
    pub(super) tally: Tally,
    cards: BTreeMap<u64, Card>,
    /// Acts that people rejected.
    rejected: BTreeSet<usize>,
    used: BTreeSet<Digest>,
    /// The last approval of each operation that was used, and when it was approved.
    used_by: BTreeMap<u64, Card>,
    intents: BTreeMap<u64, u64>,
    begun: BTreeMap<u64, u64>,
    /// Acts that a person said did not happen, or that were cut off.
    may_repeat: BTreeSet<u64>,
}

macro_rules! claim {
    ($holds:expr, $($words:tt)+) => {
        if !$holds { return Err(format!($($words)+)); }
    };
}

impl Claims {
    pub(super) fn note(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// Takes the next record.
    pub(super) fn record(&mut self, record: &Record, now: &Truth, rules: &AllRules) -> Result<(), String> {
        match record {
            Record::ApprovalAsked(asked) => self.asked_people(asked, now, rules),
            Record::ApprovalVoted(voted) => self.voted(voted, now),
            Record::ApprovalClosed(closed) => self.closed(closed, now),
            Record::Asked(asked) => self.intent(asked, now),
            Record::ActSettled(settled) => {
                if !settled.did {
                    self.may_repeat.insert(settled.op);
                }
                Ok(())
            }
            Record::RunResumed(_) => {
                // What only reads is repeated without asking anybody.
                let reads = self.acts.iter().filter(|(_, act)| ACTS[**act].0 == "GET").map(|(op, _)| *op);
                self.may_repeat.extend(reads);
                Ok(())
            }
            Record::Refused(refused) => {
                if let Some(card) = self.cards.remove(&refused.op) {
                    claim!(card.is_closed || card.is_rejected, "operation {} is refused and was not over", refused.op);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn asked_people(&mut self, asked: &ApprovalAsked, now: &Truth, rules: &AllRules) -> Result<(), String> {
        let of = self.acts.get(&asked.op).copied().ok_or("nobody asked for it")?;
        let Says::Ask(group, quorum) = POLICIES[now.policy] else { return Err("people are asked although no policy says so".to_owned()) };
        claim!(ACTS[of].2, "people are asked about what is not held back");
        claim!(!self.rejected.contains(&of), "people are asked again what they rejected");
        let needs: Vec<_> = asked.needs.groups.iter().map(|need| (need.group.as_str(), need.quorum as usize)).collect();
        claim!(needs == [(group, quorum)], "the wrong people are asked: {needs:?}");
        // What people approve is computed once more, from the record and from the act itself.
        let params = Keyed::of_seed(&[9; 32]).digest(&act(of).canonical_bytes());
        let subject = ApprovalSubject {
            agent: Digest::of(b"agent"),
            asked_at: asked.at,
            bounds: &asked.bounds,
            environment: if ACTS[of].3 { "sandbox" } else { "production" },
            function: asked.ask.function,
            op: asked.op,
            params,
            policy: rules.of(now.policy, now.people).rules.digest(),
            run: run_id(),
            v: VERSION,
        };
        claim!(subject.digest() == asked.digest && asked.params == params, "the digest is not that of the act");
        if let Some(before) = self.cards.get(&asked.op) {
            claim!(before.is_closed, "it is asked again and was not over");
            claim!(before.digest != asked.digest, "votes on an earlier asking would count");
            self.note("asked again");
        }
        self.note("asked");
        let card =
            Card { act: of, asked: *now, digest: asked.digest, votes: Vec::new(), approved: None, is_rejected: false, is_closed: false };
        self.cards.insert(asked.op, card);
        Ok(())
    }

    /// Whether a vote that was given still stands: its key is one of the person's.
    fn stands(card: &Card, name: &str, seed: Option<u8>, now: &Truth) -> bool {
        person(now.people, name).is_some_and(|(_, own)| if seed.is_some() { own == seed } else { ACTS[card.act].3 })
    }

    /// Whether a vote counts that is handed in now.
    pub(super) fn counts(&self, op: u64, name: &str, means: Means, now: &Truth) -> bool {
        let Some(card) = self.cards.get(&op) else { return false };
        let Says::Ask(group, _) = POLICIES[now.policy] else { return false };
        let Some((groups, seed)) = person(now.people, name) else { return false };
        let voted = card.votes.iter().any(|(who, with, _)| who == name && Self::stands(card, who, *with, now));
        let by_means = match means {
            Means::Signed => seed.is_some(),
            Means::Unsigned => ACTS[card.act].3,
            _ => false,
        };
        groups.contains(&group) && name != "alice" && !voted && by_means
    }

    /// How many people have approved, of those who may now.
    fn approving(card: &Card, now: &Truth) -> usize {
        let Says::Ask(group, _) = POLICIES[now.policy] else { return 0 };
        let counts = |(name, seed, vote): &&(String, Option<u8>, Vote)| {
            let is_asked = person(now.people, name).is_some_and(|(groups, _)| groups.contains(&group));
            *vote == Vote::Approve && is_asked && name != "alice" && Self::stands(card, name, *seed, now)
        };
        card.votes.iter().filter(counts).map(|(name, ..)| name).collect::<BTreeSet<_>>().len()
    }

    fn is_met(card: &Card, now: &Truth) -> bool {
        matches!(POLICIES[now.policy], Says::Ask(_, quorum) if Self::approving(card, now) >= quorum)
    }

    fn voted(&mut self, voted: &ApprovalVoted, now: &Truth) -> Result<(), String> {
        let name = voted.person.as_str();
        let Some(card) = self.cards.get_mut(&voted.op).filter(|card| card.digest == voted.digest) else {
            return Err("somebody voted on what was not asked".to_owned());
        };
        claim!(!card.is_closed && !card.is_rejected, "somebody voted on what is over");
        claim!(card.approved.is_none(), "somebody voted on what is decided");
        claim!(!now.has_passed(&card.asked, DECIDE_S), "somebody voted too late");
        claim!(card.asked.policy == now.policy, "somebody voted under other policies");
        let (_, own) = person(now.people, name).ok_or("a stranger voted")?;
        let seed = match &voted.means {
            VoteMeans::Unsigned => None,
            VoteMeans::Signed { key: print, signature } => {
                let public = key(own.ok_or("a vote with a key that the person does not have")?).public_key().clone();
                let id = ApprovalId { run: run_id(), op: OpId(voted.op) };
                let statement = VoteStatement::new(id, card.digest, name, voted.vote).to_bytes();
                let signature = SshSig::from_pem(signature).map_err(|err| err.to_string())?;
                claim!(public.verify(VOTE_NAMESPACE, &statement, &signature).is_ok(), "the record has a vote that is not signed for it");
                claim!(public.fingerprint(HashAlg::Sha256).to_string() == print.as_str(), "the record names another key");
                own
            }
        };
        card.votes.push((name.to_owned(), seed, voted.vote));
        let is_approved = voted.vote == Vote::Approve && Self::is_met(card, now);
        claim!(voted.approved == is_approved, "{} votes, and the record says approved: {}", card.votes.len(), voted.approved);
        if is_approved {
            card.approved = Some(*now);
        }
        if voted.vote == Vote::Reject {
            card.is_rejected = true;
            self.rejected.insert(card.act);
        }
        self.note(voted.vote.to_string());
        Ok(())
    }

    fn closed(&mut self, closed: &ApprovalClosed, now: &Truth) -> Result<(), String> {
        let Some(card) = self.cards.get_mut(&closed.op).filter(|card| card.digest == closed.digest) else {
            return Err("what was not asked is closed".to_owned());
        };
        // What is over, and is just being decided again, may still be given up.
        claim!(!card.is_closed || closed.end == ApprovalEnd::Cancelled, "it is closed twice");
        card.is_closed = true;
        let holds = match closed.end {
            ApprovalEnd::Expired => card.approved.is_none() && !now.is_within(&card.asked, DECIDE_S),
            ApprovalEnd::Lapsed => card.approved.is_some_and(|approved| !now.is_within(&approved, USE_S)),
            ApprovalEnd::Superseded => card.asked.policy != now.policy,
            ApprovalEnd::Revoked => self.revoking == Some(closed.op) || (card.approved.is_some() && !Self::is_met(card, now)),
            ApprovalEnd::Cancelled => true,
            ApprovalEnd::Rejected => card.is_rejected,
        };
        claim!(holds, "it is {}, and that is not so: {card:?}", closed.end);
        if closed.end == ApprovalEnd::Cancelled {
            self.cards.remove(&closed.op);
        }
        self.note(closed.end.to_string());
        Ok(())
    }

    /// An intent: the act begins after it.
    fn intent(&mut self, asked: &Asked, now: &Truth) -> Result<(), String> {
        let of = self.acts.get(&asked.op).copied().ok_or("nobody asked for it")?;
        let params = Keyed::of_seed(&[9; 32]).digest(&act(of).canonical_bytes());
        claim!(asked.params == params, "another act begins");
        *self.intents.entry(asked.op).or_default() += 1;
        let is_held = ACTS[of].2 && POLICIES[now.policy] != Says::Always;
        if asked.again {
            claim!(self.may_repeat.remove(&asked.op), "it is repeated, and nobody said that it did not happen");
            self.note("again");
        }
        if !is_held {
            claim!(asked.approval.is_none() || asked.again, "an approval is spent on what needs none");
            self.cards.remove(&asked.op);
            return Ok(());
        }
        claim!(POLICIES[now.policy] != Says::Never, "what is forbidden begins");
        let digest = asked.approval.ok_or("it begins without an approval")?;
        let card = if asked.again { self.used_by.get(&asked.op).cloned() } else { self.cards.remove(&asked.op) };
        let card = card.filter(|card| card.digest == digest).ok_or("it begins with the approval of something else")?;
        claim!(asked.again || self.used.insert(digest), "an approval is used twice");
        claim!(!card.is_closed && !card.is_rejected, "it begins although its approval is over, or people rejected it");
        claim!(card.asked.policy == now.policy, "it begins under other policies than those that it was approved under");
        claim!(Self::is_met(&card, now), "it begins without a quorum of the people of now: {card:?} {now:?}");
        let approved = card.approved.ok_or("it begins and was never approved")?;
        claim!(!approved.has_passed(&card.asked, DECIDE_S), "it begins, and was approved too late");
        claim!(!now.has_passed(&approved, USE_S), "it begins after its time was over: {approved:?} {now:?}");
        self.used_by.insert(asked.op, card);
        self.note("used");
        Ok(())
    }

    /// An act has begun.
    pub(super) fn begins(&mut self, op: u64) -> Result<(), String> {
        let begun = self.begun.entry(op).or_default();
        *begun += 1;
        claim!(self.intents.get(&op).is_some_and(|intents| *begun <= *intents), "operation {op} begins without an intent of its own");
        self.note("begun");
        Ok(())
    }

    /// After the run had its turn: what can go on has gone on, and what is over is closed.
    pub(super) fn had_its_turn(&self, now: &Truth) -> Result<(), String> {
        for (op, card) in &self.cards {
            claim!(!card.is_closed && !card.is_rejected, "operation {op} is over, and the agent does not hear of it");
            claim!(card.asked.policy == now.policy, "operation {op} is held back under policies that are not in force");
            match card.approved {
                Some(approved) if now.is_within(&approved, USE_S) => {
                    return Err(format!("operation {op} is approved, and does not begin"));
                }
                Some(approved) => claim!(!now.has_passed(&approved, USE_S), "operation {op} has lapsed, and is still held back"),
                None => claim!(!now.has_passed(&card.asked, DECIDE_S), "operation {op} has expired, and is still held back"),
            }
        }
        Ok(())
    }
}
