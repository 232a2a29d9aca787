//! Deliberate faults of disks and machines. At the Nth call by which the real program changes a file, that call is torn, shortened or
//! made to fail, or the program is killed. This module also makes disks as a loss of power may leave them.
//!
//! A tracer (`ptrace`, with a seccomp filter so that only these calls stop) follows every thread and child of the program. The program
//! has no code for this: it is the binary that users have. The tracer reads the calls from the registers of x86-64.
//!
//! INVARIANT: `call::TABLE` has all calls by which a program can change files; a way that can't be followed is reported (`Deed::Unseen`).

pub mod call;
pub mod heard;
pub mod lab;
pub mod launch;
pub mod oracle;
pub mod plan;
pub mod power;
pub mod steps;
pub mod sweep;
mod sys;
pub mod trace;
pub mod verbs;
