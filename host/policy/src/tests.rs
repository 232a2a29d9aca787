//! Tests with the table of `tests/it/ssrf/`, which the program is also tested with, and tests that do not fit into such a table.

use std::net::SocketAddr;

use vocabulary::{
    Ask, AskedPath, Bounds, ChangeKind, ClosedAsk, Decision, FileAsk, FileId, FilesGrant, FilesMode, Grants, Header, HttpAsk, HttpBounds,
    HttpGrant, HttpTarget, HttpTimeouts, Method, Reason, Rule, SafeText, Scheme,
};

use crate::address::{AskedBy, OwnListeners, verdict};
use crate::grants::{self, Problem};
use crate::{Facts, decide};

mod credential;
mod holes;
mod meaning;

const NOW: Facts = Facts { chosen: None, earliest_unix_s: None, now_unix_s: 1_800_000_000, mount: None };

fn grant(scheme: Scheme, host: &str, port: Option<u16>) -> HttpGrant {
    HttpGrant {
        addresses: Vec::new(),
        credential: None,
        headers: Vec::new(),
        host: host.parse().unwrap(),
        methods: vec![Method::new("GET").unwrap(), Method::new("HEAD").unwrap()],
        paths: vec!["/**".parse().unwrap()],
        port,
        scheme,
        until: None,
        within: HttpBounds::default(),
    }
}

fn granted() -> Grants {
    let mut ended = grant(Scheme::Http, "old.test", None);
    ended.until = Some("2026-12-31".parse().unwrap());
    let http = vec![
        grant(Scheme::Https, "*.example.com", None),
        grant(Scheme::Https, "good.com", None),
        grant(Scheme::Https, "xn--jv8h.example.org", None),
        grant(Scheme::Http, "127.0.0.9", Some(8080)),
        grant(Scheme::Http, "[fd12::9]", Some(8080)),
        grant(Scheme::Http, "plain.test", None),
        grant(Scheme::Https, "*.google.internal", None),
        ended,
    ];
    Grants { http, ..Grants::default() }
}

fn ask(scheme: Scheme, authority: &str, path: &str) -> Ask {
    let malformed = |err: vocabulary::ParseError| {
        Ask::Closed(ClosedAsk { function: vocabulary::Function::HttpHandle, what: SafeText::new(&err.to_string(), 256), malformed: true })
    };
    HttpTarget::parse(scheme, authority, path).map_or_else(malformed, |target| {
        Ask::Http(HttpAsk {
            method: Method::new("GET").unwrap(),
            target,
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            timeouts: HttpTimeouts::default(),
        })
    })
}

fn http(ask: Ask) -> HttpAsk {
    match ask {
        Ask::Http(http) => http,
        Ask::Credential(_) | Ask::File(_) | Ask::Closed(_) => panic!("not an http ask"),
    }
}

/// `permit`, or the reason's code. Some reasons are followed by their detail.
fn word(judged: Result<(), Reason>) -> String {
    match judged {
        Ok(()) => "permit".to_owned(),
        Err(Reason::AddressNotGranted(what)) => format!("address-not-granted({what})"),
        Err(Reason::AddressNever(what)) => format!("address-never({what})"),
        Err(Reason::HeaderNotYours(name)) => format!("header-not-yours({name})"),
        Err(Reason::HeaderNotGranted(name)) => format!("header-not-granted({name})"),
        Err(Reason::ResourceNotGranted(what)) => format!("resource-not-granted({what})"),
        Err(Reason::ChangesMeaning(what)) => format!("changes-meaning({what})"),
        Err(Reason::CredentialNotBound(name)) => format!("credential-not-bound({name})"),
        Err(Reason::CredentialElsewhere(what)) => format!("credential-elsewhere({what})"),
        Err(reason) => reason.code().to_owned(),
    }
}

fn judged(grants: &Grants, ask: &Ask) -> String {
    word(match decide(grants, &NOW, ask) {
        Decision::Permit(_) => Ok(()),
        Decision::Refuse(reason) => Err(reason),
        Decision::Hold(hold) => panic!("no rule says so: {hold:?}"),
    })
}

