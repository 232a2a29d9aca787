//! Security holes that were found in other hosts and brokers: the table below names the tests for each, here or elsewhere.
//! Tests that cross rooms are here. Server-side request forgery is in `ssrf.rs`, with a corpus.

mod brokers;
mod hosts;

use std::collections::BTreeSet;
use std::path::Path;

use run::RunOrder;
use serde_json::{Value, json};
use tests::host::{TestHost, loopback};
use tests::seen::{answered, refused};
use tests::server::{Server, Step, response};
use tests::tools;
use vault::{Local, Secret};
use vocabulary::record::Record;
use vocabulary::{Binding, Placement, Reason, Scheme, Source};

/// Each hole, and the tests that show that this host does not have it.
const HOLES: &[(&str, &[&str])] = &[
    (
        "patterns without anchors, ports split at the first colon, a region for a service, private addresses dialled",
        &[
            "the_port_of_an_ipv6_address_stands_behind_its_bracket",
            "a_host_pattern_is_anchored_at_both_ends",
            "region_and_service_are_signed_each_in_its_own_place",
            "a_private_address_is_not_dialled_unless_it_is_listed",
        ],
    ),
    (
        "what no rule covers is forwarded, records are dropped and say little, bodies of several parts are not looked at",
        &[
            "a_full_queue_holds_back_and_loses_nothing",
            "what_no_grant_covers_is_refused_and_not_forwarded",
            "of_ten_thousand_asks_at_once_each_is_on_the_record",
            "the_record_has_method_path_the_names_of_a_query_and_a_digest_of_all",
            "parts_of_a_body_are_looked_at_like_all_of_it",
        ],
    ),
    (
        "only the beginning of a body is looked at",
        &[
            "a_placeholder_is_found_behind_any_padding",
            "parts_of_a_body_are_looked_at_like_all_of_it",
            "a_secret_behind_padding_is_found_like_any_other",
        ],
    ),
    (
        "the record lies where the agent can reach it",
        &["no_mount_touches_the_home", "no_guest_reads_the_record_changes_it_or_makes_it_begin_anew"],
    ),
    (
        "few encodings are taken out, a failing record changes nothing, proxies and odd ranges are used",
        &[
            "when_the_record_breaks_nothing_further_happens",
            "ranges_that_other_filters_lack_are_closed",
            "proxies_that_the_environment_names_are_not_used",
        ],
    ),
    (
        "own credentials in headers, long time-outs, answers without end, the resolver of the system",
        &[
            "a_guest_sends_no_authorization_cookie_or_key_of_its_own",
            "an_answer_has_an_end_though_nobody_set_one",
            "names_are_looked_up_by_the_host_itself_and_literals_by_nobody",
            "a_slow_server_can_hold_a_run_no_longer_than_its_active_time",
        ],
    ),
    (
        "requests forged from the inside",
        &[
            "schemes_that_are_not_granted_reach_nobody",
            "what_is_judged_of_a_path_is_what_is_sent",
            "header_fields_that_are_the_hosts_reach_nobody",
            "proxies_search_lists_and_sockets_of_the_hosts_surroundings_are_not_used",
            "loopback_as_text_reaches_nobody",
            "addresses_as_other_numbers_reach_nobody",
            "hosts_that_must_fail_to_parse_reach_nobody",
            "letters_that_look_like_others_reach_nobody",
            "ipv4_inside_ipv6_reaches_nobody",
            "metadata_services_are_never_asked_by_address_or_by_name",
            "what_parsers_disagree_on_reaches_nobody",
            "an_authority_said_apart_from_its_path_is_one_host_or_none",
            "a_suffix_covers_what_is_beneath_it_and_nothing_beside_it",
            "a_port_is_a_number_that_is_granted",
            "a_literal_is_granted_as_itself",
            "no_redirect_is_followed_and_whoever_follows_one_is_judged_again",
            "no_other_word_of_an_answer_leads_anybody_elsewhere",
            "a_credential_is_not_taken_along_to_where_a_redirect_leads",
            "every_range_of_addresses_that_is_not_public_is_closed_behind_a_name",
            "metadata_services_are_closed_behind_a_name_whatever_is_listed",
            "whatever_a_name_server_says_only_what_was_judged_is_dialled",
            "the_hosts_file_of_this_machine_is_not_read",
            "hosts_that_nobody_can_mean_are_refused_when_the_configuration_is_read",
            "networks_that_hold_too_much_are_refused_when_the_configuration_is_read",
        ],
    ),
    ("a name is looked up before it is judged", &["a_name_that_is_not_granted_is_never_looked_up"]),
    ("a redirect leads elsewhere", &["each_hop_to_another_host_address_or_scheme_is_refused_and_recorded"]),
    (
        "a name, or another spelling, leads elsewhere",
        &["other_spellings_of_a_host_never_reach_the_server", "a_name_that_leads_elsewhere_the_next_time_is_judged_anew_each_time"],
    ),
    (
        "users, hosts, credentials, line ends and lengths of the guest's own",
        &["a_user_a_host_a_credential_a_line_end_or_a_second_length_is_refused"],
    ),
    ("a form of a pattern that nothing matches", &["every_form_of_a_pattern_covers_what_it_says_and_nothing_beside_it"]),
    (
        "an answer brings the value back",
        &["each_placement_reaches_the_server_and_comes_back_to_nobody", "a_packed_answer_to_a_request_with_a_credential_is_not_shown"],
    ),
    ("harmless text is taken for a secret", &["what_only_looks_like_secrets_passes_unharmed_in_a_run_with_credentials"]),
    (
        "a placeholder leaves as it is",
        &["a_placeholder_for_another_destination_is_refused_and_never_sent", "a_placeholder_outside_of_its_own_place_never_leaves"],
    ),
    ("a parameter changes what stands around it", &["no_value_leaves_its_segment", "every_letter_of_a_value_stays_where_it_is_put"]),
    (
        "an effect without a record",
        &[
            "a_full_disk_stops_everything_and_loses_nothing",
            "a_disk_that_takes_no_more_ends_the_run_before_anything_further_is_asked",
            "killed_at_three_hundred_points_no_effect_is_without_intent_and_each_run_goes_on",
            "a_post_that_was_in_flight_waits_for_a_persons_word",
        ],
    ),
    (
        "a record that was cut, bent or made anew",
        &[
            "deleted_frames_are_found",
            "a_batch_of_another_log_is_found",
            "a_log_cut_at_a_checkpoint_is_found_by_second_state_and_by_the_index_alone",
            "another_key_does_not_verify_the_log",
            "a_home_put_back_to_an_earlier_day_is_refused",
        ],
    ),
    (
        "two that contend for the head of the log, and floods of what is refused",
        &[
            "records_of_many_threads_keep_the_order_of_their_runs",
            "agents_that_contend_for_the_head_of_the_log_lose_nothing",
            "a_flood_of_refusals_with_megabyte_strings_stays_small",
        ],
    ),
    (
        "what never ends, grows or is too much",
        &[
            "ten_thousand_calls_of_the_host_are_served_and_leave_nothing",
            "a_decompression_bomb_is_not_unpacked",
            "a_guest_that_never_ends_is_ended",
            "memory_is_counted_over_all_memories",
            "response_bodies_are_bounded",
            "recursion_ends_at_the_stack",
            "tables_are_counted",
            "servers_that_drip_or_fall_silent_run_out_of_time",
            "what_a_server_packs_is_not_unpacked",
        ],
    ),
    (
        "a key of a configuration that has no effect",
        &[
            "unknown_keys_are_named_wherever_they_are",
            "each_key_of_a_configuration_has_a_test_that_shows_its_effect",
            "who_answers_for_an_agent_and_what_it_is_for_is_shown",
            "a_value_that_is_older_than_it_may_be_is_told",
            "a_variable_is_what_the_agent_finds",
            "own_servers_behind_private_addresses_are_asked_where_these_are_listed",
        ],
    ),
];

