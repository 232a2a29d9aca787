//! `bailiwick`: runs agents that may do what they were granted, and shows what they did.
//!
//! One file a verb; data goes to stdout, words for people to stderr. What is decided here is only how things are shown and with which
//! number the program ends: everything else is the rooms' below.

mod allow;
mod attend;
mod building;
mod cli;
mod err;
mod files;
mod fold;
mod gaps;
mod later;
mod leave;
mod line;
mod log;
mod logging;
mod out;
mod place;
mod report;
mod sarif;
mod screen;
mod sealed;
mod signals;
mod trusting;
mod verb;
mod waiting;
mod was_trusted;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use vocabulary::exit;

use crate::cli::Cli;
use crate::err::CliError;

fn main() -> ExitCode {
    signals::note_ignored();
    if let Some(code) = compile_child().or_else(build_child) {
        return code;
    }
    // SECURITY: what guests and servers send, and values of credentials, go through this process's memory; it is neither dumped nor read by other
    // processes. Where the system does not allow it, less is at stake than not running at all.
    let _ = vault::harden();
    raise_descriptors();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            if let Some(words) = later::words(&err) {
                out::words(&words);
                return ExitCode::from(exit::USAGE);
            }
            // Help is no error: clap knows which of the two streams and which number it is.
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
                // Standard output that can't be written to has nobody who reads it.
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

/// Says how this process waits for others.
fn patience(cli: &Cli) -> Result<(), CliError> {
    let max = match cli.wait {
        Some(seconds) => Some(seconds),
        None => place::wait_s()?,
    };
    home::set_patience(home::Patience { max: max.map(Duration::from_secs), say: waiting::say, ended: signals::ended });
    Ok(())
}

fn run(cli: Cli) -> Result<u8, CliError> {
    // These threads do input and output only: guests compute on threads of their own. There are at least two: one may be busy with an
    // answer while the other learns of an end.
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .on_thread_start(sandbox::answer_promptly)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    survive_long_files(&runtime).map_err(CliError::Runtime)?;
    let code = runtime.block_on(verb::run(cli.verb));
    // No task that is left over may make the shell wait.
    runtime.shutdown_background();
    code
}

/// Under a limit on the length of files (`ulimit -f`), a write that would go over it ends the process, unless the signal has a handler. With one
/// the write fails with an error that can be told. Programs that are started from here have the default again.
fn survive_long_files(runtime: &tokio::runtime::Runtime) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let _runtime = runtime.enter();
    // The handler stays when this is dropped.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// The compiler's child process, started by `sandbox`: it does nothing else, and is set up by what it calls.
fn compile_child() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != verb::COMPILE_COMPONENT {
        return None;
    }
    let mut number = || arguments.next().and_then(|number| number.to_str()?.parse().ok()).unwrap_or(0);
    let (component_bytes, memory_bytes) = (number(), number());
    Some(match sandbox::compile_child(component_bytes, memory_bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            out::words(&err.to_string());
            ExitCode::from(1)
        }
    })
}

/// The processes between this program and a build tool. `package` starts them.
fn build_child() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args_os().skip(1).map_while(|word| word.into_string().ok()).collect();
    let ended = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [verb::BUILD_KEEPER, worker, order] => sandbox::keep_contained_build(worker, order),
        [verb::BUILD_TOOL, order] => Err(sandbox::work(order)),
        _ => return None,
    };
    Some(ended.map_or_else(
        |err| {
            let cause = std::error::Error::source(&err).map_or_else(String::new, |cause| format!(": {cause}"));
            out::words(&words::safe(&format!("{err}{cause}")));
            ExitCode::from(exit::HOST)
        },
        ExitCode::from,
    ))
}

/// The usual soft limit on descriptors is what a program may have that uses `select`; this one does not. Runs, connections and the journal
/// all take from it.
fn raise_descriptors() {
    const ENOUGH: u64 = 1 << 16;
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = Some(limit.maximum.unwrap_or(ENOUGH).min(ENOUGH).max(limit.current.unwrap_or(0)));
    // Where the system does not allow it, what was there has to do.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}