/// Checks lines of the form `input => expected`, with the escapes of Rust.
#[track_caller]
fn each_case(cases: &str, least: usize, judge: impl Fn(&str) -> String) {
    let lines: Vec<_> = cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() >= least, "only {} cases", lines.len());
    let mut wrong = Vec::new();
    for line in lines {
        let (input, expected) = line.rsplit_once("=>").unwrap();
        let input = unescape(input.strip_suffix(' ').unwrap_or(input));
        let judged = judge(&input);
        if judged != expected.trim() {
            wrong.push(format!("{line}, but was {judged}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match (letter, letter) {
            ('\\', _) => match letters.next() {
                Some('t') => '\t',
                Some('r') => '\r',
                Some('n') => '\n',
                Some('0') => '\0',
                Some('u') => {
                    let hex: String = letters.by_ref().skip(1).take_while(|letter| *letter != '}').collect();
                    char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap()
                }
                other => other.unwrap(),
            },
            (plain, _) => plain,
        });
    }
    plain
}

#[test]
fn authorities_are_judged_as_listed() {
    let grants = granted();
    assert_eq!(grants::check(&grants), []);
    each_case(include_str!("../../../tests/it/ssrf/authorities.txt"), 150, |line| {
        let (scheme, authority) = line.split_once(' ').unwrap();
        let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
        judged(&grants, &ask(scheme, authority, "/"))
    });
    assert_eq!(judged(&grants, &ask(Scheme::Https, "", "/")), "malformed");
}

#[test]
fn addresses_of_a_name_are_judged_as_listed() {
    each_case(include_str!("../../../tests/it/ssrf/addresses.txt"), 150, |address| {
        let address = SocketAddr::new(address.parse().unwrap(), 443);
        word(verdict(address, AskedBy::Name, &Bounds::default(), &OwnListeners::default()))
    });
}

#[test]
fn paths_are_judged_as_listed() {
    let mut narrow = grant(Scheme::Https, "good.com", None);
    narrow.paths = vec!["/public/**".parse().unwrap(), "/api/*/read".parse().unwrap()];
    let grants = Grants { http: vec![narrow], ..Grants::default() };
    each_case(include_str!("../../../tests/it/ssrf/paths.txt"), 30, |path| judged(&grants, &ask(Scheme::Https, "good.com", path)));
}

#[test]
fn headers_are_judged_as_listed() {
    let grants = granted();
    each_case(include_str!("../../../tests/it/ssrf/headers.txt"), 40, |line| {
        let at = line.match_indices(':').find(|(at, _)| *at > 0 || line.starts_with(": ")).unwrap().0;
        let (name, value) = line.split_at(at);
        let value = value.strip_prefix(':').unwrap();
        let mut http = http(ask(Scheme::Https, "good.com", "/"));
        http.body = bytes::Bytes::from_static(b"12345");
        http.headers = vec![Header { name: name.to_owned(), value: value.strip_prefix(' ').unwrap_or(value).into() }];
        judged(&grants, &Ask::Http(http))
    });
}

#[test]
fn a_second_content_length_is_refused_even_if_it_says_the_same() {
    let mut http = http(ask(Scheme::Https, "good.com", "/"));
    http.headers = vec![Header { name: "content-length".to_owned(), value: b"0".to_vec() }];
    assert_eq!(judged(&granted(), &Ask::Http(http.clone())), "permit");
    http.headers.push(Header { name: "content-length".to_owned(), value: b"0".to_vec() });
    assert_eq!(judged(&granted(), &Ask::Http(http)), "header-not-yours(content-length)");
}

#[test]
fn networks_are_checked_at_load_as_listed() {
    each_case(include_str!("../../../tests/it/ssrf/networks.txt"), 40, |net| {
        let mut listed = grant(Scheme::Https, "good.com", None);
        listed.addresses = vec![net.parse().unwrap()];
        let found = grants::check(&Grants { http: vec![listed], ..Grants::default() });
        assert!(found.iter().all(|found| found.rule == 0 && found.key == "addresses") && found.len() < 2, "{found:?}");
        match found.first().map(|found| &found.problem) {
            None => "good",
            Some(Problem::TooWide(_)) => "too-wide",
            Some(Problem::Wrapped(_)) => "wrapped",
            Some(Problem::HoldsMetadata(_)) => "metadata",
            Some(Problem::LooseBits(_)) => "loose-bits",
            Some(Problem::NoPeer(_)) => "no-peer",
            Some(Problem::Public(_)) => "public",
            Some(other) => panic!("{other:?}"),
        }
        .to_owned()
    });
}

