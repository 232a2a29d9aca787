//! Each key of a configuration, with the test that shows its effect: a key without effect would be a false promise.

use std::collections::{BTreeMap, BTreeSet};

use package::{ConfigError, ConfigFault, WrongError};
use tests::names::NameServer;
use tests::program::Program;
use tests::server::{Server, Step, response};
use tests::tools;

use crate::holes::tests_of_the_sources;

/// `TABLE.KEY` and its test; a table is named as in a configuration, without the names that users choose.
const SHOWN_BY: &[(&str, &str)] = &[
    ("agents", "everything_of_this_version_is_understood"),
    ("credentials", "a_program_is_let_in_by_a_server_with_a_value_that_it_never_sees"),
    ("engagements", "an_engagement_bounds_every_ask_in_place_time_and_kind"),
    ("environments", "a_credential_of_one_environment_is_refused_in_another_by_name"),
    ("network", "proxies_search_lists_and_sockets_of_the_hosts_surroundings_are_not_used"),
    ("people", "policies_and_people_have_to_be_trusted_like_everything_else"),
    ("policy", "policies_and_people_have_to_be_trusted_like_everything_else"),
    ("people.groups", "a_requirement_is_met_by_the_people_of_now"),
    ("people.keys", "a_signature_counts_for_one_act_one_person_and_one_word"),
    ("people.user", "an_account_that_is_nobodys_is_not_the_person_of_that_name"),
    ("policy.files", "the_examples_of_the_guide_are_read_and_their_cases_pass"),
    ("policy.tests", "the_examples_of_the_guide_are_read_and_their_cases_pass"),
    ("agents.groups", "production_waits_for_the_board_only_if_its_yes_would_be_enough"),
    ("vault", "own_servers_behind_private_addresses_are_asked_where_these_are_listed"),
    ("agents.component", "what_was_accepted_is_what_runs_until_something_else_is"),
    ("agents.owner", "who_answers_for_an_agent_and_what_it_is_for_is_shown"),
    ("agents.purpose", "who_answers_for_an_agent_and_what_it_is_for_is_shown"),
    ("agents.expires", "an_agent_is_not_started_past_its_last_day"),
    ("agents.limits", "every_limit_has_a_claim"),
    ("agents.uses", "what_arrives_later_is_refused_and_says_so"),
    ("agents.env", "a_variable_is_what_the_agent_finds"),
    ("agents.durable", "a_run_that_keeps_too_much_goes_on_and_is_not_resumable"),
    ("agents.files", "mounts_are_what_was_granted_and_nothing_else"),
    ("agents.http", "what_no_grant_covers_is_refused_and_not_forwarded"),
    ("agents.credentials", "what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own"),
    ("agents.env.placeholder", "a_placeholder_is_the_runs_own_and_what_is_sent_is_without_it"),
    ("agents.files.guest", "where_the_guest_sees_a_mount_is_plain_and_its_own"),
    ("agents.files.host", "a_mount_is_a_folder_that_is_there"),
    ("agents.files.mode", "mounts_can_be_read_and_not_changed"),
    ("agents.http.addresses", "a_private_address_is_not_dialled_unless_it_is_listed"),
    ("agents.http.credential", "a_credential_is_not_taken_along_to_where_a_redirect_leads"),
    ("agents.http.headers", "a_request_under_a_credential_carries_ordinary_headers_and_what_its_grant_names"),
    ("agents.http.host", "a_host_pattern_is_anchored_at_both_ends"),
    ("agents.http.idempotency", "what_the_server_does_only_once_is_asked_again_with_the_same_key_and_without_a_word"),
    ("agents.http.methods", "methods_paths_and_ports_that_are_not_granted_never_reach_the_server"),
    ("agents.http.paths", "what_is_judged_of_a_path_is_what_is_sent"),
    ("agents.http.pins", "a_server_with_another_key_than_those_that_are_pinned_is_sent_nothing"),
    ("agents.http.rate", "the_rate_of_a_grant_holds_for_all_runs_of_its_agent"),
    ("agents.http.request-bytes", "a_body_beyond_what_its_grant_takes_is_refused_and_what_else_bounds_it_goes_along"),
    ("agents.http.response-bytes", "a_grant_may_take_in_less_than_its_run"),
    ("agents.http.port", "methods_paths_and_ports_that_are_not_granted_never_reach_the_server"),
    ("agents.http.scheme", "schemes_that_are_not_granted_reach_nobody"),
    ("agents.http.until", "a_grant_is_good_to_the_end_of_its_last_day"),
    ("agents.credentials.name", "what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own"),
    ("agents.credentials.may", "what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own"),
    ("credentials.kind", "every_kind_of_credential_and_every_source_is_read"),
    ("credentials.hosts", "grant_and_binding_must_both_cover_the_request"),
    ("credentials.source", "every_kind_of_credential_and_every_source_is_read"),
    ("credentials.scheme", "what_is_not_bound_not_set_over_or_spoken_for_is_refused_and_nothing_is_sent"),
    ("credentials.port", "grant_and_binding_must_both_cover_the_request"),
    ("credentials.methods", "grant_and_binding_must_both_cover_the_request"),
    ("credentials.paths", "grant_and_binding_must_both_cover_the_request"),
    ("credentials.environment", "a_credential_of_one_environment_is_refused_in_another_by_name"),
    ("credentials.agents", "what_a_credential_can_not_mean_is_named"),
    ("credentials.until", "what_is_not_bound_not_set_over_or_spoken_for_is_refused_and_nothing_is_sent"),
    ("credentials.uses", "uses_and_rates_are_bounds_and_rates_hold_for_all_runs_of_a_home"),
    ("credentials.rate", "uses_and_rates_are_bounds_and_rates_hold_for_all_runs_of_a_home"),
    ("credentials.owner", "who_answers_for_an_agent_and_what_it_is_for_is_shown"),
    ("credentials.rotate-every", "a_value_that_is_older_than_it_may_be_is_told"),
    ("credentials.rotate", "what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own"),
    ("credentials.user", "headers_are_set_once_or_not_at_all"),
    ("credentials.header", "headers_are_set_once_or_not_at_all"),
    ("credentials.template", "headers_are_set_once_or_not_at_all"),
    ("credentials.query", "a_name_in_the_query_is_not_there_twice_in_any_spelling"),
    ("credentials.segment", "a_segment_is_put_before_the_one_of_its_number"),
    ("credentials.field", "a_form_gets_a_field_at_its_end"),
    ("credentials.key-id", "region_and_service_are_signed_each_in_its_own_place"),
    ("credentials.region", "region_and_service_are_signed_each_in_its_own_place"),
    ("credentials.service", "region_and_service_are_signed_each_in_its_own_place"),
    ("credentials.hash", "each_hash_and_encoding_is_that_of_its_standard"),
    ("credentials.encoding", "each_hash_and_encoding_is_that_of_its_standard"),
    ("credentials.over", "every_part_is_signed_as_it_is_sent_and_words_in_it_stand_for_themselves"),
    ("credentials.timestamp-header", "githubs_and_slacks_examples_come_out_as_published"),
    ("credentials.algorithm", "keys_of_curves_sign_what_their_public_keys_verify"),
    ("credentials.claims", "a_token_says_who_it_is_of_and_how_long_it_is_good"),
    ("credentials.lifetime", "a_token_says_who_it_is_of_and_how_long_it_is_good"),
    ("credentials.grant", "a_client_shows_its_secret_as_basic_and_its_refresh_token_in_the_body"),
    ("credentials.client-id", "a_client_shows_its_secret_as_basic_and_its_refresh_token_in_the_body"),
    ("credentials.scope", "a_client_shows_its_secret_as_basic_and_its_refresh_token_in_the_body"),
    ("credentials.token", "own_servers_behind_private_addresses_are_asked_where_these_are_listed"),
    ("credentials.token-addresses", "own_servers_behind_private_addresses_are_asked_where_these_are_listed"),
    ("credentials.rotate.set", "what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own"),
    ("credentials.rotate.test", "what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own"),
    ("credentials.rotate.set.method", "what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own"),
    ("credentials.rotate.set.path", "every_key_of_a_credential_has_its_effect"),
    ("credentials.rotate.set.body", "every_key_of_a_credential_has_its_effect"),
    ("credentials.rotate.set.field", "every_key_of_a_credential_has_its_effect"),
    ("environments.match", "a_credential_of_one_environment_is_refused_in_another_by_name"),
    ("environments.match.host", "a_credential_of_one_environment_is_refused_in_another_by_name"),
    ("environments.match.paths", "a_credential_of_one_environment_is_refused_in_another_by_name"),
    ("engagements.targets", "an_engagement_bounds_every_ask_in_place_time_and_kind"),
    ("engagements.window", "an_engagement_bounds_every_ask_in_place_time_and_kind"),
    ("engagements.rate", "the_rate_of_an_engagement_bounds_every_ask_under_it"),
    ("engagements.tier", "an_engagement_bounds_every_ask_in_place_time_and_kind"),
    ("engagements.window.from", "an_engagement_bounds_every_ask_in_place_time_and_kind"),
    ("engagements.window.until", "an_engagement_bounds_every_ask_in_place_time_and_kind"),
    ("network.resolvers", "proxies_search_lists_and_sockets_of_the_hosts_surroundings_are_not_used"),
    ("network.roots", "a_program_is_let_in_by_a_server_with_a_value_that_it_never_sees"),
    ("vault.address", "own_servers_behind_private_addresses_are_asked_where_these_are_listed"),
    ("vault.addresses", "own_servers_behind_private_addresses_are_asked_where_these_are_listed"),
    ("vault.namespace", "a_read_takes_the_token_and_the_namespace_along_and_goes_nowhere_else"),
    ("vault.token-file", "own_servers_behind_private_addresses_are_asked_where_these_are_listed"),
    ("vault.approle", "each_way_to_log_in_says_what_the_api_wants_to_know"),
    ("vault.kubernetes", "each_way_to_log_in_says_what_the_api_wants_to_know"),
    ("vault.approle.role", "each_way_to_log_in_says_what_the_api_wants_to_know"),
    ("vault.approle.file", "what_lets_the_host_in_is_read_from_its_file"),
];

