//! OAuth 2: the host obtains the token, and the guest never sees it. Client credentials are tested with oauth2-mock-server. Refresh
//! tokens that can be used only once are tested with a server of the tests, since oauth2-mock-server does not remember the tokens that
//! it issued.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tests::asks::{Ran, asks, assert_nowhere, config, set};
use tests::oauth::Endpoint;
use tests::program::Program;
use tests::seen::host_asks;
use tests::server::{Heard, Server, Step, response};
use vault::{Local, Secret};
use vocabulary::record::{HostAnswered, HostAsked, HostPurpose};

use super::{echo, get};

const SECRET: &str = "client-secret-8f3a51d0&=+%";

fn oauth2(port: u16, url: &str, grant: &str) -> String {
    let key = format!("kind = \"oauth2\"\ngrant = {grant:?}\nclient-id = \"tester\"\nscope = \"read write\"\ntoken = {url:?}");
    config(port, &key)
}

fn run(program: &Program, server: &Server, times: usize) -> Ran {
    tokio::task::block_in_place(|| asks(program, &[], &vec![get(&server.url("/a")); times]))
}

fn with_value(config: &str, value: &str) -> Program {
    let program = Program::new(config);
    tokio::task::block_in_place(|| set(&program, "key", value));
    program
}

/// The host's requests for tokens, each with its answer.
fn refreshed(ran: &Ran) -> Vec<(&HostAsked, Option<&HostAnswered>)> {
    host_asks(&ran.records).into_iter().filter(|(asked, _)| asked.purpose == HostPurpose::Token).collect()
}

