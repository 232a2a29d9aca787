//! The host's own requests: each is on the record before it is sent, with peer, bytes both ways and answer, and is finished even if no
//! run waits for it any more. The servers are the kit's, which answer when a test allows it.

use std::sync::Arc;

use run::{Revoking, RunOrder, RunReport};
use tests::host::{TestHost, loopback};
use tests::seen::{answered, asked, host_asks, lines, refused};
use tests::server::{Heard, Server, Step, response};
use tokio::sync::Semaphore;
use vault::{Local, Secret};
use vocabulary::record::{AnswerClass, HostPurpose, Record, Sent};
use vocabulary::{Binding, Oauth2, OauthGrant, Outcome, Placement, Scheme, Source, VaultLogin, VaultServer, VaultSource};

use crate::ending::done;
use crate::rotation::text_of;

const FIRST: &str = "refresh-token-number-0";
const NEXT: &str = "refresh-token-number-1";

fn stopping() -> vocabulary::Stopping {
    vocabulary::Stopping { by: run::own_principal(), means: vocabulary::Means::Stop }
}

fn refreshing(server: &Server) -> Binding {
    let oauth2 = Oauth2 {
        client_id: "tester".to_owned(),
        grant: OauthGrant::Refresh,
        scope: None,
        token: server.url("/token").parse().unwrap(),
        token_addresses: Vec::new(),
    };
    bound(Placement::Oauth2(Box::new(oauth2)), Source::Local)
}

fn bound(placement: Placement, source: Source) -> Binding {
    Binding { scheme: Scheme::Http, ..Binding::new("key", vec!["127.0.0.1".parse().unwrap()], placement, source) }
}

/// An order for the guest `get`, whose requests are sent with the credential.
fn order(host: &TestHost, server: &Server, binding: Binding, urls: &[&str]) -> RunOrder {
    let mut order = host.order("get", urls);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    order.grants.http[0].credential = Some("key".to_owned());
    order.grants.credentials.push(binding);
    order
}

