//! `kill -9` at random points of ten different runs: a sample of what `tests/campaign` does with 500 points. `SEED=7` takes another sample.

use tests::host;
use tests::kills::Kills;
use tests::kills::cases::CASES;

#[test]
fn killed_anywhere_each_effect_happens_once_and_the_result_is_the_same() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let kills = Kills { program: host::bailiwick(), seed, points: 30, cases: Vec::new(), lanes: 2 };
    let tally = kills.go(&|_| ());
    eprintln!("SEED={seed}\n{}", tally.table());
    assert!(tally.broken.is_empty(), "SEED={seed}: {:#?}", tally.broken);
    assert_eq!(tally.points.len(), CASES.len());
    // Each point has one kill at least, unless its run ended before its turn came.
    assert!(tally.kills.values().sum::<usize>() > 15, "{}", tally.table());
}
