//! Whatever an agent writes, each receiver gets the words of the host, and its own as text.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use run::{ApprovalView, PendingNotice, ShownRequest};
use vocabulary::{ApprovalId, Digest, GroupNeed, OpId, PolicyNote, Principal, RunId, SafeText, is_misleading};

use super::*;

/// An agent that tries everything: formatting, links, mentions, lines and headers of its own.
const HOSTILE: &str = "<!channel> <https://evil.test|approve> [approve](https://evil.test) *x*\r\nBcc: all@evil.test\u{202e}\u{1b}[2J\n.\n";

fn card(details: bool) -> Card {
    let id = ApprovalId { run: RunId::from_parts(1_700_000_000_000, [7; 10]), op: OpId(1) };
    let text = |text: &str| SafeText::new(text, 4096);
    let view = ApprovalView {
        approval: id.to_string(),
        agent: text(HOSTILE),
        asks: text(&format!("POST https://api.test/{HOSTILE}{}", "x".repeat(3000))),
        asked_ms: 1_700_000_000_000,
        credential: None,
        digest: Digest::of(b"x"),
        environment: text("production"),
        headers: Vec::new(),
        groups: vec![GroupNeed { group: "board".to_owned(), quorum: 2 }],
        left_ms: 1,
        op: 1,
        policies: vec![PolicyNote { id: text("two"), why: text("because") }],
        policy_set: Digest::of(b"y"),
        run: id.run,
        started_by: Principal::new(1000, Some("alice")),
        state: text("pending"),
        undo: None,
        use_within_s: 60,
        votes: Vec::new(),
    };
    let pending = PendingNotice { decide_by_ms: 1_700_000_060_000, id, notices: Default::default(), view };
    let request = ShownRequest { body: text(HOSTILE), body_bytes: 9, headers: vec![text(HOSTILE)], query: Some(text(HOSTILE)) };
    Card::of(&pending, details.then_some(request))
}

fn all_texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| all_texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| all_texts(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn nothing_of_an_agent_moves_a_cursor_ends_a_line_or_is_markup() {
    for shape in [NoticeShape::CloudEvents, NoticeShape::Slack, NoticeShape::Teams] {
        let (_, body) = http(&card(true), shape, "l");
        let body: Value = serde_json::from_slice(&body).unwrap();
        let mut texts = Vec::new();
        all_texts(&body, &mut texts);
        assert!(texts.iter().any(|text| text.contains("evil.test")), "it is there: {shape:?}");
        assert!(!texts.iter().flat_map(|text| text.chars()).any(is_misleading), "{shape:?}: {texts:?}");
    }
    let (_, body) = http(&card(true), NoticeShape::Slack, "l");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["text"]["type"] == "plain_text" && block["text"]["text"].as_str().unwrap().len() <= 3000));
    assert!(!body.to_string().contains("<!channel>") && body.to_string().contains("&lt;!channel&gt;"));
    assert!(!body["text"].as_str().unwrap().contains("evil"), "what a phone shows is the host's alone");
    let (_, body) = http(&card(true), NoticeShape::Teams, "l");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let blocks = body["attachments"][0]["content"]["body"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"), "no Markdown: {blocks:?}");
    assert!(body["attachments"][0]["content"].get("actions").is_none());
}

#[test]
fn a_mail_has_the_hosts_headers_and_short_lines() {
    let text = String::from_utf8(mail(&card(true), "host@a.test", &["board@a.test".to_owned()])).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let names: Vec<&str> = head.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(
        names,
        ["From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"],
        "no header of the agent's"
    );
    assert!(text.lines().all(|line| line.len() < 998) && head.is_ascii());
    assert!(!body.lines().any(|line| line == "." || line.starts_with("Bcc")), "{body}");
    assert!(!text.chars().any(|letter| letter != '\n' && is_misleading(letter)));
}

#[test]
fn details_are_told_only_where_that_is_wanted() {
    for shape in [NoticeShape::CloudEvents, NoticeShape::Slack, NoticeShape::Teams] {
        let told = |details| String::from_utf8(http(&card(details), shape, "l").1).unwrap();
        assert!(told(true).contains("Bcc") && told(true).matches("Bcc").count() > told(false).matches("Bcc").count(), "{shape:?}");
    }
}

#[test]
fn a_cloud_event_has_its_attributes_and_is_the_same_each_time() {
    let (headers, body) = http(&card(false), NoticeShape::CloudEvents, "0f");
    assert_eq!(http(&card(false), NoticeShape::CloudEvents, "0f").1, body);
    let event: Value = serde_json::from_slice(&body).unwrap();
    for (key, value) in [
        ("specversion", "1.0"),
        ("type", "bailiwick.approval.asked"),
        ("source", "urn:bailiwick:log:0f"),
        ("time", "2023-11-14T22:13:20Z"),
        ("datacontenttype", "application/json"),
    ] {
        assert_eq!(event[key], value);
    }
    assert_eq!(event["subject"], event["data"]["approval"]);
    let key = headers.iter().find(|header| header.name == "idempotency-key").unwrap();
    assert_eq!(event["id"].as_str().unwrap().as_bytes(), key.value);
    assert!(headers.iter().any(|header| header.value.starts_with(b"application/cloudevents+json")));
}
