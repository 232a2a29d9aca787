//! What is said over the socket.

use effect::{Digest, RunId, SafeText};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::event::Event;
use crate::order::{NetworkOrder, RunOrder};

/// BOUND: longest line: an order with its largest input, escaped.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// What a client wants; one a connection, but for `Stop`, which may follow a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Wish {
    Run { order: Box<RunOrder> },
    Resume { run: RunId, by: SafeText, settled: Option<bool>, network: NetworkOrder },
    Stop { run: RunId, by: String },
    Going {},
    RecordTrust { config: Digest, path: String, by: SafeText },
}

/// What the holder says; tagged from outside, as [`Event`] is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// Of a run.
    Event { event: Event },
    /// Whether it was done.
    Done { done: bool },
    /// Runs that go on.
    Going { going: Vec<(RunId, SafeText)> },
    /// It could not be done.
    Failed { exit: u8, message: String },
}

pub(super) async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), what: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

/// The next line; `None` when the other side has closed.
pub(super) async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    (&mut *from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "a line was cut short or is too long"));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
