//! What people are told about an act that waits for them: the same for each attempt, so that a receiver can tell repetitions.
//!
//! SECURITY: everything of a guest is escaped and bounded ([`SafeText`]), and is text for each receiver, never markup. There is no link: who
//! decides does that on the machine, or with a signed statement.

mod shape;

use run::{PendingNotice, ShownRequest};
use serde::Serialize;
use vocabulary::{Digest, GroupNeed, NoticeShape, PolicyNote, Principal, SafeText, utc};

pub(crate) use shape::{http, mail};

/// The digits of a digest that people compare by eye.
const DIGITS: usize = 12;

/// What people are told, as programs get it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Card {
    agent: SafeText,
    pub(crate) approval: String,
    asked_ms: u64,
    asks: SafeText,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<SafeText>,
    decide_by_ms: u64,
    digest: Digest,
    environment: SafeText,
    groups: Vec<GroupNeed>,
    policies: Vec<PolicyNote>,
    /// The parts of the request, if the channel wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<ShownRequest>,
    started_by: Principal,
    use_within_s: u64,
}

impl Card {
    pub(crate) fn of(pending: &PendingNotice, request: Option<ShownRequest>) -> Self {
        let view = pending.view.clone();
        Self {
            agent: view.agent,
            approval: view.approval,
            asked_ms: view.asked_ms,
            asks: view.asks,
            credential: view.credential,
            decide_by_ms: pending.decide_by_ms,
            digest: view.digest,
            environment: view.environment,
            groups: view.groups,
            policies: view.policies,
            request,
            started_by: view.started_by,
            use_within_s: view.use_within_s,
        }
    }

    /// The name of the event. It is the same for each attempt and at each channel, and another one if the act is asked again.
    fn id(&self) -> String {
        format!("{}.{}", self.approval, self.digits())
    }

    fn digits(&self) -> String {
        self.digest.hex().chars().take(DIGITS).collect()
    }

    fn title(&self) -> String {
        format!("An act waits for people: approval {}", self.approval)
    }

    /// The lines for people. Each is one line, whatever the guest wrote.
    fn lines(&self) -> Vec<String> {
        let row = |name: &str, text: &str| format!("{name}: {text}");
        let mut lines = vec![
            row("agent", &format!("{}, started by {}", self.agent, self.started_by)),
            row("asks for", &format!("{} in {}", self.asks, self.environment)),
        ];
        lines.extend(self.credential.as_ref().map(|name| row("with", &format!("the credential {name}, which the host adds"))));
        for policy in &self.policies {
            let why = if policy.why.is_empty() { String::new() } else { format!(": {}", policy.why) };
            lines.push(row("because of", &format!("policy {}{why}", policy.id)));
        }
        let needs: Vec<String> = self.groups.iter().map(|need| format!("{} of the group {}", need.quorum, need.group)).collect();
        lines.push(row("needs", &needs.join(", ")));
        lines.push(row("decide by", &format!("{} UTC; after that it is refused", utc(self.decide_by_ms))));
        lines.push(row("digest", &self.digits()));
        lines.extend(self.request.iter().flat_map(ShownRequest::lines));
        lines.push(format!("To look at it and to vote, on the machine: bailiwick approvals show {}", self.approval));
        lines
    }
}

/// Whether a receiver of this form takes the header by which it can tell repetitions.
fn tells_repetitions(shape: NoticeShape) -> bool {
    shape == NoticeShape::CloudEvents
}
