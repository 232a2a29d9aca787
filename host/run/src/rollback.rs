//! Rollbacks: a run whose acts are the undos that the agent of another run registered, the one of its last act first.
//!
//! Such a run has no guest: [`driver`] submits the requests through the same door. So each of them is judged by the grants and policies of
//! now, held back for people, recorded, and asked again after a crash, like an act of any other run.
//!
//! Originals of files that a staged commit replaced are not taken back here. They would be further steps of [`view`].

pub(crate) mod driver;
mod view;

use gate::Gate;
use vocabulary::{Grants, Principal, RunId, UndoPlan, UndoStep};

pub use view::{RollbackAct, RollbackUndo, RollbackView};

use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::order::{RollbackOrder, RunOrder};
use crate::rollback_err::RollbackError;
use crate::running::Running;

/// Numbers of undos whose outcome was unknown, and whether they were done, as the person says.
pub(crate) type Stated = Option<(Vec<u64>, bool)>;

impl LocalHost {
    /// What a rollback of a run would do now.
    ///
    /// # Errors
    /// The record can't be read, or there is no such run.
    async fn rollback_view(&self, of: RunId) -> Result<RollbackView, RunError> {
        let reader = self.inner.journal.reader()?.proving();
        let gate = self.inner.gate.clone();
        let read = tokio::task::spawn_blocking(move || view_of(&reader, &gate, of)).await;
        read.map_err(|_| RunError::TaskLost("reads the record"))?
    }

    /// Opens a rollback. It looks at no mount, so a folder that is gone does not keep it from beginning.
    ///
    /// # Errors
    /// As [`LocalHost::open_run`]; also if the run can't be rolled back, or not without a further word of the person.
    pub(crate) async fn open_rollback(&self, order: RunOrder, rollback: &RollbackOrder, by: Principal) -> Result<Running, RunError> {
        // INVARIANT: rollbacks begin one by one, so no two of one run are open.
        let _first = self.inner.rolling.lock().await;
        let (plan, stated) = self.planned(&order, rollback).await?;
        let input = String::from_utf8(vocabulary::canon::to_vec(&plan)).unwrap_or_default();
        let grants = Grants { files: Vec::new(), ..order.grants };
        self.open_order(RunOrder { grants, input, is_agent: true, ..order }, (by, stated)).await
    }

    /// What a rollback does, and what the person stated.
    ///
    /// # Errors
    /// The run can't be rolled back, or not without a further word of the person.
    async fn planned(&self, order: &RunOrder, rollback: &RollbackOrder) -> Result<(UndoPlan, Stated), RunError> {
        let of = rollback.of;
        let refused = |why| RunError::Rollback { run: of, why: Box::new(why) };
        if let Some(run) = self.inner.gate.with_ledger(|ledger| ledger.open_rollback(of)) {
            return Err(refused(RollbackError::UnderWay(run)));
        }
        let view = self.rollback_view(of).await?;
        if view.agent != order.agent.name {
            return Err(refused(RollbackError::OtherAgent { was: view.agent, asked: order.agent.name.clone() }));
        }
        view.check(rollback).map_err(refused)?;
        let stated = rollback.word.map(|did| (view.unknown().map(|undo| undo.id).collect(), did));
        let mut steps = Vec::new();
        for undo in view.undos.iter().filter(|undo| undo.is_left(rollback.word)) {
            let registration =
                undo.registration.as_ref().map_err(|why| refused(RollbackError::Sealed { id: undo.id, why: why.clone() }))?;
            steps.push(UndoStep::new(undo.id, registration));
        }
        Ok((UndoPlan { of, steps }, stated))
    }
}

fn view_of(reader: &journal::Reader, gate: &Gate, of: RunId) -> Result<RollbackView, RunError> {
    let ends = gate.with_ledger(|ledger| ledger.rollback_of(of).map(|rollback| rollback.ends.clone())).unwrap_or_default();
    RollbackView::read(reader, of, &ends)
}
