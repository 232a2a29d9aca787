//! Values that could still let somebody in are looked for in all answers until they expire: earlier values, values of another request, of
//! another run or another process, and values that have not been used yet.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use run::RunOrder;
use tests::host::{TestHost, loopback, printed};
use tests::server::{Heard, Server, Step, chunk, response};
use tokio::sync::Semaphore;
use vault::{Local, Outstanding, Register, Secret};
use vocabulary::{Binding, Hash, Hmac, HttpTarget, Jwt, JwtAlgorithm, Oauth2, OauthGrant, Placement, Scheme, Sigv4, Source};

use crate::ending::done;

const VALUE: &str = "canary-8f3a51d0c27e4b96";

fn bound(name: &str, placement: Placement, source: Source) -> Binding {
    Binding { scheme: Scheme::Http, ..Binding::new(name, vec!["127.0.0.1".parse().unwrap()], placement, source) }
}

/// An order for the guest `get`: its requests beneath `/in` are sent with the credential, all others without.
fn order(host: &TestHost, server: &Server, bindings: Vec<Binding>, paths: &[&str]) -> RunOrder {
    let urls: Vec<String> = paths.iter().map(|path| server.url(path)).collect();
    let mut order = host.order("get", &urls.iter().map(String::as_str).collect::<Vec<_>>());
    if let Some(binding) = bindings.first() {
        loopback(&mut order.grants, server.port(), &["GET"], &["/in/**"]);
        order.grants.http[0].credential = Some(binding.name.clone());
    }
    loopback(&mut order.grants, server.port(), &["GET"], &["/out/**"]);
    order.grants.credentials = bindings;
    order
}

