//! The owner of a value says where it may be sent. No configuration widens that.

use std::process::Output;

use serde_json::json;
use tests::asks::{asks, assert_nowhere, config, set};
use tests::program::Program;
use tests::server::{Server, Step, response};
use vocabulary::record::{CredentialChange, Record};

const VALUE: &str = "canary-5e1f0c77ab93d2";

fn with_stdin(program: &Program, args: &[&str], stdin: &str) -> Output {
    program.run_with(args, stdin)
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

async fn server() -> Server {
    Server::answering(|_, _| vec![Step::Say(response(200, b"in"))]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_configuration_can_not_have_a_value_sent_to_its_own_host() {
    let (own, strangers) = (server().await, server().await);
    for (kind, line) in [("bearer", ""), ("header", "header = \"x-key\""), ("query", "query = \"key\"")] {
        let program = Program::new(&config(strangers.port(), &format!("kind = \"{kind}\"\n{line}")));
        let place = format!("http://127.0.0.1:{}", own.port());
        assert!(with_stdin(&program, &["credentials", "set", "--weak", "key", "--for", &place], VALUE).status.success());
        // The binding has no port, so it is not wholly outside the destinations, and each request is judged.
        let request = json!({ "url": strangers.url("/") });
        let ran = tokio::task::block_in_place(|| asks(&program, &[], std::slice::from_ref(&request)));
        assert_eq!(ran.refused(), ["credential-outside"], "{ran:?}");
        assert_nowhere(&program, &ran, VALUE);
        // A binding that names a port outside the destinations can never work. The error names both places.
        let narrow = config(strangers.port(), &format!("kind = \"{kind}\"\n{line}\nport = {}", strangers.port()));
        std::fs::write(program.config(), narrow).unwrap();
        for args in [&["check"][..], &["run", "asks", "--trust", "--", &request.to_string()]] {
            let output = tokio::task::block_in_place(|| program.run(args));
            let words = said(&output);
            assert!(
                output.status.code() == Some(2)
                    && words.contains(&place)
                    && words.contains(&format!("http://127.0.0.1:{}", strangers.port())),
                "{words}"
            );
        }
        // The control: to its own host the value is sent.
        std::fs::write(program.config(), config(own.port(), &format!("kind = \"{kind}\"\n{line}"))).unwrap();
        let ran = tokio::task::block_in_place(|| asks(&program, &[], &[json!({ "url": own.url("/") })]));
        assert_eq!(ran.told().len(), 1, "{ran:?}");
        assert!(ran.refused().is_empty() && ran.told()[0].0 == 200, "{ran:?}");
    }
    assert_eq!((strangers.heard().len(), own.heard().len()), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_secret_goes_to_no_other_token_endpoint() {
    let (own, evil) = (server().await, server().await);
    let oauth2 = |endpoint: &str| config(own.port(), &format!("kind = \"oauth2\"\nclient-id = \"me\"\ntoken = \"{endpoint}\""));
    let program = Program::new(&oauth2(&evil.url("/token")));
    let place = format!("http://127.0.0.1:{}", own.port());
    assert!(with_stdin(&program, &["credentials", "set", "--weak", "key", "--for", &place], VALUE).status.success());
    let output =
        tokio::task::block_in_place(|| program.run(&["run", "asks", "--trust", "--", &json!({ "url": own.url("/") }).to_string()]));
    assert!(output.status.code() == Some(2) && said(&output).contains(&evil.url("/token")), "{}", said(&output));
    assert!(own.heard().is_empty() && evil.heard().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_which_nobody_said_where_it_may_go_goes_nowhere_until_somebody_does() {
    let server = server().await;
    let program = Program::new(&config(server.port(), "kind = \"bearer\""));
    let value = vault::Secret::new(VALUE.as_bytes().to_vec()).unwrap();
    vault::Local::new(&program.place().home).set("key", value, 1).unwrap();
    let request = json!({ "url": server.url("/") });
    let text = request.to_string();
    let output = tokio::task::block_in_place(|| program.run(&["run", "asks", "--trust", "--", &text]));
    assert!(output.status.code() == Some(2) && said(&output).contains("the value of `key` has no destinations yet"), "{}", said(&output));
    assert!(said(&output).contains("bailiwick credentials set"), "{}", said(&output));
    let place = format!("http://127.0.0.1:{}", server.port());
    assert!(with_stdin(&program, &["credentials", "set", "--weak", "key", "--for", &place], "").status.success());
    let ran = tokio::task::block_in_place(|| asks(&program, &[], &[request]));
    assert_eq!(ran.told()[0].0, 200, "the value did not change: {ran:?}");
    assert!(server.heard()[0].has_header(&format!("authorization: Bearer {VALUE}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_are_shown_kept_and_changed_on_the_record() {
    let program = Program::new(&config(1, "kind = \"bearer\""));
    let run = |args: &[&str], stdin: &str| tokio::task::block_in_place(|| with_stdin(&program, args, stdin));
    let (one, two) = ("https://one.example.com", "https://*.example.com:8443/api/**");
    assert!(run(&["credentials", "set", "--weak", "key", "--for", one, "--for", two], VALUE).status.success());
    for args in [
        &["credentials", "ls"][..],
        &["credentials", "ls", "--json"],
        &["credentials", "show", "key"],
        &["credentials", "show", "key", "--json"],
    ] {
        let words = said(&run(args, ""));
        assert!(words.contains(one) && words.contains(two), "{words}");
    }
    // A new value keeps the same destinations, and the same value can get other destinations.
    assert!(run(&["credentials", "set", "--weak", "key"], "another-value-1").status.success());
    let kept = || vault::Local::new(&program.place().home).kept("key").unwrap();
    assert_eq!((kept().version, kept().destinations.len()), (2, 2));
    assert!(run(&["credentials", "set", "--weak", "key", "--for", one], "").status.success());
    assert_eq!((kept().version, kept().destinations.len()), (2, 1));
    let changes: Vec<_> = tests::host::records(&program.place().home, journal::log_run())
        .into_iter()
        .filter_map(|record| match record {
            Record::CredentialChanged(changed) => Some((changed.change, changed.destinations.len())),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [(CredentialChange::Set, 2), (CredentialChange::Set, 2), (CredentialChange::Bounded, 1)]);
}

#[test]
fn a_name_that_there_is_not_is_not_revoked_and_near_ones_are_told() {
    let program = Program::new(&config(1, "kind = \"bearer\"\nsource = \"env:KEY\""));
    set(&program, "tracker", VALUE);
    for (name, near) in [("trakcer", "tracker"), ("kye", "key")] {
        let output = program.run(&["credentials", "revoke", name]);
        let words = said(&output);
        assert!(output.status.code() == Some(2) && words.contains(&format!("did you mean `{near}`?")), "{words}");
    }
    for name in ["tracker", "key"] {
        assert_eq!(program.run(&["credentials", "revoke", name]).status.code(), Some(0), "{name}");
    }
}

#[test]
fn what_is_removed_is_gone_with_its_destinations() {
    let program = Program::new(&config(1, "kind = \"bearer\""));
    set(&program, "key", VALUE);
    assert_eq!(program.run(&["credentials", "rm", "other"]).status.code(), Some(2));
    assert_eq!(program.run(&["credentials", "rm", "key"]).status.code(), Some(0));
    assert!(!said(&program.run(&["credentials", "ls"])).contains("127.0.0.1"));
    assert_eq!(
        with_stdin(&program, &["credentials", "set", "--weak", "key"], VALUE).status.code(),
        Some(2),
        "the value has no destinations"
    );
}

/// The grant has a port and a path, but the binding has neither.
#[test]
fn what_is_proposed_is_what_a_run_needs_and_check_says_where_one_would_be_refused() {
    let wasm = tests::guests::guest("sends_each").display().to_string();
    let text = format!(
        "[agents.asks]\ncomponent = {wasm:?}\n{}\n[credentials.key]\nscheme = \"http\"\nhosts = [\"127.0.0.1\"]\nkind = \"bearer\"\n",
        tests::asks::granted("asks", 18080, "/api/**", Some("key"))
    );
    let program = Program::new(&text);
    assert!(program.run(&["trust"]).status.success());
    let proposed = said(&with_stdin(&program, &["credentials", "set", "--weak", "key"], VALUE));
    let proposed = proposed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(proposed.contains("credentials set key --for 'http://127.0.0.1:18080/api/**'"), "{proposed}");
    let mut tty = tests::tty::Tty::new(&program, &["credentials", "set", "--weak", "key"]);
    tty.until("value of key: ").types(VALUE).until("once more: ").types(VALUE);
    tty.until("Enter alone accepts").until("http://127.0.0.1:18080/api/**").until("URLs: ").types("");
    assert_eq!(tty.ends().0, Some(0));
    let check = |place: Option<&str>| {
        if let Some(place) = place {
            assert!(with_stdin(&program, &["credentials", "set", "key", "--for", place], "").status.success());
        }
        let output = program.run(&["check"]);
        (output.status.code(), said(&output).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let (code, words) = check(None);
    assert!(code == Some(0) && !words.contains("refused"), "the control: what was proposed is enough: {words}");
    for wrong in ["http://127.0.0.1", "http://127.0.0.1:18080/other/**", "https://127.0.0.1:18080", "http://127.0.0.2:18080"] {
        let (code, words) = check(Some(wrong));
        let tells = format!("the value of `key` may go to {wrong}, but agent `asks` is granted it for http://127.0.0.1:18080/api/**");
        assert!(code == Some(2) && (words.contains(&tells) || words.contains("this configuration sends it to")), "{words}");
    }
    let (code, words) = check(Some("http://127.0.0.1:18080/api/v1/**"));
    assert!(code == Some(0) && words.contains("some of these requests are refused"), "{words}");
    for enough in ["http://127.0.0.1:*", "http://127.0.0.1:18080", "http://127.0.0.1:18080/**"] {
        let (code, words) = check(Some(enough));
        assert!(code == Some(0) && !words.contains("refused"), "{enough}: {words}");
    }
}