#[test]
fn grants_that_mean_nothing_are_found_at_load() {
    let mut empty = grant(Scheme::Https, "good.com", Some(0));
    empty.methods.clear();
    empty.paths.clear();
    let mut literal = grant(Scheme::Http, "127.0.0.1", None);
    literal.addresses = vec!["10.0.0.0/8".parse().unwrap()];
    let http = vec![
        empty,
        literal,
        grant(Scheme::Http, "169.254.169.254", None),
        grant(Scheme::Http, "[::ffff:169.254.169.254]", None),
        grant(Scheme::Http, "metadata.google.internal", None),
        grant(Scheme::Http, "*.metadata.google.internal", None),
        grant(Scheme::Http, "0.0.0.0", None),
    ];
    let found: Vec<_> = grants::check(&Grants { http, ..Grants::default() }).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "`http[0].methods`: at least one is needed",
            "`http[0].paths`: at least one is needed",
            "`http[0].port`: a port must be a number from 1 to 65535",
            "`http[1].addresses`: `addresses` is only for names: this host is an address already",
            "`http[2].host`: a metadata service can't be granted",
            "`http[3].host`: a metadata service can't be granted",
            "`http[4].host`: a metadata service can't be granted",
            "`http[5].host`: a metadata service can't be granted",
            "`http[6].host`: this address can't be the target of a connection",
        ]
    );
}

#[test]
fn nothing_granted_grants_nothing() {
    assert_eq!(judged(&Grants::default(), &ask(Scheme::Https, "good.com", "/")), "nothing-granted");
    let file = Ask::File(FileAsk::Stat { file: FileId(1) });
    assert_eq!(judged(&Grants::default(), &file), "nothing-granted");
}

#[test]
fn the_reason_is_that_of_the_nearest_grant() {
    let mut other = grant(Scheme::Https, "good.com", Some(8443));
    other.paths = vec!["/x".parse().unwrap()];
    let mut ended = other.clone();
    ended.until = Some("2026-12-31".parse().unwrap());
    let http = vec![other, grant(Scheme::Http, "good.com", None), ended];
    let grants = Grants { http, ..Grants::default() };
    assert_eq!(judged(&grants, &ask(Scheme::Https, "good.com", "/x")), "port-not-granted");
    assert_eq!(judged(&grants, &ask(Scheme::Https, "good.com:8443", "/y")), "path-not-granted");
    let mut post = http_post("good.com:8443", "/x");
    assert_eq!(judged(&grants, &Ask::Http(post.clone())), "method-not-granted");
    post.method = Method::new("HEAD").unwrap();
    assert_eq!(judged(&grants, &Ask::Http(post)), "permit");
}

fn http_post(authority: &str, path: &str) -> HttpAsk {
    HttpAsk { method: Method::new("POST").unwrap(), ..http(ask(Scheme::Https, authority, path)) }
}

#[test]
fn the_first_grant_that_covers_gives_its_bounds_and_its_name() {
    let mut wide = grant(Scheme::Https, "*.example.com", None);
    wide.addresses = vec!["10.0.0.0/8".parse().unwrap()];
    let mut never = wide.clone();
    never.addresses = vec!["192.168.0.0/16".parse().unwrap()];
    let grants = Grants { http: vec![grant(Scheme::Https, "good.com", None), wide.clone(), never], ..Grants::default() };
    let decided = decide(&grants, &NOW, &ask(Scheme::Https, "a.example.com", "/"));
    assert_eq!(decided, Decision::Permit(Bounds { addresses: wide.addresses, rule: Rule::Http(1), ..Bounds::default() }));
}

#[test]
fn a_grant_is_good_to_the_end_of_its_last_day() {
    let grants = granted();
    let asked = ask(Scheme::Http, "old.test", "/");
    let at = |now_unix_s| decide(&grants, &Facts { now_unix_s, ..NOW }, &asked);
    assert!(matches!(at(1_798_761_599), Decision::Permit(_)));
    assert_eq!(at(1_798_761_600), Decision::Refuse(Reason::GrantExpired));
}

