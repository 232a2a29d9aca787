//! The addresses of a granted name: every class of address, every kind of answer, and changing answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tests::names::Answer;
use tests::server::{Server, Step};
use vocabulary::{HostName, HttpGrant, Scheme};

use super::drive::{Came, Witnesses, assert_each, grant};
use super::table::{self, Row, request, rows};

/// The widest networks that may be listed: all other addresses stay closed, and so do metadata services within them.
const LISTED: [&str; 8] =
    ["10.0.0.0/8", "100.64.0.0/12", "127.0.0.0/8", "169.254.160.0/21", "172.16.0.0/12", "192.168.0.0/16", "fd12::/16", "fe80:0:0:1::/64"];

/// Tries each address of a section that is not open: as the address of a name without and with listed addresses, and as a literal.
async fn addresses(section: &str) {
    let rows = rows(table::ADDRESSES, section);
    let by_name: BTreeMap<String, IpAddr> = rows.iter().enumerate().map(|(n, row)| (format!("a{n}"), row.input.parse().unwrap())).collect();
    let say = move |name: &str, _| {
        let address = name.split_once('.').and_then(|(first, _)| by_name.get(first));
        address.map_or_else(Answer::nobody, |address| Answer { addresses: vec![*address], ..Answer::default() })
    };
    let all = Witnesses::new(say, Server::doing(vec![Step::Close]).await).await;
    let port = Some(all.port());
    let addresses = LISTED.map(|net| net.parse().unwrap()).to_vec();
    let listed = HttpGrant { addresses, ..grant(Scheme::Http, "*.listed.test", port) };
    let (mut asks, mut expected) = (Vec::new(), Vec::new());
    for (n, Row { input, verdict }) in rows.iter().enumerate() {
        let address: IpAddr = input.parse().unwrap();
        let mut ask = |host: String, verdict: &str| {
            asks.push(request("http", &format!("{host}:{}", all.port()), "/"));
            expected.push((format!("{host}, which is {address}"), verdict.to_owned()));
        };
        // Open addresses are outside of this machine; `policy` tests these rows without sending anything.
        if verdict != "permit" {
            ask(format!("a{n}.rebind.test"), verdict);
            if !listed.addresses.iter().any(|net| net.contains(&address)) {
                ask(format!("a{n}.listed.test"), verdict);
            }
        }
        let literal = if verdict.starts_with("address-never") { verdict } else { "host-not-granted" };
        ask(if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }, literal);
    }
    let came = all.drive(vec![grant(Scheme::Http, "*.rebind.test", port), listed], &asks).came;
    assert_eq!(came.len(), asks.len(), "each has its one record");
    assert_each(expected.iter().zip(&came).map(|((what, verdict), came)| (what.as_str(), verdict.as_str(), came)));
    assert_eq!(all.server.counts().accepted, 0);
    // Each was refused because of its address, after one look-up for each record type.
    let led: Vec<_> = came.iter().filter(|came| came.intended).collect();
    assert!(led.len() >= rows.iter().filter(|row| row.verdict != "permit").count());
    assert_eq!(all.names.asked().len(), 2 * led.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_range_of_addresses_that_is_not_public_is_closed_behind_a_name() {
    addresses("ranges").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_services_are_closed_behind_a_name_whatever_is_listed() {
    addresses("metadata").await;
}

/// The name server's answers in a row of `dns.txt`, one for each connection.
fn answers(words: &str) -> Vec<Answer> {
    words.split("then").map(answer).collect()
}

fn answer(words: &str) -> Answer {
    let mut answer = Answer::default();
    for word in words.split_whitespace() {
        match word.split_once(':') {
            Some(("cname", alias)) => answer.alias = Some(alias.to_owned()),
            Some(("code", code)) => answer.code = code.parse().unwrap(),
            Some(("hint", address)) => answer.hints.push(address.parse().unwrap()),
            Some(("many", rest)) => {
                let (count, address) = rest.split_once(':').unwrap();
                answer.addresses = vec![address.parse().unwrap(); count.parse().unwrap()];
            }
            Some(("ttl", seconds)) => answer.ttl = seconds.parse().unwrap(),
            None if word == "silent" => answer.silent = true,
            _ => answer.addresses.push(word.parse().unwrap()),
        }
    }
    answer
}

/// The result of each connection of each row, with the row.
async fn led(section: &str) -> Vec<(Row, Vec<Came>)> {
    let rows: Vec<_> = rows(table::DNS, section);
    let parsed = |row: &Row| {
        let (name, words) = row.input.split_once(' ').unwrap_or((&row.input, ""));
        (name.to_owned(), answers(words))
    };
    let by_name: BTreeMap<String, Vec<Answer>> = rows.iter().map(parsed).collect();
    assert_eq!(by_name.len(), rows.len(), "each has a name of its own");
    let counts: Vec<usize> = rows.iter().map(|row| parsed(row).1.len()).collect();
    let say = move |name: &str, before: usize| match by_name.get(name) {
        Some(answers) => answers.get(before).or(answers.last()).unwrap().clone(),
        None => Answer::nobody(),
    };
    // The server closes after each answer, so that the next request is a new connection.
    let once = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let all = Witnesses::new(say, Server::doing(vec![Step::Say(once), Step::Close]).await).await;
    let port = Some(all.port());
    let mut grants: Vec<_> =
        ["localhost", "ip6-localhost", "localtest.me", "*.nip.io"].map(|host| grant(Scheme::Http, host, port)).to_vec();
    let addresses = vec!["127.0.0.1/32".parse().unwrap()];
    grants.push(HttpGrant { addresses, ..grant(Scheme::Http, "*.rebind.test", port) });
    let mut asks = Vec::new();
    for (row, count) in rows.iter().zip(&counts) {
        let mut ask = request("http", &format!("{}:{}", parsed(row).0, all.port()), "/");
        ask["connect-ms"] = serde_json::json!(if row.input.ends_with(" silent") { 200 } else { 20_000 });
        asks.extend(std::iter::repeat_n(ask, *count));
    }
    let mut came = all.drive(grants, &asks).came.into_iter();
    let came: Vec<_> = rows.into_iter().zip(counts).map(|(row, count)| (row, came.by_ref().take(count).collect::<Vec<_>>())).collect();
    // Each connection to the server is permitted on the record.
    let answered = came.iter().flat_map(|(_, came)| came).filter(|came| came.word == "permit").count();
    assert_eq!(all.server.counts().accepted, answered);
    came
}

#[track_caller]
fn assert_led(came: &[(Row, Vec<Came>)]) {
    let mut wrong = Vec::new();
    for (row, came) in came {
        let (last, before) = came.split_last().unwrap();
        let spoken_to = last.peer.is_some();
        if last.word != row.verdict || spoken_to != (row.verdict == "permit") || before.iter().any(|came| came.word != "permit") {
            wrong.push(format!("{row:?} came to {came:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_name_server_says_only_what_was_judged_is_dialled() {
    assert_led(&led("dns").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_elsewhere_the_next_time_is_judged_anew_each_time() {
    assert_led(&led("rebinding").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hosts_file_of_this_machine_is_not_read() {
    let all = Witnesses::closed().await;
    let file = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let of_file = file.lines().filter_map(|line| line.split('#').next()).flat_map(|line| line.split_whitespace().skip(1));
    let is_name = |name: &&str| name.parse().is_ok_and(|host: HostName| host == HostName::Name((*name).to_owned()));
    // `localhost` is loopback by its standard, without a hosts file or a name server.
    let names: BTreeSet<&str> = of_file.filter(is_name).filter(|name| *name != "localhost").chain(["ip6-localhost"]).collect();
    let names: Vec<&str> = names.into_iter().take(16).collect();
    let open = |name: &&str| {
        let addresses = LISTED.into_iter().chain(["::1/128"]).map(|net| net.parse().unwrap()).collect();
        HttpGrant { addresses, ..grant(Scheme::Http, name, Some(all.port())) }
    };
    let asks: Vec<_> = names.iter().map(|name| request("http", &format!("{name}:{}", all.port()), "/")).collect();
    let came = all.drive(names.iter().map(open).collect(), &asks).came;
    assert_eq!(came.iter().map(|came| came.word.as_str()).collect::<Vec<_>>(), vec!["unreachable"; names.len()], "{names:?}");
    assert_eq!(all.server.counts().accepted, 0);
    assert_eq!(all.names.asked().into_iter().collect::<BTreeSet<_>>(), names.into_iter().map(str::to_owned).collect());
}
