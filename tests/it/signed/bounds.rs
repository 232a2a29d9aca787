//! Bounds of a credential outside of its grant, as operators write them: environments, engagements, agents, uses, rates, and the
//! guest's choice between two credentials.

use serde_json::{Value, json};
use tests::asks::{Ran, asks, config, granted, set};
use tests::program::Program;
use tests::server::{Server, Step, response};
use vocabulary::Digest;

use super::{CANARY, get, post};

const BEARER: &str = "kind = \"bearer\"";

async fn server() -> Server {
    Server::answering(|_, heard| vec![Step::Say(response(200, heard.path.as_bytes()))]).await
}

/// Runs the agent under a configuration in which `key`, and `other` if it exists, have values.
fn ran(config: &str, more: &[&str], requests: &[Value]) -> Ran {
    tokio::task::block_in_place(|| {
        let program = Program::new(config);
        set(&program, "key", CANARY);
        set(&program, "other", &format!("other-{CANARY}"));
        asks(&program, more, requests)
    })
}

/// Checks that each refused request is on the record once, and that exactly the other requests arrived.
#[track_caller]
fn assert_refused(ran: &Ran, codes: &[&str], words: &str) {
    assert_eq!(ran.refused(), codes, "{ran:?}");
    let reason = ran.reasons().next().map(ToString::to_string).unwrap_or_default();
    assert!(reason.contains(words), "`{words}` is not in {reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_of_one_environment_is_refused_by_name_in_the_other() {
    let server = server().await;
    for (environment, goes, stays, words) in [
        ("sandbox", "/sandbox/a", "/a", "`key` is for sandbox, but this request goes to production"),
        ("production", "/a", "/sandbox/a", "`key` is for production, but this request goes to sandbox"),
    ] {
        let key = format!("{BEARER}\nenvironment = {environment:?}");
        let environments = "[environments.sandbox]\nmatch = [{ host = \"127.0.0.1\", paths = [\"/sandbox/**\"] }]\n";
        let before = server.heard().len();
        let ran = ran(&format!("{environments}{}", config(server.port(), &key)), &[], &[get(&server.url(goes)), get(&server.url(stays))]);
        assert_refused(&ran, &["credential-elsewhere"], words);
        assert_eq!(server.heard()[before..].iter().map(|heard| heard.path.as_str()).collect::<Vec<_>>(), [goes]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engagement_holds_a_run_to_its_targets_its_window_its_tier_and_its_rate() {
    let (server, url) = (server().await, |server: &Server| server.url("/a"));
    let engagement = |name: &str, target: &str, window: (&str, &str), rest: &str| {
        let (from, until) = window;
        format!("[engagements.{name}]\ntargets = [{target:?}]\nwindow = {{ from = {from:?}, until = {until:?} }}\n{rest}\n")
    };
    let open = ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    let over = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z");
    let text = [
        engagement("elsewhere", "*.example.com", open, "tier = \"live\""),
        engagement("over", "127.0.0.0/8", over, "tier = \"live\""),
        engagement("looks", "127.0.0.0/8", open, "tier = \"read-only\""),
        engagement("slow", "127.0.0.0/8", open, "tier = \"live\"\nrate = \"2/h\""),
        config(server.port(), BEARER),
    ]
    .concat();
    let (look, change) = (get(&url(&server)), post(&url(&server), "text/plain", "x"));
    for (name, requests, arrive, code, words) in [
        ("elsewhere", vec![look.clone()], 0, "outside-engagement", "not one of its targets"),
        ("over", vec![look.clone()], 0, "outside-engagement", "the engagement has ended"),
        ("looks", vec![look.clone(), change.clone()], 1, "outside-engagement", "does not allow requests that change something"),
        ("slow", vec![look.clone(), change, look.clone()], 2, "over-limit", "rate of"),
    ] {
        let before = server.heard().len();
        let ran = ran(&text, &["--engagement", name], &requests);
        assert_refused(&ran, &[code], words);
        assert_eq!(server.heard().len() - before, arrive, "{name}");
    }
    let unknown = tokio::task::block_in_place(|| Program::new(&text).run(&["run", "asks", "--trust", "--engagement", "nobody"]));
    assert_eq!(unknown.status.code(), Some(2));
    let free = ran(&text, &[], &[look]);
    assert_refused(&free, &[], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_chooses_among_two_credentials_by_a_header_that_is_not_sent() {
    let server = Server::answering(|_, heard| vec![Step::Say(response(200, heard.head.as_bytes()))]).await;
    let (one, grant) = (config(server.port(), BEARER), granted("asks", server.port(), "/**", Some("other")));
    let other = "[credentials.other]\nkind = \"header\"\nheader = \"x-api-key\"\nscheme = \"http\"\nhosts = [\"127.0.0.1\"]\n";
    let text = format!("{one}{other}").replacen("[credentials.key]", &format!("{grant}[credentials.key]"), 1);
    let choose = |names: &[&str]| {
        let headers: Vec<_> = names.iter().map(|name| ["Bailiwick-Credential", name]).collect();
        json!({ "url": server.url("/"), "headers": headers })
    };
    let ran = ran(&text, &[], &[choose(&[]), choose(&["key"]), choose(&["other"]), choose(&["third"]), choose(&["key", "other"])]);
    assert_refused(&ran, &["credential-not-granted", "header-not-yours"], "third");
    let heard = server.heard();
    let (bearer, header) = (format!("authorization: Bearer {CANARY}"), format!("x-api-key: other-{CANARY}"));
    let with: Vec<_> = heard.iter().map(|heard| (heard.has_header(&bearer), heard.has_header(&header))).collect();
    assert_eq!(with, [(true, false), (true, false), (false, true)]);
    assert!(heard.iter().all(|heard| !heard.head.to_ascii_lowercase().contains("bailiwick")), "{heard:?}");
}

/// A credential for other agents, or for another component of this agent: the run is not started, and nothing is on the record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_of_another_agent_or_another_component_admits_nobody() {
    let server = server().await;
    let own = Digest::of(&std::fs::read(tests::guests::guest("sends_each")).unwrap());
    let run = |agents: &str| {
        let text = config(server.port(), &format!("{BEARER}\nagents = [{agents:?}]"));
        tokio::task::block_in_place(|| {
            let program = Program::new(&text);
            set(&program, "key", CANARY);
            let request = get(&server.url("/a")).to_string();
            let output = program.run(&["run", "asks", "--trust", "--json", "--", &request]);
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            let runs = journal::Reader::open(&program.place().home)
                .map_or(0, |reader| reader.records().filter(|record| record.as_ref().unwrap().run != journal::log_run()).count());
            (output.status.code(), said, runs)
        })
    };
    let (code, said, records) = run("other");
    assert!(code == Some(2) && said.contains("credential") && records == 0, "{code:?} {said}");
    let (code, said, records) = run(&format!("asks@{}", Digest::of(b"another component")));
    assert!(code == Some(4) && said.contains("key") && records == 0, "{code:?} {said}");
    assert_eq!(server.heard().len(), 0);
    let (code, said, _) = run(&format!("asks@{own}"));
    assert_eq!((code, server.heard().len()), (Some(0), 1), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_used_no_oftener_than_it_may_be() {
    let server = server().await;
    let three = || vec![get(&server.url("/a")); 3];
    for (bound, words) in [("uses = 2", "uses"), ("rate = \"2/h\"", "rate of")] {
        let before = server.heard().len();
        let ran = ran(&config(server.port(), &format!("{BEARER}\n{bound}")), &[], &three());
        assert_refused(&ran, &["over-limit"], words);
        assert_eq!(server.heard().len() - before, 2, "{bound}");
        assert_eq!(ran.told().iter().filter(|(status, _)| *status == 200).count(), 2);
    }
}
