//! `policy`: checks, tests and explains the policies behind the grants.

mod diff;

use std::path::PathBuf;

use package::policy_case::{self, CaseResult};
use serde::Serialize;
use service::Configured;
use vocabulary::record::Record;
use vocabulary::{PolicyBasis, RunId, SafeText, exit};

use super::ConfigArg;
use crate::err::{CliError, PolicyError};
use crate::{log, out, place, words};

/// Check, test and explain the policies behind the grants
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyVerb {
    /// Read the policies and the people of a configuration, and show what they are
    #[command(after_help = "Example:\n  bailiwick policy check")]
    Check {
        #[command(flatten)]
        config: ConfigArg,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the cases beside the policies: asks, and the answers that are expected
    #[command(after_help = "Example:\n  bailiwick policy test")]
    Test {
        #[command(flatten)]
        config: ConfigArg,
        /// Print the results as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show which policies determined the decision in a record
    #[command(after_help = "Example:\n  bailiwick policy explain 01K8M3/17")]
    Explain {
        /// A record of a run, RUN/SEQ: an intent, a refusal, or an act that is held back
        record: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show which recorded acts of this home two configurations would answer differently
    #[command(after_help = "Example:\n  git show HEAD:bailiwick.toml > old.toml\n  bailiwick policy diff old.toml bailiwick.toml")]
    Diff {
        /// The configuration as it is
        old: PathBuf,
        /// The configuration as it is to be
        new: PathBuf,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the schema that policies are checked against
    #[command(after_help = "Example:\n  bailiwick policy schema > bailiwick.cedarschema")]
    Schema,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick policy check
  bailiwick policy test
  bailiwick policy explain 01K8M3/17
  bailiwick policy diff old.toml bailiwick.toml
  bailiwick policy schema > bailiwick.cedarschema

Policies are files in the language Cedar that `[policy]` of the configuration names. They narrow what the grants allow. An act is permitted if \
a policy permits it and none forbids it. If only policies with `@approval` forbid it, it is held back until people have approved it (`bailiwick \
approvals`). A change of a policy takes effect when the configuration is trusted again.";

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    match &args.verb {
        PolicyVerb::Check { config, json } => check(config, *json),
        PolicyVerb::Test { config, json } => test(config, *json),
        PolicyVerb::Explain { record, json } => explain(record, *json),
        PolicyVerb::Diff { old, new, json } => diff::diff(old, new, *json),
        PolicyVerb::Schema => {
            out::bytes(package::schema_text().as_bytes())?;
            Ok(exit::DONE)
        }
    }
}

#[derive(Serialize)]
struct Checked {
    files: Vec<String>,
    people: usize,
    policies: usize,
}

fn check(config: &ConfigArg, json: bool) -> Result<u8, CliError> {
    let configured = Configured::load(config.config.as_deref(), &place::place()?)?;
    let section = configured.resolved.policy.as_ref().ok_or(PolicyError::Case(policy_case::CaseError::NoPolicies))?;
    let files: Vec<String> = section.files.iter().map(|file| file.path.to_string_lossy().into_owned()).collect();
    let checked = Checked { people: section.people.len(), policies: section.set.len(), files };
    if json {
        out::json(&checked)?;
        return Ok(exit::DONE);
    }
    checked.files.iter().try_for_each(|file| out::line(&words::safe(file)))?;
    let (policies, people) =
        (words::many(checked.policies as u64, "policy", "policies"), words::many(checked.people as u64, "person", "people"));
    out::words(&format!("{policies} without a fault, and {people} who may vote"));
    Ok(exit::DONE)
}

fn test(config: &ConfigArg, json: bool) -> Result<u8, CliError> {
    let configured = Configured::load(config.config.as_deref(), &place::place()?)?;
    let results = policy_case::run(&configured.resolved).map_err(PolicyError::from)?;
    let failed = results.iter().filter(|result| !result.passed).count();
    if json {
        out::json(&results)?;
    } else {
        results.iter().try_for_each(|result| out::line(&told(result)))?;
        out::words(&format!("{}, {failed} failed", words::many(results.len() as u64, "case", "cases")));
    }
    if failed > 0 { Err(PolicyError::CasesFailed { failed, of: results.len() }.into()) } else { Ok(exit::DONE) }
}

fn told(result: &CaseResult) -> String {
    let CaseResult { answer, expected, expected_policies, name, passed, policies, reason, file: _ } = result;
    let by = if policies.is_empty() { String::new() } else { format!(" by {}", policies.join(", ")) };
    if *passed {
        return format!("ok      {name}: {answer}{by}");
    }
    let wanted = expected_policies.as_ref().map_or_else(String::new, |policies| format!(" by {}", policies.join(", ")));
    let reason = reason.as_ref().map_or_else(String::new, |reason| format!(" ({})", words::safe(reason)));
    format!("FAILED  {name}: expected {expected}{wanted}, and the answer is {answer}{by}{reason}")
}

#[derive(Serialize)]
struct Explained {
    run: RunId,
    seq: u64,
    /// `permitted`, `held-back` or `refused`.
    answer: &'static str,
    asks: SafeText,
    #[serde(flatten)]
    basis: Option<PolicyBasis>,
    /// The policies as they are written, if this run began under them.
    texts: Vec<String>,
    /// What would change the answer.
    other_answer: String,
}

fn explain(text: &str, json: bool) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let not_a_record = || CliError::NotARun(text.to_owned());
    let (run, seq) = text.split_once('/').ok_or_else(not_a_record)?;
    let seq: u64 = seq.parse().map_err(|_| not_a_record())?;
    let (run, from) = log::run(&reader, run)?;
    let (mut first, mut last) = (None, 0);
    for record in reader.of_run_from(run, from) {
        let record = record?;
        last = record.seq;
        if record.seq == seq {
            let header = gate::RunHeader::load(&reader, first.as_ref().unwrap_or(&record)).ok();
            let explained = explained(run, seq, &record.body, header.as_ref()).ok_or(PolicyError::NothingDecided { run, seq })?;
            return shown(&explained, json);
        }
        first.get_or_insert(record);
    }
    Err(CliError::NoSuchRecord { run, seq, last })
}

fn explained(run: RunId, seq: u64, body: &[u8], header: Option<&gate::RunHeader>) -> Option<Explained> {
    let (answer, resource, basis, other_answer) = match Record::parse(body).ok()? {
        Record::Asked(asked) => {
            let with = asked.approval.map_or_else(String::new, |digest| format!("; people approved exactly this act, {digest}"));
            let other = format!("a `forbid` that applies to it would refuse it{with}");
            ("permitted", asked.ask.resource, asked.policy, other)
        }
        Record::ApprovalAsked(asked) => {
            let needs: Vec<String> = asked.needs.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group)).collect();
            ("held-back", asked.ask.resource, Some(asked.policy), format!("the yes of {} permits it", needs.join(", ")))
        }
        Record::Refused(refused) => {
            let other = crate::allow::what_would_allow(&refused.ask, &refused.reason).join("; ");
            ("refused", refused.ask.resource, refused.policy, format!("{}; {other} would change that", refused.reason))
        }
        _ => return None,
    };
    let rules = header.and_then(|header| header.spec.grants.policy.as_ref());
    let rules = rules.filter(|rules| basis.as_ref().is_some_and(|basis| basis.set == rules.digest()));
    let texts =
        basis.iter().flat_map(|basis| &basis.policies).filter_map(|id| rules.and_then(|rules| package::policy_text(rules, id.as_str())));
    let texts = texts.collect();
    Some(Explained { run, seq, answer, asks: SafeText::new(&resource.to_string(), 4096), basis, texts, other_answer })
}

fn shown(explained: &Explained, json: bool) -> Result<u8, CliError> {
    if json {
        out::json(explained)?;
        return Ok(exit::DONE);
    }
    out::line(&format!("{} is {}", explained.asks, explained.answer))?;
    match &explained.basis {
        Some(basis) if !basis.policies.is_empty() => {
            let ids: Vec<&str> = basis.policies.iter().map(SafeText::as_str).collect();
            out::line(&format!("because of {} (set {})", ids.join(", "), basis.set))?;
        }
        Some(basis) => out::line(&format!("no policy determined it (set {})", basis.set))?,
        None => out::line("the grants alone decided")?,
    }
    for text in &explained.texts {
        text.lines().try_for_each(|line| out::line(&format!("  {}", words::safe(line))))?;
    }
    out::line(&words::safe(&explained.other_answer))?;
    Ok(exit::DONE)
}
