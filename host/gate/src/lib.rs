//! The gate: judges each ask, puts its intent on the record, gives a permit, and records the outcome.
//!
//! A run's acts go `ask → decision → intent → permit → answer`; what it looks at, is let see and says is noted as it happens. The same
//! records rebuild a run: [`Replay`] shows a guest what the record has, and turns into the live world at its end. A fresh run is a
//! rebuild of an empty record. Effects are `broker`'s, rules are `policy`'s, bytes on a disk are `journal`'s.
//!
//! - INVARIANT: no effect without a [`effects::Permit`]; no permit before its intent is durable; each permit is used up once.
//! - INVARIANT: an answer is on the record before anything of it is shown.
//! - INVARIANT: when the record can't be written, nothing further happens.

mod alike;
mod ask;
mod book;
mod clock;
mod cut_off;
mod err;
mod exhibit;
mod gate;
mod index;
mod kept;
mod keyed;
mod lease;
mod ledger;
mod live;
mod log;
mod named;
mod observed;
mod onward;
mod opening;
mod own;
mod prune;
mod recorded;
mod replay;
mod run;
mod search;
mod settling;
mod spent;
mod sum;
mod takeover;
mod tape;
mod times;
mod touched;
mod trace;
mod watch;

#[cfg(test)]
mod tests;

pub use alike::ALIKE_MAX;
pub use book::Snapshot;
pub use clock::{ClockMark, SystemClock};
pub use err::{LoadError, RecordBroken};
pub use exhibit::{Given, Missing, given, request, sealed};
pub use gate::{Gate, Resuming};
pub use index::{Opened, Part, catch_up, stretches_with};
pub use keyed::Keyed;
pub use lease::{Lease, lease_id};
pub use ledger::{Gap, GapKind, Ledger, OpenAct, OpenRun, OrderFault, OrderFaultKind, Said, Stage, Totals};
pub use live::{CREDIT, Live, LiveHandle, LiveParts, Noted, Notes};
pub use log::{Appended, Durable, Entry, Log};
pub use opening::Opening;
pub use prune::{Course, Keeper, Rules, Stretch, Verdict};
pub use recorded::{Leaf, Recorded, leaves};
pub use replay::Replay;
pub use run::{Closing, RunGate, Tally};
pub use search::{FileName, Found, Question, Searched, Unknown, runs, search};
pub use spent::Spent;
pub use sum::Sum;
pub use takeover::{GateState, InFlight, Known, LiveWorld, Seen, TakeOver};
pub use tape::Mode;
pub use times::Times;
pub use touched::{
    Line, Lines, More, Only, Touched, TouchedAct, TouchedFile, TouchedHttp, TouchedLease, TouchedOwn, TouchedProbe, TouchedRefusal,
    TouchedTotals, hosts_of, lies_in, normal,
};
pub use watch::{Nobody, Watcher};