#[test]
fn mounts_can_be_read_and_not_changed() {
    let files = vec![FilesGrant { guest: "/src".to_owned(), host: "/srv/src".into(), mode: FilesMode::Read }];
    let grants = Grants { files, ..Grants::default() };
    let path = AskedPath::new("a");
    let change = Ask::File(FileAsk::Change { function: ChangeKind::UnlinkFileAt, file: FileId(1), path });
    let read = Ask::File(FileAsk::Read { file: FileId(2), offset: 0, len: 1 });
    assert_eq!(judged(&grants, &change), "write-not-granted");
    let at = |mount| decide(&grants, &Facts { mount, ..NOW }, &read);
    let rule = |place| Decision::Permit(Bounds { rule: Rule::Files(place), ..Bounds::default() });
    assert_eq!(at(None), rule(None));
    assert_eq!(at(Some(0)), rule(Some(0)));
    assert_eq!(at(Some(1)), Decision::Refuse(Reason::NothingGranted));
}

#[test]
fn what_is_closed_is_never_served() {
    let closed =
        |malformed| Ask::Closed(ClosedAsk { function: vocabulary::Function::TcpCreateSocket, what: SafeText::new("x", 9), malformed });
    assert_eq!(judged(&granted(), &closed(false)), "not-served");
    assert_eq!(judged(&granted(), &closed(true)), "malformed");
}

#[track_caller]
fn listed(address: &str, asked: AskedBy, nets: &[&str]) -> String {
    let bounds = Bounds { addresses: nets.iter().map(|net| net.parse().unwrap()).collect(), ..Bounds::default() };
    word(verdict(SocketAddr::new(address.parse().unwrap(), 80), asked, &bounds, &OwnListeners::default()))
}

#[test]
fn listed_networks_open_what_they_hold_and_nothing_else() {
    assert_eq!(listed("10.2.3.4", AskedBy::Name, &["10.2.0.0/16"]), "permit");
    assert_eq!(listed("10.3.3.4", AskedBy::Name, &["10.2.0.0/16"]), "address-not-granted(private)");
    assert_eq!(listed("fd12::1", AskedBy::Name, &["fd12::/16"]), "permit");
    assert_eq!(listed("::ffff:10.2.3.4", AskedBy::Name, &["10.2.0.0/16"]), "address-not-granted(wrapped)");
    assert_eq!(listed("64:ff9b::a02:304", AskedBy::Name, &["64:ff9b::/96"]), "address-not-granted(wrapped)");
    assert_eq!(listed("64:ff9b::808:808", AskedBy::Name, &["64:ff9b::/96"]), "permit");
}

#[test]
fn a_literal_opens_itself_whatever_it_is_but_never_metadata() {
    for address in ["127.0.0.1", "10.0.0.1", "::1", "fe80::1", "::ffff:127.0.0.1", "240.0.0.1"] {
        assert_eq!(listed(address, AskedBy::Literal, &[]), "permit", "{address}");
    }
    for address in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16"] {
        assert_eq!(listed(address, AskedBy::Literal, &["0.0.0.0/0", "::/0"]), "address-never(metadata)", "{address}");
        assert_eq!(listed(address, AskedBy::Name, &["0.0.0.0/0", "::/0"]), "address-never(metadata)", "{address}");
    }
    for address in ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255"] {
        assert!(listed(address, AskedBy::Literal, &["0.0.0.0/0", "::/0"]).starts_with("address-not-granted"), "{address}");
    }
}

#[test]
fn what_is_never_reached_stays_so_however_it_is_asked_for_and_whatever_is_listed() {
    let rows = include_str!("../../../tests/it/ssrf/addresses.txt").lines().filter_map(|line| line.split_once(" => address-never"));
    let addresses: Vec<&str> = rows.map(|(address, _)| address).collect();
    assert!(addresses.len() > 30, "{addresses:?}");
    for address in addresses {
        for asked in [AskedBy::Name, AskedBy::Literal] {
            assert_eq!(listed(address, asked, &["0.0.0.0/0", "::/0"]), "address-never(metadata)", "{address}");
        }
    }
}

