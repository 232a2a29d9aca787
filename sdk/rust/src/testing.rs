//! What stands in for the host in an agent's own native tests. Each test thread has its own.

use crate::findings::{FIELD_BYTES_MAX, Finding, LIST_LEN_MAX};
use crate::http::{Error, Request, Response};
use crate::{Failure, JsonSchema, Refusal, RefusalCode, entry};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::cell::RefCell;

type Answering = Box<dyn FnMut(&Request) -> Result<Response, Error>>;

thread_local! {
    static FINDINGS: RefCell<Vec<Finding>> = const { RefCell::new(Vec::new()) };
    static ANSWERING: RefCell<Option<Answering>> = const { RefCell::new(None) };
}

/// What this thread has reported since the last call.
#[must_use]
pub fn take_findings() -> Vec<Finding> {
    FINDINGS.with(RefCell::take)
}

/// Lets `answer` stand for the network on this thread. Without it every request is refused, as without a grant.
pub fn answer_http(answer: impl FnMut(&Request) -> Result<Response, Error> + 'static) {
    ANSWERING.with(|slot| slot.replace(Some(Box::new(answer))));
}

/// Runs an agent's function as the host would: from JSON to JSON.
///
/// # Errors
///
/// What the run fails with.
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

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    answer(&request)
}

pub(crate) fn send_each(requests: Vec<(usize, Request)>, _in_flight: usize, each: &mut dyn FnMut(usize, Result<Response, Error>)) {
    for (index, request) in requests {
        each(index, answer(&request).and_then(|answer| read_whole(answer, request.body_bytes_max)));
    }
}

fn read_whole(answer: Response, body_bytes_max: usize) -> Result<Response, Error> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok(Response::whole(status, headers, answer.bounded(body_bytes_max).bytes()?))
}

fn answer(request: &Request) -> Result<Response, Error> {
    // Taken out while it answers, so that an answer that asks in its turn is refused and does not panic.
    let Some(mut answering) = ANSWERING.with(RefCell::take) else {
        return Err(Error::Refused);
    };
    let answered = answering(request);
    ANSWERING.with_borrow_mut(|slot| {
        slot.get_or_insert(answering);
    });
    answered.map(|answer| answer.bounded(request.body_bytes_max))
}

/// The same bounds as the host's, so that an author meets them in a test.
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
    for (name, len) in [("evidence", finding.evidence.len()), ("taxa", finding.taxa.len())] {
        if len > LIST_LEN_MAX {
            return Some(format!("`{name}` has more than {LIST_LEN_MAX} entries"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::take_findings;
    use crate::RefusalCode;
    use crate::findings::{FIELD_BYTES_MAX, Finding, LIST_LEN_MAX, Severity, report};

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
        for finding in [
            Finding::new(&long, Severity::Low, "title"),
            Finding::new("rule", Severity::Low, &long),
            Finding::new("rule", Severity::Low, "title").excerpt(&long),
            Finding::new("rule", Severity::Low, "title").at(&long, 1, 1),
            Finding::new("rule", Severity::Low, "title").taxon("cwe", &long),
            many,
        ] {
            assert_eq!(report(finding).map_err(|refusal| refusal.code), Err(RefusalCode::Malformed));
        }
        assert_eq!(take_findings(), []);
    }
}
