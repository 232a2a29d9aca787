//! Guessing the value of a credential: each right guess is counted, and the run ends before it can find out much.

use run::RunOrder;
use tests::host::{TestHost, loopback};
use tests::server::{Server, Step, response};

use crate::ending::{done, limit};

/// A value of the run's own, which may go to this host alone.
fn guessed(host: &TestHost, port: u16, urls: &[&str], at: &str) -> RunOrder {
    let vault = vault::Local::new(&host.place().home);
    let elsewhere = || vec![format!("https://{at}").parse().unwrap()];
    let places = if at == "127.0.0.1" { tests::asks::loopback() } else { elsewhere() };
    vault.set_for("pin", vault::Secret::new(b"47110815".to_vec()).unwrap(), &places, 1).unwrap();
    let mut order = host.order("get", urls);
    loopback(&mut order, port, &["GET"], &["/**"]);
    let (bearer, local) = (effect::Placement::Bearer, effect::Source::Local);
    order.grants.credentials.push(effect::Binding::new("pin", vec![at.parse().unwrap()], bearer, local));
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
    // In requests, wherever they go: two are sent, with stars, and the third ends the run. Wrong ones are sent as they are.
    let order = guessed(&host, server.port(), &[&wrong, &right, &wrong, &right, &wrong, &right, &wrong], "127.0.0.1");
    limit(&host, order, "value-hits").await;
    let heard: Vec<String> = server.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(heard, ["/?pin=47110814", "/?***=********", "/?pin=47110814", "/?***=********", "/?pin=47110814"]);
    // In answers from where it may not go, in a home that has never let it go there; and where it may, they are its server's own business.
    let other = TestHost::new();
    limit(&other, guessed(&other, server.port(), &[&tells, &tells, &tells, &wrong], "api.example.com"), "value-hits").await;
    done(&host, guessed(&host, server.port(), &[&tells, &tells, &tells, &wrong], "127.0.0.1")).await;
}
