//! The report as people see it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use gate::{TouchedFile, TouchedHttp, TouchedLease, TouchedLine};
use run::{Claims, RecordEvidence};
use vocabulary::record::AgentRef;
use vocabulary::{Digest, Limits, Location, RunId, Severity};

use std::slice::from_ref;

use super::*;

fn text(text: &str) -> SafeText {
    SafeText::new(text, 1000)
}

fn report() -> RunReport {
    let file = |path: &str, amount, what| TouchedFile { amount, path: text(path), real: None, times: 1, untold: 0, what };
    let finding = |severity, rule: &str, line| Finding {
        evidence: Vec::new(),
        excerpt: Some(text("ghp_… (40)")),
        fingerprint: text("f"),
        location: Some(Location { column: 9, line, uri: text("/src/app.py") }),
        rule: text(rule),
        severity,
        taxa: Vec::new(),
        title: text("GitHub token"),
    };
    let run = RunId::from_parts(1_790_000_000_000, [7; 10]);
    let refused = TouchedRefusal {
        alike: 1,
        code: "leaves-mount".to_owned(),
        credential: None,
        function: vocabulary::Function::FileOpenAt,
        intended: false,
        reason: "leaves its mount".to_owned(),
        resolved: Some(text("/src/../etc/passwd")),
        resource: vocabulary::Resource::Path(text("../etc/passwd")),
        run,
        seq: 17,
    };
    let mut touched = Touched::default();
    touched.files = vec![file("/src/app.py", 18_249_000, Touch::File), file("/src", 12, Touch::Listing), file("/srcs/no", 5, Touch::File)];
    touched.add(TouchedLine::Refused(refused));
    RunReport {
        run,
        agent: AgentRef { digest: Digest::from_bytes([0x4c; 32]), name: text("leak-scan"), version: text("0.1.0") },
        by: vocabulary::Principal::new(1000, Some("alice")),
        outcome: Outcome::Done,
        broken: None,
        active_ms: 1840,
        waited_ms: 0,
        claims: Claims {
            output: Some(serde_json::json!({"files_scanned": 1})),
            findings: vec![finding(Severity::High, "github-token", 3), finding(Severity::Critical, "private-key", 0)],
            findings_more: 0,
        },
        evidence: Evidence {
            touched,
            mounts: vec!["/src".to_owned()],
            http_granted: false,
            approvals: Vec::new(),
            limits: Limits::default(),
            peak_memory: 1 << 20,
            resumable: false,
            record: RecordEvidence { entries: 2417, root: Some(Digest::from_bytes([0x9f; 32])), ..RecordEvidence::default() },
        },
    }
}

fn http() -> TouchedLine {
    TouchedLine::Http(TouchedHttp {
        answered: 2,
        asked: 4,
        bytes: 1500,
        credential: Some("key".to_owned()),
        failed: 1,
        peers: Vec::new(),
        refused: 1,
        resource: vocabulary::Resource::Words(text("GET https://a.example/")),
        said: 0,
        sent: 2,
        sent_bytes: 0,
        statuses: [(200, 2)].into(),
        unknown: 0,
    })
}

#[test]
fn claims_stand_above_evidence() {
    let expected = "\
HOST REPORT. It has no line of the agent: those begin with `leak-scan:`
leak-scan 0.1.0  sha256:4c4c4c4c4c4c…   run 01KNTQGG4070W1R70W1R70W1R7   by alice (uid 1000)   DONE, 1 refusal, 1.84 s
AGENT CLAIMS (unverified)  2 findings (1 critical, 1 high)
  critical     private-key  /src/app.py  GitHub token  ghp_… (40)
  high         github-token  /src/app.py:3:9  GitHub token  ghp_… (40)
  output       {\"files_scanned\":1}
HOST EVIDENCE
  files        /src  1 read, 18.2 MB, 1 listed, 0 written
  network      none granted, 0 asked
  credentials  none
  refused 1    open-at ../etc/passwd in /src: leaves its mount   bailiwick show RUN/17
  record       2,417 entries, root 9f9f9f9f9f9f…   bailiwick audit verify";
    let report = report();
    let run = report.run.to_string();
    let expected = expected.replace("01KNTQGG4070W1R70W1R70W1R7", &run).replace("RUN/17", &format!("{run}/17"));
    assert_eq!(lines(from_ref(&report), true).join("\n"), expected);
}

#[test]
fn requests_are_listed_with_what_came_of_them() {
    let mut report = report();
    report.evidence.touched.add(http());
    report.evidence.http_granted = true;
    let lines = lines(from_ref(&report), false);
    assert!(lines.contains(&"  network      4 asked, 1 refused, 2 sent, 2 answered, 1 failed, 1.5 kB received".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"               GET https://a.example/  200 ×2  1 refused  1 failed".to_owned()), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("files_scanned")), "a command's output is not repeated: {lines:#?}");
}