fn set(host: &TestHost, name: &str, value: &str) {
    Local::new(&host.place().home).set_for(name, Secret::new(value.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1).unwrap();
}

fn authorization(heard: &Heard) -> String {
    heard.head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default().to_owned()
}

/// A server that issues a new token with each request, valid for an hour.
async fn issuer() -> Server {
    Server::answering(|number, _| {
        let answer = format!("{{\"access_token\":\"access-token-number-{number:04}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}");
        vec![Step::Say(response(200, answer.as_bytes()))]
    })
    .await
}

fn obtained(issuer: &Server) -> Binding {
    let token: HttpTarget = issuer.url("/token").parse().unwrap();
    let oauth2 =
        Oauth2 { client_id: "tester".to_owned(), grant: OauthGrant::ClientCredentials, scope: None, token, token_addresses: Vec::new() };
    bound("key", Placement::Oauth2(Box::new(oauth2)), Source::Local)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_others_have_followed_is_looked_for_as_long_as_it_is_good() {
    let (host, issuer) = (TestHost::new(), issuer().await);
    set(&host, "key", VALUE);
    // After each 401 the host obtains a new token; the last answer shows all of them.
    let server = Server::answering(|_, heard| {
        let all: String = (0..40).map(|number| format!("access-token-number-{number:04} ")).collect();
        vec![Step::Say(if heard.path == "/out/show" { response(200, all.as_bytes()) } else { response(401, b"no") })]
    })
    .await;
    let paths: Vec<&str> = std::iter::repeat_n("/in/a", 30).chain(["/out/show"]).collect();
    let report = done(&host, order(&host, &server, vec![obtained(&issuer)], &paths)).await;
    assert_eq!(issuer.heard().len(), 30);
    let shown: Vec<bool> = (0..40).map(|number| printed(&report).contains(&format!("access-token-number-{number:04}"))).collect();
    assert!(shown[..30].iter().all(|shown| !shown), "no valid token is shown: {shown:?}");
    assert!(shown[30..].iter().all(|shown| *shown), "values that are not our tokens are shown: {shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_the_run_before_is_looked_for_in_the_next_and_in_one_without_any_credential() {
    let (host, issuer) = (TestHost::new(), issuer().await);
    set(&host, "key", VALUE);
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"access-token-number-0000 access-token-number-0007"))]).await;
    done(&host, order(&host, &server, vec![obtained(&issuer)], &["/in/a"])).await;
    for bindings in [vec![obtained(&issuer)], Vec::new()] {
        let report = done(&host, order(&host, &server, bindings, &["/out/a"])).await;
        assert!(!printed(&report).contains("number-0000") && printed(&report).contains("access-token-number-0007"), "{}", printed(&report));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_the_vault_is_looked_for_in_a_run_without_any_credential_that_asks_before_all_others() {
    let host = TestHost::new();
    set(&host, "key", VALUE);
    let elsewhere = ["https://api.example.com".parse().unwrap()];
    Local::new(&host.place().home).set_for("other", Secret::new(b"for-another-place-77".to_vec()).unwrap(), &elsewhere, 1).unwrap();
    let server = Server::doing(vec![Step::Say(response(200, format!("{VALUE} for-another-place-77").as_bytes()))]).await;
    let report = done(&host, order(&host, &server, Vec::new(), &["/out/a"])).await;
    let said = printed(&report);
    assert!(!said.contains(VALUE) && said.contains("for-another-place-77"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_programs_files_and_servers_are_looked_for_before_their_first_use() {
    let (host, folder) = (TestHost::new(), tempfile::tempdir().unwrap());
    set(&host, "key", VALUE);
    let (file, by_program, by_file) = (folder.path().join("token"), "from-a-program-5c1de0", "from-a-file-b7a94f01");
    std::fs::write(&file, by_file).unwrap();
    let server =
        Server::answering(move |_, _| vec![Step::Say(response(200, format!("{by_program} {by_file} plain-text").as_bytes()))]).await;
    let program = Source::Exec(["/bin/echo", by_program].map(str::to_owned).to_vec());
    let bindings = vec![
        bound("key", Placement::Bearer, Source::Local),
        bound("program", Placement::Bearer, program),
        bound("file", Placement::Bearer, Source::File(file)),
    ];
    // No value has been used yet, and none ever is.
    let report = done(&host, order(&host, &server, bindings, &["/out/a"])).await;
    let said = printed(&report);
    assert!(!said.contains(by_program) && !said.contains(by_file) && said.contains("plain-text"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_becomes_known_before_an_answer_ends_is_not_shown_by_the_trailers_of_a_packed_answer() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), VALUE).unwrap();
    for is_known in [false, true] {
        let (host, may_end) = (TestHost::new(), Arc::new(Semaphore::new(0)));
        let permit = Arc::clone(&may_end);
        let server = Server::answering(move |_, heard| {
            if heard.path != "/out/slow" {
                return vec![Step::Say(response(200, b"ok"))];
            }
            // An answer that is compressed although this was not requested: it is shown only if no value is looked for in it.
            let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ntransfer-encoding: chunked\r\n\r\n";
            let end = format!("0\r\nx-seen: {VALUE}\r\n\r\n").into_bytes();
            vec![Step::Say([head, chunk(b"some bytes").as_slice()].concat()), Step::Until(Arc::clone(&permit)), Step::Say(end)]
        })
        .await;
        let ends = async {
            server.until(|counts| counts.steps == 1).await;
            if is_known {
                let binding = bound("key", Placement::Bearer, Source::File(file.path().to_owned()));
                done(&host, order(&host, &server, vec![binding], &["/in/a"])).await;
            }
            may_end.add_permits(1);
        };
        let (report, ()) = tokio::join!(done(&host, order(&host, &server, Vec::new(), &["/out/slow"])), ends);
        // The data that the guest got is kept with the record.
        let reader = journal::Reader::open(&host.place().home).unwrap();
        let given: Vec<Vec<u8>> = gate::leaves(&reader, report.run).flat_map(|leaf| leaf.unwrap().payloads).collect();
        assert_eq!(given.iter().any(|bytes| tests::tools::contains(bytes, VALUE.as_bytes())), !is_known, "{}", printed(&report));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_value_can_not_be_had_nothing_is_sent_to_where_it_could_come_back_from() {
    let host = TestHost::new();
    set(&host, "key", VALUE);
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let fails = || Source::Exec(vec!["/bin/false".to_owned()]);
    let both = |other: Binding| vec![bound("key", Placement::Bearer, Source::Local), other];
    let report = done(&host, order(&host, &server, both(bound("other", Placement::Bearer, fails())), &["/in/a"])).await;
    assert_eq!(server.heard().len(), 0, "{}", printed(&report));
    // A value for another server can't come back from this one.
    let elsewhere = Binding { hosts: vec!["api.example.com".parse().unwrap()], ..bound("other", Placement::Bearer, fails()) };
    done(&host, order(&host, &server, both(elsewhere), &["/in/a", "/in/b"])).await;
    assert_eq!(server.heard().len(), 2);
}

/// A value that was made for one request comes back in the answer to another request, in the next run, and in a run without a credential.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_for_one_request_is_looked_for_in_the_answers_to_all() {
    let sigv4 = Sigv4 { key_id: "AKID".to_owned(), region: "r".to_owned(), service: "s".to_owned() };
    let hmac = Hmac {
        header: "authorization".to_owned(),
        before: String::new(),
        hash: Hash::Sha256,
        encoding: vocabulary::Encoding::Hex,
        over: "{body}".to_owned(),
        timestamp_header: None,
    };
    let jwt = Jwt { algorithm: JwtAlgorithm::EdDsa, claims: [].into(), key_id: None, lifetime_s: 60 };
    for placement in [Placement::Sigv4(sigv4), Placement::Hmac(hmac), Placement::Jwt(jwt)] {
        let host = TestHost::new();
        let value = if matches!(placement, Placement::Jwt(_)) { ed25519() } else { VALUE.to_owned() };
        let local = Local::new(&host.place().home);
        local.set_for("key", Secret::of_text(value.into_bytes()).unwrap(), &tests::asks::loopback(), 1).unwrap();
        let seen = Arc::new(std::sync::Mutex::new(String::new()));
        let kept = Arc::clone(&seen);
        let server = Server::answering(move |_, heard| {
            let mut kept = kept.lock().unwrap();
            if heard.path.starts_with("/in/") {
                *kept = authorization(heard);
                return vec![Step::Say(response(200, b"ok"))];
            }
            vec![Step::Say(response(200, format!("seen: {kept}").as_bytes()))]
        })
        .await;
        let binding = bound("key", placement.clone(), Source::Local);
        let mut said = vec![done(&host, order(&host, &server, vec![binding.clone()], &["/in/a", "/out/a"])).await];
        said.push(done(&host, order(&host, &server, vec![binding], &["/out/a"])).await);
        said.push(done(&host, order(&host, &server, Vec::new(), &["/out/a"])).await);
        let made = seen.lock().unwrap().clone();
        let signature = made.rsplit(['=', '.', ' ']).next().unwrap();
        assert!(signature.len() >= 43, "{made}");
        for report in &said {
            let text = printed(report);
            assert!(text.contains("seen: ") && !text.contains(signature), "{placement:?}: {text}");
        }
    }
}

fn ed25519() -> String {
    use base64::Engine as _;
    let key = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(key.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// Notes a value as another process of the home does.
fn noted(host: &TestHost, at: &str, until_s: u64, value: &str) {
    let secret = Secret::new(value.as_bytes().to_vec()).unwrap();
    let outstanding = Outstanding { credential: "of-others".to_owned(), hosts: vec![at.parse().unwrap()], until_s: Some(until_s), secret };
    Register::new(Local::new(&host.place().home)).note(vec![outstanding], 1).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_looked_for_where_it_could_let_somebody_in_and_until_it_can_not_any_more() {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (at, until_s, shown) in
        [("127.0.0.1", now_s + 3600, false), ("127.0.0.1", now_s - 1, true), ("api.example.com", now_s + 3600, true)]
    {
        let host = TestHost::new();
        noted(&host, at, until_s, VALUE);
        let server = Server::doing(vec![Step::Say(response(200, VALUE.as_bytes()))]).await;
        let report = done(&host, order(&host, &server, Vec::new(), &["/out/a"])).await;
        assert_eq!(printed(&report).contains(VALUE), shown, "{at} {until_s}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_was_replaced_or_revoked_is_looked_for_by_runs_that_begin_later() {
    let host = TestHost::new();
    set(&host, "key", VALUE);
    set(&host, "key", "another-value-4b96a1f0");
    Local::new(&host.place().home).revoke("key").unwrap();
    let server = Server::doing(vec![Step::Say(response(200, format!("{VALUE} another-value-4b96a1f0 plain-text").as_bytes()))]).await;
    let binding = bound("key", Placement::Bearer, Source::Local);
    let report = done(&host, order(&host, &server, vec![binding], &["/out/a"])).await;
    let said = printed(&report);
    assert!(!said.contains(VALUE) && !said.contains("another-value") && said.contains("plain-text"), "{said}");
}

/// Values that are made for each request stay valid for minutes, so many requests use up the credential's share of the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_credential_has_all_of_its_share_no_signature_is_made_for_it_and_none_is_forgotten() {
    const SHARE: u64 = 12_288;
    let host = TestHost::new();
    set(&host, "key", VALUE);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = |n: u64| (1..5).map(|word: u64| format!("{:016x}", (n * word).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<String>();
    let made = |n: u64| Outstanding {
        credential: "key".to_owned(),
        hosts: vec!["127.0.0.1".parse().unwrap()],
        until_s: Some(now_s + 1200),
        secret: Secret::new(signature(n).into_bytes()).unwrap(),
    };
    // Besides the credential's own value, for the hosts of the vault and of the binding, there is room for one more.
    Register::new(Local::new(&host.place().home)).note((3..SHARE).map(made).collect(), now_s).unwrap();
    let all = [signature(3), signature(SHARE - 1), signature(SHARE)].join(" ");
    let server = Server::doing(vec![Step::Say(response(200, all.as_bytes()))]).await;
    let sigv4 = Sigv4 { key_id: "AKID".to_owned(), region: "r".to_owned(), service: "s".to_owned() };
    let binding = bound("key", Placement::Sigv4(sigv4), Source::Local);
    let report = done(&host, order(&host, &server, vec![binding], &["/in/a", "/in/b", "/out/show"])).await;
    let heard: Vec<String> = server.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(heard, ["/in/a", "/out/show"], "without room the value is not made, and the request is not sent");
    let records = host.records(report.run);
    let why: Vec<_> = tests::seen::answered(&records).filter_map(|answered| answered.reason.as_ref()).collect();
    assert!(why.len() == 1 && why[0].code() == "values-full", "{why:?}");
    for words in ["`key`", "until some have expired", "so a lower rate helps"] {
        assert!(why[0].to_string().contains(words), "{why:?}");
    }
    let said = printed(&report);
    assert!(!said.contains(&signature(3)) && !said.contains(&signature(SHARE - 1)), "{said}");
    assert!(said.contains(&signature(SHARE)), "a value that is not ours is shown: {said}");
}

/// For a run without a credential: how many requests the server received, and the reasons why the others were not sent.
async fn without_credential(host: &TestHost, server: &Server) -> (usize, Vec<(&'static str, String)>) {
    let report = done(host, order(host, server, Vec::new(), &["/out/a"])).await;
    let records = host.records(report.run);
    let reasons = tests::seen::answered(&records).filter_map(|answered| answered.reason.as_ref());
    (server.heard().len(), reasons.map(|reason| (reason.code(), reason.to_string())).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_without_a_credential_needs_no_vault_and_sends_nothing_where_there_is_one_that_does_not_open() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let home = host.place().home;
    assert_eq!(without_credential(&host, &server).await, (1, Vec::new()));
    assert!(!home.join("vault").exists() && !home.join("vault.live").exists(), "none is made for it");
    set(&host, "key", VALUE);
    let files = std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().path());
    let key = files.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vault.key"))).unwrap();
    let own = std::fs::read(&key).unwrap();
    // Written in place, so that owner and mode stay the same.
    std::fs::write(&key, [7; 32]).unwrap();
    let (heard, reasons) = without_credential(&host, &server).await;
    let [(code, why)] = &reasons[..] else { panic!("{reasons:?}") };
    assert_eq!((heard, *code), (1, "values-unknown"), "{why}");
    for words in ["could contain", "so the request is refused", &format!("`{}` does not open", home.join("vault").display()), "another key"]
    {
        assert!(why.contains(words), "{why}");
    }
    std::fs::write(&key, own).unwrap();
    assert_eq!(without_credential(&host, &server).await, (2, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_knows_what_to_look_for_nothing_is_sent() {
    let host = TestHost::new();
    set(&host, "key", VALUE);
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let binding = || vec![bound("key", Placement::Bearer, Source::Local)];
    let list = host.place().home.join("vault.live");
    std::fs::write(&list, b"bailiwick live 1\nof nobody").unwrap();
    std::fs::set_permissions(&list, std::fs::Permissions::from_mode(0o600)).unwrap();
    let report = done(&host, order(&host, &server, binding(), &["/in/b", "/out/b"])).await;
    let records = host.records(report.run);
    let why: Vec<_> = tests::seen::answered(&records).filter_map(|answered| answered.reason.as_ref()).map(ToString::to_string).collect();
    assert!(why.len() == 2 && why.iter().all(|why| why.contains("vault.live")), "{why:?}");
    assert_eq!(server.heard().len(), 0);
    std::fs::remove_file(list).unwrap();
    done(&host, order(&host, &server, binding(), &["/in/b", "/out/b"])).await;
    assert_eq!(server.heard().len(), 2);
}
