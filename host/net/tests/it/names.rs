//! Names and their addresses: every answer is judged again for every connection, and nothing else is dialled.

use net::{NetError, Network, NetworkConfig, Pool, WireRequest};
use policy::address::OwnListeners;
use vocabulary::{HttpFault, Reason, SafeText};

use crate::kit::{SHORT, Server, Then, fetch, get, good, listing};
use crate::name_server::{A, AAAA, Answer, NameServer, has};

const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";

fn pool(names: &NameServer) -> Pool {
    Network::new(&NetworkConfig { resolvers: vec![names.address], ..NetworkConfig::default() }).unwrap().pool()
}

/// A server at 127.0.0.1 that is allowed, and one at 127.0.0.2 on the same port that is not.
async fn pair() -> (Server, Server) {
    loop {
        let good = Server::saying(CLOSING, Then::Close).await;
        let beside = format!("127.0.0.2:{}", good.address.port());
        if let Some(private) = Server::at(&beside, |_, _| (CLOSING.into(), Then::Close)).await {
            return (good, private);
        }
    }
}

fn ask(name: &str, server: &Server) -> WireRequest {
    listing(get(&format!("http://{name}:{}/", server.address.port())), &["127.0.0.1/32"])
}

fn refusal(fetched: Result<crate::kit::Whole, NetError>) -> Reason {
    let err = fetched.unwrap_err();
    assert_eq!((err.fault, err.peer), (HttpFault::Denied, None));
    err.reason.unwrap()
}

fn not_granted(class: &str) -> Reason {
    Reason::AddressNotGranted(SafeText::new(class, 64))
}

#[tokio::test]
async fn a_name_is_looked_up_as_it_stands_and_dialled_where_it_leads() {
    let names = NameServer::answering(|_, _| has(&["127.0.0.1"])).await;
    let (server, _) = pair().await;
    let pool = pool(&names);
    good(fetch(&pool, ask("api.svc.test", &server)).await);
    let mut asked = names.asked();
    asked.sort();
    assert_eq!(asked, [("api.svc.test.".to_owned(), A), ("api.svc.test.".to_owned(), AAAA)]);
    assert!(server.heard()[0].contains(&format!("\r\nhost: api.svc.test:{}\r\n", server.address.port())));
    good(fetch(&pool, ask("short", &server)).await);
    assert!(names.asked().iter().all(|(name, _)| name == "api.svc.test." || name == "short."), "{:?}", names.asked());
}

#[tokio::test]
async fn each_connection_asks_anew_so_a_rebound_name_is_refused() {
    let names = NameServer::answering(|_, before| if before == 0 { has(&["127.0.0.1"]) } else { has(&["127.0.0.2"]) }).await;
    let (server, private) = pair().await;
    let pool = pool(&names);
    good(fetch(&pool, ask("rebind.test", &server)).await);
    assert_eq!(refusal(fetch(&pool, ask("rebind.test", &server)).await), not_granted("loopback"));
    assert_eq!((server.accepted(), private.accepted()), (1, 0));
}

#[tokio::test]
async fn one_bad_answer_refuses_them_all() {
    let mixes: [&[&str]; 6] = [
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.2", "127.0.0.1"],
        &["127.0.0.1", "::1"],
        &["127.0.0.1", "::ffff:127.0.0.1"],
        &["127.0.0.1", "64:ff9b::7f00:1"],
        &["127.0.0.1", "10.0.0.1"],
    ];
    for mix in mixes {
        let addresses: Vec<String> = mix.iter().map(|address| (*address).to_owned()).collect();
        let names = NameServer::answering(move |_, _| has(&addresses.iter().map(String::as_str).collect::<Vec<_>>())).await;
        let (server, private) = pair().await;
        assert!(matches!(refusal(fetch(&pool(&names), ask("mixed.test", &server)).await), Reason::AddressNotGranted(_)), "{mix:?}");
        assert_eq!((server.accepted(), private.accepted()), (0, 0), "{mix:?}");
    }
}

