//! Shows one record in one line.

use vocabulary::record::{AnswerClass, CredentialChange, HostAnswered, MetIn, Record, Refused, RotatedKey, SealedUnder, Touch};
use vocabulary::{Claim, Fault, Outcome, Resource, SafeText, VoteMeans};

use crate::log::Shown;
use crate::outcome;
use crate::words::{bytes, clock_changed, count, digest, function, many, reason, safe, seconds, severity, short_hex, utc, waits};

/// BOUND: characters of what an agent said in one line.
const SAID_CHARS_MAX: usize = 200;

/// The first column of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// The number of the record in its run.
    Seq,
    /// The index of the record in the log, its run, and its number in the run.
    Index,
}

/// The line of a record, safe to print.
pub(crate) fn of(shown: &Shown, column: Column) -> String {
    let what = shown.known.as_ref().map_or_else(|| "a kind that this version does not know".to_owned(), record);
    let time = shown.at_ms().map_or_else(String::new, utc);
    let kind = SafeText::new(shown.kind(), 32);
    let place = match column {
        // A record of the log itself, among the records of a run.
        Column::Seq if shown.run.is_none() => format!("{:>6}", "-"),
        Column::Seq => format!("{:>6}", shown.seq),
        Column::Index => {
            let run = shown.run.map_or_else(|| "-".to_owned(), |run| run.to_string());
            format!("{:>8}  {run:<26} {:>6}", shown.index, shown.seq)
        }
    };
    format!("{place}  {time:<19}  {kind:<14}  {what}").trim_end().to_owned()
}

