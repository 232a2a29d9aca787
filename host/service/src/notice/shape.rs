//! The forms of a notice: what each receiver understands.

use serde_json::{Value, json};
use vocabulary::{Header, NoticeShape, utc};

use super::{Card, tells_repetitions};

/// BOUND: characters of the text in one block of Slack, which takes 3,000.
const BLOCK_MAX: usize = 2800;
/// BOUND: characters of one line of a mail; RFC 5322 allows 998 bytes.
const LINE_MAX: usize = 200;

/// The headers and the body of a request.
pub(crate) fn http(card: &Card, shape: NoticeShape, log: &str) -> (Vec<Header>, Vec<u8>) {
    let (kind, body) = match shape {
        NoticeShape::CloudEvents => ("application/cloudevents+json; charset=utf-8", cloud_event(card, log)),
        NoticeShape::Slack => ("application/json; charset=utf-8", slack(card)),
        NoticeShape::Teams => ("application/json; charset=utf-8", teams(card)),
    };
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.as_bytes().to_vec() };
    let mut headers = vec![header("content-type", kind)];
    if tells_repetitions(shape) {
        headers.push(header("idempotency-key", &card.id()));
    }
    (headers, body.to_string().into_bytes())
}

/// An event of CloudEvents 1.0 in its structured mode.
fn cloud_event(card: &Card, log: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": card.id(),
        "source": format!("urn:bailiwick:log:{log}"),
        "type": "bailiwick.approval.asked",
        "subject": card.approval,
        "time": format!("{}Z", utc(card.asked_ms).replace(' ', "T")),
        "datacontenttype": "application/json",
        "data": card,
    })
}

/// A message of Slack.
///
/// SECURITY: blocks of plain text have no links, no mentions and no formatting. The text beside them, for notifications of a phone, has
/// nothing of a guest.
fn slack(card: &Card) -> Value {
    let block = |kind: &str, text: &str| {
        let text: String = escaped(text).chars().take(BLOCK_MAX).collect();
        json!({ "type": kind, "text": { "type": "plain_text", "emoji": false, "text": text } })
    };
    let sections = card.lines().into_iter().map(|line| block("section", &line));
    let blocks: Vec<Value> = std::iter::once(block("section", &card.title())).chain(sections).take(50).collect();
    json!({ "text": card.title(), "blocks": blocks, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false })
}

/// The three characters that Slack wants escaped in every text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A message of Teams with an adaptive card.
///
/// SECURITY: runs of a `RichTextBlock` are text. A `TextBlock` would read them as Markdown, with links.
fn teams(card: &Card) -> Value {
    let block =
        |text: &str, weight: &str| json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "weight": weight }] });
    let lines = card.lines();
    let body: Vec<Value> = std::iter::once(block(&card.title(), "Bolder")).chain(lines.iter().map(|line| block(line, "Default"))).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}

/// A whole mail.
///
/// SECURITY: no header has words of a guest but the agent's name, of which only plain ASCII is taken. A line of the body is bounded.
pub(crate) fn mail(card: &Card, from: &str, recipients: &[String]) -> Vec<u8> {
    let plain = |text: &str| -> String { text.chars().map(|letter| if (' '..='~').contains(&letter) { letter } else { '?' }).collect() };
    let subject: String = plain(&format!("approval {} waits: {}", card.approval, card.agent)).chars().take(LINE_MAX).collect();
    let host = from.rsplit('@').next().unwrap_or("localhost");
    let mut text = format!(
        "From: {from}\nTo: {}\nSubject: {subject}\nMessage-ID: <{}@{host}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: \
         text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{}\n\n",
        recipients.join(", "),
        card.id(),
        card.title(),
    );
    for line in card.lines() {
        let letters: Vec<char> = line.chars().collect();
        for (at, piece) in letters.chunks(LINE_MAX).enumerate() {
            text.push_str(if at > 0 { "    " } else { "" });
            text.extend(piece);
            text.push('\n');
        }
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests;
