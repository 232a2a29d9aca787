//! Runs a tool to its end. It gets no input, its output is passed on line by line, and no process of it is left afterwards.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use vocabulary::SafeText;

use super::BuildError;

/// BOUND: bytes of a line that are handed on.
const LINE_BYTES_MAX: usize = 4096;
/// BOUND: bytes of a tool's output that are kept.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;
/// BOUND: lines that wait to be passed on. A tool that prints more has to wait.
const LINES_MAX: usize = 1024;
/// BOUND: `build-time`, the minutes of wall time that a tool may take.
const MINUTES_MAX: u32 = 60;
/// How often the program checks whether the operator has ended the build.
const LOOK: Duration = Duration::from_millis(100);

/// Who watches a build.
pub struct BuildWatcher<'a> {
    /// Takes each line that a tool prints, safe to print.
    pub say: &'a mut dyn FnMut(&str),
    /// Whether to end it.
    pub stop: &'a mut dyn FnMut() -> bool,
}

/// Runs it to its end, and returns what it printed on its standard output. It must be the first process of its session, so that everything
/// that it started ends with it.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(super) fn output(name: &'static str, command: &mut Command, watcher: &mut BuildWatcher<'_>) -> Result<Vec<u8>, BuildError> {
    let not_started = |cause| BuildError::NoTool { tool: name, cause };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(not_started)?;
    // It stays open as long as this function waits. The keeper ends everything when it closes.
    let held = child.stdin.take();
    // Both at once, or a tool that fills one while the other is read would wait for ever.
    let stdout = child.stdout.take().map(|stdout| thread::spawn(move || drain(stdout)));
    let (tell, lines) = std::sync::mpsc::sync_channel(LINES_MAX);
    let stderr = child.stderr.take().map(|stderr| thread::spawn(move || split(stderr, &|line| tell.send(line).is_ok())));
    let ended = wait(name, &mut child, watcher, &lines);
    drop(held);
    let status = ended?;
    // What was printed and not yet passed on.
    lines.iter().for_each(|line| (watcher.say)(&line));
    let _ = stderr.map(thread::JoinHandle::join);
    if !status.success() {
        return Err(BuildError::ToolFailed { tool: name, status });
    }
    stdout
        .and_then(|thread| thread.join().ok().flatten())
        .ok_or(BuildError::ToolSaid { tool: name, said: "printed more than is read here" })
}

/// Passes on its output until it has ended, and ends what is left of its session. No other process has its number before it is waited for.
fn wait(name: &'static str, child: &mut Child, watcher: &mut BuildWatcher<'_>, lines: &Receiver<String>) -> Result<ExitStatus, BuildError> {
    let not_waited = |cause| BuildError::NoTool { tool: name, cause };
    let pid = Pid::from_child(child);
    let (tell, ended) = channel();
    let waiting = thread::spawn(move || {
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        tell.send(())
    });
    let looks_max = MINUTES_MAX.saturating_mul(60 * 10);
    let mut cut_off = Some(BuildError::TooLong { tool: name, minutes: MINUTES_MAX });
    for _ in 0..looks_max {
        lines.try_iter().for_each(|line| (watcher.say)(&line));
        match ended.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                cut_off = None;
                break;
            }
        }
        if (watcher.stop)() {
            cut_off = Some(BuildError::Stopped);
            break;
        }
    }
    // There may be nothing left, or no session yet. Then its first process is the only one.
    let _ = kill_process_group(pid, Signal::KILL);
    if cut_off.is_some() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(not_waited)?;
    let _ = waiting.join();
    cut_off.map_or(Ok(status), Err)
}

/// Everything, or `None` where it is too much; reads on either way, so that the tool ends.
fn drain(mut from: impl Read) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let read = from.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut kept);
    let more = std::io::copy(&mut from, &mut std::io::sink());
    (read.is_ok() && more.is_ok_and(|more| more == 0)).then_some(kept)
}

/// Each line, safe to print, until nobody takes them any more.
fn split(from: impl Read, take: &dyn Fn(String) -> bool) {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
        if !read.is_ok_and(|read| read > 0) {
            return;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if !take(SafeText::from_bytes(text, LINE_BYTES_MAX).to_string()) {
            return;
        }
    }
}

/// What a tool of the operator's answers. It runs nothing from a project. If it fails, its output goes into the error.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(super) fn answer(name: &'static str, command: &mut Command) -> Result<Vec<u8>, BuildError> {
    let output = command.output().map_err(|cause| BuildError::NoTool { tool: name, cause })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = SafeText::from_bytes(output.stderr.trim_ascii(), LINE_BYTES_MAX);
    Err(BuildError::ToolComplained { tool: name, said })
}