/// Each table, and a configuration with an unknown key in it; the keys of a credential depend on its kind.
fn tables() -> Vec<(&'static str, String)> {
    let agent = |lines: &str| format!("[agents.x]\ncomponent = \"x\"\n{lines}");
    let bearer = |line: &str| format!("[credentials.y]\nkind = \"bearer\"\nhosts = [\"a.test\"]\n{line}");
    let mut tables = vec![
        ("", "zzz = 1".to_owned()),
        ("agents", agent("zzz = 1")),
        ("agents.env", agent("env = { T = { zzz = 1 } }")),
        ("agents.files", agent("[[agents.x.files]]\nzzz = 1")),
        ("agents.http", agent("[[agents.x.http]]\nzzz = 1")),
        ("agents.credentials", agent("[[agents.x.credentials]]\nzzz = 1")),
        ("credentials.rotate", bearer("rotate = { zzz = 1 }")),
        ("credentials.rotate.set", bearer("rotate = { set = { zzz = 1 } }")),
        ("environments", "[environments.s]\nzzz = 1".to_owned()),
        ("environments.match", "[environments.s]\nmatch = [{ zzz = 1 }]".to_owned()),
        ("engagements", "[engagements.e]\nzzz = 1".to_owned()),
        ("engagements.window", "[engagements.e]\nwindow = { zzz = 1 }".to_owned()),
        ("network", "[network]\nzzz = 1".to_owned()),
        ("people", "[people.p]\nzzz = 1".to_owned()),
        ("policy", "[policy]\nzzz = 1".to_owned()),
        ("vault", "[vault]\nzzz = 1".to_owned()),
        ("vault.approle", "[vault]\naddress = \"https://v.test\"\napprole = { zzz = 1 }".to_owned()),
    ];
    let kinds = ["bearer", "basic", "header", "query", "path", "form", "json", "sigv4", "hmac", "jwt", "oauth2"];
    tables.extend(kinds.map(|kind| ("credentials", format!("[credentials.y]\nkind = \"{kind}\"\nzzz = 1"))));
    tables
}

