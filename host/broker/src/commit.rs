//! Carries out a commit: puts what a run changed beneath a mount into its folder.

use std::sync::{Arc, Mutex, PoisonError};

use effects::{EffectProgress, Failure, Permit};
use stage::CommitError;
use vocabulary::{Act, Answer, CommitAsk, FilesAnswer, FilesFault, SafeText};

use crate::context::RunContext;
use crate::files::Files;
use crate::steps::Steps;

/// BOUND: bytes of what is said about a failure.
const DETAIL_BYTES_MAX: usize = 1024;

pub(crate) async fn run(permit: Permit<Act>, files: Arc<Mutex<Files>>, (context, steps): (Arc<RunContext>, Steps)) {
    // SECURITY: the run may have been stopped meanwhile. Then this future is not polled again.
    steps.tell(EffectProgress::Ready).await;
    let (Act::Files(ask), _) = permit.into_ask() else { return };
    // A commit that has begun is finished, also if nobody waits for it any more.
    let done = context.finishing.finish(async move { tokio::task::spawn_blocking(move || commit(&files, &ask)).await.ok() });
    let told = match done.await.flatten() {
        Some(Ok(answer)) => EffectProgress::Answer { answer: Answer::Files(answer), version: None },
        Some(Err(err)) => EffectProgress::Failed(Box::new(failure(&err))),
        None => EffectProgress::Failed(Box::new(FilesFault::Failed.into())),
    };
    steps.tell(told).await;
}

fn commit(files: &Mutex<Files>, ask: &CommitAsk) -> Result<FilesAnswer, CommitError> {
    files.lock().unwrap_or_else(PoisonError::into_inner).commit(ask)
}

fn failure(err: &CommitError) -> Failure {
    let fault = match err {
        CommitError::Conflict(_) => FilesFault::Conflict,
        CommitError::LinkLeaves(_) | CommitError::TooLong(_) | CommitError::System { .. } | CommitError::Stuck { .. } => FilesFault::Failed,
    };
    Failure { detail: SafeText::new(&err.to_string(), DETAIL_BYTES_MAX), ..fault.into() }
}
