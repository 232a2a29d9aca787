//! Runs a tool to its end. The tool gets no input, its output is passed on line by line, and none of its processes is left afterwards.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use vocabulary::SafeText;

use super::BuildError;

/// BOUND: bytes of a line that are passed on.
const LINE_BYTES_MAX: usize = 4096;
/// BOUND: bytes of a tool's output that are kept.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;
/// BOUND: lines that wait to be passed on. A tool that prints more has to wait.
const LINES_MAX: usize = 1024;
/// BOUND: `build-time`, the minutes of wall time that a tool may take.
const MINUTES_MAX: u32 = 60;
/// How often the program checks whether the operator has ended the build.
const LOOK: Duration = Duration::from_millis(100);

/// The callbacks of a caller that watches a build.
pub struct BuildWatcher<'a> {
    /// Receives each line that a tool prints, safe to print.
    pub say: &'a mut dyn FnMut(&str),
    /// Returns whether to stop the build.
    pub stop: &'a mut dyn FnMut() -> bool,
}

/// Runs the tool to its end, and returns its standard output. The tool must be the first process of its session, so that every process that
/// it started ends with it.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(super) fn output(name: &'static str, command: &mut Command, watcher: &mut BuildWatcher<'_>) -> Result<Vec<u8>, BuildError> {
    let not_started = |cause| BuildError::NoTool { tool: name, cause };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(not_started)?;
    // The pipe stays open as long as this function waits. The keeper ends all processes when it closes.
    let held = child.stdin.take();
    // Both are read at once. Otherwise a tool that fills one while the other is read would block forever.
    let stdout = child.stdout.take().map(|stdout| thread::spawn(move || drain(stdout)));
    let (tell, lines) = std::sync::mpsc::sync_channel(LINES_MAX);
    let stderr = child.stderr.take().map(|stderr| thread::spawn(move || split(stderr, &|line| tell.send(line).is_ok())));
    let ended = wait(name, &mut child, watcher, &lines);
    drop(held);
    let status = ended?;
    // Passes on the lines that are still queued.
    lines.iter().for_each(|line| (watcher.say)(&line));
    let _ = stderr.map(thread::JoinHandle::join);
    if !status.success() {
        return Err(BuildError::ToolFailed { tool: name, status });
    }
    stdout
        .and_then(|thread| thread.join().ok().flatten())
        .ok_or(BuildError::ToolSaid { tool: name, said: "printed more than is read here" })
}

/// Passes on the output until the tool has ended, then ends what is left of its session. The process id can't be reused before it is waited
/// for.
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
    // The session may be empty, or not exist yet. Then the tool's first process is the only one.
    let _ = kill_process_group(pid, Signal::KILL);
    if cut_off.is_some() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(not_waited)?;
    let _ = waiting.join();
    cut_off.map_or(Ok(status), Err)
}

/// Reads everything. `None` if it is too much; it still reads to the end, so that the tool can finish.
fn drain(mut from: impl Read) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let read = from.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut kept);
    let more = std::io::copy(&mut from, &mut std::io::sink());
    (read.is_ok() && more.is_ok_and(|more| more == 0)).then_some(kept)
}

/// Splits the output into lines that are safe to print, until `take` returns false.
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

/// The standard output of one of the operator's tools, which runs nothing from a project. If the tool fails, its output becomes part of the
/// error.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(super) fn answer(name: &'static str, command: &mut Command) -> Result<Vec<u8>, BuildError> {
    let output = command.output().map_err(|cause| BuildError::NoTool { tool: name, cause })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = SafeText::from_bytes(output.stderr.trim_ascii(), LINE_BYTES_MAX);
    Err(BuildError::ToolComplained { tool: name, said })
}
