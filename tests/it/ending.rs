//! Checks for every hostile case: how it ended, exactly one end on the record, and a host that still serves others.

use run::{RunError, RunOrder, RunReport};
use tests::host::TestHost;
use tests::wat::wat;
use vocabulary::Outcome;
use vocabulary::record::Record;

/// Runs an order to its end and makes these checks.
pub(crate) async fn ended(host: &TestHost, order: RunOrder) -> RunReport {
    let name = order.agent.name.clone();
    let report = host.run(order).await;
    let records = host.records(report.run);
    assert!(matches!(records.first(), Some(Record::RunOpened(_))), "{name}: {:?}", records.first());
    let ends: Vec<_> = records.iter().filter(|record| matches!(record, Record::RunClosed(_))).collect();
    assert_eq!(ends.len(), 1, "{name}: {ends:?}");
    match records.last() {
        Some(Record::RunClosed(closed)) => assert_eq!(closed.outcome, report.outcome, "{name}"),
        other => panic!("{name}: {other:?} came after the end"),
    }
    honest(host).await;
    report
}

/// Runs an order that must end at this limit.
pub(crate) async fn limit(host: &TestHost, order: RunOrder, limit: &str) -> RunReport {
    let what = format!("{} {:?}", order.agent.name, order.args);
    let report = ended(host, order).await;
    assert!(matches!(report.outcome, Outcome::Limit { limit: of } if of.as_str() == limit), "{what}: {:?}", report.outcome);
    report
}

/// Runs an order that must succeed.
pub(crate) async fn done(host: &TestHost, order: RunOrder) -> RunReport {
    let what = format!("{} {:?}", order.agent.name, order.args);
    let report = ended(host, order).await;
    assert_eq!(report.outcome, Outcome::Done, "{what}");
    report
}

/// Runs an order that must trap; returns the message.
pub(crate) async fn trapped(host: &TestHost, order: RunOrder) -> String {
    let what = format!("{} {:?}", order.agent.name, order.args);
    match ended(host, order).await.outcome {
        Outcome::Trapped { message } => message.as_str().to_owned(),
        other => panic!("{what}: {other:?}"),
    }
}

/// Checks that a run is not started: nothing of it is on the record, and other runs still work.
pub(crate) async fn not_started(host: &TestHost, order: RunOrder) -> RunError {
    let before = entries(host);
    let name = order.agent.name.clone();
    let Err(err) = host.house.start(order, run::own_principal()).await else { panic!("{name} was started") };
    assert_eq!(entries(host), before, "{name} is on the record");
    honest(host).await;
    err
}

/// Another guest still runs.
pub(crate) async fn honest(host: &TestHost) {
    let report = host.run(host.order_of("does_nothing", &wat("does_nothing"), &[])).await;
    assert_eq!(report.outcome, Outcome::Done);
}

/// The refusals of a function on the record of a run, each with its resource and reason.
pub(crate) fn refusals(host: &TestHost, report: &RunReport, function: &str) -> Vec<(String, &'static str)> {
    let records = host.records(report.run).into_iter();
    let refused = records.filter_map(|record| if let Record::Refused(refused) = record { Some(refused) } else { None });
    let of_it = refused.filter(|refused| refused.ask.function.as_str().ends_with(function));
    of_it.map(|refused| (refused.ask.resource.to_string(), refused.reason.code())).collect()
}

/// The output of a command, as a JSON value for each line.
pub(crate) fn lines(report: &RunReport) -> Vec<serde_json::Value> {
    tests::host::printed(report).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"))).collect()
}

fn entries(host: &TestHost) -> usize {
    journal::Reader::open(&host.place().home).expect("the record opens").records().count()
}
