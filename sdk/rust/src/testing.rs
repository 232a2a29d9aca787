//! Stands in for the host in an agent's own native tests. Each test thread has its own state.

use crate::findings::{FIELD_BYTES_MAX, FINDING_BYTES_MAX, Finding, LIST_LEN_MAX};
use crate::http::{Error, Queue, Request, Response};
use crate::{Failure, JsonSchema, Refusal, RefusalCode, entry};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

type Answering = Box<dyn FnMut(&Request) -> Result<Response, Error>>;

thread_local! {
    static FINDINGS: RefCell<Vec<Finding>> = const { RefCell::new(Vec::new()) };
    static PROGRESS: RefCell<Option<Progress>> = const { RefCell::new(None) };
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ANSWERING: RefCell<Option<Answering>> = const { RefCell::new(None) };
    static IN_FLIGHT_MAX: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The agent's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How many steps are done.
    pub done: u64,
    /// How many steps there are; 0 if it is not known.
    pub total: u64,
    /// What the steps are: one short line.
    pub what: String,
}

/// The findings that this thread has reported since the last call.
#[must_use]
pub fn take_findings() -> Vec<Finding> {
    FINDINGS.with(RefCell::take)
}

/// The newest progress of this thread since the last call. Earlier ones are gone, as in the host.
#[must_use]
pub fn take_progress() -> Option<Progress> {
    PROGRESS.with(RefCell::take)
}

/// The lines that this thread has logged since the last call, as the host would get them. If the agent installs its own
/// logger, its lines are not here.
#[must_use]
pub fn take_log() -> Vec<String> {
    LOG.with(RefCell::take)
}

/// Lets `answer` answer all requests of this thread. Without it every request is refused, as without a grant.
pub fn answer_http(answer: impl FnMut(&Request) -> Result<Response, Error> + 'static) {
    ANSWERING.with(|slot| slot.replace(Some(Box::new(answer))));
}

/// Sets how many requests this thread may have in flight, like the operator's limit `concurrent`: one more fails with
/// `connection-limit-reached`. Without this call there is no limit.
pub fn limit_in_flight(most: usize) {
    IN_FLIGHT_MAX.set(most);
}

/// Runs an agent's function as the host would: from JSON to JSON.
///
/// # Errors
///
/// The failure of the run.
pub fn run<I, O>(work: fn(I) -> Result<O, Failure>, input: &Value) -> Result<Value, Failure>
where
    I: DeserializeOwned + JsonSchema,
    O: Serialize + JsonSchema,
{
    let output = entry::run(&input.to_string(), work)?;
    serde_json::from_str(&output).map_err(|err| Failure::new("bad-output", err.to_string()))
}

pub(crate) fn keep_finding(finding: Finding) -> Result<(), Refusal> {
    if let Some(hint) = complaint(&finding) {
        return Err(Refusal { code: RefusalCode::Malformed, hint });
    }
    FINDINGS.with_borrow_mut(|findings| findings.push(finding));
    Ok(())
}

pub(crate) fn keep_progress(done: u64, total: u64, what: &str) {
    PROGRESS.set(Some(Progress { done, total, what: what.to_owned() }));
}

pub(crate) fn keep_line(line: &str) {
    LOG.with_borrow_mut(|log| log.push(line.to_owned()));
}

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    answer(&request, 0)
}

/// Behaves like a network: up to `in_flight` requests are sent before the first is over, and the oldest is over first.
pub(crate) fn send_each(requests: Vec<(usize, Request)>, in_flight: usize, each: &mut dyn FnMut(usize, Result<Response, Error>)) {
    let mut queue = Queue::new(requests, in_flight);
    let mut sent = VecDeque::new();
    loop {
        while let Some((index, request)) = queue.next(sent.len()) {
            match answer(&request, sent.len()).and_then(|answer| read_whole(answer, request.body_bytes_max)) {
                Err(err) if err.wants_room() && queue.take_back(index, request, sent.len()) => {}
                answer => sent.push_back((index, answer)),
            }
        }
        let Some((index, answer)) = sent.pop_front() else { return };
        each(index, answer);
    }
}

fn read_whole(answer: Response, body_bytes_max: usize) -> Result<Response, Error> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok(Response::whole(status, headers, answer.bounded(body_bytes_max).bytes()?))
}

