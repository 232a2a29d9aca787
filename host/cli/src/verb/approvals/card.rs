//! The card of an act that waits for people: what it is, computed by the host. Words of the agent come last.

use ::run::{ApprovalView, HomePlace, VoteView};
use vocabulary::record::Record;
use vocabulary::{SafeText, Vote};

use crate::err::CliError;
use crate::{log, out, words};

/// BOUND: bytes of a body, a query or a header that are shown. What is cut says so.
const SHOWN_BYTES_MAX: usize = 4096;

/// How long something still lasts.
pub(super) fn left(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} days", s / 86_400),
    }
}

/// Prints the card.
pub(super) fn print(place: &HomePlace, view: &ApprovalView) -> Result<(), CliError> {
    let mut rows = vec![
        ("agent", format!("{}, started by {}", view.agent, view.started_by)),
        ("asks for", format!("{} in {}", view.asks, view.environment)),
    ];
    rows.extend(view.credential.as_ref().map(|name| ("with", format!("the credential {name}, which the host adds"))));
    rows.extend(request(place, view)?);
    for policy in &view.policies {
        let why = if policy.why.is_empty() { String::new() } else { format!(": {}", policy.why) };
        rows.push(("because of", format!("policy {}{why}", policy.id)));
    }
    for need in &view.groups {
        rows.push(("needs", format!("{} of the group {}", need.quorum, need.group)));
    }
    rows.push(("may not vote", format!("who started the run: {}", view.started_by)));
    rows.extend(view.votes.iter().map(|vote| ("vote", voted(vote))));
    let (decide, used) = match view.state.as_str() {
        "pending" => (format!("in {}", left(view.left_ms)), format!("in {} after that", left(view.use_within_s * 1000))),
        "approved" => ("done".to_owned(), format!("in {}", left(view.left_ms))),
        _ => ("over".to_owned(), "over".to_owned()),
    };
    rows.extend([("decide", decide), ("use", used), ("state", view.state.to_string())]);
    rows.push(("digest", format!("{} ({})", super::short(&view.digest), view.digest)));
    out::line(&format!("approval {}", view.approval))?;
    rows.into_iter().try_for_each(|(name, text)| out::line(&format!("  {name:<13} {text}")))?;
    Ok(())
}

fn voted(vote: &VoteView) -> String {
    let what = match vote.vote {
        Vote::Approve => "approved",
        Vote::Reject => "rejected",
    };
    let how = vote.key.as_ref().map_or_else(|| "not signed".to_owned(), |key| format!("signed with {key}"));
    let reason = if vote.reason.is_empty() { String::new() } else { format!(": {}", vote.reason) };
    format!("{} {what} it at {} UTC, {how}{reason}", words::safe(&vote.person), words::utc(vote.at))
}

/// The whole request, as the agent asks for it: with its query, its headers and its body. Credentials are not in it: the host adds them later.
fn request(place: &HomePlace, view: &ApprovalView) -> Result<Vec<(&'static str, String)>, CliError> {
    let reader = log::reader(place)?;
    let mut found = None;
    for record in reader.of_run(view.run) {
        let record = record?;
        if let Ok(Record::ApprovalAsked(asked)) = Record::parse(&record.body)
            && asked.digest == view.digest
            && asked.ask.capability.act() == Some(vocabulary::ActKind::Http)
        {
            found = Some(record);
        }
    }
    let Some(record) = found else { return Ok(Vec::new()) };
    let request = match gate::request(&reader, &record) {
        Ok(request) => request,
        Err(missing) => return Ok(vec![("request", format!("CAN'T BE SHOWN: {missing}"))]),
    };
    let text = |text: &str| SafeText::new(text, SHOWN_BYTES_MAX).to_string();
    let mut rows: Vec<(&'static str, String)> = request.target.query.iter().map(|query| ("query", text(query))).collect();
    rows.extend(
        request.headers.iter().map(|header| ("header", text(&format!("{}: {}", header.name, String::from_utf8_lossy(&header.value))))),
    );
    if !request.body.is_empty() {
        let size = words::bytes(request.body.len() as u64);
        rows.push(("body", format!("{size}, {}", SafeText::from_bytes(&request.body, SHOWN_BYTES_MAX))));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn times_are_shown_in_the_unit_that_people_would_use() {
        for (ms, shown) in [(0, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (3_600_000, "1 h 0 min"), (172_800_000, "2 days")] {
            assert_eq!(left(ms), shown);
        }
    }
}
