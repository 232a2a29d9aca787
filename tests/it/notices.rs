//! People are told of acts that wait for them, by real requests and by a program that takes mail. Whatever a receiver does, people can vote.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;
use tests::names::NameServer;
use tests::server::{Heard, Server, Step, response};
use vocabulary::record::{NoticeEnded, Record};

use crate::people::{BOARD, Scene, end};

/// The key with which webhooks are signed, and what must stay secret of the URL of a chat.
const KEY: &str = "a-key-for-signatures-of-webhooks";
const HOOK: &str = "XXXXsecretXXXXofXXXXtheXXXXchat";

/// The owner of a value sets it, with the place where it may go.
fn owns(scene: &Scene, name: &str, value: &str, destination: &str) {
    let set = scene.program.run_with(&["credentials", "set", name, "--for", destination], value);
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
}

fn webhook(port: u16, more: &str) -> String {
    format!("\n[notify.ops]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/in\"\n{more}\n")
}

/// The ends of all attempts at a channel, from the record.
fn ends_of(scene: &Scene, channel: &str) -> Vec<NoticeEnded> {
    let home = &scene.program.place().home;
    let all = tests::host::records(home, journal::log_run());
    let ends = all.into_iter().filter_map(|record| if let Record::NoticeEnded(ended) = record { Some(ended) } else { None });
    ends.filter(|ended| ended.channel.as_str() == channel).collect()
}

