//! Runs a tool of the operator's: with little of the environment, no input, and its words handed on line by line.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use effect::SafeText;

use super::BuildError;

/// BOUND: bytes of a line that are handed on.
const LINE_BYTES_MAX: usize = 4096;
/// BOUND: bytes of a tool's output that are kept.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;

/// What a tool sees of the environment: where things are, and how to reach a registry. SECURITY: what is built may be written by people
/// who should not see the operator's tokens.
pub(super) const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "CARGO_NET_OFFLINE",
    "CARGO_HTTP_CAINFO",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Where cargo keeps what it fetched.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(super) fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// A tool, in a folder.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(super) fn tool(name: &'static str, folder: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    command
}

/// Runs it to its end, and hands back what it printed on its standard output.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
pub(super) fn output(name: &'static str, command: &mut Command, say: &mut dyn FnMut(&str)) -> Result<Vec<u8>, BuildError> {
    let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|cause| BuildError::NoTool { tool: name, cause })?;
    // Both at once, or a tool that fills one while the other is read would wait for ever.
    let stdout = child.stdout.take().map(|stdout| thread::spawn(move || drain(stdout)));
    if let Some(stderr) = child.stderr.take() {
        hand_on(stderr, say);
    }
    let status = child.wait().map_err(|cause| BuildError::NoTool { tool: name, cause })?;
    if !status.success() {
        return Err(BuildError::ToolFailed { tool: name, status });
    }
    stdout
        .and_then(|thread| thread.join().ok().flatten())
        .ok_or(BuildError::ToolSaid { tool: name, said: "printed more than is read here" })
}

/// Everything, or `None` where it is too much; reads on either way, so that the tool ends.
fn drain(mut from: impl Read) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let read = from.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut kept);
    let more = std::io::copy(&mut from, &mut std::io::sink());
    (read.is_ok() && more.is_ok_and(|more| more == 0)).then_some(kept)
}

fn hand_on(from: impl Read, say: &mut dyn FnMut(&str)) {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
        if !read.is_ok_and(|read| read > 0) {
            return;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        say(SafeText::from_bytes(text, LINE_BYTES_MAX).as_str());
    }
}
