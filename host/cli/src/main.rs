//! `bailiwick`: runs agents that may do what they were granted, and shows what they did.
//!
//! One file for each verb; data goes to stdout, messages for people go to stderr. This crate decides only how things are shown and which
//! exit code the program has. The rooms below decide everything else.

mod allow;
mod attend;
mod building;
mod children;
mod cli;
mod err;
mod files;
mod fold;
mod gaps;
mod incomplete;
mod later;
mod leave;
mod line;
mod log;
mod logging;
mod out;
mod outcome;
mod place;
mod report;
mod sarif;
mod screen;
mod sealed;
mod signals;
mod suspended;
mod trusting;
mod verb;
mod waiting;
mod was_trusted;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use vocabulary::exit;

use crate::cli::Cli;
use crate::err::CliError;

fn main() -> ExitCode {
    signals::note_ignored();
    if let Some(code) = children::compile().or_else(children::build) {
        return code;
    }
    // SECURITY: what guests and servers send, and values of credentials, pass through the memory of this process. So the memory is not
    // dumped, and other processes can't read it. If the system does not allow that, the program runs nevertheless.
    let _ = vault::harden();
    raise_descriptors();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            if let Some(words) = later::words(&err) {
                out::words(&words);
                return ExitCode::from(exit::USAGE);
            }
            // Help is not an error: clap knows the stream and the exit code.
            let _ = err.print();
            return ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    if let Some(file) = place::passphrase_file() {
        key::name_passphrase_file(file);
    }
    match logging::begin(cli.log, cli.log_format).and_then(|()| patience(&cli)).and_then(|()| run(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(err) => {
            err.print();
            if wants_json() {
                // If standard output can't be written to, nobody reads it.
                let _ = out::json_line(&err.document());
            }
            ExitCode::from(err.exit())
        }
    }
}

/// Whether a program reads standard output. Then an error is reported there too.
fn wants_json() -> bool {
    std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json")
}

/// Sets how this process waits for other processes.
fn patience(cli: &Cli) -> Result<(), CliError> {
    let max = match cli.wait {
        Some(seconds) => Some(seconds),
        None => place::wait_s()?,
    };
    home::set_patience(home::Patience { max: max.map(Duration::from_secs), say: waiting::say, ended: signals::ended });
    Ok(())
}

fn run(cli: Cli) -> Result<u8, CliError> {
    // These threads do input and output only: guests compute on threads of their own. There are at least two, so that one can notice the
    // end of a run while the other is busy with an answer.
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .on_thread_start(sandbox::answer_promptly)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    survive_long_files(&runtime).map_err(CliError::Runtime)?;
    let code = runtime.block_on(verb::run(cli.verb, Cli::command));
    // A task that is left over must not make the shell wait.
    runtime.shutdown_background();
    code
}

/// Under a limit on the size of files (`ulimit -f`), a write beyond the limit kills the process, unless the signal has a handler. With a
/// handler the write fails with an error that can be reported. Child programs have the default again.
fn survive_long_files(runtime: &tokio::runtime::Runtime) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let _runtime = runtime.enter();
    // The handler stays when this is dropped.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// Raises the soft limit on descriptors. Its usual value is for programs that use `select`, and this one does not. Runs, connections and
/// the journal all need descriptors.
fn raise_descriptors() {
    const ENOUGH: u64 = 1 << 16;
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = Some(limit.maximum.unwrap_or(ENOUGH).min(ENOUGH).max(limit.current.unwrap_or(0)));
    // If the system does not allow it, the present limit stays.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}
