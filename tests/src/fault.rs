//! Faults of disks and machines, made on purpose: at the Nth call by which the real program changes a file, that call is torn, shortened or
//! failed, or the program is killed. And disks as a loss of power may leave them.
//!
//! A tracer (`ptrace`, with a seccomp filter so that only these calls stop) follows every thread and child of the program. Nothing in the
//! program takes part: it is the binary that users have. The calls are read from the registers of x86-64.
//!
//! INVARIANT: the calls of `call::TABLE` are all by which a program can change files, or it is told that it used another (`Deed::Unseen`).

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
