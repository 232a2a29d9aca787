//! Guests take turns: a guest that computes, waits or spins does not keep others from their turns, and each can be stopped.

use serde_json::json;
use tests::host::TestHost;
use tests::wat::wat;
use vocabulary::{Means, Outcome, Stopping};

use crate::ending::{done, honest, lines};

fn stopping() -> Stopping {
    Stopping { by: run::own_principal(), means: Means::Stop }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_compute_for_ever_leave_the_others_their_turn() {
    let host = TestHost::new();
    let mut spinning = Vec::new();
    for _ in 0..6 {
        let mut order = host.order("spins_forever", &[]);
        order.limits.active_timeout_ms = 60_000;
        spinning.push(host.start(order).await);
    }
    // Six spinning guests on two workers: an honest guest still ends, and so do the spinning ones when they are stopped.
    honest(&host).await;
    for running in spinning {
        running.stop(stopping());
        let report = tests::host::report(running).await;
        assert_eq!(report.outcome, Outcome::Stopped(stopping()));
    }
    honest(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_for_a_place_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let options = run::HostOptions { slots: 1, ..tests::host::options() };
    let house = run::LocalHost::open(&tests::host::place(folder.path()), &options).unwrap();
    let host = TestHost { house, folder };
    let spins = || {
        let mut order = host.order("spins_forever", &[]);
        order.limits.active_timeout_ms = 60_000;
        order
    };
    let inside = host.start(spins()).await;
    let waits = host.start(spins()).await;
    waits.stop(stopping());
    let report = tests::host::report(waits).await;
    assert_eq!(report.outcome, Outcome::Stopped(stopping()));
    assert_eq!(host.house.going().len(), 1, "the other run is still active");
    let next = host.start(host.order_of("does_nothing", &wat("does_nothing"), &[])).await;
    inside.stop(stopping());
    tests::host::report(inside).await;
    assert_eq!(tests::host::report(next).await.outcome, Outcome::Done, "the waiting guest gets its turn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_spun_on_moves_on_and_never_back() {
    let host = TestHost::new();
    let report = done(&host, host.order("spins_on_the_clock", &["30"])).await;
    let line = lines(&report).pop().unwrap();
    assert_eq!((&line["equal"], &line["back"]), (&json!(0), &json!(0)), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_let_in_finds_a_place_however_many_come() {
    let folder = tempfile::tempdir().unwrap();
    let options = run::HostOptions { slots: 4, ..tests::host::options() };
    let house = run::LocalHost::open(&tests::host::place(folder.path()), &options).unwrap();
    let host = TestHost { house, folder };
    let order = host.order_of("does_nothing", &wat("does_nothing"), &[]);
    let mut running = Vec::new();
    for _ in 0..400 {
        running.push(host.start(order.clone()).await);
    }
    for running in running {
        assert_eq!(tests::host::report(running).await.outcome, Outcome::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guests_at_their_limit_leave_the_others_alone() {
    let host = TestHost::new();
    let mut order = host.order("grows_memory", &["touch"]);
    order.limits.memory_bytes = 4 << 20;
    let mut running = Vec::new();
    for _ in 0..100 {
        running.push(host.start(order.clone()).await);
    }
    honest(&host).await;
    for running in running {
        let report = tests::host::report(running).await;
        assert_eq!(report.outcome, Outcome::Limit { limit: vocabulary::Limit::Memory });
        assert!(report.evidence.peak_memory <= 4 << 20);
    }
    honest(&host).await;
}
