//! What was touched, in tables for people.

use gate::{Searched, Touched, TouchedAct, TouchedFile, TouchedHttp, TouchedLease, TouchedOwn, TouchedProbe, TouchedRefusal};
use vocabulary::record::Touch;

use crate::err::CliError;
use crate::line::touch;
use crate::out;
use crate::words::{bytes, count, function, many, safe, utc};

type Rows = Vec<Vec<String>>;

/// Everything that was touched, with a table for each kind.
pub(super) fn touched(touched: &Touched) -> Result<(), CliError> {
    let more = &touched.more;
    let tables = [
        (rows(&["WHAT", "TIMES", "AMOUNT", "PATH"], touched.files.iter().map(file)), more.files),
        (rows(HTTP, touched.http.iter().map(http)), more.http),
        (rows(&["ASKED", "DONE", "NOT DONE", "FAILED", "UNKNOWN", "CREDENTIAL"], touched.acts.iter().map(act)), more.acts),
        (rows(OWN, touched.own.iter().map(own)), more.own),
        (rows(&["LEASE", "ASKED", "REFUSED", "SENT", "STATE", "OLD VALUES TRIED"], touched.leases.iter().map(lease)), more.leases),
        (rows(&["REFUSED", "WHERE", "FUNCTION", "WHY", "WHAT"], touched.refused.iter().map(refusal)), more.refused),
    ];
    let mut is_first = true;
    for (rows, more) in tables.iter().filter(|(rows, _)| rows.len() > 1) {
        if !std::mem::replace(&mut is_first, false) {
            out::line("")?;
        }
        out::table(rows)?;
        if *more > 0 {
            out::line(&format!("… and {} more, too many to list: narrow the search with `--host`, `--file` or a run", count(*more)))?;
        }
    }
    Ok(())
}

/// What was searched, in words.
pub(super) fn searched(searched: &Searched) -> String {
    let (records, runs) = (many(searched.records, "record", "records"), many(searched.runs, "run", "runs"));
    match (searched.from_ms, searched.to_ms) {
        (Some(from), Some(to)) => format!("{records} of {runs} were searched, opened from {} to {} UTC", utc(from), utc(to)),
        _ => format!("{records} of {runs} were searched"),
    }
}

fn rows(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Rows {
    std::iter::once(head.iter().map(|cell| (*cell).to_owned()).collect()).chain(rows).collect()
}

fn file(file: &TouchedFile) -> Vec<String> {
    let amount = match file.what {
        Touch::File => bytes(file.amount),
        Touch::Listing => format!("{} names", count(file.amount)),
        Touch::Look => String::new(),
    };
    let path = match &file.real {
        Some(real) => format!("{} (that is {real})", file.path),
        None => file.path.to_string(),
    };
    vec![touch(file.what).to_owned(), count(file.times), amount, path]
}

fn act(one: &TouchedAct) -> Vec<String> {
    let counts = [one.asked, one.done, one.not_done, one.failed, one.unknown];
    counts.map(count).into_iter().chain([one.resource.to_string()]).collect()
}

const OWN: &[&str] = &["HOST ASKED", "STATUS", "FAILED", "UNKNOWN", "BYTES SENT", "RECEIVED", "PEERS", "FOR", "REQUEST"];

/// A request of the host itself, as a row.
fn own(one: &TouchedOwn) -> Vec<String> {
    let statuses: Vec<String> = one.statuses.iter().map(|(status, times)| format!("{status}×{}", count(*times))).collect();
    vec![
        count(one.asked),
        statuses.join(" "),
        count(one.failed),
        count(one.unknown),
        bytes(one.sent),
        bytes(one.received),
        one.peers.join(" "),
        format!("{} of {}", one.purpose.as_str(), one.credential),
        one.resource.to_string(),
    ]
}

const HTTP: &[&str] =
    &["ASKED", "REFUSED", "SENT", "ANSWERED", "STATUS", "FAILED", "UNKNOWN", "BYTES SENT", "RECEIVED", "CREDENTIAL", "PEERS", "REQUEST"];

fn http(one: &TouchedHttp) -> Vec<String> {
    let statuses = one.statuses.iter().map(|(status, times)| format!("{status}×{}", count(*times)));
    let said = (one.said > 0).then(|| format!("settled as happened×{}", count(one.said)));
    let statuses: Vec<String> = statuses.chain(said).collect();
    vec![
        count(one.asked),
        count(one.refused),
        count(one.sent),
        count(one.answered),
        statuses.join(" "),
        count(one.failed),
        count(one.unknown),
        bytes(one.sent_bytes),
        bytes(one.bytes),
        safe(one.credential.as_deref().unwrap_or("-")),
        one.peers.join(" "),
        one.resource.to_string(),
    ]
}

fn lease(one: &TouchedLease) -> Vec<String> {
    let probe = |probe: &TouchedProbe| {
        let status = probe.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let came = if probe.refused { format!("refused with {status}") } else { format!("NOT REFUSED: {status}") };
        format!("v{} {came}", probe.version)
    };
    let probes: Vec<String> = one.probes.iter().map(probe).collect();
    let state = if one.revoked { "revoked" } else { "" };
    vec![one.lease.to_string(), count(one.asked), count(one.refused), count(one.sent), state.to_owned(), probes.join(", ")]
}

fn refusal(one: &TouchedRefusal) -> Vec<String> {
    let place = format!("{}/{}", one.run, one.seq);
    let what = match &one.resolved {
        Some(resolved) => format!("{} (that is {resolved})", one.resource),
        None => one.resource.to_string(),
    };
    vec![count(one.alike), place, function(one.function).to_owned(), crate::words::reason(&one.reason, &one.resource), what]
}
