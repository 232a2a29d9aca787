//! `audit touched`: every file, host and refusal, with counts and bytes, of one run or of many.

use std::collections::HashSet;

use effect::record::Record;
use gate::Touched;

use super::show::since;
use crate::err::CliError;
use crate::line::touch;
use crate::words::{bytes, count, function, safe, table};
use crate::{exit, log, out, place};

/// Sum up every file, host and refusal, of one run or of many
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; without one, all of them
    run: Option<String>,
    /// Of runs of this agent
    #[arg(long)]
    agent: Option<String>,
    /// Of runs that were opened then or later: `2026-10-02`, `2026-10-02T14:00:00Z`, `2h`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Requests to this host alone
    #[arg(long)]
    host: Option<String>,
    /// Requests under this credential, and leases of it, alone
    #[arg(long)]
    credential: Option<String>,
    /// Files alone whose path, as the agent saw it, begins so
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
    /// Print it as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit touched 01K8M3
  bailiwick audit touched --agent leak-scan --since 7d
  bailiwick audit touched --host api.example.com
  bailiwick audit touched --file /src/secrets --json

This is what the host recorded, not what agents say.";

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let reader = log::reader(&place::place()?)?;
    let run = args.run.as_deref().map(|run| log::run_id(&reader, run)).transpose()?;
    let since = args.since.as_deref().map(since).transpose()?;
    let records = match run {
        Some(run) => reader.of_run(run),
        None => reader.records(),
    };
    let mut touched = Touched::default();
    let mut seen = false;
    let mut left_out = HashSet::new();
    for record in records {
        let record = record?;
        seen = true;
        // A kind that this version does not know is nothing that it could sum up.
        let Ok(body) = Record::parse(&record.body) else { continue };
        if let Record::RunOpened(opened) = &body {
            let other = args.agent.as_deref().is_some_and(|agent| opened.agent.name.as_str() != agent);
            if other || since.is_some_and(|since| record.run.unix_ms() < since) {
                left_out.insert(record.run);
            }
        }
        if !left_out.contains(&record.run) {
            touched.take(record.run, record.seq, &body);
        }
    }
    if let (Some(text), false) = (&args.run, seen) {
        return Err(CliError::NoSuchRun(text.clone()));
    }
    narrow(&mut touched, args);
    if args.json {
        out::json(&touched)?
    } else {
        print(&touched)?
    }
    Ok(exit::DONE)
}

/// Leaves what was asked for. Whoever asks for a host is not shown files, and the other way round.
fn narrow(touched: &mut Touched, args: &Args) {
    if let Some(credential) = &args.credential {
        touched.own.retain(|one| one.credential.as_str() == credential);
        touched.acts.retain(|one| of_credential(one.resource.as_str(), credential));
        touched.leases.retain(|lease| lease.credential.as_str() == credential);
        touched.credentials.retain(|name| name == credential);
        touched.http.retain(|one| one.credentials.contains(credential));
    }
    if args.host.is_none() && args.file.is_none() {
        if args.credential.is_some() {
            touched.files.clear();
            touched.refused.retain(|one| one.reason.contains(&format!("`{}`", args.credential.as_deref().unwrap_or_default())));
        }
        return;
    }
    let of_host = |resource: &str| args.host.as_deref().is_some_and(|host| host_of(resource) == Some(host));
    let of_file = |path: &str| args.file.as_deref().is_some_and(|file| path.starts_with(file));
    if args.credential.is_none() {
        touched.leases.clear();
        touched.acts.clear();
    }
    touched.own.retain(|one| of_host(one.resource.as_str()));
    touched.http.retain(|one| of_host(one.resource.as_str()));
    touched.files.retain(|one| of_file(one.path.as_str()));
    touched.refused.retain(|one| of_host(one.resource.as_str()) || of_file(one.resource.as_str()));
}

/// Whether `STEP NAME` is about this credential; `*` stands for all.
fn of_credential(resource: &str, credential: &str) -> bool {
    resource.split_once(' ').is_some_and(|(_, name)| name == credential || name == "*")
}

/// The host in `METHOD scheme://host:port/path`.
fn host_of(resource: &str) -> Option<&str> {
    let (_, rest) = resource.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(host),
        _ => Some(authority),
    }
}