#[tokio::test]
async fn metadata_behind_a_name_is_never_reached() {
    let never = || Reason::AddressNever(SafeText::new("metadata", 64));
    for address in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16"] {
        let names = NameServer::answering(move |_, _| has(&["127.0.0.1", address])).await;
        let request = listing(get("http://cloud.test/"), &["0.0.0.0/0", "::/0"]);
        assert_eq!(refusal(fetch(&pool(&names), request).await), never(), "{address}");
    }
    let names = NameServer::answering(|_, _| Answer::Alias("metadata.google.internal", vec!["127.0.0.1".parse().unwrap()])).await;
    let (server, _) = pair().await;
    assert_eq!(refusal(fetch(&pool(&names), ask("cloud.test", &server)).await), never());
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn this_hosts_own_listeners_are_never_dialled_whatever_is_listed() {
    let never = || Reason::AddressNever(SafeText::new("own-listener", 64));
    let names = NameServer::answering(|_, _| has(&["127.0.0.1"])).await;
    let (server, private) = pair().await;
    let port = server.address.port();
    let own = OwnListeners { listeners: vec![server.address], local: Vec::new() };
    let pool = Network::new(&NetworkConfig { resolvers: vec![names.address], own, ..NetworkConfig::default() }).unwrap().pool();
    for host in ["own.test", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        let request = listing(get(&format!("http://{host}:{port}/")), &["127.0.0.0/8", "::ffff:127.0.0.0/104"]);
        assert_eq!(refusal(fetch(&pool, request).await), never(), "{host}");
    }
    assert_eq!(server.accepted(), 0);
    // An address beside it that belongs to another machine is not one of them.
    good(fetch(&pool, get(&format!("http://127.0.0.2:{port}/"))).await);
    assert_eq!(private.accepted(), 1);
}

#[tokio::test]
async fn an_alias_is_judged_by_where_it_leads() {
    let to = |address: &'static str| move |_: &str, _| Answer::Alias("inner.test", vec![address.parse().unwrap()]);
    let (server, private) = pair().await;
    let names = NameServer::answering(to("127.0.0.1")).await;
    good(fetch(&pool(&names), ask("alias.test", &server)).await);
    let names = NameServer::answering(to("127.0.0.2")).await;
    assert_eq!(refusal(fetch(&pool(&names), ask("alias.test", &server)).await), not_granted("loopback"));
    assert_eq!(private.accepted(), 0);
}

#[tokio::test]
async fn more_addresses_than_can_be_meant_are_refused() {
    let count = |count: usize| move |_: &str, _| Answer::Has(vec!["127.0.0.1".parse().unwrap(); count]);
    let (server, _) = pair().await;
    let names = NameServer::answering(count(16)).await;
    good(fetch(&pool(&names), ask("some.test", &server)).await);
    for many in [17, 1000] {
        let names = NameServer::answering(count(many)).await;
        assert!(matches!(refusal(fetch(&pool(&names), ask("many.test", &server)).await), Reason::OverLimit(_)), "{many}");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn no_answer_is_unreachable_and_nobody_else_is_asked() {
    for code in [0, 1, 2, 3, 5] {
        let names = NameServer::answering(move |_, _| Answer::Code(code)).await;
        let err = fetch(&pool(&names), get("http://localhost.example/")).await.unwrap_err();
        assert_eq!((err.fault, err.reason), (HttpFault::Unreachable, None), "{code}");
    }
    let names = NameServer::answering(|_, _| Answer::Silence).await;
    let mut request = get("http://silent.test/");
    request.timeouts.connect = SHORT;
    assert_eq!(fetch(&pool(&names), request).await.unwrap_err().fault, HttpFault::TimedOut);
}

#[tokio::test]
async fn literal_addresses_and_hosts_files_need_no_name_server() {
    let names = NameServer::answering(|_, _| Answer::Code(3)).await;
    let (server, _) = pair().await;
    good(fetch(&pool(&names), get(&format!("http://127.0.0.1:{}/", server.address.port()))).await);
    assert_eq!(names.asked(), []);
    // Every machine's hosts file has this name. The file is not read, and by its own standard the name means loopback.
    let err = fetch(&pool(&names), get(&format!("http://localhost:{}/", server.address.port()))).await.unwrap_err();
    assert_eq!(err.reason, Some(not_granted("loopback")));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let names = NameServer::answering(|_, _| has(&["127.0.0.3", "127.0.0.1"])).await;
    let (server, _) = pair().await;
    let request = listing(ask("two.test", &server), &["127.0.0.1/32", "127.0.0.3/32"]);
    let response = pool(&names).send(request).await.unwrap();
    assert_eq!(response.peer, server.address);
}
