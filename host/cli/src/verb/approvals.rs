//! `approvals`: the acts that wait for people, and their votes.

mod card;
pub(crate) mod changes;
mod equal;
mod sign;
mod stats;
mod vote;
mod watch;

use ::run::{ApprovalView, HomePlace, clock_now, own_principal};
use serde::Serialize;
use service::HostHandle;
use vocabulary::{ApprovalId, Vote, VoteStatement, exit};

use self::vote::VoteArgs;
use crate::err::{CliError, VoteError};
use crate::signals::Signals;
use crate::{leave, log, out, place};

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
    /// Show how much people are asked, and how they decide
    #[command(after_help = STATS)]
    Stats {
        /// Only acts that people were asked about at this time or later: `2026-10-02`, `2026-10-02T14:00:00Z`, `2h`
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Print it as one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Follow the acts that wait for people: new ones, votes, and how each ends; until a signal
    #[command(after_help = "Example:\n  bailiwick approvals watch --json")]
    Watch {
        /// Print one JSON document per line
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

const EXAMPLES: &str = "\
Examples:
  bailiwick approvals ls
  bailiwick approvals show 01K8M3
  bailiwick approvals approve 01K8M3 --key ~/.ssh/id_ed25519
  bailiwick approvals reject 01K8M3 --digest 5f0c2ab19d3e --reason 'not in the change window'
  bailiwick approvals approve 01K8M3 --equal --digest 5f0c2ab19d3e --digest 9a1b22c03d4e --key ~/.ssh/id_ed25519
  bailiwick approvals statement 01K8M3 --as alice > vote.json
  ssh-keygen -Y sign -n bailiwick-vote -f ~/.ssh/id_ed25519 vote.json
  bailiwick approvals approve 01K8M3 --as alice --signature vote.json.sig --digest 5f0c2ab19d3e

A policy with `@approval` holds an act back until people of its group have approved it. An approval is for exactly one act: the digest covers \
every byte of it, the agent, and the policies. Who started the run can't vote. A vote must be signed with a key that `[people]` has for the \
person; in the environment `sandbox`, the person's own account is enough. If nobody decides in time, the act is refused.";

const STATS: &str = "\
Examples:
  bailiwick approvals stats --since 30d
  bailiwick approvals stats --json

A vote is quick if it was given less than five seconds after people were asked: nobody reads a card in that time. The share is that of the \
approved acts among those that people have decided about.";

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    match args.verb {
        ApprovalsVerb::Ls { json } => list(&place, json),
        ApprovalsVerb::Show { which, json } => {
            let view = find(&place, &which.approval)?;
            if json {
                out::json(&view)?
            } else {
                card::print(&place, &equal::of(&place, &view, views(&place)?)?)?
            }
            Ok(exit::DONE)
        }
        ApprovalsVerb::Approve(args) => vote::hand_in(&place, args, Vote::Approve).await,
        ApprovalsVerb::Reject(args) => vote::hand_in(&place, args, Vote::Reject).await,
        ApprovalsVerb::Revoke { which, json } => revoke(&place, &which, json).await,
        ApprovalsVerb::Stats { since, json } => {
            let since_ms = since.as_deref().map(super::audit::since).transpose()?;
            stats::run(&place, since_ms, json)
        }
        ApprovalsVerb::Watch { json } => watch::run(&place, json).await,
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

/// An act in the list of `--json`.
#[derive(Serialize)]
struct Listed<'a> {
    /// The act that is equal to this one and was asked first, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    equal_to: Option<&'a str>,
    #[serde(flatten)]
    view: &'a ApprovalView,
}

fn list(place: &HomePlace, json: bool) -> Result<u8, CliError> {
    let views = views(place)?;
    let all = equal::collapse(place, views.clone())?;
    if json {
        let first = |view: &ApprovalView| {
            let equal = all.iter().find(|equal| equal.0.contains(view))?;
            equal.first().map(|first| first.approval.as_str()).filter(|first| *first != view.approval)
        };
        // In the order in which people were asked.
        out::json(&views.iter().map(|view| Listed { equal_to: first(view), view }).collect::<Vec<_>>())?;
        return Ok(exit::DONE);
    }
    if all.is_empty() {
        out::words("no act waits for people");
        return Ok(exit::DONE);
    }
    let mut table = vec![["APPROVAL", "AGENT", "ASKS FOR", "IN", "NEEDS", "LEFT", "STATE"].map(str::to_owned).to_vec()];
    for equal in &all {
        let Some(view) = equal.first() else { continue };
        let needs: Vec<String> = view.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group)).collect();
        let times = if equal.0.len() > 1 { format!(" ({} equal acts)", equal.0.len()) } else { String::new() };
        let cells = [
            view.approval.clone(),
            view.agent.to_string(),
            format!("{}{times}", view.asks),
            view.environment.to_string(),
            needs.join(", "),
            card::left(equal.0.iter().map(|view| view.left_ms).min().unwrap_or_default()),
            view.state.to_string(),
        ];
        table.push(cells.to_vec());
    }
    out::table(&table)?;
    Ok(exit::DONE)
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
