//! `run --watch`: builds and runs an agent again after each change of its source.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use package::ComponentSource;
use package::build::{self, State};
use vocabulary::{Digest, Means, exit};

use super::{First, Job};
use crate::err::CliError;
use crate::signals::Signals;
use crate::{files, out, words};

/// The shortest time between two looks at the source.
const PAUSE: Duration = Duration::from_millis(200);
/// After each look the program waits this many times as long as the look took, so that a large folder is read less often.
const REST: u32 = 10;

/// Runs the agent, and runs it again after each change, until a signal arrives. An error is printed, and the next change may repair it.
pub(super) async fn watch(job: &Job<'_>, signals: &mut Signals, mut first: First) -> Result<u8, CliError> {
    if job.args.input.as_deref() == Some("-") {
        return Err(CliError::InputTwice);
    }
    let source = match &job.agent.component {
        ComponentSource::File(path) | ComponentSource::Folder(path) => words::safe(&path.to_string_lossy()),
    };
    let written = written_here(job);
    loop {
        let before = seen(job, &written).map(|(now, _)| now);
        match job.once(signals, std::mem::take(&mut first)).await {
            Ok(code @ (exit::INTERRUPTED | exit::TERMINATED)) => return Ok(code),
            Ok(_) => {}
            Err(err @ CliError::EndedEarly { .. }) => return Err(err),
            Err(err) => err.print(),
        }
        // In the folder, what changed since `before` counts as a change; outside of it, what changed since the build.
        let built = seen(job, &written).and_then(|(_, built)| built);
        let ran = before.map(|before| built.filter(|built| built.source == before.source).unwrap_or(before));
        out::words(&format!("watching {source}; {} ends this", Means::CtrlC));
        tokio::select! {
            () = changed(job, &written, ran) => {}
            means = signals.next() => return Ok(exit::of_means(means)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "door: the clock of people")]
async fn changed(job: &Job<'_>, written: &[PathBuf], ran: Option<State>) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let began = Instant::now();
        // This reads files, which blocks; other tasks run meanwhile.
        if tokio::task::block_in_place(|| seen(job, written)).map(|(now, _)| now) != ran {
            return;
        }
        pause = PAUSE.max(began.elapsed() * REST);
    }
}

/// What the component depends on now, and on which state it was built. `None` if that can't be read now.
fn seen(job: &Job<'_>, written: &[PathBuf]) -> Option<(State, Option<State>)> {
    match &job.agent.component {
        ComponentSource::Folder(folder) => build::states(folder, &service::build_cache(job.place), written).ok(),
        ComponentSource::File(file) => digest(file).map(|source| (State { source, others: None }, None)),
    }
}

fn digest(file: &Path) -> Option<Digest> {
    files::read_bounded(file, package::component::COMPONENT_BYTES_MAX).ok().map(|bytes| Digest::of(&bytes))
}

/// Files that this program writes itself. A change of these is not a change of the agent's source, wherever they are.
fn written_here(job: &Job<'_>) -> Vec<PathBuf> {
    let real = |path: &Path| Some(path.parent()?.join(".").canonicalize().ok()?.join(path.file_name()?));
    let sarif = job.args.sarif.iter().map(|file| std::path::absolute(file).ok());
    let outputs = ["/proc/self/fd/1", "/proc/self/fd/2"].iter().map(|file| Path::new(file).canonicalize().ok());
    sarif.flatten().filter_map(|file| real(&file)).chain(outputs.flatten()).collect()
}