fn vault(host: &TestHost, value: &str) -> Local {
    let vault = Local::new(&host.place().home);
    vault.set_for("key", Secret::new(value.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1).unwrap();
    vault
}

/// A server that accepts each refresh token once and returns the next one. It answers when the test adds a permit.
async fn issuer(turn: &Arc<Semaphore>) -> Server {
    let turn = Arc::clone(turn);
    Server::answering(move |number, heard| {
        let body = String::from_utf8_lossy(&heard.body).into_owned();
        let answer = if body.contains(&format!("refresh_token=refresh-token-number-{number}&")) {
            let next = number + 1;
            let answer = format!(
                "{{\"access_token\":\"access-token-{next}\",\"token_type\":\"Bearer\",\"expires_in\":3600,\"refresh_token\":\"refresh-token-number-{next}\"}}"
            );
            response(200, answer.as_bytes())
        } else {
            response(400, br#"{"error":"invalid_grant"}"#)
        };
        vec![Step::Until(Arc::clone(&turn)), Step::Say(answer)]
    })
    .await
}

/// Checks that the exchange was finished, and that the next run can use its result.
async fn assert_kept(host: &TestHost, vault: &Local, report: &RunReport, (issuer, api): (&Server, &Server), turn: &Semaphore) {
    assert_eq!(text_of(&vault.get("key").unwrap().0), NEXT, "the issuer's new token is kept");
    let records = host.records(report.run);
    let own = host_asks(&records);
    let ends: Vec<_> = own.iter().map(|(asked, ended)| (asked.purpose, ended.unwrap().status)).collect();
    assert_eq!(ends, [(HostPurpose::Token, Some(200))]);
    assert!(matches!(records.last(), Some(Record::RunClosed(_))), "{:?}", records.last());
    turn.add_permits(1);
    let next = done(host, order(host, api, refreshing(issuer), &[&api.url("/next")])).await;
    assert_eq!(lines(&next)[0]["answer"]["status"], 200, "the next run is let in");
    assert_eq!(issuer.heard().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_while_a_token_is_refreshed_loses_no_refresh_token() {
    let (host, turn) = (TestHost::new(), Arc::new(Semaphore::new(0)));
    let vault = vault(&host, FIRST);
    let (issuer, api) = (issuer(&turn).await, Server::doing(vec![Step::Say(response(200, b"ok"))]).await);
    let running = host.start(order(&host, &api, refreshing(&issuer), &[&api.url("/")])).await;
    issuer.until(|counts| counts.heard == 1).await;
    running.stop(stopping());
    turn.add_permits(1);
    let report = tests::host::report(running).await;
    assert_eq!(report.outcome, Outcome::Stopped(stopping()));
    assert_eq!(api.heard().len(), 0, "nothing was sent under it");
    assert_kept(&host, &vault, &report, (&issuer, &api), &turn).await;
}

/// The guest gives its request up and continues. Its next request uses the issuer's token, which is looked for in all answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_is_impatient_while_a_token_is_refreshed_loses_neither_the_token_nor_what_comes_after_it() {
    let (host, turn) = (TestHost::new(), Arc::new(Semaphore::new(0)));
    let vault = vault(&host, FIRST);
    let api = Server::answering(|_, heard| {
        let said: &[u8] = if heard.path == "/out/told" { b"ok" } else { b"access-token-1 plain-text" };
        vec![Step::Say(response(200, said))]
    })
    .await;
    let issuer = issuer(&turn).await;
    let ask = |path: &str| serde_json::json!({ "url": api.url(path) });
    let mut impatient = ask("/in/a");
    for key in ["connect_ms", "wait_ms", "between_ms"] {
        impatient[key] = 1.into();
    }
    let asks = [impatient, ask("/out/told"), ask("/in/b")].map(|ask| ask.to_string());
    let mut order = host.order("sends_each", &asks.each_ref().map(String::as_str));
    loopback(&mut order.grants, api.port(), &["GET"], &["/in/**"]);
    loopback(&mut order.grants, api.port(), &["GET"], &["/out/**"]);
    order.grants.http[0].credential = Some("key".to_owned());
    order.grants.credentials.push(refreshing(&issuer));
    let running = host.start(order).await;
    // The guest learned that its first request failed, while the issuer has not answered yet.
    api.until(|counts| counts.heard == 1).await;
    assert_eq!((issuer.counts().heard, issuer.counts().answered), (1, 0));
    turn.add_permits(1);
    let report = tests::host::report(running).await;
    let told = lines(&report);
    assert!(told[0]["answer"]["err"].is_string(), "{told:?}");
    assert_eq!((&told[1]["answer"]["body"], &told[2]["answer"]["body"]), (&"ok".into(), &"************** plain-text".into()), "{told:?}");
    assert!(api.heard()[1].has_header("authorization: Bearer access-token-1"), "{:?}", api.heard());
    let mut without = host.order("get", &[&api.url("/out/show")]);
    loopback(&mut without.grants, api.port(), &["GET"], &["/out/**"]);
    assert_eq!(lines(&done(&host, without).await)[0]["answer"]["body"], "************** plain-text", "in a run without it, too");
    assert_kept(&host, &vault, &report, (&issuer, &api), &turn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_revoked_while_its_token_is_refreshed_loses_no_refresh_token() {
    let (host, turn) = (TestHost::new(), Arc::new(Semaphore::new(0)));
    let vault = vault(&host, FIRST);
    let (issuer, api) = (issuer(&turn).await, Server::doing(vec![Step::Say(response(200, b"ok"))]).await);
    let running = host.start(order(&host, &api, refreshing(&issuer), &[&api.url("/"), &api.url("/")])).await;
    issuer.until(|counts| counts.heard == 1).await;
    let revoking = Revoking { agent: None, credential: None, run: None };
    assert_eq!(host.house.revoke(&revoking, &run::own_principal()).unwrap().len(), 1);
    turn.add_permits(1);
    let report = tests::host::report(running).await;
    let records = host.records(report.run);
    assert_eq!(refused(&records).map(|refused| refused.reason.code()).collect::<Vec<_>>(), ["credential-revoked"]);
    assert_eq!(api.heard().len(), 0, "nothing was sent under it");
    assert_kept(&host, &vault, &report, (&issuer, &api), &turn).await;
}

/// Two runs at the same time: each sends a refresh token that was not used before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_of_a_home_never_show_the_same_refresh_token() {
    let (host, turn) = (TestHost::new(), Arc::new(Semaphore::new(100)));
    let _vault = vault(&host, FIRST);
    let (issuer, api) = (issuer(&turn).await, Server::doing(vec![Step::Say(response(200, b"ok"))]).await);
    let url = api.url("/");
    let mut going = Vec::new();
    for _ in 0..4 {
        going.push(host.start(order(&host, &api, refreshing(&issuer), &[&url])).await);
    }
    for running in going {
        assert_eq!(lines(&tests::host::report(running).await)[0]["answer"]["status"], 200);
    }
    assert_eq!(issuer.heard().len(), 4);
}

fn approle(server: &Server, folder: &std::path::Path) -> Binding {
    std::fs::write(folder.join("secret-id"), "secret-id-of-the-role").unwrap();
    let login = VaultLogin::Approle { role: "role-1".to_owned(), file: folder.join("secret-id") };
    let server = VaultServer { address: server.url("/").parse().unwrap(), addresses: Vec::new(), login, namespace: None };
    let source = VaultSource { server, path: "kv/inventory".to_owned(), field: "token".to_owned() };
    bound(Placement::Bearer, Source::Vault(Box::new(source)))
}

fn vault_server(heard: &Heard) -> Vec<u8> {
    match heard.path.as_str() {
        "/v1/auth/approle/login" => response(200, br#"{"auth":{"client_token":"s.token-of-the-server","lease_duration":3600}}"#),
        _ => response(200, br#"{"data":{"token":"canary-of-the-vault-server"}}"#),
    }
}

/// The bytes of each request that the server received.
fn heard_bytes(server: &Server) -> Vec<Sent> {
    server.heard().iter().map(|heard| Sent { body: heard.body.len() as u64, head: heard.head.len() as u64 }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_asks_on_its_own_behalf_is_on_the_record_with_its_peer_and_its_bytes_both_ways() {
    let (host, folder) = (TestHost::new(), tempfile::tempdir().unwrap());
    let kept = Server::answering(|_, heard| vec![Step::Say(vault_server(heard))]).await;
    let api = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let report = done(&host, order(&host, &api, approle(&kept, folder.path()), &[&api.url("/a"), &api.url("/b")])).await;
    let records = host.records(report.run);
    let own = host_asks(&records);
    let peer = format!("127.0.0.1:{}", kept.port()).parse().ok();
    let told: Vec<_> = own
        .iter()
        .map(|(asked, ended)| (asked.purpose, asked.resource.to_string(), ended.unwrap().peer, ended.unwrap().sent.unwrap()))
        .collect();
    let sent = heard_bytes(&kept);
    let expected = [
        (HostPurpose::VaultLogin, format!("POST {}", kept.url("/v1/auth/approle/login")), peer, sent[0]),
        (HostPurpose::VaultRead, format!("GET {}", kept.url("/v1/kv/inventory")), peer, sent[1]),
    ];
    assert_eq!(told, expected);
    assert!(own.iter().all(|(_, ended)| ended.unwrap().status == Some(200) && ended.unwrap().bytes > 40), "{own:?}");
    // Each intent is recorded before the operation that it serves is answered, and is distinct from the agent's asks.
    let op = asked(&records).next().unwrap().op;
    assert!(own.iter().all(|(asked, _)| asked.op == op && asked.credential.as_str() == "key"));
    assert_eq!(
        report.evidence.touched.own.iter().map(|one| (one.asked, one.sent)).collect::<Vec<_>>(),
        [(1, sent[0].bytes()), (1, sent[1].bytes())]
    );
    assert_eq!(report.evidence.touched.http.len(), 2, "only the agent's asks are listed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_a_request_sent_are_on_the_record_and_none_where_nothing_was() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let sends = async |port: u16, url: &str, body: &str| {
        let mut order = host.order("post", &[url, body]);
        loopback(&mut order.grants, port, &["POST"], &["/**"]);
        let report = done(&host, order).await;
        let records = host.records(report.run);
        let sent = answered(&records).map(vocabulary::record::Answered::sent).next().unwrap();
        (sent, report.evidence.touched.http[0].sent_bytes)
    };
    let body = "x".repeat(70_000);
    let (sent, touched) = sends(server.port(), &server.url("/a?query=of-some-length"), &body).await;
    assert_eq!((sent, touched), (Some(heard_bytes(&server)[0]), heard_bytes(&server)[0].bytes()));
    assert_eq!(sent.unwrap().body, 70_000);
    // Nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(sends(nobody, &format!("http://127.0.0.1:{nobody}/"), "hello").await, (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_dropped_tells_what_was_sent_of_it_and_to_whom() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Hang]).await;
    let mut order = host.order("get", &[&server.url("/")]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let running = host.start(order).await;
    server.until(|counts| counts.heard == 1).await;
    running.stop(stopping());
    let report = tests::host::report(running).await;
    let records = host.records(report.run);
    let ended = answered(&records).next().unwrap();
    let peer = format!("127.0.0.1:{}", server.port()).parse().ok();
    assert_eq!((ended.class(), ended.peer(), ended.sent()), (AnswerClass::Abandoned, peer, Some(heard_bytes(&server)[0])));
}