/// Names of tests in the sources, and the file of each.
pub(crate) fn tests_of_the_sources() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut folders = ["host", "tests/it"].map(|folder| tools::root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.extend(tests_of(&path));
            }
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The test functions of a file, by their attributes, and those that a macro of `ssrf.rs` makes, one per line.
fn tests_of(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(str::trim).peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let mut next = || lines.peek().copied().unwrap_or_default();
        let name = if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            next().trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next())
        } else {
            line.strip_suffix("\",")
                .and_then(|line| line.split_once(" \""))
                .map(|(name, _)| name)
                .filter(|name| file.ends_with("ssrf.rs") && is_name(name))
        };
        found.extend(name.map(|name| (name.to_owned(), file.display().to_string())));
    }
    found
}

#[test]
fn every_hole_has_its_tests() {
    let tests: BTreeSet<_> = tests_of_the_sources().into_iter().map(|(name, _)| name).collect();
    for (hole, shown_by) in HOLES {
        let lacking: Vec<_> = shown_by.iter().filter(|name| !tests.contains(**name)).collect();
        assert!(!shown_by.is_empty() && lacking.is_empty(), "{hole}: no test has the name {lacking:?}");
    }
    assert!(!tests.contains("no_test_has_this_name"));
}

const VALUE: &str = "canary-5c1de0b7a94f";

/// An order for a guest that makes each of these asks.
fn asking(host: &TestHost, asks: &[Value]) -> RunOrder {
    let mut order = host.order("asks_listed", &[]);
    order.input = asks.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    order
}

fn request(server: &Server, path: &str) -> Value {
    json!({ "scheme": "http", "authority": format!("127.0.0.1:{}", server.port()), "path": path })
}

/// Grants everything on a server, with a credential for requests to `path`.
fn with_credential(host: &TestHost, order: &mut RunOrder, server: &Server, path: &str, placement: Placement) {
    Local::new(&host.place().home)
        .set_for("inventory", Secret::new(VALUE.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1)
        .unwrap();
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    order.grants.credentials.push(Binding { scheme: Scheme::Http, ..Binding::new("inventory", hosts, placement, Source::Local) });
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &[path]);
    order.grants.http[0].credential = Some("inventory".to_owned());
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
}

async fn well() -> Server {
    Server::doing(vec![Step::Say(response(200, b"ok"))]).await
}

/// The reasons why asks were refused, at once or later.
fn reasons(records: &[Record]) -> Vec<&'static str> {
    let late = answered(records).filter_map(|answered| answered.reason.as_ref().map(Reason::code));
    refused(records).map(|refused| refused.reason.code()).chain(late).collect()
}