fn token(heard: &Heard) -> &str {
    heard.head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_obtained_once_and_comes_back_as_stars() {
    let Some(endpoint) = Endpoint::start(SECRET) else { return };
    let server = Server::answering(|_, heard| echo(heard)).await;
    let program = with_value(&oauth2(server.port(), &endpoint.url(), "client-credentials"), SECRET);
    let ran = run(&program, &server, 3);
    let heard = server.heard();
    let tokens: Vec<&str> = heard.iter().map(token).collect();
    assert!(tokens.len() == 3 && tokens[0].len() > 200 && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    for (status, body) in ran.told() {
        assert!(status == 200 && body.contains(&format!("authorization: Bearer {}", "*".repeat(tokens[0].len()))), "{body}");
    }
    assert_nowhere(&program, &ran, SECRET);
    assert_nowhere(&program, &ran, tokens[0]);
    let on_record = refreshed(&ran);
    assert_eq!(
        on_record.iter().map(|(asked, answered)| (asked.credential.as_str(), answered.unwrap().status)).collect::<Vec<_>>(),
        [("key", Some(200))]
    );
    assert_eq!(on_record[0].0.resource.to_string(), format!("POST {}", endpoint.url()));
    assert_eq!(endpoint.stop(), ["200 client_credentials read write"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_not_taken_is_followed_by_another() {
    let Some(endpoint) = Endpoint::start(SECRET) else { return };
    let server = Server::answering(|number, _| vec![Step::Say(response(if number == 1 { 401 } else { 200 }, b"said"))]).await;
    let program = with_value(&oauth2(server.port(), &endpoint.url(), "client-credentials"), SECRET);
    let ran = run(&program, &server, 4);
    assert_eq!(ran.told().iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 401, 200, 200]);
    let heard = server.heard();
    let tokens: Vec<&str> = heard.iter().map(token).collect();
    assert!(tokens[0] == tokens[1] && tokens[1] != tokens[2] && tokens[2] == tokens[3], "{tokens:?}");
    assert_eq!((refreshed(&ran).len(), endpoint.stop().len()), (2, 2));
    assert_nowhere(&program, &ran, tokens[3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nothing_is_sent() {
    let Some(endpoint) = Endpoint::start(SECRET) else { return };
    let server = Server::answering(|_, heard| echo(heard)).await;
    let unavailable = |ran: &Ran, status: Option<u16>| {
        assert_eq!(ran.refused(), ["credential-unavailable"], "{ran:?}");
        assert_eq!(refreshed(ran).iter().map(|(_, answered)| answered.unwrap().status).collect::<Vec<_>>(), [status]);
        assert_eq!(server.heard().len(), 0);
    };
    let wrong = "another-secret-of-the-client";
    let program = with_value(&oauth2(server.port(), &endpoint.url(), "client-credentials"), wrong);
    let ran = run(&program, &server, 1);
    unavailable(&ran, Some(401));
    assert_nowhere(&program, &ran, wrong);
    let url = endpoint.url();
    assert_eq!(endpoint.stop(), ["401 client_credentials read write"]);
    unavailable(&run(&with_value(&oauth2(server.port(), &url, "client-credentials"), SECRET), &server, 1), None);
    for answer in [
        response(200, br#"{"access_token":"a-token-of-some-length","token_type":"mac"}"#),
        response(200, b"<html>"),
        response(200, format!("{{\"access_token\":\"{}\",\"token_type\":\"bearer\"}}", "x".repeat(5000)).as_bytes()),
        response(302, b""),
    ] {
        let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
        let other = Server::doing(vec![Step::Say(answer)]).await;
        unavailable(
            &run(&with_value(&oauth2(server.port(), &other.url("/token"), "client-credentials"), SECRET), &server, 1),
            Some(status),
        );
    }
}

/// A server that issues a token only for the refresh token that it issued last.
async fn rotating() -> Server {
    let last = AtomicUsize::new(0);
    Server::answering(move |_, heard| {
        let (body, last_of_it) = (String::from_utf8_lossy(&heard.body).into_owned(), last.load(Ordering::Relaxed));
        if !body.contains(&format!("refresh_token=refresh-token-{last_of_it}&")) {
            return vec![Step::Say(response(400, br#"{"error":"invalid_grant"}"#))];
        }
        let next = last.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = format!(
            "{{\"access_token\":\"access-token-{next}\",\"token_type\":\"Bearer\",\"expires_in\":3600,\"refresh_token\":\"refresh-token-{next}\"}}"
        );
        vec![Step::Say(response(200, answer.as_bytes()))]
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_spent_and_the_vault_has_the_next() {
    let (endpoint, server) = (rotating().await, Server::answering(|_, heard| echo(heard)).await);
    let program = with_value(&oauth2(server.port(), &endpoint.url("/token"), "refresh"), "refresh-token-0");
    for next in 1..=3 {
        let ran = run(&program, &server, 2);
        let stars = format!("authorization: Bearer {}", "*".repeat(14));
        assert!(ran.told().len() == 2 && ran.told().iter().all(|(status, body)| *status == 200 && body.contains(&stars)), "{ran:?}");
        let (value, version) = Local::new(&program.place().home).get("key").unwrap();
        let next_one = Secret::new(format!("refresh-token-{next}").into_bytes()).unwrap();
        assert!(value.is(&next_one) && version == next + 1, "{version}");
        assert_eq!(token(server.heard().last().unwrap()), format!("access-token-{next}"));
        for secret in [format!("refresh-token-{}", next - 1), format!("refresh-token-{next}"), format!("access-token-{next}")] {
            assert_nowhere(&program, &ran, &secret);
        }
        assert_eq!(refreshed(&ran).len(), 1);
    }
    assert_eq!(endpoint.heard().len(), 3);
}

/// The credential is revoked while the endpoint is asked: the answer must not restore it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_is_revoked_while_it_is_refreshed_stays_revoked() {
    let home = Arc::<OnceLock<PathBuf>>::default();
    let known = Arc::clone(&home);
    let endpoint = Server::answering(move |_, _| {
        Local::new(known.get().unwrap()).revoke("key").unwrap();
        let answer = br#"{"access_token":"access-token-1","token_type":"Bearer","refresh_token":"refresh-token-1"}"#;
        vec![Step::Say(response(200, answer))]
    })
    .await;
    let server = Server::answering(|_, heard| echo(heard)).await;
    let program = with_value(&oauth2(server.port(), &endpoint.url("/token"), "refresh"), "refresh-token-0");
    home.set(program.place().home.clone()).unwrap();
    let ran = run(&program, &server, 2);
    assert_eq!(ran.refused(), ["credential-unavailable"; 2], "{ran:?}");
    assert!(Local::new(&program.place().home).is_revoked("key").unwrap());
    assert_eq!((server.heard().len(), endpoint.heard().len()), (0, 1));
}
