//! A request that is held back, as people see it: escaped, bounded, and without credentials, which the host adds later.

use gate::Missing;
use journal::{ReadError, Reader};
use serde::Serialize;
use vocabulary::record::Record;
use vocabulary::{ActKind, Digest, RunId, SafeText};

/// BOUND: bytes of a body, a query or a header that are shown. What is cut says so.
const SHOWN_BYTES_MAX: usize = 4096;

/// The parts of a request that its list does not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownRequest {
    /// The body; empty if there is none.
    pub body: SafeText,
    /// How many bytes the body has.
    pub body_bytes: u64,
    /// The headers.
    pub headers: Vec<SafeText>,
    /// The query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<SafeText>,
}

impl ShownRequest {
    /// The lines for people.
    pub fn lines(&self) -> Vec<String> {
        let query = self.query.iter().map(|query| format!("query: {query}"));
        let headers = self.headers.iter().map(|header| format!("header: {header}"));
        let body = (self.body_bytes > 0).then(|| format!("body: {} bytes, {}", self.body_bytes, self.body));
        query.chain(headers).chain(body).collect()
    }
}

/// The request of an act that is held back, or why it can't be shown. `None` if the act is no request. `clean` takes out of each part what may
/// not be shown.
///
/// # Errors
/// The record can't be read.
pub fn shown_request(
    reader: &Reader,
    run: RunId,
    digest: Digest,
    clean: &dyn Fn(&[u8]) -> Vec<u8>,
) -> Result<Option<Result<ShownRequest, Missing>>, ReadError> {
    let mut found = None;
    for record in reader.of_run(run) {
        let record = record?;
        if let Ok(Record::ApprovalAsked(asked)) = Record::parse(&record.body)
            && asked.digest == digest
            && asked.ask.capability.act() == Some(ActKind::Http)
        {
            found = Some(record);
        }
    }
    let Some(record) = found else { return Ok(None) };
    let text = |bytes: &[u8]| SafeText::from_bytes(&clean(bytes), SHOWN_BYTES_MAX);
    Ok(Some(gate::request(reader, &record).map(|request| ShownRequest {
        body: text(&request.body),
        body_bytes: request.body.len() as u64,
        headers: request.headers.iter().map(|it| text(&[it.name.as_bytes(), b": ", &it.value].concat())).collect(),
        query: request.target.query.as_deref().map(|query| text(query.as_bytes())),
    })))
}
