//! `audit`: the record across runs, and the proof that it is complete.

mod accept_rollback;
mod cut;
mod diff;
mod reanchor;
mod run_keys;
mod show;
mod touched;
mod verify;

use clap::Subcommand;

pub(crate) use self::verify::public_key;

use crate::err::CliError;

/// Search the record, summarize it, and prove that it is complete
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit show --kind refused --since 1d
  bailiwick audit touched --host api.example.com
  bailiwick audit diff 01K8M3 01K8M9
  bailiwick audit verify
  bailiwick audit verify /backup/bailiwick --key journal.pub";

#[derive(Debug, Subcommand)]
enum Verb {
    Show(show::Args),
    Touched(touched::Args),
    Diff(diff::Args),
    Verify(verify::Args),
    AcceptRollback(accept_rollback::Args),
    Reanchor(reanchor::Args),
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    match &args.verb {
        Verb::Show(args) => show::run(args),
        Verb::Touched(args) => touched::run(args),
        Verb::Diff(args) => diff::run(args),
        Verb::Verify(args) => verify::run(args).await,
        Verb::AcceptRollback(args) => accept_rollback::run(args).await,
        Verb::Reanchor(args) => reanchor::run(args).await,
    }
}
