//! `run --watch`: while an agent is written, each change is built and run.

use std::path::Path;
use std::time::{Duration, Instant};

use effect::Digest;
use package::ComponentSource;
use package::build::{self, State};

use super::Job;
use crate::agent;
use crate::err::CliError;
use crate::exit::{self, CTRL_C};
use crate::signals::Signals;
use crate::{out, place, words};

/// How long nobody looks.
const PAUSE: Duration = Duration::from_millis(200);
/// So many times as long as a look took nobody looks: a large folder is looked at less often.
const REST: u32 = 10;

/// Runs, and runs again after each change, until it is told to end. What goes wrong is said, and the next change may mend it.
pub(super) async fn watch(job: &Job<'_>) -> Result<u8, CliError> {
    if job.args.input.as_deref() == Some("-") {
        return Err(CliError::InputTwice);
    }
    let mut signals = Signals::new()?;
    let source = match &job.agent.component {
        ComponentSource::File(path) | ComponentSource::Folder(path) => words::safe(&path.to_string_lossy()),
    };
    loop {
        let before = seen(job);
        if let Err(err) = job.once().await {
            err.print();
        }
        // What a build finds that it hangs on is known after it; what changed in the folder meanwhile is a change.
        let others = seen(job).and_then(|state| state.others);
        let ran = before.map(|before| State { others, ..before });
        out::words(&format!("watching {source}; {CTRL_C} ends"));
        tokio::select! {
            () = changed(job, ran) => {}
            name = signals.next() => return Ok(if name == CTRL_C { exit::INTERRUPTED } else { exit::TERMINATED }),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "door: the clock of people")]
async fn changed(job: &Job<'_>, ran: Option<State>) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let began = Instant::now();
        // Reads files: others go on meanwhile.
        if tokio::task::block_in_place(|| seen(job)) != ran {
            return;
        }
        pause = PAUSE.max(began.elapsed() * REST);
    }
}

/// What its component hangs on; nothing where that can't be read just now.
fn seen(job: &Job<'_>) -> Option<State> {
    match &job.agent.component {
        ComponentSource::Folder(folder) => build::state(folder, &place::build_cache(job.place)).ok(),
        ComponentSource::File(file) => digest(file).map(|source| State { source, others: None }),
    }
}

fn digest(file: &Path) -> Option<Digest> {
    agent::read_bounded(file, package::component::COMPONENT_BYTES_MAX).ok().map(|bytes| Digest::of(&bytes))
}
