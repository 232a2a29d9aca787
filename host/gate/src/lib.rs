//! The gate: judges each ask, puts its intent on the record, gives a permit, and records the outcome.
//!
//! An act passes through `ask → decision → intent → permit → answer`. What a run looks at, sees and says is noted as it happens. The same
//! records rebuild a run: [`RunWorld`] shows a guest what the record has, and turns into the live world at its end. A fresh run is a
//! rebuild of an empty record. Effects belong to `broker`, rules to `policy`, and the files of the log to `journal`.
//!
//! - INVARIANT: no effect without a [`effects::Permit`]; no permit before its intent is durable; each permit is used up once.
//! - INVARIANT: an answer is on the record before the guest sees any of it.
//! - INVARIANT: when the record can't be written, nothing further happens.

mod alike;
mod ask;
mod book;
mod clock;
mod cut_off;
mod err;
mod exhibit;
mod gate;
mod host_request;
mod index;
mod keyed;
mod lease;
mod ledger;
mod live;
mod log;
mod named;
mod observed;
mod payload_codec;
mod prune;
mod recorded;
mod replay_cursor;
mod resume_plan;
mod resume_point;
mod run;
mod run_header;
mod search;
mod settling;
mod spent;
mod sum;
mod suspended;
mod times;
mod touched;
mod trace;
mod watch;
mod world;

#[cfg(test)]
mod tests;

pub use alike::ALIKE_MAX;
pub use book::BookSnapshot;
pub use clock::{ClockMark, SystemClock};
pub use err::{LoadError, RecordBroken};
pub use exhibit::{Given, Missing, given, request, sealed};
pub use gate::{Gate, Resuming};
pub use index::{OpenedIndex, Part, catch_up, stretches_with};
pub use keyed::Keyed;
pub use lease::{Lease, lease_id};
pub use ledger::{
    ApprovalState, Gap, GapKind, Ledger, NotedVote, OpenAct, OpenApproval, OpenRun, OrderFault, OrderFaultKind, Stage, Stated, Totals,
    UsedApproval,
};
pub use live::{CREDIT, ChangeNote, Live, LiveHandle, LiveParts, Notes};
pub use log::{Durable, Log, LogEntry, LoggedBatch};
pub use prune::{Course, Keeper, PruneVerdict, Rules, Stretch};
pub use recorded::{Recorded, RunRecord, leaves};
pub use replay_cursor::Mode;
pub use resume_point::{GateState, InFlight, KeyedAct, LiveWorld, RecordedEnd, ResumePoint, SeenAnswer};
pub use run::{Closing, MaySay, RunGate, RunPolicies, Tally};
pub use run_header::RunHeader;
pub use search::{FileName, Question, SearchResult, Searched, Unknown, runs, search};
pub use spent::Spent;
pub use sum::Sum;
pub use suspended::{ClockState, Suspended};
pub use times::Times;
pub use touched::{
    More, Only, Touched, TouchedAct, TouchedFile, TouchedHttp, TouchedLease, TouchedLine, TouchedLines, TouchedOwn, TouchedProbe,
    TouchedRefusal, TouchedTotals, lies_in, normal,
};
pub use watch::{Nobody, Watcher};
pub use world::RunWorld;