/// The allowed keys, from the error for an unknown key.
fn known(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bailiwick.toml");
    std::fs::write(&file, text).unwrap();
    match package::config::read(&file).and_then(|authored| authored.resolve(&folder.path().join("home"))) {
        Err(ConfigError::Wrong(WrongError { key, fault, .. })) if key.ends_with("zzz") => match *fault {
            ConfigFault::UnknownKey { known } => known,
            other => panic!("{other}"),
        },
        other => panic!("{text}\ncame to {other:?}"),
    }
}

#[test]
fn each_key_of_a_configuration_has_a_test_that_shows_its_effect() {
    let tables = tables();
    let mut taken = BTreeSet::new();
    for (table, text) in &tables {
        let whole = |key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
        taken.extend(known(text).split(", ").map(whole));
    }
    let shown: BTreeMap<_, _> = SHOWN_BY.iter().map(|(key, test)| ((*key).to_owned(), *test)).collect();
    assert_eq!(shown.len(), SHOWN_BY.len(), "each key once");
    assert_eq!(taken, shown.keys().cloned().collect(), "a line for each accepted key, and for no other");
    let tests: BTreeSet<String> = tests_of_the_sources().into_iter().map(|(name, _)| name).collect();
    let missing: Vec<_> = SHOWN_BY.iter().filter(|(_, test)| !tests.contains(*test)).collect();
    assert!(missing.is_empty(), "there are no tests with these names: {missing:?}");
    // A new table has a line in the code that reads it, and needs a line here.
    let mut files = vec![tools::root().join("host/package/src/config.rs")];
    files.extend(std::fs::read_dir(tools::root().join("host/package/src/config")).unwrap().map(|entry| entry.unwrap().path()));
    let sources = files.iter().filter(|file| file.is_file() && !file.ends_with("tests.rs"));
    let read: usize = sources.map(|file| std::fs::read_to_string(file).unwrap().matches(".only(").count()).sum();
    let named: BTreeSet<_> = tables.iter().map(|(table, _)| table).collect();
    assert_eq!(read, named.len());
}

