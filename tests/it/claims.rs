//! Claims of a guest: they are bounded, escaped, each on a line of its own, and never pass for statements of the host.

use serde_json::json;
use tests::host::{TestHost, printed};
use tests::wat::wat;
use vocabulary::record::Record;
use vocabulary::{Claim, Outcome, RunId, SafeText};

use crate::ending::{done, ended, trapped};

/// The lines that a run printed, as recorded.
pub(crate) fn said(host: &TestHost, run: RunId) -> Vec<SafeText> {
    let records = host.records(run).into_iter();
    let claims = records.filter_map(|record| if let Record::Said(said) = record { Some(said.claims) } else { None }).flatten();
    let lines = claims.filter_map(|claim| match claim {
        Claim::Stderr(line) | Claim::Stdout(line) => Some(line),
        Claim::Finding(_) | Claim::Progress(_) => None,
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn escape_codes_reach_no_terminal_and_no_log() {
    let host = TestHost::new();
    let report = done(&host, host.order("prints_escape_codes", &[])).await;
    let said = said(&host, report.run);
    assert_eq!(said.len(), 10, "each line is one claim: {said:?}");
    for line in &said {
        let odd = |letter: char| letter.is_control() || "\u{202e}\u{2066}\u{2028}\u{feff}".contains(letter);
        assert!(!line.as_str().contains(odd), "{line:?}");
    }
    assert_eq!(said[3].as_str(), "one\\u{d}DONE, 0 refusals");
    assert_eq!(said[4].as_str(), "\"},\"outcome\":\"done\",{\"");
    assert_eq!(said[5].as_str(), "\\u{202e}txet desrever\\u{2066}");
    assert_eq!(said[6].as_str(), "before\\u{0}after");
    // On disk no claim is raw either, so the record can be shown in a terminal.
    let reader = journal::Reader::open(&host.place().home).unwrap();
    for record in reader.of_run(report.run) {
        let body = record.unwrap().body;
        assert!(body.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f), "{}", String::from_utf8_lossy(&body));
        assert_eq!(String::from_utf8(body).unwrap().matches("\"kind\":").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_within_the_limit_is_kept_whole_and_cut_into_lines() {
    let host = TestHost::new();
    let report = done(&host, host.order("floods_log", &["5000", "100"])).await;
    let lines = said(&host, report.run);
    assert_eq!(lines.len(), 5000);
    assert!(lines.iter().all(|line| line.as_str().len() == 100));

    let report = done(&host, host.order("floods_log", &["1", "100000"])).await;
    let lines = said(&host, report.run);
    assert!(lines.iter().all(|line| line.as_str().len() <= vocabulary::LINE_BYTES_MAX), "no line is longer than the bound");
    assert_eq!(lines.iter().map(|line| line.as_str().len()).sum::<usize>(), 100_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_arrives_with_file_and_line() {
    let host = TestHost::new();
    let message = trapped(&host, host.order("panics_with_message", &["an odd\u{1b}[31m thing"])).await;
    assert!(message.contains("panicked at src/bin/panics_with_message.rs:"), "{message}");
    assert!(message.contains("an odd\\u{1b}[31m thing"), "{message}");

    let mut order = host.order("panics_in_sdk", &[]);
    order.input = json!({ "message": "a word" }).to_string();
    let report = ended(&host, order).await;
    let message = match &report.outcome {
        Outcome::Trapped { message } | Outcome::Failed { message, .. } => message.as_str(),
        other => panic!("{other:?}"),
    };
    assert!(message.contains("src/lib.rs:") && message.contains("a word"), "{message}");
    assert_eq!(report.claims.findings.len(), 1, "the finding from before the panic is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_command_is_its_own_code() {
    let host = TestHost::new();
    for (args, message) in [
        (&["0"][..], None),
        (&["0", "std"], None),
        (&["7"], Some("exit with status 7")),
        (&["7", "err"], Some("exit with status 1")),
        (&["255"], Some("exit with status 255")),
    ] {
        let report = ended(&host, host.order("exits_with", args)).await;
        let expected = match message {
            None => Outcome::Done,
            Some(message) => Outcome::Failed { code: SafeText::new("exit", 64), message: SafeText::new(message, 64) },
        };
        assert_eq!(report.outcome, expected, "{args:?}");
        assert!(!printed(&report).contains("the end"), "nothing runs after the end");
        assert!(printed(&report).contains("code"), "what was printed before is there");
    }
    let report = ended(&host, host.order_of("returns_an_error", &wat("returns_an_error"), &[])).await;
    assert!(matches!(report.outcome, Outcome::Failed { .. }), "{:?}", report.outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_no_answer_is_a_trap_or_stays_text() {
    let host = TestHost::new();
    for component in ["answers_not_utf8", "answers_out_of_range", "answers_unknown_case"] {
        trapped(&host, host.order_of(component, &wat(component), &[])).await;
    }
    // Output that is not JSON is shown as text.
    for component in ["answers_not_json", "answers_nothing", "answers_with_a_huge_number"] {
        let report = ended(&host, host.order_of(component, &wat(component), &[])).await;
        assert!(matches!(report.outcome, Outcome::Done), "{component}: {:?}", report.outcome);
        assert!(report.claims.output.as_ref().is_some_and(serde_json::Value::is_string), "{component}: {:?}", report.claims.output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_their_types_do_not_allow_trap() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    let cases = [
        "string-too-long",
        "string-out-of-range",
        "string-not-utf8",
        "result-out-of-range",
        "result-misaligned",
        "enum-unknown",
        "list-too-long",
        "list-misaligned",
        "variant-unknown",
        "option-of-two",
    ];
    for case in cases {
        let mut order = host.order("bends_the_abi", &[case]);
        tests::host::mount(&mut order, "/src", tree.path());
        trapped(&host, order).await;
    }
    // Unknown flag bits are dropped, as the canonical ABI says.
    let mut order = host.order("bends_the_abi", &["flags-unknown"]);
    tests::host::mount(&mut order, "/src", tree.path());
    done(&host, order).await;
    trapped(&host, host.order_of("returns_unknown_discriminant", &wat("returns_unknown_discriminant"), &[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_handles_trap() {
    let host = TestHost::new();
    let ways =
        ["unknown", "zero", "greatest", "wrong-type", "descriptor", "stale", "double-drop", "sent-twice", "used-up-headers", "empty-poll"];
    for way in ways {
        let message = trapped(&host, host.order("forges_handles", &[way])).await;
        assert!(!message.contains("no way"), "{message}");
    }
    // A child whose parent was dropped: a trap and success are both right, as long as the host survives.
    ended(&host, host.order("forges_handles", &["parent-first"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_misbehaves_while_it_is_handed_a_list_is_ended() {
    let host = TestHost::new();
    for component in ["realloc_traps", "realloc_out_of_range", "reenters_from_realloc", "traps_at_start"] {
        trapped(&host, host.order_of(component, &wat(component), &[])).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_host_is_in_the_environment() {
    let host = TestHost::new();
    let mut order = host.order("reads_env", &["one", "two"]);
    order.grants.env.insert("LANG".to_owned(), "C".to_owned());
    let report = done(&host, order).await;
    let seen = &crate::ending::lines(&report)[0];
    assert_eq!(seen["args"], json!(["reads_env", "one", "two"]));
    assert_eq!(seen["env"], json!([["LANG", "C"]]));
    assert_eq!(seen["std_env"], json!([["LANG", "C"]]));
    assert_eq!((&seen["cwd"], &seen["terminals"]), (&json!(null), &json!([false, false, false])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_are_none_have_the_same_bits_everywhere() {
    let host = TestHost::new();
    done(&host, host.order_of("not_a_number", &wat("not_a_number"), &[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_progress_are_the_same_for_every_reader_of_json() {
    let host = TestHost::new();
    let report = done(&host, host.order_of("progress", &wat("progress_of_huge_numbers"), &[])).await;
    let records = host.records(report.run).into_iter();
    let claims = records.filter_map(|record| if let Record::Said(said) = record { Some(said.claims) } else { None }).flatten();
    let told: Vec<_> =
        claims.filter_map(|claim| if let Claim::Progress(told) = claim { Some((told.done, told.total)) } else { None }).collect();
    let most = (1_u64 << 53) - 1;
    assert_eq!(told, [(most, most), (most, 5)], "numbers above 2^53 become the largest number below; the others are unchanged");
}