#[test]
fn what_a_report_has_no_room_for_is_counted_with_where_it_stands() {
    let mut report = report();
    assert!(
        !lines(from_ref(&report), false).iter().any(|line| line.contains('…') && line.contains("more")),
        "control: nothing is left out"
    );
    report.claims.findings_more = 3;
    report.evidence.touched.more = More { files: 2000, refused: 7, ..More::default() };
    let shown = lines(from_ref(&report), false).join("\n");
    for expected in ["3 findings", "2,000 looks, 7 refusals more", &format!("audit touched {}", report.run)] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn what_an_agent_returns_can_not_draw_on_the_terminal() {
    let mut report = report();
    report.claims.output = Some(Value::String("\u{1b}[2Jgone".to_owned()));
    report.outcome = Outcome::Failed { code: text("x"), message: text("\u{1b}[31m") };
    assert!(lines(from_ref(&report), true).iter().all(|line| !line.contains('\u{1b}')));
}

#[test]
fn a_credential_without_a_value_is_not_said_to_have_gone_along() {
    let mut report = report();
    let lease = TouchedLease {
        asked: 2,
        credential: text("alpha"),
        lease: text("R/alpha"),
        probes: Vec::new(),
        refused: 2,
        revoked: false,
        sent: 0,
    };
    report.evidence.touched.add(TouchedLine::Lease(lease.clone()));
    report.evidence.touched.add(TouchedLine::Lease(TouchedLease {
        credential: text("beta"),
        lease: text("R/beta"),
        refused: 0,
        sent: 2,
        ..lease
    }));
    let lines = lines(from_ref(&report), false);
    assert!(lines.contains(&"  credentials  alpha, never sent, 2 refused, beta ×2".to_owned()), "{lines:#?}");
}

#[test]
fn a_path_belongs_to_the_longest_mount_that_it_lies_in() {
    let mounts = ["/", "/src", "/src/deep"].map(str::to_owned);
    assert_eq!(owner("/src/deep/a", &mounts), Some("/src/deep"));
    assert_eq!(owner("/srcs/a", &mounts), Some("/"));
    assert_eq!(owner("/src", &mounts), Some("/src"));
}

#[test]
fn a_report_that_crossed_the_socket_reads_the_same() {
    let mut report = report();
    report.evidence.touched.add(http());
    let told = run::RunEvent::Closed { report: Box::new(report.clone()) };
    let again: run::RunEvent = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
    let run::RunEvent::Closed { report: again } = again else { panic!("it was a report: {again:?}") };
    assert_eq!(lines(from_ref(&again), true), lines(from_ref(&report), true));
}

#[test]
fn the_document_has_the_places_that_programs_look_at() {
    let document = document(&report());
    let pointers = [
        "/run",
        "/agent/name",
        "/agent/version",
        "/agent/digest",
        "/by",
        "/outcome",
        "/claims/output",
        "/claims/findings/0",
        "/evidence/touched/files/0",
        "/evidence/touched/http",
        "/evidence/touched/credentials",
        "/evidence/touched/agents",
        "/evidence/refused/0/seq",
        "/evidence/approvals",
        "/evidence/leases",
        "/evidence/limits/memory_bytes",
        "/evidence/record/first",
        "/evidence/record/last",
        "/evidence/record/size",
        "/evidence/record/root",
        "/evidence/record/checkpoint",
    ];
    let missing: Vec<_> = pointers.iter().filter(|pointer| document.pointer(pointer).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
