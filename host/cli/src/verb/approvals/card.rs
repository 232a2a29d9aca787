//! The card of an act that waits for people: what it is, computed by the host. Words of the agent come last.

use ::run::{ApprovalView, HomePlace, VoteView};
use vocabulary::record::Record;
use vocabulary::{Digest, SafeText, Vote};

use super::equal::Equal;
use crate::err::CliError;
use crate::{log, out, words};

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

/// The least number of digits of a digest that are compared.
pub(super) const DIGITS_MIN: usize = 12;

/// A short form of a digest, to compare by eye.
fn short(digest: &Digest) -> SafeText {
    let whole = digest.hex();
    SafeText::new(whole.get(..DIGITS_MIN).unwrap_or(&whole), DIGITS_MIN)
}

/// Prints the card of an act. If there are equal acts, it is the card of the first, and says which others there are.
pub(super) fn print(place: &HomePlace, Equal(acts): &Equal) -> Result<(), CliError> {
    let Some((view, others)) = acts.split_first() else { return Ok(()) };
    let mut rows = vec![
        ("agent", format!("{}, started by {}", view.agent, view.started_by)),
        ("asks for", format!("{} in {}", view.asks, view.environment)),
    ];
    rows.extend(view.credential.as_ref().map(|name| ("with", format!("the credential {name}, which the host adds"))));
    rows.extend(request(place, view)?);
    rows.extend(undo(place, view)?);
    for policy in &view.policies {
        let why = if policy.why.is_empty() { String::new() } else { format!(": {}", policy.why) };
        // The host's own policy of a staged engagement says everything in its words.
        let is_own = policy.id.as_str().starts_with("engagement.");
        rows.push(("because of", if is_own { policy.why.to_string() } else { format!("policy {}{why}", policy.id) }));
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
    rows.push(("digest", format!("{} ({})", short(&view.digest), view.digest)));
    for other in others {
        rows.push(("equal to", format!("{}, digest {}: it needs votes of its own, `--equal`", other.approval, short(&other.digest))));
    }
    out::line(&format!("approval {}", view.approval))?;
    rows.into_iter().try_for_each(|(name, text)| out::line(&format!("  {name:<13} {text}")))?;
    super::changes::print(place, view)
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

/// The whole request, as the agent asks for it: with its query, its headers and its body.
fn request(place: &HomePlace, view: &ApprovalView) -> Result<Vec<(&'static str, String)>, CliError> {
    let request = match ::run::shown_request(&log::reader(place)?, view.run, view.digest, &<[u8]>::to_vec)? {
        Some(Ok(request)) => request,
        Some(Err(missing)) => return Ok(vec![("request", format!("CAN'T BE SHOWN: {missing}"))]),
        None => return Ok(Vec::new()),
    };
    let query = request.query.iter().map(|query| ("query", query.to_string()));
    let mut rows: Vec<_> = query.chain(request.headers.iter().map(|header| ("header", header.to_string()))).collect();
    if request.body_bytes > 0 {
        rows.push(("body", format!("{}, {}", words::bytes(request.body_bytes), request.body)));
    }
    Ok(rows)
}

/// Whether the act can be taken back: the request that does so, and what the agent says about it.
fn undo(place: &HomePlace, view: &ApprovalView) -> Result<Vec<(&'static str, String)>, CliError> {
    let Some(id) = view.undo else { return Ok(vec![("can be undone", "no".to_owned())]) };
    for record in log::reader(place)?.of_run(view.run) {
        if let Ok(Record::UndoRegistered(undo)) = Record::parse(&record?.body)
            && undo.id == id
        {
            let words = if undo.words.is_empty() { String::new() } else { format!("; the agent says (unverified): {}", undo.words) };
            return Ok(vec![("can be undone", format!("yes, by {}{words}", undo.ask.resource))]);
        }
    }
    Ok(vec![("can be undone", "CAN'T BE SHOWN: its registration is not on the record".to_owned())])
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
