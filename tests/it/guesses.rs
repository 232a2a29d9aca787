//! Guessing the value of a credential: each right guess is counted, and the run ends before it can find out much.

use run::RunOrder;
use serde_json::{Value, json};
use tests::host::{TestHost, loopback};
use tests::seen::{answered, lines};
use tests::server::{Server, Step, response};
use vocabulary::{Binding, Placement, Scheme, Source};

use crate::ending::{done, limit};

/// An order with a value of its own, which may go only to this host.
fn guessed(host: &TestHost, port: u16, urls: &[&str], at: &str) -> RunOrder {
    let vault = vault::Local::new(&host.place().home);
    let elsewhere = || vec![format!("https://{at}").parse().unwrap()];
    let places = if at == "127.0.0.1" { tests::asks::loopback() } else { elsewhere() };
    vault.set_for("pin", vault::Secret::new(b"47110815".to_vec()).unwrap(), &places, 1).unwrap();
    let mut order = host.order("get", urls);
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    let (bearer, local) = (Placement::Bearer, Source::Local);
    order.grants.credentials.push(Binding::new("pin", vec![at.parse().unwrap()], bearer, local));
    order.limits.value_hits = 2;
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_of_a_value_are_counted_and_end_the_run() {
    let server = Server::answering(|_, heard| {
        let body = if heard.path == "/tells" { "it is 47110815" } else { "nothing" };
        vec![Step::Say(response(200, body.as_bytes()))]
    })
    .await;
    let url = |path: &str| server.url(path);
    let (wrong, right, tells) = (url("/?pin=47110814"), url("/?pin=47110815"), url("/tells"));
    let host = TestHost::new();
    // Guesses in requests: two right ones are sent with stars, and the third ends the run. Wrong guesses are sent as they are.
    let order = guessed(&host, server.port(), &[&wrong, &right, &wrong, &right, &wrong, &right, &wrong], "127.0.0.1");
    limit(&host, order, "value-hits").await;
    let heard: Vec<String> = server.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(heard, ["/?pin=47110814", "/?***=********", "/?pin=47110814", "/?***=********", "/?pin=47110814"]);
    // Values in answers count if the value may not go to that server, in a home that has never sent it there. From its own server they
    // do not count.
    let other = TestHost::new();
    limit(&other, guessed(&other, server.port(), &[&tells, &tells, &tells, &wrong], "api.example.com"), "value-hits").await;
    done(&host, guessed(&host, server.port(), &[&tells, &tells, &tells, &wrong], "127.0.0.1")).await;
}

const RIGHT: &str = "47110815";
const WRONG: &str = "47110814";

/// The guest `sends_each` with a credential. It sends each request twice: with a wrong guess of the value in place of `GUESS`, and with
/// the right one.
struct Guessing {
    host: TestHost,
    server: Server,
}

/// The guest's answer to each request, what the server received (path and body), and the reasons why permitted requests were not sent.
#[derive(Debug)]
struct Told {
    answers: Vec<Value>,
    heard: Vec<(String, String)>,
    reasons: Vec<&'static str>,
}

impl Guessing {
    async fn new(places: &str) -> Self {
        let (host, server) = (TestHost::new(), Server::doing(vec![Step::Say(response(200, b"ok"))]).await);
        let vault = vault::Local::new(&host.place().home);
        vault.set_for("pin", vault::Secret::new(RIGHT.as_bytes().to_vec()).unwrap(), &[places.parse().unwrap()], 1).unwrap();
        Self { host, server }
    }

    async fn told(&self, paths: &[&str], binding: Binding, request: &Value) -> Told {
        let with = |guess: &str| request.to_string().replace("GUESS", guess).replace("BASE", &self.server.url(""));
        let before = self.server.heard().len();
        let mut order = self.host.order("sends_each", &[&with(WRONG), &with(RIGHT)]);
        loopback(&mut order.grants, self.server.port(), &["GET", "POST"], paths);
        order.grants.http[0].credential = Some("pin".to_owned());
        order.grants.credentials.push(binding);
        let report = done(&self.host, order).await;
        let records = self.host.records(report.run);
        let heard = self.server.heard().split_off(before);
        Told {
            answers: lines(&report).into_iter().map(|line| line["answer"].clone()).collect(),
            heard: heard.into_iter().map(|heard| (heard.path, String::from_utf8_lossy(&heard.body).into_owned())).collect(),
            reasons: answered(&records).filter_map(|answered| answered.reason.as_ref()).map(vocabulary::Reason::code).collect(),
        }
    }
}

fn bound(placement: Placement, paths: &[&str]) -> Binding {
    let paths = paths.iter().map(|path| path.parse().unwrap()).collect();
    Binding { scheme: Scheme::Http, paths, ..Binding::new("pin", vec!["127.0.0.1".parse().unwrap()], placement, Source::Local) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_guess_in_a_path_is_answered_like_a_wrong_one_whatever_the_grants_say_of_the_path() {
    // Patterns with the value: in the grant, in the binding, in the destinations, and in all of them.
    for (grant, binding, owner, starred) in [
        ("/pin/**", "/**", "/**", "/pin/********"),
        ("/pin/47*", "/**", "/**", "/pin/47******"),
        ("/**", "/pin/*081*", "/**", "/pin/****081*"),
        ("/**", "/**", "/*/*1*", "/pin/******1*"),
        ("/pin/4*", "/**/47*", "/pin/*81*", "/pin/47***81*"),
    ] {
        let guessing = Guessing::new(&format!("http://127.0.0.1:*{owner}")).await;
        let told = guessing.told(&[grant], bound(Placement::Bearer, &[binding]), &json!({ "url": "BASE/pin/GUESS" })).await;
        let paths: Vec<&str> = told.heard.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [&format!("/pin/{WRONG}"), starred], "{grant} {binding} {owner}");
        assert!(told.answers[0]["status"] == 200 && told.answers[0] == told.answers[1], "{:?}", told.answers);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_grant_itself_has_the_value_a_wrong_guess_is_refused_like_the_right_one() {
    let guessing = Guessing::new("http://127.0.0.1:*").await;
    let path = format!("/pin/{RIGHT}");
    let told = guessing.told(&[&path], bound(Placement::Bearer, &[]), &json!({ "url": "BASE/pin/GUESS" })).await;
    assert!(told.heard.is_empty() && told.answers[0]["err"].is_string() && told.answers[0] == told.answers[1], "{:?}", told.answers);
    assert_eq!(told.reasons, ["secret-in-request"], "the wrong guess was never permitted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_guess_beside_a_field_that_the_host_sets_is_answered_like_a_wrong_one() {
    let guessing = Guessing::new("http://127.0.0.1:*").await;
    let field = || Placement::Json { field: "pin".to_owned() };
    let form = || Placement::Form { name: "pin".to_owned() };
    let kind = |text: &str| json!([["content-type", text]]);
    let (json_kind, form_kind) = ("application/json", "application/x-www-form-urlencoded");
    let object = json!({ "a": "GUESS" }).to_string();
    let sent = [
        (field(), kind(json_kind), object.clone()),
        (field(), kind(&format!("{json_kind}; v=GUESS")), "{}".to_owned()),
        (field(), kind("application/v.GUESS+json; charset=utf-8"), "{}".to_owned()),
        (form(), kind(form_kind), "a=GUESS&b=1".to_owned()),
        (form(), kind(&format!("{form_kind}; v=GUESS")), "a=1".to_owned()),
    ];
    for (placement, headers, body) in sent {
        let request = json!({ "url": "BASE/a", "method": "POST", "headers": headers, "body": body });
        let told = guessing.told(&["/**"], bound(placement, &[]), &request).await;
        assert!(told.answers[0]["status"] == 200 && told.answers[0] == told.answers[1], "{request}: {:?}", told.answers);
        let bodies: Vec<String> = told.heard.iter().map(|(_, body)| body.replacen(RIGHT, "", 1)).collect();
        assert!(bodies.len() == 2 && bodies[0].len() == bodies[1].len() && !bodies[1].contains(RIGHT), "{request}: {bodies:?}");
    }
    // The same for a body into which the host can't put a field: neither request is sent.
    for (placement, headers, body) in [
        (field(), kind(json_kind), json!({ "pin": "GUESS" }).to_string()),
        (field(), kind(json_kind), "GUESS".to_owned()),
        (field(), kind("text/v.GUESS"), object),
        (form(), kind(form_kind), "pin=GUESS".to_owned()),
        (form(), kind(json_kind), "a=GUESS".to_owned()),
    ] {
        let request = json!({ "url": "BASE/a", "method": "POST", "headers": headers, "body": body });
        let told = guessing.told(&["/**"], bound(placement, &[]), &request).await;
        assert!(told.heard.is_empty() && told.answers[0]["err"].is_string() && told.answers[0] == told.answers[1], "{request}: {told:?}");
        assert_eq!(told.reasons, ["credential-unfit"; 2], "{request}");
    }
}
