//! Tickets in a Roundup tracker, over its REST interface. The host adds the login to each request.

use crate::input::Tracker;
use bailiwick_sdk::Failure;
use bailiwick_sdk::http::{Client, Error, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// BOUND: how long the tracker may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// BOUND: the longest answer that is read.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A tracker.
pub(crate) struct Tickets {
    client: Client,
    login: String,
    origin: String,
    rest: String,
}

/// A ticket that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: String,
    /// Whether an earlier run opened it.
    pub(crate) is_old: bool,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

#[derive(Deserialize)]
struct Listed {
    collection: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    status: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Item {
    attributes: Attributes,
    #[serde(rename = "@etag")]
    etag: String,
}

#[derive(Deserialize)]
struct Attributes {
    messages: Vec<Made>,
}

impl Tickets {
    pub(crate) fn at(tracker: &Tracker) -> Result<Self, Failure> {
        let (origin, path) = tracker.parts()?;
        let client = Client::new().timeout(TIMEOUT).body_bytes_max(BODY_BYTES_MAX);
        Ok(Self { client, login: tracker.login.clone(), origin: origin.to_owned(), rest: format!("{origin}{path}rest/data/") })
    }

    /// The ticket with this title that is still open, or a new one. A run that was repeated does not open a second one.
    pub(crate) fn open(&self, title: &str, text: &str) -> Result<Ticket, Failure> {
        let url = format!("{}issue?title:={}&@fields=title,status&@verbose=2", self.rest, encoded(title));
        let listed: Answer<Listed> = self.asks("look for a ticket", self.client.get(&url))?;
        let open = listed.data.collection.into_iter().find(|found| found.status.name != "resolved");
        if let Some(found) = open {
            self.note(&found.id, text, None)?;
            return Ok(Ticket { id: found.id, is_old: true });
        }
        let message = self.message(text)?;
        let body = json!({ "title": title, "priority": "urgent", "status": "unread", "messages": [message] });
        let made: Answer<Made> = self.asks("open a ticket", self.writes(self.client.post(&format!("{}issue", self.rest)), &body))?;
        Ok(Ticket { id: made.data.id, is_old: false })
    }

    /// Adds a message to a ticket, and gives it another status.
    pub(crate) fn note(&self, ticket: &str, text: &str, status: Option<&str>) -> Result<(), Failure> {
        let url = format!("{}issue/{}", self.rest, encoded(ticket));
        let item: Answer<Item> = self.asks("read the ticket", self.client.get(&format!("{url}?@fields=messages")))?;
        let message = self.message(text)?;
        let messages: Vec<String> = item.data.attributes.messages.into_iter().map(|message| message.id).chain([message]).collect();
        let mut body = json!({ "messages": messages });
        if let (Some(status), Some(fields)) = (status, body.as_object_mut()) {
            fields.insert("status".to_owned(), json!(status));
        }
        // The tracker refuses it if somebody has changed the ticket since.
        let request = self.writes(self.client.patch(&url), &body).header("if-match", item.data.etag.as_str());
        let _: Answer<Value> = self.asks("change the ticket", request)?;
        Ok(())
    }

    fn message(&self, text: &str) -> Result<String, Failure> {
        let body = json!({ "content": text, "author": self.login });
        let made: Answer<Made> = self.asks("write a message", self.writes(self.client.post(&format!("{}msg", self.rest)), &body))?;
        Ok(made.data.id)
    }

    /// Roundup takes writes only with both of these headers, as a page of another origin can't set them.
    fn writes(&self, request: RequestBuilder, body: &Value) -> RequestBuilder {
        request.header("x-requested-with", "rest").header("origin", self.origin.as_str()).json(body)
    }

    fn asks<T: serde::de::DeserializeOwned>(&self, what: &str, request: RequestBuilder) -> Result<T, Failure> {
        let answer = request.header("accept", "application/json").send().and_then(Response::error_for_status).and_then(Response::json);
        answer.map_err(|err: Error| Failure::new(err.code(), format!("could not {what} at {}: {err}", self.rest)))
    }
}

/// The text in percent-encoding, for one part of a URL.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
