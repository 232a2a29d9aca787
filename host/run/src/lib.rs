//! The life of a run: from an order to its end, resumed after a crash, rebuilt for an auditor, ended from outside.
//!
//! One process holds a home: its [`LocalHost`] has the journal, the gate and the engines. Room `service` calls it on behalf of callers.
//! Room `gate` decides what may be done, `broker` does it, and `sandbox` runs the guest. This room puts these three together for each run,
//! and takes them apart at its end.

mod approval;
mod approval_view;
mod backup;
mod bound;
mod case;
mod change;
mod component_cache;
mod continue_here;
mod cut_off;
mod err;
mod event;
mod forms;
mod guest_start;
mod hand_over;
mod local_host;
mod now;
mod order;
mod parked;
mod place;
mod principal;
mod prune;
mod rebuild;
mod report;
mod restored;
mod revoke;
mod run_channel;
mod run_task;
mod running;
mod say_trust;
mod schemas;
mod settle;
mod status;

pub use approval::{GroupVotes, VoteOrder, VoteReport, group_votes};
pub use approval_view::{ApprovalView, VoteView};
pub use backup::{BackupError, BackupStep, CleanUp, Content, Restored, SignalEnded, Signer, Taken, backup, restore, unmark, was_put_back};
pub use bound::{outside, outside_grants};
pub use case::Case;
pub use change::{FileChange, First, Note};
pub use continue_here::TakenOver;
pub use err::{RunError, chain, fair_exit};
pub use event::{EventSender, Events, RunEvent};
pub use forms::{FORMS, spoken_forms};
pub use gate::RunPolicies;
pub use hand_over::ANSWERS_MAX;
pub use local_host::{Attending, LocalHost, clock_now, local_vault};
pub use now::now;
pub use order::{NetworkOrder, RunOrder, Surroundings};
pub use parked::WaitingRun;
pub use place::{HomePlace, HostOptions, LONG_WAIT, held};
pub use policy::destination::OutsideError;
pub use policy::vote::SIGNATURE_BYTES_MAX;
pub use principal::{own_principal, principal_of};
pub use prune::{HoldSaid, PruneDone, PruneOrder, PrunePayloads, PruneRecord};
pub use rebuild::{Rebuilding, Rebuilt, rebuild};
pub use report::{Claims, Evidence, RecordEvidence, RunReport};
pub use revoke::{CredentialWord, Revoking, sealed_record};
pub use running::Running;
pub use say_trust::{TrustChange, TrustSaid};
pub use schemas::schemas;
pub use settle::{SettleReport, Settlement, Which};
pub use status::{DiskStatus, MachineStatus, RecordStatus, RunStatus, Status};
