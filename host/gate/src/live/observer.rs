//! Makes looks at mounts. Each look is judged and permitted first.

use std::collections::BTreeMap;
use std::sync::Arc;

use effects::{Effects, Observation, OpenFiles, Permit};
use policy::Facts;
use vocabulary::{Decision, FileAnswer, FileAsk, FileFault, FileId, OpId, Reason, RunId, RunSpec, SafeText, Stop};

use crate::resume_point::ResumePoint;
use crate::run_header::RunHeader;

/// The files and directories that a run has open, and the effects that look at them.
pub(super) struct Observer {
    effects: Arc<dyn Effects>,
    run: RunId,
    spec: Arc<RunSpec>,
    /// For each open file or directory, the index of its mount in [`vocabulary::Grants::files`].
    open: BTreeMap<u64, usize>,
}

impl Observer {
    pub(super) fn new(header: &RunHeader, effects: Arc<dyn Effects>) -> Self {
        Self { effects, run: header.run, spec: Arc::clone(&header.spec), open: BTreeMap::new() }
    }

    /// Makes one look, if it is permitted.
    ///
    /// # Errors
    /// A limit that ends the run.
    pub(super) fn observe(&mut self, ask: &FileAsk) -> Result<Observation, Stop> {
        let Some(mount) = self.mount_of(ask.on()) else { return Ok(FileFault::Invalid.into()) };
        let permit = match self.permit(ask, mount) {
            Ok(permit) => permit,
            Err(reason) => return Ok(reason.into()),
        };
        let seen = self.effects.observe(permit)?;
        match (ask, &seen.answer) {
            (_, FileAnswer::Opened { file, .. }) => {
                self.open.insert(file.0, mount);
            }
            (FileAsk::Close { file }, FileAnswer::Closed) => {
                self.open.remove(&file.0);
            }
            _ => {}
        }
        Ok(seen)
    }

    fn permit(&self, ask: &FileAsk, mount: usize) -> Result<Permit<FileAsk>, Reason> {
        match policy::decide_file(&self.spec.grants, &Facts { mount: Some(mount), ..Facts::default() }, ask) {
            // A look changes nothing, so its record need not be durable first: it is noted before the guest sees the result.
            Decision::Permit(bounds) => Ok(permit::issue(permit::PermitParts { ask: ask.clone(), bounds, op: OpId(0), run: self.run })),
            Decision::Refuse(reason) => Err(reason),
            // A look is answered at once, so it can't wait for a person.
            Decision::Hold(_) => Err(Reason::NobodyToAsk(SafeText::new("a look at a mount is answered at once", 64))),
        }
    }

    /// The index of the mount of a file. Mounts have the file numbers from 1 on.
    fn mount_of(&self, file: FileId) -> Option<usize> {
        match usize::try_from(file.0).ok()? {
            mount @ 1.. if mount <= self.spec.grants.files.len() => Some(mount - 1),
            _ => self.open.get(&file.0).copied(),
        }
    }

    /// Opens again what was open when the run was cut off.
    pub(super) fn reopen(&mut self, at: &mut ResumePoint) {
        let files = std::mem::take(&mut at.files);
        // A directory has a lower number than what was opened through it.
        for (file, how) in &files {
            if let Some(mount) = self.mount_of(how.dir) {
                self.open.insert(file.0, mount);
            }
        }
        let closed = std::mem::take(&mut at.closed);
        self.open.retain(|file, _| !closed.contains(&FileId(*file)));
        self.effects.reopen(OpenFiles { files, closed, next: at.next_file });
    }
}