fn answer(request: &Request, in_flight: usize) -> Result<Response, Error> {
    if in_flight >= IN_FLIGHT_MAX.get() {
        return Err(Error::Connection { code: Error::LIMIT_REACHED });
    }
    // The function is taken out while it answers. If it sends a request itself, that request is refused and does not panic.
    let Some(mut answering) = ANSWERING.with(RefCell::take) else {
        return Err(Error::Refused);
    };
    let answered = answering(request);
    ANSWERING.with_borrow_mut(|slot| {
        slot.get_or_insert(answering);
    });
    answered.map(|answer| answer.bounded(request.body_bytes_max))
}

/// Checks the host's bounds, so that an author sees a violation in a test.
fn complaint(finding: &Finding) -> Option<String> {
    let fields = [
        ("rule", Some(&finding.rule)),
        ("title", Some(&finding.title)),
        ("location.uri", finding.location.as_ref().map(|location| &location.uri)),
        ("excerpt", finding.excerpt.as_ref()),
        ("fingerprint", Some(&finding.fingerprint)),
    ];
    let taxa = finding.taxa.iter().flat_map(|taxon| [("taxa", Some(&taxon.scheme)), ("taxa", Some(&taxon.id))]);
    let evidence = finding.evidence.iter().map(|digest| ("evidence", Some(digest)));
    for (name, value) in fields.into_iter().chain(taxa).chain(evidence) {
        if value.is_some_and(|value| value.len() > FIELD_BYTES_MAX) {
            return Some(format!("`{name}` is longer than {FIELD_BYTES_MAX} bytes"));
        }
    }
    if serde_json::to_vec(finding).map_or(0, |json| json.len()) > FINDING_BYTES_MAX {
        return Some(format!("the finding is longer than {FINDING_BYTES_MAX} bytes as JSON"));
    }
    for (name, len) in [("evidence", finding.evidence.len()), ("taxa", finding.taxa.len())] {
        if len > LIST_LEN_MAX {
            return Some(format!("`{name}` has more than {LIST_LEN_MAX} entries"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Progress, take_findings, take_log, take_progress};
    use crate::findings::{FIELD_BYTES_MAX, Finding, LIST_LEN_MAX, Severity, report};
    use crate::{RefusalCode, logger, progress};

    #[test]
    fn newest_progress_takes_the_place_of_what_was_said_before() {
        assert_eq!(take_progress(), None);
        progress::update(1, 0, "hosts");
        progress::update(2, 3, "ports");
        assert_eq!(take_progress(), Some(Progress { done: 2, total: 3, what: "ports".to_owned() }));
        assert_eq!(take_progress(), None);
    }

    #[test]
    fn logged_lines_can_be_read_once_and_are_those_that_the_host_gets() {
        logger::install();
        log::info!("one\ntwo");
        log::debug!("not shown");
        log::warn!("three");
        let lines = ["INFO bailiwick_sdk::testing::tests: one\\ntwo", "WARN bailiwick_sdk::testing::tests: three"];
        assert_eq!(take_log(), lines);
        assert_eq!(take_log(), Vec::<String>::new());
    }

    #[test]
    fn reported_findings_can_be_read_once() {
        let finding = Finding::new("rule", Severity::Low, "title").at("/a", 1, 2);
        assert_eq!(report(finding.clone()), Ok(()));
        assert_eq!(take_findings(), [finding]);
        assert_eq!(take_findings(), []);
    }

    #[test]
    fn oversized_finding_is_refused_and_not_kept() {
        let long = "x".repeat(FIELD_BYTES_MAX + 1);
        let mut many = Finding::new("rule", Severity::Low, "title");
        many.evidence = vec![String::new(); LIST_LEN_MAX + 1];
        let mut wide = Finding::new("rule", Severity::Low, "title");
        wide.evidence = vec!["x".repeat(FIELD_BYTES_MAX); 9];
        for finding in [
            Finding::new(&long, Severity::Low, "title"),
            Finding::new("rule", Severity::Low, &long),
            Finding::new("rule", Severity::Low, "title").excerpt(&long),
            Finding::new("rule", Severity::Low, "title").at(&long, 1, 1),
            Finding::new("rule", Severity::Low, "title").taxon("cwe", &long),
            many,
            wide,
        ] {
            assert_eq!(report(finding).map_err(|refusal| refusal.code), Err(RefusalCode::Malformed));
        }
        assert_eq!(take_findings(), []);
    }
}