fn said(program: &Program, args: &[&str]) -> String {
    let output = program.run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn who_answers_for_an_agent_and_what_it_is_for_is_shown() {
    let wasm = tests::guests::guest("reads_env").display().to_string();
    let program = Program::new(&format!(
        "[agents.env]\ncomponent = {wasm:?}\nowner = \"team@example.test\"\npurpose = \"looks around\"\nexpires = \"2100-01-01\"\n\
         [credentials.key]\nkind = \"bearer\"\nhosts = [\"a.test\"]\nowner = \"sec@example.test\"\n"
    ));
    let matrix = said(&program, &["check", "--json"]);
    assert!(["team@example.test", "looks around", "2100-01-01"].iter().all(|word| matrix.contains(word)), "{matrix}");
    let shown = said(&program, &["credentials", "show", "key", "--json"]);
    assert!(shown.contains("sec@example.test"), "{shown}");
}

/// The value in this test was set in 1970.
#[test]
fn a_value_that_is_older_than_it_may_be_is_told() {
    let binding = "[credentials.key]\nkind = \"bearer\"\nhosts = [\"a.test\"]\n";
    for (line, expected) in [("", "no-rotation"), ("rotate-every = \"30d\"", "overdue")] {
        let program = Program::new(&format!("{binding}{line}\n"));
        let value = vault::Secret::new(b"old-and-still-good".to_vec()).unwrap();
        vault::Local::new(&program.place().home).set("key", value, 1).unwrap();
        let told = String::from_utf8(program.run(&["credentials", "review", "--json"]).stdout).unwrap();
        assert_eq!(
            ["no-rotation", "overdue"].map(|code| told.contains(code)),
            ["no-rotation", "overdue"].map(|code| code == expected),
            "{told}"
        );
    }
}

#[test]
fn a_variable_is_what_the_agent_finds() {
    let wasm = tests::guests::guest("reads_env").display().to_string();
    let program = Program::new(&format!("[agents.env]\ncomponent = {wasm:?}\nenv = {{ CHOSEN = \"by its operator\" }}\n"));
    let report = said(&program, &["run", "env", "--trust", "--json"]);
    assert!(report.contains("CHOSEN") && report.contains("by its operator"), "{report}");
}

/// The server of a token or a value is judged like any other: if its name resolves to a private address, that network must be listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_servers_behind_private_addresses_are_asked_where_these_are_listed() {
    const GIVEN: &str = "given-to-the-host-only";
    let server = Server::answering(|_, heard| {
        let body = match heard.path.as_str() {
            "/token" => format!("{{\"access_token\":\"{GIVEN}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"),
            "/v1/secret/data/app" => format!("{{\"data\":{{\"data\":{{\"password\":\"{GIVEN}\"}},\"metadata\":{{\"version\":1,\"created_time\":\"2026-01-01T00:00:00Z\"}}}}}}"),
            _ => "ok".to_owned(),
        };
        vec![Step::Say(response(200, body.as_bytes()))]
    })
    .await;
    let names = NameServer::answering(|_| vec!["127.0.0.1".parse().unwrap()]).await;
    let (wasm, port) = (tests::guests::guest("get").display().to_string(), server.port());
    let mut heard = 0;
    for (from, line) in [("oauth2", "token-addresses"), ("vault", "addresses")] {
        for listed in [false, true] {
            let line = if listed { format!("{line} = [\"127.0.0.1/32\"]\n") } else { String::new() };
            let source = match from {
                "oauth2" => format!(
                    "kind = \"oauth2\"\nsource = \"file:secret\"\nclient-id = \"me\"\ntoken = \"http://id.test:{port}/token\"\n{line}"
                ),
                _ => format!(
                    "kind = \"bearer\"\nsource = \"vault:secret/data/app#password\"\n[vault]\naddress = \"http://vault.test:{port}\"\n\
                     token-file = \"secret\"\n{line}"
                ),
            };
            let program = Program::new(&format!(
                "[network]\nresolvers = [\"{}\"]\n[agents.get]\ncomponent = {wasm:?}\n[[agents.get.http]]\nhost = \"127.0.0.1\"\nport = {port}\n\
                 scheme = \"http\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\ncredential = \"key\"\n\
                 [credentials.key]\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\n{source}",
                names.address
            ));
            std::fs::write(program.config().with_file_name("secret"), "what-lets-the-host-in").unwrap();
            let report = said(&program, &["run", "get", "--trust", "--json", "--", &server.url("/a")]);
            let new = server.heard().split_off(heard);
            heard += new.len();
            let with = format!("authorization: Bearer {GIVEN}");
            let expected = if listed { vec![false, true] } else { Vec::new() };
            let came: Vec<bool> = new.iter().map(|heard| heard.path == "/a" && heard.has_header(&with)).collect();
            assert_eq!(came, expected, "{from} {listed}: {new:?}\n{report}");
            assert_eq!(report.contains("credential-unavailable"), !listed, "{from}: {report}");
        }
    }
}
