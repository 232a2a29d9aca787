//! Whole probes of made-up sites, without a network.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod each;
mod hostile;
mod near;
mod readme;

use crate::run;
use bailiwick_sdk::findings::Finding;
use bailiwick_sdk::http::{Error, HeaderName, HeaderValue, Request, Response, StatusCode};
use bailiwick_sdk::{Failure, testing};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

/// Headers in which no check finds a fault.
pub(super) const GOOD: [(&str, &str); 6] = [
    HTML,
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("server", "front"),
];

pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
    let mut response = Response::new(StatusCode::from_u16(status).unwrap(), body);
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        response = response.with_header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    response
}

/// Status, headers and body.
type Said = (u16, Vec<(String, String)>, Vec<u8>);

/// A site of a few pages; everything else is answered with 404.
#[derive(Clone, Default)]
pub(super) struct Site {
    pages: BTreeMap<String, Said>,
    heard: Rc<RefCell<Vec<String>>>,
}

impl Site {
    /// A site whose own page has no fault.
    pub(super) fn good() -> Self {
        Self::default().with("/", 200, &GOOD, "<html><title>Shop</title>Welcome.</html>")
    }

    pub(super) fn with(mut self, path: &str, status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.pages.insert(path.to_owned(), (status, headers, body.into()));
        self
    }

    fn answer(&self, request: &Request) -> Response {
        let path = request.uri().path_and_query().unwrap().as_str();
        self.heard.borrow_mut().push(format!("{} {path}", request.method()));
        let Some((status, headers, body)) = self.pages.get(path).or_else(|| self.pages.get(path.split('?').next().unwrap())) else {
            return answer(404, &[HTML], "<html><title>404</title>Not found</html>");
        };
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        answer(*status, &headers, body.clone())
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.borrow().clone()
    }

    pub(super) fn probed(&self) -> (Value, Vec<Finding>) {
        let site = self.clone();
        testing::answer_http(move |request| Ok(site.answer(request)));
        probed(json!({"targets": ["https://shop.test/"]}))
    }
}

/// Probes as fast as the test answers.
pub(super) fn probed(mut input: Value) -> (Value, Vec<Finding>) {
    input["per-second"] = json!(0);
    let _ = testing::take_findings();
    (testing::run(run, &input).unwrap(), testing::take_findings())
}

pub(super) fn rules(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule.as_str()).collect()
}

#[test]
fn a_site_without_a_fault_has_no_finding_and_nothing_is_left_open() {
    let site = Site::good();
    let (output, findings) = site.probed();
    assert_eq!(findings, []);
    let target = &output["targets"][0];
    assert_eq!((&target["undecided"], &target["soft_404"]), (&json!({}), &json!(false)));
    assert_eq!(target["asked"], json!(site.heard().len()));
    assert!(site.heard().iter().all(|line| line.starts_with("GET /")), "nothing but GET");
}

#[test]
fn everything_is_asked_for_once_and_within_the_folder_of_the_target() {
    let site = Site::default();
    let own = site.clone();
    testing::answer_http(move |request| Ok(own.answer(request)));
    probed(json!({"targets": ["https://shop.test/app/index.html?item=7"]}));
    let mut heard = site.heard();
    assert!(heard.iter().all(|line| line.starts_with("GET /app/")), "{heard:?}");
    assert!(heard.contains(&"GET /app/?item=%27%22%3C".to_owned()), "the names of the target's query are tried");
    // Its own page is asked for three times: directly, and on behalf of two other origins.
    heard.retain(|line| line != "GET /app/");
    let count = heard.len();
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), count);
}

#[test]
fn only_the_groups_that_were_named_are_looked_for() {
    let site = Site::default().with("/.env", 200, &[], "A_KEY=1\nB=2\n").with("/.git/HEAD", 200, &[], "ref: refs/heads/main\n");
    let own = site.clone();
    testing::answer_http(move |request| Ok(own.answer(request)));
    let (_, findings) = probed(json!({"targets": ["https://shop.test"], "groups": ["vcs"]}));
    assert_eq!(rules(&findings), ["git-folder"]);
    assert!(site.heard().iter().all(|line| !line.contains(".env")));
}

