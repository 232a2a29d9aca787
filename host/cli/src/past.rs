//! Approvals as evidence, for people: who voted on exactly what, when, by which means and because of which policy.

use gate::{PastApproval, PastState, PastVote};
use journal::{Position, Reader};
use vocabulary::record::Record;
use vocabulary::{RunId, Vote};

use crate::err::CliError;
use crate::words::{safe, utc};

/// The approvals of one run.
pub(crate) fn of_run(reader: &Reader, run: RunId, from: Position) -> Result<Vec<PastApproval>, CliError> {
    let mut past = gate::PastApprovals::default();
    for record in reader.of_run_from(run, from) {
        let record = record?;
        if let Ok(body) = Record::parse(&record.body) {
            past.take(run, &body);
        }
        if record.ends {
            break;
        }
    }
    Ok(past.all)
}

/// The lines of one approval, safe to print.
pub(crate) fn lines(past: &PastApproval) -> Vec<String> {
    let mut lines = vec![format!("approval {}: {}", past.approval, state(past))];
    let row = |name: &str, text: String| format!("  {name:<9} {text}");
    lines.push(row("what", format!("{} in {}", past.asks, past.environment)));
    lines.push(row("digest", past.digest.to_string()));
    for policy in &past.policies {
        let why = if policy.why.is_empty() { String::new() } else { format!(": {}", policy.why) };
        lines.push(row("rule", format!("{}{why}", policy.id)));
    }
    let needs: Vec<String> = past.groups.iter().map(|need| format!("{} of {}", need.quorum, safe(&need.group))).collect();
    lines.push(row("needed", format!("{}, asked at {} UTC", needs.join(", "), utc(past.asked_ms))));
    lines.extend(past.votes.iter().map(|vote| row("vote", voted(vote))));
    lines
}

fn state(past: &PastApproval) -> String {
    let at = past.ended_ms.map_or_else(String::new, |at| format!(" at {} UTC", utc(at)));
    let by = past.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    match past.state {
        PastState::Used => format!("used{at}, once"),
        state => format!("{}{at}{by}", state.as_str()),
    }
}

/// One vote: who, what, when, and by which means.
pub(crate) fn voted(vote: &PastVote) -> String {
    let what = match vote.vote {
        Vote::Approve => "approved",
        Vote::Reject => "rejected",
    };
    let how = vote.key.as_ref().map_or_else(|| "not signed".to_owned(), |key| format!("signed with {key}"));
    let reason = if vote.reason.is_empty() { String::new() } else { format!(": {}", vote.reason) };
    format!("{} {what} it at {} UTC, {how}, handed in by {}{reason}", vote.person, utc(vote.at), vote.by)
}
