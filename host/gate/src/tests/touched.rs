//! Filters apply before anything is summed up, and asked, refused, sent and answered are four numbers.

use vocabulary::record::{
    Answered, Asked, AskedFor, HttpOutcome, HttpSettled, Object, Observed, Received, Record, RecordKind, Refused, Sent, Settled, Touch,
    VERSION,
};
use vocabulary::{Bounds, Digest, HttpFault, HttpResource, Method, Reason, Repeat, Resource, RunId, SafeText};

use crate::{Only, Touched};

fn text(text: &str) -> SafeText {
    SafeText::new(text, 1000)
}

fn run(n: u8) -> RunId {
    RunId::from_parts(1, [n; 10])
}

/// The request that a line such as `GET http://a.test/x` names.
fn http(line: &str) -> Resource {
    let (method, url) = line.split_once(' ').unwrap();
    Resource::Http(HttpResource::new(&Method::new(method).unwrap(), &url.parse().unwrap()))
}

fn asked(op: u64, resource: &str, credential: Option<&str>) -> Record {
    let ask = AskedFor {
        headers: Vec::new(),
        placeholders: 0,
        capability: vocabulary::Capability::Http,
        function: vocabulary::Function::HttpHandle,
        resolved: None,
        resource: http(resource),
    };
    let bounds = Bounds { credential: credential.map(str::to_owned), ..Bounds::default() };
    Asked {
        again: false,
        approval: None,
        ask,
        at: 1,
        bounds,
        kind: RecordKind::Asked,
        op,
        params: Digest::of(b""),
        policy: None,
        repeat: Repeat::OnWord,
        spent_ms: 0,
        v: VERSION,
    }
    .into()
}

fn answered(op: u64, outcome: HttpOutcome) -> Record {
    let (is_response, refused) = (outcome == HttpOutcome::Response, outcome == HttpOutcome::RefusedCredential);
    let how = Settled::Http(HttpSettled {
        credential_version: None,
        fault: (!is_response).then_some(HttpFault::Unreachable),
        outcome,
        peer: is_response.then(|| "127.0.0.1:80".parse().unwrap()),
        sent: is_response.then_some(Sent { body: 2, head: 3 }),
        status: is_response.then_some(200),
        tls: None,
    });
    let reason = refused.then(|| Reason::CredentialUnavailable(text("alpha")));
    Answered { at: 1, detail: SafeText::default(), how, kind: RecordKind::Answered, op, reason, spent_ms: 0, v: VERSION }.into()
}

fn received(op: u64, bytes: u64) -> Record {
    let (digest, source) = (Digest::of(b""), text("s"));
    Received { bytes, digest, kind: RecordKind::Received, op, redactions: 0, source, v: VERSION, whole: true }.into()
}

fn refused(function: vocabulary::Function, resource: &str, resolved: Option<&str>, reason: Reason) -> Record {
    let ask = AskedFor {
        headers: Vec::new(),
        placeholders: 0,
        capability: function.capability(),
        function,
        resolved: resolved.map(text),
        resource: if function.is_request() { http(resource) } else { Resource::Path(text(resource)) },
    };
    Refused {
        alike: 1,
        ask,
        at: 1,
        counted: None,
        kind: RecordKind::Refused,
        op: 0,
        params: Digest::of(b""),
        policy: None,
        reason,
        spent_ms: 0,
        v: VERSION,
    }
    .into()
}

fn files(paths: &[&str]) -> Record {
    let object = |path: &&str| Object {
        amount: 1,
        digest: None,
        path: text(path),
        real: None,
        times: 1,
        untold: 0,
        what: Touch::File,
        whole: false,
    };
    let objects = paths.iter().map(object).collect();
    Observed { kind: RecordKind::Observed, objects, payload: None, unkept: false, v: VERSION }.into()
}

