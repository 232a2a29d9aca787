//! One file for each verb.

pub(crate) mod accept;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod credentials;
pub(crate) mod doctor;
pub(crate) mod hold;
pub(crate) mod home;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod policy;
pub(crate) mod prune;
pub(crate) mod ps;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod settle;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod test;
pub(crate) mod trust;
pub(crate) mod wait;

use std::path::PathBuf;

use vocabulary::exit::Strictness;

use crate::err::CliError;
use crate::incomplete;

/// The option that names the configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArg {
    /// The configuration; without this, the nearest `bailiwick.toml` in or above this folder
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// How the end of a run is shown, and which exit code it gives.
#[derive(Debug, clap::Args)]
pub(crate) struct EndArgs {
    /// End with 4 if anything was refused, even if the agent continued
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the report as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

impl EndArgs {
    pub(crate) fn strictness(&self) -> Strictness {
        if self.strict { Strictness::Strict } else { Strictness::Lenient }
    }
}

/// Checks that a reason has at least one letter or digit: it is recorded for good, and nothing can be added to it.
pub(crate) fn said(text: &str) -> Result<String, String> {
    let says = text.chars().any(char::is_alphanumeric);
    says.then(|| text.to_owned()).ok_or_else(|| "give a reason, as far as it is known: it can't be added later".to_owned())
}

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Run(run::Args),
    Trust(trust::Args),
    Check(check::Args),
    Inspect(inspect::Args),
    Build(build::Args),
    Ps(ps::Args),
    Status(status::Args),
    Show(show::Args),
    Logs(logs::Args),
    Stop(stop::Args),
    Resume(resume::Args),
    Wait(wait::Args),
    Serve(serve::Args),
    Replay(replay::Args),
    Audit(audit::Args),
    Test(test::Args),
    Init(init::Args),
    New(new::Args),
    Accept(accept::Args),
    Approvals(approvals::Args),
    Credentials(credentials::Args),
    Keys(keys::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Policy(policy::Args),
    Prune(prune::Args),
    Hold(hold::Args),
    Release(hold::ReleaseArgs),
    Home(home::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(completions::ManArgs),
}

/// Runs a verb and returns the exit code. `command` describes the whole command line, for shells and the manual.
pub(crate) async fn run(verb: Verb, command: fn() -> clap::Command) -> Result<u8, CliError> {
    incomplete::judged(done(verb, command).await)
}

async fn done(verb: Verb, command: fn() -> clap::Command) -> Result<u8, CliError> {
    match verb {
        Verb::Run(args) => run::run(args).await,
        Verb::Trust(args) => trust::run(args).await,
        Verb::Check(args) => check::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Build(args) => build::run(args).await,
        Verb::Ps(args) => ps::run(&args).await,
        Verb::Status(args) => status::run(&args).await,
        Verb::Show(args) => show::run(&args),
        Verb::Logs(args) => logs::run(&args).await,
        Verb::Stop(args) => stop::run(&args).await,
        Verb::Resume(args) => resume::run(args).await,
        Verb::Wait(args) => wait::run(args).await,
        Verb::Serve(args) => serve::run(&args).await,
        Verb::Replay(args) => replay::run(args).await,
        Verb::Audit(args) => audit::run(&args).await,
        Verb::Test(args) => test::run(args).await,
        Verb::Init(args) => init::run(&args),
        Verb::New(args) => new::run(&args),
        Verb::Credentials(args) => credentials::run(args).await,
        Verb::Accept(args) => accept::run(args).await,
        Verb::Approvals(args) => approvals::run(args).await,
        Verb::Keys(args) => keys::run(&args).await,
        Verb::Backup(args) => backup::run(&args).await,
        Verb::Restore(args) => restore::run(&args).await,
        Verb::Doctor(args) => doctor::run(&args).await,
        Verb::Policy(args) => policy::run(&args),
        Verb::Prune(args) => prune::run(&args).await,
        Verb::Hold(args) => hold::run(&args).await,
        Verb::Release(args) => hold::release(&args).await,
        Verb::Home(args) => home::run(&args),
        Verb::Completions(args) => completions::completions(&args, &mut command()),
        Verb::Man(args) => completions::man(&args, command()),
    }
}
