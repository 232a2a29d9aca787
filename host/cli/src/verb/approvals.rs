//! `approvals`: the acts that wait for people, and their votes.

mod card;
mod sign;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use ::run::{ApprovalView, HomePlace, VoteOrder, VoteReport, clock_now, own_principal};
use serde::Serialize;
use service::HostHandle;
use vocabulary::{ApprovalId, Digest, SafeText, Vote, VoteStatement, exit};

use crate::err::{CliError, VoteError};
use crate::signals::Signals;
use crate::{leave, log, out, place, words};

/// List the acts that wait for people, and approve or reject them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: ApprovalsVerb,
}

#[derive(Debug, clap::Subcommand)]
enum ApprovalsVerb {
    /// List the acts that are held back
    #[command(after_help = "Example:\n  bailiwick approvals ls --json")]
    Ls {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one of them
    #[command(after_help = "Example:\n  bailiwick approvals show 01K8M3")]
    Show {
        #[command(flatten)]
        which: Which,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say yes to an act
    #[command(after_help = "Example:\n  bailiwick approvals approve 01K8M3 --key ~/.ssh/id_ed25519")]
    Approve(VoteArgs),
    /// Say no to an act; one such vote is enough
    #[command(after_help = "Example:\n  bailiwick approvals reject 01K8M3 --reason 'not in the change window'")]
    Reject(VoteArgs),
    /// Take an approval back that was not used, or end one that is pending; the act is refused
    #[command(after_help = "Example:\n  bailiwick approvals revoke 01K8M3")]
    Revoke {
        #[command(flatten)]
        which: Which,
        /// Print what was revoked as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what a person signs elsewhere, for `--signature`
    #[command(after_help = "Example:\n  bailiwick approvals statement 01K8M3 --as alice > vote.json")]
    Statement {
        #[command(flatten)]
        which: Which,
        /// The person who votes
        #[arg(long = "as", value_name = "PERSON")]
        person: String,
        /// Print the statement of a rejection
        #[arg(long)]
        reject: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// An act that is held back, as `approvals ls` names it; its first letters are enough if no other has them
    approval: String,
}

#[derive(Debug, clap::Args)]
struct VoteArgs {
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
    digest: Option<String>,
    /// Your reason; it is recorded
    #[arg(long, value_name = "TEXT", value_parser = super::said)]
    reason: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick approvals ls
  bailiwick approvals show 01K8M3
  bailiwick approvals approve 01K8M3 --key ~/.ssh/id_ed25519
  bailiwick approvals reject 01K8M3 --digest 5f0c2ab19d3e --reason 'not in the change window'
  bailiwick approvals statement 01K8M3 --as alice > vote.json
  ssh-keygen -Y sign -n bailiwick-vote -f ~/.ssh/id_ed25519 vote.json
  bailiwick approvals approve 01K8M3 --as alice --signature vote.json.sig --digest 5f0c2ab19d3e

A policy with `@approval` holds an act back until people of its group have approved it. An approval is for exactly one act: the digest covers \
every byte of it, the agent, and the policies. Who started the run can't vote. A vote must be signed with a key that `[people]` has for the \
person; in the environment `sandbox`, the person's own account is enough. If nobody decides in time, the act is refused.";

/// The least number of digits of a digest that are compared.
const DIGITS_MIN: usize = 12;

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    match args.verb {
        ApprovalsVerb::Ls { json } => list(&place, json),
        ApprovalsVerb::Show { which, json } => {
            let view = find(&place, &which.approval)?;
            if json {
                out::json(&view)?
            } else {
                card::print(&place, &view)?
            }
            Ok(exit::DONE)
        }
        ApprovalsVerb::Approve(args) => vote(&place, args, Vote::Approve).await,
        ApprovalsVerb::Reject(args) => vote(&place, args, Vote::Reject).await,
        ApprovalsVerb::Revoke { which, json } => revoke(&place, &which, json).await,
        ApprovalsVerb::Statement { which, person, reject } => {
            let (view, vote) = (find(&place, &which.approval)?, if reject { Vote::Reject } else { Vote::Approve });
            out::bytes(&VoteStatement::new(id(&view), view.digest, &person, vote).to_bytes())?;
            Ok(exit::DONE)
        }
    }
}

/// All acts that are held back, from the record.
fn views(place: &HomePlace) -> Result<Vec<ApprovalView>, CliError> {
    match log::reader(place) {
        Err(CliError::Read(journal::ReadError::NoLog { .. })) => Ok(Vec::new()),
        reader => Ok(ApprovalView::all(&log::ledger(&reader?, |_| {})?, &clock_now())),
    }
}

fn id(view: &ApprovalView) -> ApprovalId {
    ApprovalId { run: view.run, op: vocabulary::OpId(view.op) }
}

fn find(place: &HomePlace, text: &str) -> Result<ApprovalView, CliError> {
    let mut views = views(place)?;
    if let Some(at) = views.iter().position(|view| view.approval == text) {
        return Ok(views.swap_remove(at));
    }
    let upper = text.to_ascii_uppercase();
    let mut found: Vec<ApprovalView> = views.into_iter().filter(|view| !upper.is_empty() && view.approval.starts_with(&upper)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(VoteError::ManyApprovals { given: text.to_owned() }.into()),
        (None, _) => Err(VoteError::NoApproval { given: text.to_owned() }.into()),
    }
}

fn list(place: &HomePlace, json: bool) -> Result<u8, CliError> {
    let views = views(place)?;
    if json {
        out::json(&views)?;
        return Ok(exit::DONE);
    }
    if views.is_empty() {
        out::words("no act waits for people");
        return Ok(exit::DONE);
    }
    let mut table = vec![["APPROVAL", "AGENT", "ASKS FOR", "IN", "NEEDS", "LEFT", "STATE"].map(str::to_owned).to_vec()];
    for view in &views {
        let needs: Vec<String> = view.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group)).collect();
        let cells = [
            view.approval.clone(),
            view.agent.to_string(),
            view.asks.to_string(),
            view.environment.to_string(),
            needs.join(", "),
            card::left(view.left_ms),
            view.state.to_string(),
        ];
        table.push(cells.to_vec());
    }
    out::table(&table)?;
    Ok(exit::DONE)
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

async fn vote(place: &HomePlace, args: VoteArgs, vote: Vote) -> Result<u8, CliError> {
    let view = find(place, &args.which.approval)?;
    seen(place, &args, &view, vote)?;
    let person = match args.person {
        Some(person) => person,
        None => own_principal().name.map(|name| name.to_string()).ok_or(VoteError::VoteAsWhom)?,
    };
    let statement = VoteStatement::new(id(&view), view.digest, &person, vote).to_bytes();
    let signature = match (&args.key, &args.signature) {
        (Some(key), _) => Some(sign::with(key, &statement)?),
        (None, Some(file)) => Some(sign::read(file)?),
        (None, None) => None,
    };
    let (run, op, digest) = (view.run, view.op, view.digest);
    let order = VoteOrder { run, op, digest, person: person.clone(), reason: args.reason, signature, vote };
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let voted = host.vote(order).await;
    let left = leave::leave(host, &mut signals).await;
    let report = voted?;
    if args.json {
        out::json(&VotedDocument { approval: &view.approval, digest, person: &person, vote, report: &report })?;
    } else {
        out::words(&said(&view, &person, vote, &report));
    }
    left?;
    Ok(exit::DONE)
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

/// Makes sure that the person has seen what is voted on: by its digest, or on this terminal.
fn seen(place: &HomePlace, args: &VoteArgs, view: &ApprovalView, vote: Vote) -> Result<(), CliError> {
    if let Some(given) = &args.digest {
        let given = given.strip_prefix("sha256:").unwrap_or(given).to_ascii_lowercase();
        let whole = view.digest.hex();
        if given.len() < DIGITS_MIN || !whole.starts_with(&given) {
            return Err(VoteError::OtherDigest { approval: view.approval.clone(), given }.into());
        }
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !out::words_to_terminal() {
        return Err(VoteError::VoteUnseen { approval: view.approval.clone() }.into());
    }
    card::print(place, view)?;
    out::words(&format!("type `{vote}` to {vote} it, anything else to leave it"));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(CliError::file("read", Path::new("the terminal")))?;
    if line.trim() == vote.as_str() { Ok(()) } else { Err(VoteError::NotVoted.into()) }
}

async fn revoke(place: &HomePlace, which: &Which, json: bool) -> Result<u8, CliError> {
    let view = find(place, &which.approval)?;
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let revoked = host.revoke_approval(id(&view)).await;
    let left = leave::leave(host, &mut signals).await;
    revoked?;
    if json {
        out::json(&serde_json::json!({ "approval": view.approval, "digest": view.digest, "by": own_principal() }))?;
    } else {
        out::words(&format!("{} is revoked: the act is refused", view.approval));
    }
    left?;
    Ok(exit::DONE)
}

/// A short form of a digest, to compare by eye.
pub(super) fn short(digest: &Digest) -> SafeText {
    let whole = digest.hex();
    SafeText::new(whole.get(..DIGITS_MIN).unwrap_or(&whole), DIGITS_MIN)
}
