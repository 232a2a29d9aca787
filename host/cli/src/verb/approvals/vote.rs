//! Votes: `approvals approve` and `approvals reject`. Each act has a vote of its own, also if people see equal acts on one card.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use ::run::{ApprovalView, HomePlace, VoteOrder, VoteReport, own_principal};
use serde::Serialize;
use service::HostHandle;
use vocabulary::{Digest, Vote, VoteStatement, exit};

use super::equal::{self, Equal};
use super::{Which, card, find, id, sign, views};
use crate::err::{CliError, VoteError};
use crate::signals::Signals;
use crate::{leave, out, place, words};

#[derive(Debug, clap::Args)]
pub(super) struct VoteArgs {
    #[command(flatten)]
    which: Which,
    /// The person who votes, as `[people]` has the name; without this, the name of your account
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<String>,
    /// Sign with this SSH key (`ssh-keygen`); a public key whose private half an agent has is enough
    #[arg(long, value_name = "FILE", conflicts_with = "signature")]
    key: Option<PathBuf>,
    /// A signature that was made elsewhere, of what `approvals statement` prints
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The digest that you have seen, or its first twelve digits or more; needed without a terminal
    #[arg(long)]
    digest: Vec<String>,
    /// Vote on each act that is equal to this one; without a terminal, on those of them whose digests you give
    #[arg(long, conflicts_with = "signature")]
    equal: bool,
    /// Your reason; it is recorded
    #[arg(long, value_name = "TEXT", value_parser = crate::verb::said)]
    reason: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct VotedDocument<'a> {
    approval: &'a str,
    digest: Digest,
    person: &'a str,
    vote: Vote,
    #[serde(flatten)]
    report: &'a VoteReport,
}

/// Hands in a vote, or one for each of several equal acts.
pub(super) async fn hand_in(place: &HomePlace, args: VoteArgs, vote: Vote) -> Result<u8, CliError> {
    let view = find(place, &args.which.approval)?;
    let equal = if args.equal { equal::of(place, &view, views(place)?)? } else { Equal(vec![view]) };
    let acts = seen(place, &args, equal, vote)?;
    let person = match &args.person {
        Some(person) => person.clone(),
        None => own_principal().name.map(|name| name.to_string()).ok_or(VoteError::VoteAsWhom)?,
    };
    // All are signed before the first is handed in, so that a signature that fails leaves nothing half done.
    let orders = acts.iter().map(|view| order(&args, view, &person, vote)).collect::<Result<Vec<VoteOrder>, CliError>>()?;
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let (mut voted, mut failed) = (Vec::new(), None);
    for (view, order) in acts.iter().zip(orders) {
        match host.vote(order).await {
            Ok(report) => voted.push((view, report)),
            Err(err) => {
                failed = Some(err);
                break;
            }
        }
    }
    let left = leave::leave(host, &mut signals).await;
    voted.iter().try_for_each(|(view, report)| tell(&args, view, (&person, vote), report))?;
    failed.map_or(Ok(()), Err)?;
    left?;
    Ok(exit::DONE)
}

/// SECURITY: each act is signed by itself. A signature over several would be worth something for each of them in another run.
fn order(args: &VoteArgs, view: &ApprovalView, person: &str, vote: Vote) -> Result<VoteOrder, CliError> {
    let statement = VoteStatement::new(id(view), view.digest, person, vote).to_bytes();
    let signature = match (&args.key, &args.signature) {
        (Some(key), _) => Some(sign::with(key, &statement)?),
        (None, Some(file)) => Some(sign::read(file)?),
        (None, None) => None,
    };
    let (run, op, digest, reason) = (view.run, view.op, view.digest, args.reason.clone());
    Ok(VoteOrder { run, op, digest, person: person.to_owned(), reason, signature, vote })
}

fn tell(args: &VoteArgs, view: &ApprovalView, (person, vote): (&str, Vote), report: &VoteReport) -> Result<(), CliError> {
    if args.json {
        let document = VotedDocument { approval: &view.approval, digest: view.digest, person, vote, report };
        if args.equal { out::json_line(&document)? } else { out::json(&document)? }
    } else {
        out::words(&said(view, person, vote, report));
    }
    Ok(())
}

fn said(view: &ApprovalView, person: &str, vote: Vote, report: &VoteReport) -> String {
    let how = if report.signed { "signed" } else { "not signed" };
    let what = match vote {
        Vote::Reject => "it is rejected, and the agent is told that it is refused".to_owned(),
        Vote::Approve if report.approved => "it is approved, and the run continues".to_owned(),
        Vote::Approve => {
            let lacking = report.groups.iter().filter(|group| group.approved < group.quorum);
            let list: Vec<String> = lacking.map(|group| format!("{} of {} in {}", group.approved, group.quorum, group.group)).collect();
            format!("so far {}", list.join(", "))
        }
    };
    format!("{}: the vote of {} is recorded ({how}); {what}", view.approval, words::safe(person))
}

/// The acts that the person has seen and votes on: those whose digests are given, or all that are shown on this terminal.
///
/// SECURITY: an equal act that is asked after the person looked is not voted on.
fn seen(place: &HomePlace, args: &VoteArgs, Equal(acts): Equal, vote: Vote) -> Result<Vec<ApprovalView>, CliError> {
    let first = acts.first().map(|view| view.approval.clone()).unwrap_or_default();
    if !args.digest.is_empty() {
        let mut named = Vec::new();
        for given in &args.digest {
            let view = acts.iter().find(|view| is_digest_of(given, view));
            let view = view.ok_or_else(|| VoteError::OtherDigest { approval: first.clone(), given: given.clone() })?;
            if !named.contains(view) {
                named.push(view.clone());
            }
        }
        return Ok(named);
    }
    if !std::io::stdin().is_terminal() || !out::words_to_terminal() {
        return Err(VoteError::VoteUnseen { approval: first }.into());
    }
    let answer = if acts.len() > 1 { format!("{vote} {}", acts.len()) } else { vote.to_string() };
    let shown = Equal(acts);
    card::print(place, &shown)?;
    out::words(&format!("type `{answer}` to {vote} it, anything else to leave it"));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(CliError::file("read", Path::new("the terminal")))?;
    if line.trim() == answer { Ok(shown.0) } else { Err(VoteError::NotVoted.into()) }
}

fn is_digest_of(given: &str, view: &ApprovalView) -> bool {
    let given = given.strip_prefix("sha256:").unwrap_or(given).to_ascii_lowercase();
    given.len() >= card::DIGITS_MIN && view.digest.hex().starts_with(&given)
}