/// A program that keeps what it is given.
fn sendmail(scene: &Scene, then: &str) -> (String, std::path::PathBuf) {
    let (program, got) = (scene.program.folder().join("sendmail"), scene.program.folder().join("mail"));
    std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" > {0}.part\ncat >> {0}.part\nmv {0}.part {0}\n{then}\n", got.display()))
        .unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    (program.display().to_string(), got)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receiver_gets_the_form_that_it_understands() {
    let scene = Scene::new(BOARD).await;
    let receiver = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let (port, (program, got)) = (receiver.port(), sendmail(&scene, ""));
    let place = format!("http://127.0.0.1:{port}");
    let hook = "kind = \"hmac\"\nheader = \"x-signature-256\"\ntemplate = \"sha256={}\"\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\n";
    let path = "kind = \"path\"\nsegment = 3\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\n";
    let more = format!(
        "\n[credentials.hook]\n{hook}\n[credentials.chat]\n{path}\n[notify.ops]\nkind = \"webhook\"\nurl = \"{place}/in\"\ncredential = \
         \"hook\"\n[notify.chat]\nkind = \"slack\"\nurl = \"{place}/services/T0/\"\ncredential = \"chat\"\n[notify.team]\nkind = \"teams\"\nurl = \
         \"{place}/team\"\n[notify.post]\nkind = \"mail\"\nfrom = \"bailiwick@a.test\"\nrecipients = [\"board@a.test\", \"more@a.test\"]\nsendmail = \
         {program:?}\n"
    );
    owns(&scene, "hook", KEY, &place);
    owns(&scene, "chat", HOOK, &place);
    scene.configure_with(&["alice", "bob"], &more);
    let approval = scene.asks("/production/x");
    let id = approval["approval"].as_str().unwrap();
    let heard = receiver.heard();
    assert_eq!(heard.len(), 3, "each once, before the command left the home: {heard:?}");
    let of = |path: &str| -> &Heard { heard.iter().find(|heard| heard.path == path).unwrap_or_else(|| panic!("{path}: {heard:?}")) };
    let json = |heard: &Heard| -> Value { serde_json::from_slice(&heard.body).unwrap() };
    assert!(heard.iter().all(|heard| heard.method == "POST"));
    // The signature is what any receiver computes over the body.
    let (event, tag) = (of("/in"), ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY.as_bytes()), &of("/in").body));
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(event.has_header(&format!("x-signature-256: sha256={hex}")), "{}", event.head);
    assert!(event.has_header("content-type: application/cloudevents+json; charset=utf-8"), "{}", event.head);
    assert_eq!((json(event)["specversion"].as_str(), json(event)["subject"].as_str()), (Some("1.0"), Some(id)));
    assert_eq!(json(event)["data"]["digest"], approval["digest"]);
    assert!(json(of(&format!("/services/T0/{HOOK}")))["blocks"].is_array());
    assert_eq!(json(of("/team"))["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    let mail = std::fs::read_to_string(&got).unwrap();
    assert!(mail.starts_with("-i -f bailiwick@a.test -- board@a.test more@a.test\nFrom: bailiwick@a.test\n"), "{mail}");
    assert!(mail.contains(&format!("bailiwick approvals show {id}")) && mail.contains("production-needs-two"), "{mail}");
    // Nothing is told twice, and nothing that was told decides.
    scene.ends(&["approvals", "show", id], 0);
    assert_eq!(scene.votes("approve", &approval, "alice").0, 0);
    assert_eq!(scene.votes("approve", &approval, "bob").0, 0);
    scene.waits(&approval);
    assert_eq!((receiver.heard().len(), scene.server.heard().len()), (3, 1));
    for channel in ["ops", "chat", "team", "post"] {
        let ends: Vec<&str> = ends_of(&scene, channel).iter().map(|ended| ended.end.as_str()).collect();
        assert_eq!(ends, ["delivered"], "{channel}");
    }
    // Neither the record nor anything that is printed has the secrets.
    let shown = [&["audit", "show", "--json"][..], &["audit", "show"], &["check"]].map(|args| {
        let output = scene.program.run(args);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    assert!(shown[0].contains("notice-ended") && shown[1].contains("telling chat about"), "{}", shown[1]);
    assert!(shown.iter().all(|shown| !shown.contains(HOOK) && !shown.contains(KEY)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_table_nobody_is_told_and_nothing_is_on_the_record() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    let all = tests::host::records(&scene.program.place().home, journal::log_run());
    assert!(!all.iter().any(|record| matches!(record, Record::NoticeAsked(_) | Record::NoticeEnded(_))));
    assert_eq!(scene.votes("reject", &approval, "alice").0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_out_of_order_is_asked_again_with_the_same_event_and_then_left_alone() {
    let scene = Scene::new(BOARD).await;
    let receiver = Server::answering(|n, _| vec![Step::Say(response(if n < 2 { 500 } else { 200 }, b"no"))]).await;
    scene.configure_with(&["alice", "bob"], &webhook(receiver.port(), ""));
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while scene.program.run(&["status"]).status.code() == Some(11) {}
    let approval = scene.asks("/production/x");
    receiver.until(|counts| counts.answered == 3).await;
    let heard = receiver.heard();
    assert!(heard.iter().all(|one| one.body == heard[0].body), "the same event each time");
    let key = |heard: &Heard| heard.head.lines().find(|line| line.starts_with("idempotency-key")).unwrap().to_owned();
    assert_eq!([key(&heard[1]), key(&heard[2])], [key(&heard[0]), key(&heard[0])]);
    while ends_of(&scene, "ops").len() < 3 {}
    let ends: Vec<(u64, &str, Option<u16>)> =
        ends_of(&scene, "ops").iter().map(|ended| (ended.attempt, ended.end.as_str(), ended.status)).collect();
    assert_eq!(ends, [(1, "again", Some(500)), (2, "again", Some(500)), (3, "delivered", Some(200))]);
    assert_eq!(scene.votes("reject", &approval, "alice").0, 0);
    end(serve);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_receiver_does_people_can_vote_and_the_failure_is_told() {
    let elsewhere = Server::answering(|_, _| vec![Step::Say(response(200, b"caught"))]).await;
    let away = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url("/caught")).into_bytes();
    let flood = b"HTTP/1.1 200 Fine\r\ncontent-length: 100000000\r\n\r\n".to_vec();
    let endless = b"HTTP/1.1 200 Fine\r\nx-more: ".to_vec();
    for (steps, end_of, words) in [
        (vec![Step::Hang], "again", "did not answer in time"),
        (vec![Step::Say(away)], "gave-up", "follows no redirect"),
        (vec![Step::Say(response(403, b"<script>"))], "gave-up", "it refuses it"),
        (vec![Step::Say(flood), Step::Flood(vec![b'x'; 65_536])], "delivered", ""),
        (vec![Step::Say(endless), Step::Flood(vec![b'x'; 65_536])], "again", ""),
        (vec![Step::Close], "again", ""),
    ] {
        let scene = Scene::new(BOARD).await;
        let receiver = Server::doing(steps).await;
        scene.configure_with(&["alice", "bob"], &webhook(receiver.port(), ""));
        let approval = scene.asks("/production/x");
        let ends = ends_of(&scene, "ops");
        let first = ends.first().unwrap_or_else(|| panic!("{words}: no end"));
        assert!(first.end.as_str() == end_of && first.detail.as_str().contains(words), "{end_of} {words}: {first:?}");
        assert!(!first.detail.as_str().contains("script"), "what it answers is not taken");
        let doctor = scene.program.run(&["doctor", "--home"]);
        let doctor = String::from_utf8_lossy(&doctor.stdout);
        assert_eq!(doctor.contains("did not arrive"), end_of != "delivered", "{doctor}");
        assert_eq!(scene.votes("approve", &approval, "alice").0, 0);
        assert_eq!(scene.votes("approve", &approval, "bob").0, 0);
        scene.waits(&approval);
        assert_eq!(scene.server.heard().len(), 1, "{words}");
    }
    assert_eq!(elsewhere.heard().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_stops_no_clock() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"2\") @decide_within(\"1s\")")).await;
    let receiver = Server::doing(vec![Step::Hang]).await;
    scene.configure_with(&["alice", "bob"], &webhook(receiver.port(), ""));
    // The command leaves the home when its attempt has ended, and by then the time of the act is over.
    scene.ends(&["run", "post", "--", &scene.server.url("/production/x"), "the body"], 7);
    let report = scene.ends(&["wait", "latest"], 0);
    assert!(report.contains("the approval was expired"), "{report}");
    assert_eq!((scene.server.heard().len(), receiver.counts().accepted), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_goes_to_a_private_address_only_where_it_is_listed() {
    for listed in [false, true] {
        let scene = Scene::new(BOARD).await;
        let receiver = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
        let names = NameServer::answering(|_| vec!["127.0.0.1".parse().unwrap()]).await;
        let addresses = if listed { "addresses = [\"127.0.0.1/32\"]\n" } else { "" };
        let more = format!(
            "\n[network]\nresolvers = [\"{}\"]\n[notify.ops]\nkind = \"webhook\"\nurl = \"https://hooks.test:{}/in\"\n{addresses}",
            names.address,
            receiver.port()
        );
        scene.configure_with(&["alice", "bob"], &more);
        scene.asks("/production/x");
        let ends = ends_of(&scene, "ops");
        // The receiver speaks no TLS: what counts is whether it was dialled.
        assert_eq!(receiver.counts().accepted > 0, listed, "{ends:?}");
        assert_eq!(ends[0].end.as_str(), if listed { "again" } else { "gave-up" }, "{ends:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_writes_is_told_only_where_that_is_wanted_and_is_escaped() {
    for details in [false, true] {
        let scene = Scene::new(BOARD).await;
        let receiver = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
        let (program, got) = sendmail(&scene, "");
        let more = format!(
            "{}\n[notify.post]\nkind = \"mail\"\nfrom = \"a@b.test\"\nrecipients = [\"c@d.test\"]\nsendmail = {program:?}\ndetails = {details}\n",
            webhook(receiver.port(), &format!("details = {details}"))
        );
        scene.configure_with(&["alice", "bob"], &more);
        let body = "first\u{1b}[2J\nBcc: all@evil.test\n\u{202e}desrever <https://evil.test/approve>";
        scene.ends(&["run", "post", "--", &scene.server.url("/production/x?token=in-the-query"), body], 7);
        let event = String::from_utf8(receiver.heard()[0].body.clone()).unwrap();
        let mail = std::fs::read_to_string(&got).unwrap();
        for told in [&event, &mail] {
            assert_eq!(told.contains("desrever"), details, "{told}");
            assert_eq!(told.contains("in-the-query"), details, "{told}");
            assert!(told.chars().all(|letter| letter == '\n' || !vocabulary::is_misleading(letter)), "{told}");
            assert!(!told.lines().any(|line| line.starts_with("Bcc")), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_goes_only_where_its_owner_allows_it() {
    let scene = Scene::new(BOARD).await;
    let receiver = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let hook = "[credentials.hook]\nkind = \"bearer\"\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\n";
    owns(&scene, "hook", KEY, "https://other.test");
    scene.configure_with(&["alice", "bob"], &format!("\n{hook}{}", webhook(receiver.port(), "credential = \"hook\"")));
    let approval = scene.asks("/production/x");
    let ends = ends_of(&scene, "ops");
    assert!(ends[0].end.as_str() == "gave-up" && ends[0].detail.as_str().contains("hook"), "{ends:?}");
    assert_eq!(receiver.counts().accepted, 0);
    assert_eq!(scene.votes("reject", &approval, "alice").0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_is_not_trusted_any_more_tells_nobody() {
    let scene = Scene::new(BOARD).await;
    let receiver = Server::answering(|_, _| vec![Step::Say(response(500, b"no"))]).await;
    scene.configure_with(&["alice", "bob"], &webhook(receiver.port(), ""));
    scene.asks("/production/x");
    let before = receiver.heard().len();
    let elsewhere = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let config = std::fs::read_to_string(scene.program.config()).unwrap();
    let moved = config.replace(&format!("127.0.0.1:{}/in", receiver.port()), &format!("127.0.0.1:{}/in", elsewhere.port()));
    std::fs::write(scene.program.config(), moved).unwrap();
    // The next command that holds the home would tell it again.
    let _ = scene.program.run(&["credentials", "ls"]);
    let second = scene.program.run(&["run", "post", "--", &scene.server.url("/sandbox/x"), "the body"]);
    assert_eq!(second.status.code(), Some(2));
    assert_eq!((receiver.heard().len(), elsewhere.heard().len()), (before, 0));
    scene.ends(&["trust"], 0);
    // The control: trusted, it goes there, when it is due again.
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    elsewhere.until(|counts| counts.heard == 1).await;
    end(serve);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_became_known_after_the_ask_is_told_as_stars() {
    const VALUE: &str = "correct-horse-battery-staple-7";
    let scene = Scene::new(BOARD).await;
    let receiver = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let url = scene.server.url(&format!("/production/x?found={VALUE}"));
    scene.ends(&["run", "post", "--", &url, &format!("it is {VALUE}, and no other")], 7);
    owns(&scene, "found", VALUE, "https://other.test");
    scene.configure_with(&["alice", "bob"], &webhook(receiver.port(), "details = true"));
    let told = String::from_utf8(receiver.heard()[0].body.clone()).unwrap();
    assert!(told.contains("and no other") && told.contains("found=***"), "the control: {told}");
    assert!(!told.contains(VALUE), "{told}");
}