/// Two runs: one under `alpha`, which has no value the second time, one under `beta`, both at the same resource.
fn sum(only: Only) -> Touched {
    const R: &str = "GET http://a.test/x";
    let one = [asked(1, R, Some("alpha")), answered(1, HttpOutcome::Response), received(1, 7)];
    let two = [
        asked(1, R, Some("beta")),
        answered(1, HttpOutcome::Response),
        received(1, 100),
        asked(2, R, Some("alpha")),
        answered(2, HttpOutcome::RefusedCredential),
        asked(3, "GET http://b.test/", None),
        answered(3, HttpOutcome::Failed),
        refused(vocabulary::Function::HttpHandle, "GET http://c.test/", None, Reason::HostNotGranted),
        refused(vocabulary::Function::FileOpenAt, "/etc/passwd", None, Reason::LeavesMount),
        refused(vocabulary::Function::FileOpenAt, "../b", Some("/src/../b"), Reason::LeavesMount),
        files(&["/src/a", "/src/d/../a", "/srcs/a"]),
    ];
    let mut touched = Touched::only(only);
    (1..).zip(&one).for_each(|(seq, record)| touched.take(run(1), seq, record));
    (1..).zip(&two).for_each(|(seq, record)| touched.take(run(2), seq, record));
    touched
}

#[test]
fn a_credential_is_not_shown_with_what_another_one_did_at_the_same_place() {
    let touched = sum(Only { credential: Some("alpha".to_owned()), ..Only::default() });
    let [row] = &touched.http[..] else { panic!("{touched:?}") };
    assert_eq!((row.asked, row.refused, row.sent, row.answered, row.bytes), (2, 1, 1, 1, 7));
    assert_eq!((touched.leases.len(), touched.refused.len(), touched.files.len()), (2, 1, 0));
    let touched = sum(Only { credential: Some("beta".to_owned()), ..Only::default() });
    assert_eq!((touched.http[0].asked, touched.http[0].bytes, touched.refused.len()), (1, 100, 0));
    // Without a filter both are there, each in its row.
    let touched = sum(Only::default());
    assert_eq!(touched.http.iter().filter(|row| row.resource.http().unwrap().is_at("a.test")).count(), 2);
    assert_eq!(touched.credentials, ["alpha", "beta"]);
}

#[test]
fn asked_refused_sent_and_answered_are_four_numbers() {
    let totals = sum(Only::default()).totals;
    assert_eq!((totals.asked, totals.refused, totals.sent, totals.answered), (5, 2, 2, 2));
    assert_eq!((totals.refusals, totals.bytes, totals.sent_bytes), (4, 107, 10));
    let touched = sum(Only { host: Some("b.test".to_owned()), ..Only::default() });
    let row = &touched.http[0];
    assert_eq!((row.asked, row.refused, row.sent, row.answered, row.failed), (1, 0, 0, 0, 1));
}

#[test]
fn a_host_is_shown_with_what_was_refused_there_and_without_files() {
    let touched = sum(Only { host: Some("c.test".to_owned()), ..Only::default() });
    assert_eq!((touched.http.len(), touched.refused.len(), touched.files.len(), touched.leases.len()), (0, 1, 0, 0));
}

#[test]
fn every_spelling_of_a_file_finds_it_and_a_folder_what_is_beneath_it() {
    let of = |path: &str| sum(Only { files: Some(vec![path.to_owned()]), ..Only::default() });
    assert_eq!(of("/src/a").files.len(), 2);
    assert_eq!(of("/src").files.len(), 2);
    assert_eq!((of("/srcs").files.len(), of("/src/a").http.len()), (1, 0));
    assert_eq!(of("/etc").refused.len(), 1, "as it was asked");
    assert_eq!(of("/b").refused.len(), 1, "where it leads");
}

#[test]
fn a_file_is_found_by_where_it_lies_when_a_link_led_there() {
    let object = |path: &str, real: Option<&str>| Object {
        amount: 1,
        digest: None,
        path: text(path),
        real: real.map(text),
        times: 1,
        untold: 0,
        what: Touch::File,
        whole: false,
    };
    let objects = vec![object("/src/link", Some("/src/deep/a")), object("/src/other", None)];
    let record = Observed { kind: RecordKind::Observed, objects, payload: None, unkept: false, v: VERSION }.into();
    for name in ["/src/link", "/src/deep/a", "/src/deep"] {
        let mut touched = Touched::only(Only { files: Some(vec![name.to_owned()]), ..Only::default() });
        touched.take(run(1), 1, &record);
        assert_eq!(touched.files.len(), 1, "{name}");
    }
}

#[test]
fn rows_are_bounded_and_what_has_none_is_counted() {
    let mut touched = Touched::default();
    for n in 0..20_000 {
        touched.take(run(1), n, &refused(vocabulary::Function::HttpHandle, &format!("GET http://{n}.test/"), None, Reason::HostNotGranted));
    }
    assert_eq!((touched.refused.len(), touched.more.refused), (10_000, 10_000));
    assert_eq!((touched.totals.refusals, touched.totals.asked), (20_000, 20_000));
    let mut both = Touched::default();
    both.join(&touched);
    both.join(&touched);
    assert_eq!((both.totals.refusals, both.more.refused), (40_000, 20_000));
}