fn record(record: &Record) -> String {
    match record {
        Record::RunOpened(opened) => {
            let agent = &opened.agent;
            format!("{} {} {} by {}", agent.name, agent.version, digest(&agent.digest), opened.by)
        }
        Record::RunSuspended(suspended) => waits(&suspended.waits_for),
        Record::RunResumed(resumed) => {
            let waited =
                if resumed.waited_ms > 0 { format!(", after it waited for {}", seconds(resumed.waited_ms)) } else { String::new() };
            format!("by {}{waited}", resumed.by)
        }
        Record::ActSettled(word) => format!("op {} {}, says {}", word.op, did(word.did), word.by),
        Record::RunClosed(closed) => {
            let obstacle = closed.obstacle.as_ref().map_or_else(String::new, |obstacle| format!("; it could not be resumed: {obstacle}"));
            let words = outcome::words(&closed.outcome).map_or_else(String::new, |words| format!(": {words}"));
            let words = format!("{words}{obstacle}");
            if closed.outcome == Outcome::SetAside {
                // Its time and its memory are not known either.
                return format!("{}{words}", outcome::word(&closed.outcome));
            }
            format!("{}{words}, {}, {} of memory", outcome::word(&closed.outcome), seconds(closed.active_ms), bytes(closed.peak_memory))
        }
        Record::Asked(asked) => {
            let again = if asked.again { " again" } else { "" };
            let with = asked.bounds.credential.as_ref().map_or_else(String::new, |name| format!(", with {}", safe(name)));
            let approved = if asked.approval.is_some() { ", approved" } else { "" };
            format!("op {}{again} {} ({}{with}{approved})", asked.op, asked.ask.resource, safe(&asked.bounds.rule.to_string()))
        }
        Record::ApprovalAsked(asked) => {
            let needs: Vec<String> = asked.needs.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group)).collect();
            let (needs, place) = (needs.join(", "), &asked.environment);
            format!("op {} {} in {place} waits for {needs} ({})", asked.op, asked.ask.resource, short_hex(&asked.digest))
        }
        Record::ApprovalVoted(voted) => {
            let how = match &voted.means {
                VoteMeans::Signed { key, .. } => format!("signed with {key}"),
                VoteMeans::Unsigned => "not signed".to_owned(),
            };
            let end = if voted.approved { "; it is approved" } else { "" };
            let reason = if voted.reason.is_empty() { String::new() } else { format!(", because: {}", voted.reason) };
            format!("op {} {} by {}, {how}{reason}{end}", voted.op, voted.vote, voted.person)
        }
        Record::ApprovalClosed(closed) => {
            let by = closed.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
            format!("op {} the approval is {}{by}", closed.op, closed.end)
        }
        Record::Refused(refused) => {
            let times = if refused.alike > 1 { format!(" (×{})", count(refused.alike)) } else { String::new() };
            format!(
                "{} {}: {}{times}",
                function(refused.ask.function),
                refused_names(refused),
                reason(&refused.reason.to_string(), &refused.ask.resource)
            )
        }
        Record::Answered(answered) => {
            let status = answered.status().map_or_else(|| answer(answered.class()).to_owned(), |status| status.to_string());
            let peer = answered.peer().map_or_else(String::new, |peer| format!(" from {peer}"));
            let reason = answered.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", safe(&reason.to_string())));
            let sent = answered.sent().map_or_else(String::new, |sent| format!(", {} sent", bytes(sent.bytes())));
            let fault = answered.fault().map(|fault| format!(": {}", fault_word(fault))).unwrap_or_default();
            let detail = cause(&answered.detail);
            format!("op {} {status}{fault}{peer}{sent}{reason}{detail}", answered.op)
        }
        Record::Received(received) => {
            let cut = if received.whole { "" } else { ", cut short" };
            format!("op {} {} from {}{cut}", received.op, bytes(received.bytes), received.source)
        }
        Record::Observed(observed) => objects(&observed.objects),
        Record::Delivered(delivered) => format!("{} delivered to the agent", many(delivered.releases.len() as u64, "event", "events")),
        Record::Said(said) => claims(&said.claims),
        Record::LeaseIssued(issued) => {
            let uses = issued.uses.map_or_else(String::new, |uses| format!(", {} times at most", count(uses)));
            format!("{} from {}{uses}", issued.credential, issued.source)
        }
        Record::HostAsked(asked) => {
            format!("host request, {} for {} (op {}): {}", asked.purpose.as_str(), asked.credential, asked.op, asked.resource)
        }
        Record::HostAnswered(ended) => host_answered(ended),
        Record::ValueMet(met) => {
            let place = match met.place {
                MetIn::Request => "found in a request, which was sent with stars in its place",
                MetIn::Answer => "found in an answer from a place where it may not go",
            };
            format!("op {} the value of {} was {place} (time {})", met.op, met.credential, count(met.times))
        }
        Record::LeaseRevoked(revoked) => format!("{} by {}", revoked.credential, revoked.by),
        Record::LeaseProbed(probed) => {
            let status = probed.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let word = if probed.refused { "refused" } else { "NOT REFUSED" };
            format!("op {} {} version {} {word}: {status}", probed.op, probed.credential, probed.version)
        }
        Record::CredentialChanged(changed) => {
            let version = changed.version.map_or_else(String::new, |version| format!(", version {version}"));
            format!("{} {}{version} by {}", changed.credential, credential_change(changed.change), changed.by)
        }
        Record::ConfigTrusted(trusted) => {
            let once = if trusted.once { " for one command" } else { "" };
            format!("{} {}{once} by {}", trusted.path, digest(&trusted.config), trusted.by)
        }
        Record::ConfigUntrusted(untrusted) => format!("{} {} by {}", untrusted.path, digest(&untrusted.config), untrusted.by),
        Record::AgentAccepted(accepted) => {
            format!("{} of {} {} by {}", accepted.agent, accepted.path, digest(&accepted.authority), accepted.by)
        }
        Record::AgentUnaccepted(accepted) => format!("{} of {} by {}", accepted.agent, accepted.path, accepted.by),
        Record::VaultSealed(sealed) => format!("the vault is sealed under {} by {}", sealed_under(sealed.under), sealed.by),
        Record::RollbackAccepted(accepted) => {
            let was = accepted.was_size.map_or_else(|| "none was remembered".to_owned(), |size| format!("{} were remembered", count(size)));
            let log = accepted.was_log.as_ref().map_or_else(String::new, |log| format!(", of another log, {log}"));
            let home = accepted.was_home.as_ref().map_or_else(String::new, |home| format!(", in place of the home {home}"));
            format!("the record was accepted as it is, by {}: {} records, {was}{log}{home}", accepted.by, count(accepted.now_size))
        }
        Record::KeyRotated(it) => {
            let which = if it.key == RotatedKey::Journal { "the record" } else { "the home" };
            let under = it.under.map_or_else(String::new, |under| format!(", sealed under {}", sealed_under(under)));
            format!("the key of {which} was rotated by {}: {}{under}", it.by, it.now)
        }
        Record::Restored(it) => {
            let from = format!("of {} UTC with {} records", utc(it.backup_at), count(it.size));
            format!("the home was restored from a backup {from}, by {}", it.by)
        }
        Record::RunReleased(it) => format!("run {} may be resumed although it was in a restored copy, by {}", it.released, it.by),
        Record::Reanchored(it) => {
            let was = it.was_size.map_or_else(|| "none were remembered".to_owned(), |size| format!("{} were remembered", count(size)));
            let kept = format!("{} records are undamaged, {was}, {} set aside in {}", count(it.now_size), bytes(it.bytes), it.aside);
            format!("by {}: {}: {kept} ({})", it.by, it.reason, it.what)
        }
        Record::ClockChanged(change) => clock_changed(change),
        Record::Pruned(it) => {
            let to = it.to.as_ref().map_or_else(|| "deleted".to_owned(), |to| format!("archived in {to}"));
            format!(
                "segments {} to {} are {to}, by {}: the first {} records, {}",
                it.first,
                it.until.saturating_sub(1),
                it.by,
                count(it.size),
                bytes(it.bytes)
            )
        }
        Record::PayloadsForgotten(it) => {
            format!("what {} runs had sealed is forgotten, by {}: recorded before {}", count(it.runs), it.by, utc(it.before_ms))
        }
        Record::HoldSet(it) => format!("run {} is on hold, by {}: {}", it.held, it.by, it.reason),
        Record::HoldLifted(it) => format!("run {} is no longer on hold, by {}", it.held, it.by),
        Record::Recovered(recovered) => format!("{} of a batch that was never acknowledged were cut", bytes(recovered.bytes)),
    }
}