#[test]
fn no_more_requests_are_sent_than_there_is_budget_for_one_target_and_for_all() {
    let site = Site::good();
    let own = site.clone();
    testing::answer_http(move |request| Ok(own.answer(request)));
    let (output, _) =
        probed(json!({"targets": ["https://a.test", "https://b.test", "https://c.test"], "requests-per-target": 50, "requests": 70}));
    let asked: Vec<_> = (0..3).map(|n| output["targets"][n]["asked"].as_u64().unwrap()).collect();
    assert_eq!(asked, [50, 20, 0]);
    assert_eq!((site.heard().len(), &output["asked"]), (70, &json!(70)));
    for n in 0..3 {
        assert!(!output["targets"][n]["undecided"]["budget-spent"].as_array().unwrap().is_empty());
    }
    let all = output["targets"][2]["undecided"]["budget-spent"].as_array().unwrap().len();
    assert_eq!(
        all,
        crate::check::all().filter(|check| check.id != "tls-redirect").count(),
        "of a target that was never asked nothing is decided"
    );
}

#[test]
fn what_the_operator_did_not_grant_is_counted_and_named() {
    testing::answer_http(|_| Err(Error::Refused));
    let (output, findings) = probed(json!({"targets": ["https://shop.test"]}));
    assert_eq!((findings.len(), &output["asked"]), (0, &json!(0)));
    assert!(output["refused"].as_u64().unwrap() > 100);
    assert_eq!(
        output["targets"][0]["undecided"]["refused"].as_array().unwrap().len(),
        crate::check::all().filter(|check| check.id != "tls-redirect").count()
    );
}

#[test]
fn a_silent_target_is_given_up_and_the_next_one_is_probed() {
    type Fails = fn() -> Error;
    let cases: [(Fails, &str); 3] = [
        (|| Error::Timeout { code: "timeout" }, "timed-out"),
        (|| Error::Connection { code: "connection-refused" }, "unreachable"),
        (|| Error::Connection { code: "TLS-certificate-error" }, "unreachable"),
    ];
    for (fails, word) in cases {
        testing::answer_http(move |request| match request.uri().host() {
            Some("silent.test") => Err(fails()),
            _ => Ok(answer(404, &[], "")),
        });
        let (output, _) = probed(json!({"targets": ["https://silent.test", "https://shop.test"]}));
        assert!(output["targets"][0]["asked"].as_u64().unwrap() < 10);
        assert_eq!(
            output["targets"][0]["undecided"][word].as_array().unwrap().len(),
            crate::check::all().filter(|check| check.id != "tls-redirect").count()
        );
        assert!(output["targets"][1]["asked"].as_u64().unwrap() > 100);
    }
}

#[test]
fn two_probes_of_one_site_find_the_same_in_the_same_order() {
    let site = each::faulty();
    let ((one, first), (two, second)) = (site.probed(), site.probed());
    assert_eq!(first, second);
    assert_eq!(one, two);
    let (mut sorted, order) = (rules(&first), crate::check::all().map(|check| check.id).collect::<Vec<_>>());
    sorted.sort_by_key(|rule| order.iter().position(|id| id == rule));
    assert_eq!(sorted, rules(&first));
}

#[test]
fn a_site_that_is_in_the_way_of_a_limit_is_probed_all_the_same() {
    testing::limit_in_flight(1);
    let (output, findings) = each::faulty().probed();
    testing::limit_in_flight(usize::MAX);
    assert!(findings.len() > 10);
    assert_eq!(output["targets"][0]["undecided"], json!({}));
}

#[test]
fn bad_input_is_named() {
    let with = |key: &str, value: Value| {
        let mut input = json!({"targets": ["https://shop.test"]});
        input[key] = value;
        input
    };
    for (input, complaint) in [
        (json!({}), "targets"),
        (json!({"targets": []}), "targets"),
        (json!({"targets": vec!["https://a.test"; 257]}), "targets"),
        (json!({"targets": ["shop.test"]}), "targets"),
        (with("groups", json!([])), "groups"),
        (with("groups", json!(["everything"])), "everything"),
        (with("requests", json!(0)), "requests"),
        (with("requests-per-target", json!(100_001)), "requests-per-target"),
        (with("in-flight", json!(33)), "in-flight"),
        (with("per-second", json!(10_001)), "per-second"),
        (with("timeout-ms", json!(0)), "timeout-ms"),
        (with("depth", json!(1)), "depth"),
    ] {
        let failure = testing::run(run, &input).unwrap_err();
        assert_eq!(failure.code, Failure::BAD_INPUT);
        assert!(failure.message.contains(complaint), "{failure}");
    }
}
