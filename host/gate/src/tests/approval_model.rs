//! A model of approvals: in any order of asks, votes, changes of policies and people, passing time, clocks that are set, restarts, crashes,
//! revocations and acts that are given up, what `claims` says in plain words must hold of the real gate, its ledger and its record.
//!
//! The orders are made from a seed, so each run of the test makes the same ones. `MODEL_ROUNDS` makes more of them, and `SEED` others. A
//! failure is told with the shortest order that was found for it. This is written by hand: a library for it would need the same model and the
//! same machine, and only save the few lines below that make orders and shorten them.

mod ballots;
mod claims;
mod clock;
mod machine;
mod rules;

use std::panic::{AssertUnwindSafe, catch_unwind};

use vocabulary::Vote;

use super::kit::Chance;
use claims::{Means, Tally};
use machine::{Machine, Step};
use rules::{ACTS, AllRules, PEOPLE, POLICIES, SETS};

/// Orders of steps in CI, and the steps of each.
const ROUNDS: u64 = 400;
const STEPS: usize = 60;

fn any(chance: &mut Chance) -> Step {
    match chance.below(40) {
        0..=5 => Step::Ask(chance.below(ACTS.len())),
        6 => Step::Abandon(chance.below(3)),
        7..=16 => Step::Vote {
            card: chance.below(3),
            // Those who count come up more often.
            person: if chance.below(3) == 0 { chance.below(PEOPLE.len()) } else { 1 + chance.below(2) },
            vote: if chance.below(8) == 0 { Vote::Reject } else { Vote::Approve },
            means: match chance.below(16) {
                0 => Means::OtherKey,
                1 => Means::OtherAct,
                2 => Means::OtherWord,
                3 => Means::OtherPerson,
                4 => Means::OldDigest,
                5 => Means::OtherPurpose,
                6 | 7 => Means::Unsigned,
                8 => Means::UnsignedFromOtherAccount,
                _ => Means::Signed,
            },
        },
        17 => Step::Revoke(chance.below(3)),
        18 | 19 => Step::Policy(if chance.below(2) == 0 { chance.below(2) } else { chance.below(POLICIES.len()) }),
        20 | 21 => Step::People(if chance.below(2) == 0 { 0 } else { chance.below(SETS) }),
        22..=24 => Step::Pass([5, 10, 40, 100][chance.below(4)]),
        25 => Step::Set([-3_000, -50, 50, 3_000][chance.below(4)]),
        26 => Step::Restart,
        27 | 28 => Step::Kill,
        29..=36 => Step::Wake { did: chance.below(2) == 0 },
        _ => Step::Work,
    }
}

fn order(seed: u64) -> Vec<Step> {
    let mut chance = Chance(seed);
    (0..STEPS).map(|_| any(&mut chance)).collect()
}

/// Does these steps, and returns what happened, or which claim does not hold.
fn done(rules: &AllRules, steps: &[Step]) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = async {
        let mut machine = Machine::new(rules);
        for (n, step) in steps.iter().enumerate() {
            machine.step(*step).await.map_err(|why| format!("{why} (after step {n}, {step:?})"))?;
        }
        Ok(std::mem::take(&mut machine.claims.tally))
    };
    let done = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run)));
    done.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        Err(format!("a panic: {}", words.unwrap_or_default()))
    })
}

/// Leaves out steps as long as something still fails.
fn shortened(rules: &AllRules, steps: &[Step]) -> (Vec<Step>, String) {
    let (mut steps, mut why) = (steps.to_vec(), String::new());
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match done(rules, &fewer) {
                Err(other) => (steps, why) = (fewer, other),
                Ok(_) => at += size,
            }
        }
        size /= 2;
    }
    (steps, why)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn whatever_the_order_an_act_begins_only_as_people_approved_it_and_once() {
    let (rules, seed, rounds) = (AllRules::new(), number("SEED").unwrap_or(0), number("MODEL_ROUNDS").unwrap_or(ROUNDS));
    let mut sum = Tally::new();
    for round in 0..rounds {
        let steps = order(seed.wrapping_mul(1 << 32).wrapping_add(round));
        match done(&rules, &steps) {
            Ok(tally) => tally.into_iter().for_each(|(what, times)| *sum.entry(what).or_default() += times),
            Err(why) => {
                let (steps, shorter) = shortened(&rules, &steps);
                panic!("round {round} of seed {seed}: {why}\nshortened: {shorter}\n{steps:#?}");
            }
        }
    }
    eprintln!("{rounds} orders: {sum:?}");
    // The control: everything that can happen did happen.
    for what in [
        "asked",
        "asked again",
        "approve",
        "reject",
        "used",
        "again",
        "unknown",
        "begun",
        "suspended",
        "expired",
        "lapsed",
        "superseded",
        "revoked",
        "cancelled",
        "vote on what is decided",
        "OtherKey does not count",
        "OtherAct does not count",
        "OtherWord does not count",
        "OtherPerson does not count",
        "OldDigest does not count",
        "OtherPurpose does not count",
        "Unsigned does not count",
        "UnsignedFromOtherAccount does not count",
        "Signed does not count",
    ] {
        assert!(sum.get(what).is_some_and(|times| *times > 0), "`{what}` never happened: {sum:?}");
    }
}
