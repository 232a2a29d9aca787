//! Reads lines of the control socket. Their length is bounded, and reading ends when no caller waits for them any more.

use std::io::{Error, ErrorKind, Result};

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// BOUND: the longest line in bytes: a request with its largest input, escaped, or a report with its largest output.
const LINE_BYTES_MAX: usize = 256 << 20;
/// A line with more bytes than this is a large one.
const LARGE: usize = 1 << 20;
/// BOUND: how many large lines are read at once. Further ones wait.
static LARGE_LINES: Semaphore = Semaphore::const_new(4);

/// The lines of one connection, read by a separate task, so that a caller may stop waiting for a line without losing a part of it.
///
/// SECURITY: dropping this value ends the task and closes its end of the connection. A client that has its answer and stays connected holds
/// no resources of the host.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    lines: mpsc::Receiver<Result<T>>,
    task: JoinHandle<()>,
}

impl<T> Drop for Lines<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T: DeserializeOwned + Send + 'static> Lines<T> {
    pub(super) fn of(mut from: impl AsyncBufRead + Send + Unpin + 'static) -> Self {
        let (to, lines) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Some(line) = receive(&mut from).await.transpose() {
                let failed = line.is_err();
                if to.send(line).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { lines, task }
    }

    /// The next line; `None` when the other side has closed. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<Result<T>> {
        self.lines.recv().await
    }

    /// Whether the other side is still connected, and no line of it is waiting to be read.
    pub(super) fn is_quiet(&mut self) -> bool {
        matches!(self.lines.try_recv(), Err(mpsc::error::TryRecvError::Empty))
    }
}

/// The next line; `None` when the other side has closed.
pub(super) async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<T>> {
    let (mut line, mut large) = (Vec::new(), None);
    loop {
        let here = from.fill_buf().await?;
        let end = here.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(here.len(), |end| end + 1);
        line.extend_from_slice(here.get(..taken).unwrap_or_default());
        from.consume(taken);
        match (taken, end) {
            (0, _) if line.is_empty() => return Ok(None),
            (0, _) => return Err(Error::new(ErrorKind::UnexpectedEof, "a line was cut short")),
            (_, Some(_)) => break,
            (_, None) if line.len() > LINE_BYTES_MAX => return Err(Error::new(ErrorKind::UnexpectedEof, "a line is too long")),
            (_, None) => {}
        }
        if line.len() > LARGE && large.is_none() {
            large = LARGE_LINES.acquire().await.ok();
        }
    }
    let understood = serde_json::from_slice(&line)?;
    drop(large);
    Ok(Some(understood))
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::io::{AsyncWriteExt as _, BufReader, duplex};

    use super::*;

    #[tokio::test]
    async fn few_large_lines_are_held_at_once_and_small_ones_are_not_held_up() {
        let mut stalled = Vec::new();
        for _ in 0..4 {
            let (mut client, host) = duplex(1 << 12);
            let lines = Lines::<serde_json::Value>::of(BufReader::new(host));
            // Longer than a line that needs a place, and without its end.
            client.write_all(&vec![b' '; LARGE + (1 << 14)]).await.expect("it is read");
            stalled.push((client, lines));
        }
        let (mut client, host) = duplex(1 << 12);
        let mut waiting = Lines::<serde_json::Value>::of(BufReader::new(host));
        let text = [vec![b' '; LARGE + (1 << 14)], b"7\n".to_vec()].concat();
        let writing = tokio::spawn(async move {
            // The write fails when its reader is dropped.
            let _ = client.write_all(&text).await;
            client
        });
        let (mut small, host) = duplex(1 << 12);
        let mut other = Lines::<serde_json::Value>::of(BufReader::new(host));
        small.write_all(b"8\n").await.expect("it is read");
        assert_eq!(other.recv().await.and_then(Result::ok), Some(8.into()), "a small line needs no place");
        assert!(waiting.is_quiet() && !writing.is_finished(), "there are four places");
        stalled.pop();
        assert_eq!(waiting.recv().await.and_then(Result::ok), Some(7.into()), "a place is free again");
    }
}
