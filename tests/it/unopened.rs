//! Sealed payloads that can't be shown: forgotten, not here, damaged and unreadable are four different cases, with different messages
//! and exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tests::host::{TestHost, loopback};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};

use crate::damaged::ends;

/// A home with a run that sent a request and got an answer.
async fn asked() -> Program {
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"an answer"))]).await;
    let kit = TestHost::new();
    let url = server.url("/");
    let mut order = kit.order("get", &[&url]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let program = Program::new(&config("get", &tests::guests::guest("get"), &order.grants));
    tokio::task::spawn_blocking(move || {
        ends(&program, &["run", "get", "--trust", "--durable", "--", &url], 0);
        program
    })
    .await
    .unwrap()
}

fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Checks that each view of sealed payloads prints this text, ends with this exit code, and does not mention the other cases.
#[track_caller]
fn all_say(program: &Program, words: &str, code: i32) {
    let others = ["was forgotten", "is not here", "is damaged", "could not be read"];
    for args in [&["show", "latest", "--input"][..], &["show", "latest", "--grants"], &["show", "latest/1", "--body"]] {
        let said = ends(program, args, code);
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(others.iter().all(|other| words.contains(other) || !said.contains(other)), "{args:?}: {said}");
    }
    for args in [&["show", "latest", "--full"][..], &["show", "latest", "--answers"], &["audit", "diff", "latest", "latest"]] {
        let said = ends(program, args, 0);
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let output = program.run(&["show", "latest", "--answers", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["answer"]["missing"].as_str().is_some_and(|missing| missing.contains(words)), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_missing_damaged_and_unreadable_keys_have_four_words() {
    let program = asked().await;
    let (keys, home_key) = (program.place().home.join("keys"), program.place().home.join("home.key"));
    let answers = ends(&program, &["show", "latest", "--answers"], 0);
    assert!(answers.contains("an answer"), "the control: {answers}");
    let (right, right_home) = (fs::read(&keys).unwrap(), fs::read(&home_key).unwrap());

    put(&keys, &vec![0; right.len()]);
    all_say(&program, "it was forgotten: the key of its run was overwritten", 2);
    put(&keys, &right.iter().enumerate().map(|(at, byte)| if at % 128 > 60 { byte ^ 1 } else { *byte }).collect::<Vec<_>>());
    all_say(&program, "it is damaged", 6);
    put(&keys, b"");
    all_say(&program, "its key is not here", 2);
    // The file exists, but the system does not allow reading it.
    fs::remove_file(&keys).unwrap();
    fs::create_dir(&keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).unwrap();
    all_say(&program, "it could not be read", 1);
    assert!(ends(&program, &["show", "latest", "--input"], 1).contains(keys.to_str().unwrap()), "which file");
    fs::remove_dir(&keys).unwrap();
    put(&keys, &right);

    put(&home_key, &right_home.iter().map(|byte| byte ^ 1).collect::<Vec<_>>());
    all_say(&program, "it is damaged", 6);
    fs::remove_file(&home_key).unwrap();
    all_say(&program, "its key is not here", 2);
    put(&home_key, &right_home);
    assert_eq!(ends(&program, &["show", "latest", "--answers"], 0), answers, "the control");
}
