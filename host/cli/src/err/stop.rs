//! What is wrong with an order to stop or to enable agents.

use vocabulary::Stoppable;

/// What the verbs `stop`, `resume` and `enable` need to be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StopError {
    #[error("say what to stop: a run, `--agent NAME`, `--digest DIGEST` or `--all`")]
    StopWhat,
    #[error(
        "say what to enable: `--agent NAME`, `--digest DIGEST` or `--all`; `bailiwick audit show --kind agents-stopped` shows what was stopped"
    )]
    EnableWhat,
    #[error("`--all` of a run belongs to `--settle did` or `--settle did-not`; `bailiwick stop --all` stops every agent")]
    AllOfWhat,
    #[error("{0} is not stopped in this way; `bailiwick audit show --kind agents-stopped` shows what was")]
    NotStopped(Stoppable),
}
