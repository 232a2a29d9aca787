//! A run that waits for nothing but time can be taken out of memory and rebuilt: meanwhile it holds no place in the engine, and its time stands
//! still.

use std::sync::Arc;
use std::time::Instant;

use run::{HostOptions, LocalHost, NetworkOrder, Rebuilding, RunEvent, Running};
use tests::host::{TestHost, loopback, place, report};
use tests::server::{Server, Step, response};
use tests::wat::wat;
use tokio::sync::Semaphore;
use vocabulary::record::Record;
use vocabulary::{Means, Outcome, RunId, Stopping};

/// A host with a single place in its engine.
fn with_one_place() -> TestHost {
    let folder = tempfile::tempdir().unwrap();
    let options = HostOptions { slots: 1, ..tests::host::options() };
    let house = LocalHost::open(&place(folder.path()), &options).unwrap();
    TestHost { house, folder }
}

/// Returns when the agent has said something.
async fn said(running: &mut Running) {
    loop {
        match running.events.next().await.unwrap() {
            RunEvent::Said { .. } => return,
            RunEvent::Opened { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Returns when the run is out of memory.
async fn left(running: &mut Running) {
    loop {
        match running.events.next().await.unwrap() {
            RunEvent::Left {} => return,
            RunEvent::Said { .. } | RunEvent::Opened { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn resumed(host: &TestHost, run: RunId) -> Running {
    host.house.resume(run, run::own_principal(), &NetworkOrder::default()).await.unwrap()
}

fn kinds(host: &TestHost, run: RunId) -> Vec<String> {
    let kind = |record: &Record| serde_json::to_value(record).unwrap()["kind"].as_str().unwrap().to_owned();
    host.records(run).iter().map(kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_gives_its_place_to_others_and_its_time_stands_still() {
    let host = with_one_place();
    let began = Instant::now();
    let mut order = host.order("waits_for_ever", &["sleep"]);
    order.durable = true;
    let mut waits = host.start(order).await;
    said(&mut waits).await;
    assert!(host.house.unload(waits.run));
    left(&mut waits).await;
    let before = began.elapsed();
    assert_eq!(host.house.going(), []);
    assert!(!host.house.unload(waits.run), "it is not here any more");
    // The only place is free.
    assert_eq!(host.run(host.order_of("does_nothing", &wat("does_nothing"), &[])).await.outcome, Outcome::Done);

    let again = Instant::now();
    let run = waits.run;
    // Also while it is being rebuilt.
    let mut goes_on = resumed(&host, run).await;
    assert!(host.house.unload(run));
    left(&mut goes_on).await;
    let goes_on = resumed(&host, run).await;
    let stopping = Stopping { by: run::own_principal(), means: Means::Stop };
    goes_on.stop(stopping.clone());
    let ended = report(goes_on).await;
    assert_eq!(ended.outcome, Outcome::Stopped(stopping));
    let inside = before + again.elapsed();
    assert!(u128::from(ended.active_ms) <= inside.as_millis() + 1, "{} ms, of {inside:?} in memory", ended.active_ms);
    assert_eq!(kinds(&host, run), ["run-opened", "said", "run-resumed", "run-resumed", "run-closed"], "said once");
    let rebuilt = host.house.rebuild(&Rebuilding { run, with: None }).await.unwrap();
    assert_eq!(rebuilt.divergence, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_for_an_answer_is_not_unloaded_and_neither_is_one_that_is_not_kept() {
    let host = with_one_place();
    let turn = Arc::new(Semaphore::new(0));
    let own = Arc::clone(&turn);
    let server = Server::answering(move |_, _| vec![Step::Until(Arc::clone(&own)), Step::Say(response(200, b"done"))]).await;
    let mut order = host.order("get", &[&server.url("/x")]);
    order.durable = true;
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let asks = host.start(order).await;
    server.until(|_| server.heard().len() == 1).await;
    assert!(!host.house.unload(asks.run));
    turn.add_permits(1);
    assert_eq!(report(asks).await.outcome, Outcome::Done, "it goes on as if nothing had been asked of it");
    assert_eq!(server.heard().len(), 1);

    let mut order = host.order("waits_for_ever", &["sleep"]);
    order.durable = false;
    let mut unkept = host.start(order).await;
    said(&mut unkept).await;
    assert!(!host.house.unload(unkept.run), "it could not be rebuilt");
    let stopping = Stopping { by: run::own_principal(), means: Means::Stop };
    unkept.stop(stopping.clone());
    assert_eq!(report(unkept).await.outcome, Outcome::Stopped(stopping));
}