fn acts(touched: &[gate::TouchedAct]) -> Vec<Vec<String>> {
    let mut rows = vec![["ASKED", "DONE", "NOT DONE", "FAILED", "CREDENTIAL"].map(str::to_owned).to_vec()];
    rows.extend(
        touched.iter().map(|one| vec![count(one.asked), count(one.done), count(one.not_done), count(one.failed), one.resource.to_string()]),
    );
    rows
}

/// What the host asked on its own behalf.
fn own(touched: &[gate::TouchedOwn]) -> Vec<Vec<String>> {
    let head = ["HOST ASKED", "STATUS", "FAILED", "SENT", "RECEIVED", "PEERS", "FOR", "REQUEST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in touched {
        let statuses: Vec<String> = one.statuses.iter().map(|(status, times)| format!("{status}×{}", count(*times))).collect();
        let (sent, received) = (bytes(one.sent), bytes(one.received));
        let purpose = format!("{} of {}", one.purpose.as_str(), one.credential);
        let row = [count(one.asked), statuses.join(" "), count(one.failed), sent, received, one.peers.join(" "), purpose];
        rows.push(row.into_iter().chain([one.resource.to_string()]).collect());
    }
    rows
}

fn print(touched: &Touched) -> Result<(), CliError> {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let mut files = vec![row(&["WHAT", "TIMES", "AMOUNT", "PATH"])];
    for file in &touched.files {
        let amount = match file.what {
            effect::record::Touch::File => bytes(file.amount),
            effect::record::Touch::Listing => format!("{} names", count(file.amount)),
            effect::record::Touch::Look => String::new(),
        };
        files.push(row(&[touch(file.what), &count(file.times), &amount, file.path.as_str()]));
    }
    let mut http = vec![row(&["ASKED", "STATUS", "FAILED", "UNKNOWN", "SENT", "RECEIVED", "PEERS", "REQUEST"])];
    for one in &touched.http {
        let statuses: Vec<String> = one.statuses.iter().map(|(status, times)| format!("{status}×{}", count(*times))).collect();
        let cells = [
            count(one.asked),
            statuses.join(" "),
            count(one.failed),
            count(one.unknown),
            bytes(one.sent),
            bytes(one.bytes),
            one.peers.join(" "),
            one.resource.to_string(),
        ];
        http.push(cells.to_vec());
    }
    let (acts, own) = (acts(&touched.acts), own(&touched.own));
    let mut leases = vec![row(&["LEASE", "USES", "STATE", "OLD VALUES TRIED"])];
    for one in &touched.leases {
        let probe = |probe: &gate::TouchedProbe| {
            let status = probe.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            format!(
                "v{} {}",
                probe.version,
                if probe.refused { format!("refused with {status}") } else { format!("NOT REFUSED: {status}") }
            )
        };
        let probes: Vec<String> = one.probes.iter().map(probe).collect();
        let state = if one.revoked { "revoked" } else { "" };
        leases.push(vec![one.lease.to_string(), count(one.uses), state.to_owned(), probes.join(", ")]);
    }
    let mut refused = vec![row(&["REFUSED", "WHERE", "FUNCTION", "WHY", "WHAT"])];
    for one in &touched.refused {
        let place = format!("{}/{}", one.run, one.seq);
        refused.push(vec![count(one.alike), place, function(&one.function).to_owned(), safe(&one.reason), one.resource.to_string()]);
    }
    let mut nothing = true;
    for rows in [files, http, acts, own, leases, refused].iter().filter(|rows| rows.len() > 1) {
        if !std::mem::replace(&mut nothing, false) {
            out::line("")?;
        }
        table(rows).iter().try_for_each(|line| out::line(line))?;
    }
    if nothing {
        out::words("nothing was touched");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn the_host_of_a_request_is_found_beside_a_port_and_in_brackets() {
        assert_eq!(host_of("GET https://a.example/x?y"), Some("a.example"));
        assert_eq!(host_of("GET http://127.0.0.1:8080/"), Some("127.0.0.1"));
        assert_eq!(host_of("GET http://[::1]/"), Some("[::1]"));
        assert_eq!(host_of("/src/a"), None);
    }
}
