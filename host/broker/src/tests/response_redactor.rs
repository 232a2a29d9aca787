//! Answers that are searched while other tasks wait for the same thread.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use vault::{Secret, Vault};
use vocabulary::Limits;

use super::kit::{header, loopback};
use crate::context::RunContext;
use crate::finishing::Finishing;
use crate::host_request::HostLine;
use crate::response_redactor::{Redacted, ResponseRedactor};
use crate::run_credentials::RunCredentials;
use crate::searched_values::outstanding;

/// 3 MiB of zeros, packed twice by Python's gzip.
const ZEROS: &str = "1f8b080000000000020393efe660000126e6b7071979818c430bbefbe7f2992f601805a360148c8251300a46c1281805a360140c3bb08ff7987f51250383010300bd8a2ff20b0c0000";

/// How often other tasks could run while a piece was searched, and how many bytes were given out.
async fn turns(redactor: &mut ResponseRedactor, piece: &Bytes) -> (usize, usize) {
    let (mut looking, mut turns) = (pin!(redactor.piece(piece)), 0);
    let Redacted { out, .. } = std::future::poll_fn(|ctx| {
        let polled = looking.as_mut().poll(ctx);
        turns += usize::from(polled.is_pending());
        polled
    })
    .await;
    (turns, out.unwrap().len())
}

#[tokio::test]
async fn others_have_their_turn_while_a_few_packed_bytes_become_many() {
    let folder = tempfile::tempdir().unwrap();
    let (wants, _line) = crate::wants::line();
    let spec = header(loopback(9), Limits::default()).spec;
    let clock = Arc::new(gate::SystemClock::new());
    let own = HostLine { pool: None, wants };
    let context = Arc::new(RunContext::new(Vault::new(folder.path()), spec, clock, own, Finishing::new(Handle::current())));
    let run_credentials = RunCredentials::new(Arc::clone(&context));
    let value = Secret::new(b"canary-5c1de0b7a94f".to_vec()).unwrap();
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    context.searched.note(vec![outstanding("key", hosts, Some(u64::MAX), &value)], 1).await.unwrap();
    let packed: Vec<u8> = (0..ZEROS.len()).step_by(2).map(|at| u8::from_str_radix(&ZEROS[at..at + 2], 16).unwrap()).collect();
    let mut redactor = run_credentials.redactor().unwrap();
    let (most, _) = turns(&mut redactor, &Bytes::from(packed)).await;
    assert!(most > 90, "{most} turns for 3 MiB");
    let mut redactor = run_credentials.redactor().unwrap();
    let (none, given) = turns(&mut redactor, &Bytes::from(vec![b'x'; 64 << 10])).await;
    assert!(none == 0 && given > 32 << 10, "unpacked data is searched at once");
}