/// A person's settlement of an act.
fn settled(op: u64, did: bool) -> Record {
    let (by, kind) = (vocabulary::Principal::new(1, None::<&str>), RecordKind::ActSettled);
    vocabulary::record::ActSettled { at: 1, by, did, kind, op, v: VERSION }.into()
}

/// An answer that a host recorded in place of one that was lost.
fn nobody_knows(op: u64) -> Record {
    let Record::Answered(answered) = answered(op, HttpOutcome::Unknown) else { unreachable!() };
    Answered { how: Settled::unknown(vocabulary::ActKind::Http), ..answered }.into()
}

/// The counts `sent`, `answered`, `failed`, `unknown` and `said` after these records.
fn counted(records: &[Record]) -> [u64; 5] {
    let mut touched = Touched::default();
    (1..).zip(records).for_each(|(seq, record)| touched.take(run(1), seq, record));
    let Touched { totals, leases, http, .. } = touched.ended();
    assert_eq!(leases.iter().map(|lease| lease.sent).sum::<u64>(), totals.sent, "of the credential");
    let [row] = &http[..] else { panic!("{http:?}") };
    let row = [row.sent, row.answered, row.failed, row.unknown, row.said];
    assert_eq!(row, [totals.sent, totals.answered, totals.failed, totals.unknown, totals.said]);
    row
}

#[test]
fn an_intent_without_an_end_counts_as_sent_and_unknown_until_it_is_settled() {
    const R: &str = "POST http://a.test/x";
    let intent = || asked(1, R, Some("alpha"));
    let again = || {
        let Record::Asked(asked) = intent() else { unreachable!() };
        Asked { again: true, ..asked }.into()
    };
    let response = || answered(1, HttpOutcome::Response);
    assert_eq!(counted(&[intent()]), [1, 0, 0, 1, 0]);
    assert_eq!(counted(&[intent(), nobody_knows(1)]), [1, 0, 0, 1, 0]);
    assert_eq!(counted(&[intent(), nobody_knows(1), settled(1, true)]), [1, 0, 0, 0, 1]);
    assert_eq!(counted(&[intent(), nobody_knows(1), settled(1, false)]), [0, 0, 1, 0, 0]);
    // Another attempt does not change how the attempt before it counts.
    assert_eq!(counted(&[intent(), again()]), [2, 0, 0, 2, 0]);
    assert_eq!(counted(&[intent(), again(), response()]), [2, 1, 0, 1, 0]);
    assert_eq!(counted(&[intent(), nobody_knows(1), settled(1, false), again(), response()]), [1, 1, 1, 0, 0]);
    // The controls: an attempt with an end is counted once, by its end.
    assert_eq!(counted(&[intent(), response()]), [1, 1, 0, 0, 0]);
    assert_eq!(counted(&[intent(), answered(1, HttpOutcome::Failed)]), [0, 0, 1, 0, 0]);
    assert_eq!(counted(&[intent(), answered(1, HttpOutcome::Unknown)]), [1, 0, 0, 1, 0], "the agent was told so");
}

#[test]
fn a_run_that_ends_with_an_act_under_way_keeps_it_and_forgets_nothing_of_other_runs() {
    let closed = vocabulary::record::RunClosed {
        active_ms: 0,
        at: 1,
        kind: RecordKind::RunClosed,
        obstacle: None,
        outcome: vocabulary::Outcome::SetAside,
        output: None,
        peak_memory: 0,
        v: VERSION,
    };
    let mut touched = Touched::default();
    for n in [1, 2, 3] {
        touched.take(run(n), 1, &asked(1, "POST http://a.test/x", None));
    }
    touched.take(run(2), 2, &closed.into());
    assert_eq!((touched.totals.sent, touched.totals.unknown), (1, 1));
    touched.take(run(1), 2, &answered(1, HttpOutcome::Response));
    touched.take(run(3), 2, &answered(1, HttpOutcome::Failed));
    let totals = touched.ended().totals;
    assert_eq!((totals.asked, totals.sent, totals.answered, totals.failed, totals.unknown), (3, 2, 1, 1, 1));
}
