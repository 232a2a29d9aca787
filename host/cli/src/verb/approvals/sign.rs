//! Signs a vote with `ssh-keygen`, so that plain keys, agents and security keys work as everywhere else.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use vocabulary::VOTE_NAMESPACE;

use crate::err::{CliError, VoteError};

/// Signs these bytes.
///
/// # Errors
/// There is no `ssh-keygen`, or it does not sign.
#[expect(clippy::disallowed_methods, reason = "door: the person's own ssh-keygen signs the person's vote")]
pub(super) fn with(key: &Path, statement: &[u8]) -> Result<String, VoteError> {
    let failed = |cause| VoteError::SshKeygen { why: "it could not be started".to_owned(), cause: Some(cause) };
    let mut child = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", VOTE_NAMESPACE, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut to) = child.stdin.take() {
        // If it has ended before it read, its exit status says why.
        let _ = to.write_all(statement);
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        return Err(VoteError::SshKeygen { why: format!("it ended with {}", output.status), cause: None });
    }
    String::from_utf8(output.stdout).map_err(|_| VoteError::SshKeygen { why: "its signature is not text".to_owned(), cause: None })
}

/// Reads a signature that was made elsewhere.
#[expect(clippy::disallowed_methods, reason = "door: a file that the operator named")]
pub(super) fn read(file: &Path) -> Result<String, CliError> {
    let failed = CliError::file("read", file);
    let bytes = std::fs::metadata(file).map(|found| found.len());
    if bytes.is_ok_and(|bytes| bytes > run::SIGNATURE_BYTES_MAX as u64) {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is too large for a signature")));
    }
    std::fs::read_to_string(file).map_err(failed)
}
