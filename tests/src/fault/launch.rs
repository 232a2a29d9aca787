//! The launcher process: it makes its parent its tracer, installs the filter, and then executes the program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::call::stopping;
use super::sys;

/// The first argument that makes a binary act as the launcher.
pub const PART: &str = "launch-for-tracer";

/// Executes the program; returns only if that fails. `words` are the program and its arguments.
pub fn launch(mut words: impl Iterator<Item = OsString>) -> io::Error {
    let Some(program) = words.next() else { return io::Error::other("which program?") };
    let filter = match filter() {
        Ok(filter) => filter,
        Err(err) => return io::Error::other(err),
    };
    // The tracer sets its options while this process is stopped: without them, a call that the filter stops fails.
    if let Err(err) = sys::offer() {
        return err;
    }
    if let Err(err) = apply_filter(&filter) {
        return io::Error::other(err);
    }
    Command::new(program).args(words).exec()
}

/// A filter that stops the calls of `stopping`. It also stops the call by which the program makes itself unreadable for others: the tracer
/// reports success without doing it, since otherwise only root could read the paths.
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules = BTreeMap::new();
    let dumpable = u64::from(libc::PR_SET_DUMPABLE.unsigned_abs());
    for (number, flags) in stopping().chain([(libc::SYS_prctl, vec![(0, dumpable)])]) {
        let alternatives = flags.into_iter().map(|(at, flag)| {
            let how = if number == libc::SYS_prctl { SeccompCmpOp::Eq } else { SeccompCmpOp::MaskedEq(flag) };
            SeccompRule::new(vec![SeccompCondition::new(at, SeccompCmpArgLen::Dword, how, flag)?])
        });
        rules.insert(number, alternatives.collect::<Result<Vec<_>, _>>()?);
    }
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trace(0), TargetArch::x86_64)?.try_into()
}