#[test]
fn own_listeners_are_never_reached_in_whatever_form() {
    let own = OwnListeners {
        listeners: vec!["127.0.0.1:7000".parse().unwrap(), "0.0.0.0:8000".parse().unwrap(), "[fd12::1]:9000".parse().unwrap()],
        local: vec!["192.168.1.5".parse().unwrap(), "203.0.114.7".parse().unwrap()],
    };
    let at = |address: &str| word(verdict(address.parse().unwrap(), AskedBy::Literal, &Bounds::default(), &own));
    for address in [
        "127.0.0.1:7000",
        "[::ffff:127.0.0.1]:7000",
        "[64:ff9b::7f00:1]:7000",
        "0.0.0.0:7000",
        "[::]:7000",
        "127.9.9.9:8000",
        "192.168.1.5:8000",
        "203.0.114.7:8000",
        "[::1]:8000",
        "[fd12::1]:9000",
    ] {
        assert_eq!(at(address), "address-never(own-listener)", "{address}");
    }
    for address in ["127.0.0.1:7001", "127.0.0.2:7000", "192.168.1.6:8000", "192.168.1.5:7000", "[fd12::2]:9000"] {
        assert_eq!(at(address), "permit", "{address}");
    }
}

#[test]
fn the_idempotency_key_belongs_to_the_host_and_goes_with_what_changes_something() {
    let mut keyed = grant(Scheme::Https, "good.com", None);
    keyed.methods = ["GET", "POST"].map(|method| Method::new(method).unwrap()).to_vec();
    keyed.within.idempotency = Some("idempotency-key".to_owned());
    let grants = Grants { http: vec![keyed.clone()], ..Grants::default() };
    let post = http_post("good.com", "/");
    let of = |ask: HttpAsk| match decide(&grants, &NOW, &Ask::Http(ask)) {
        Decision::Permit(bounds) => Ok(bounds.idempotency),
        Decision::Refuse(reason) => Err(reason.code()),
        Decision::Hold(_) => Err("hold"),
    };
    assert_eq!(of(post.clone()), Ok(Some("idempotency-key".to_owned())));
    assert_eq!(of(HttpAsk { method: Method::new("GET").unwrap(), ..post.clone() }), Ok(None));
    for (name, expected) in [
        ("Idempotency-Key", Err("header-not-yours")),
        ("idempotency_key", Err("header-not-yours")),
        ("x-idempotency-key", Ok(Some("idempotency-key".to_owned()))),
    ] {
        let headers = vec![Header { name: name.to_owned(), value: b"mine".to_vec() }];
        assert_eq!(of(HttpAsk { headers, ..post.clone() }), expected, "{name}");
    }
    let problems = |change: &dyn Fn(&mut HttpGrant)| {
        let mut changed = keyed.clone();
        change(&mut changed);
        grants::problems(&changed).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert!(problems(&|_| {}).is_empty(), "the control");
    for name in ["authorization", "host", "cookie", "x-http-method-override", "content-length", "x-forwarded-user", "accept"] {
        assert_eq!(problems(&|grant| grant.within.idempotency = Some(name.to_owned())), ["idempotency"], "{name}");
    }
    assert_eq!(problems(&|grant| grant.methods.truncate(1)), ["idempotency"], "it only reads");
}

#[test]
fn a_body_beyond_what_its_grant_takes_is_refused_and_what_else_bounds_it_goes_along() {
    let mut narrow = grant(Scheme::Https, "good.com", None);
    narrow.methods = vec![Method::new("POST").unwrap()];
    let pins = vec![vocabulary::Digest::of(b"key")];
    narrow.within = HttpBounds {
        pins: pins.clone(),
        rate: Some("5/s".parse().unwrap()),
        request_bytes: Some(4),
        response_bytes: Some(9),
        ..HttpBounds::default()
    };
    let grants = Grants { http: vec![narrow], ..Grants::default() };
    let with = |body: &'static [u8]| decide(&grants, &NOW, &Ask::Http(HttpAsk { body: body.into(), ..http_post("good.com", "/") }));
    let rule = Rule::Http(0);
    let bounds = Bounds { pins, rate: Some("5/s".parse().unwrap()), response_bytes: Some(9), rule, ..Bounds::default() };
    assert_eq!(with(b"four"), Decision::Permit(bounds));
    assert_eq!(with(b"fiver"), Decision::Refuse(Reason::OverLimit(vocabulary::Bound::RequestBytes(Rule::Http(0)))));
}