fn sealed_under(under: SealedUnder) -> &'static str {
    match under {
        SealedUnder::File => "a key in a file",
        SealedUnder::Passphrase => "a passphrase",
        SealedUnder::Keyring => "a key of the kernel",
    }
}

/// How a request of the host itself ended.
fn host_answered(ended: &HostAnswered) -> String {
    let status = ended.status.map_or_else(|| answer(ended.outcome.into()).to_owned(), |status| status.to_string());
    let peer = ended.peer.map_or_else(String::new, |peer| format!(" from {peer}"));
    let sent = ended.sent.map_or_else(|| "nothing sent".to_owned(), |sent| format!("{} sent", bytes(sent.bytes())));
    let reason = ended.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", safe(&reason.to_string())));
    let detail = cause(&ended.detail);
    format!("host request {}: {status}{peer}, {sent}, {} received{reason}{detail}", ended.number, bytes(ended.bytes))
}

/// What was refused: as it was asked for, and where that leads. For many names: the first, the last and their number.
fn refused_names(refused: &Refused) -> String {
    let named = |resource: &Resource, resolved: &Option<SafeText>| match resolved {
        Some(resolved) => format!("{resource} (that is {resolved})"),
        None => resource.to_string(),
    };
    let Some(counted) = &refused.counted else { return named(&refused.ask.resource, &refused.ask.resolved) };
    let last = usize::try_from(counted.last).ok().and_then(|last| counted.names.get(last));
    let names: Vec<String> = counted.names.first().into_iter().chain(last).map(|name| named(&name.resource, &name.resolved)).collect();
    match (counted.names.len() as u64, names.as_slice()) {
        (1, [name, ..]) => name.clone(),
        (all, [first, last]) => format!("{} names, first {first}, last {last}", count(all)),
        _ => refused.ask.resource.to_string(),
    }
}

fn credential_change(change: CredentialChange) -> &'static str {
    match change {
        CredentialChange::Set => "set",
        CredentialChange::Rotated => "rotated",
        CredentialChange::Revoked => "revoked",
        CredentialChange::Restored => "restored",
        CredentialChange::Bounded => "bound to other destinations",
        CredentialChange::Removed => "removed",
    }
}

/// The stable name of a fault, as on the record.
fn fault_word(fault: Fault) -> String {
    safe(&fault.word())
}

/// Why an act failed, in words that only the operator sees.
fn cause(detail: &SafeText) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({})", safe(detail.as_str())) }
}

fn did(did: bool) -> &'static str {
    if did { "did happen" } else { "did not happen" }
}

fn answer(class: AnswerClass) -> &'static str {
    match class {
        AnswerClass::Response => "response",
        AnswerClass::Done => "done",
        AnswerClass::NotDone => "not done",
        AnswerClass::RefusedAddress => "refused address",
        AnswerClass::RefusedCredential => "refused, without its credential",
        AnswerClass::RefusedLapsed => "refused, because what permitted it had ended",
        AnswerClass::Failed => "failed",
        AnswerClass::Unknown => "unknown",
        AnswerClass::Abandoned => "abandoned",
    }
}

fn objects(objects: &[vocabulary::record::Object]) -> String {
    match objects {
        [one] => format!("{} {}", touch(one.what), one.path),
        _ => {
            let of = |what: Touch| objects.iter().filter(|one| one.what == what).count() as u64;
            let read: u64 = objects.iter().filter(|one| one.what == Touch::File).map(|one| one.amount).sum();
            let counts = [(of(Touch::File), "read"), (of(Touch::Listing), "listed"), (of(Touch::Look), "looked at")];
            let counts = counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{} {word}", count(*number)));
            format!("{}, {}", counts.collect::<Vec<_>>().join(", "), bytes(read))
        }
    }
}

pub(crate) fn touch(touch: Touch) -> &'static str {
    match touch {
        Touch::File => "file",
        Touch::Listing => "listing",
        Touch::Look => "look",
    }
}

fn claims(claims: &[Claim]) -> String {
    let first = claims.first().map(claim).unwrap_or_default();
    let first: String = first.chars().take(SAID_CHARS_MAX).collect();
    match claims.len() {
        0 | 1 => first,
        more => format!("{first} … and {}", many(more as u64 - 1, "more claim", "more claims")),
    }
}

/// One claim in one line; its text was escaped when it was recorded.
pub(crate) fn claim(claim: &Claim) -> String {
    match claim {
        Claim::Stderr(text) | Claim::Stdout(text) => text.to_string(),
        Claim::Finding(finding) => {
            let place = finding.location.as_ref().map_or_else(String::new, |place| match place.line {
                0 => format!(" {}", place.uri),
                line => format!(" {}:{line}:{}", place.uri, place.column),
            });
            format!("finding: {} {}{place} {}", severity(finding.severity), finding.rule, finding.title)
        }
        Claim::Progress(progress) if progress.total == 0 => format!("progress: {} {}", progress.done, progress.what),
        Claim::Progress(progress) => format!("progress: {}/{} {}", progress.done, progress.total, progress.what),
    }
}
