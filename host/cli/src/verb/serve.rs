//! `serve`: holds the home in the background, so that each suspended run is resumed when its wait is over.

use std::io;

use service::HostHandle;
use vocabulary::exit;

use crate::err::CliError;
use crate::signals::Signals;
use crate::{leave, out, place, words};

/// Hold the home in the background: serve other commands, and resume each suspended run when its wait is over
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

const EXAMPLES: &str = "\
Examples:
  bailiwick serve                        until Ctrl-C or SIGTERM
  systemctl enable --now bailiwick       as a service, with the unit in docs/systemd/bailiwick.service

Other commands reach this process through the socket in the home. Without it, a run whose wait is over is resumed by the next `run`, \
`resume`, `wait`, `stop`, `trust`, `accept`, `credentials` or `prune`, and that command stays until the run has ended or is suspended again. \
On a signal, active runs are handed over to the commands that attend them; the next process that holds the home continues the others.";

pub(crate) async fn run(_args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let mut signals = Signals::new()?;
    let mut host = signals.or(HostHandle::find(&place, &place::host_options())).await?;
    let HostHandle::Here(session, _) = &host else {
        return Err(CliError::HeldByOther { pid: host.pid(), home: place.home });
    };
    let local = session.local().clone();
    host.wake_runs(leave::not_resumed);
    out::words(&format!("process {} serves `{}`", std::process::id(), words::safe(&place.home.to_string_lossy())));
    tell_manager("READY=1")?;
    let means = signals.next().await;
    // The host leaves in order even if the manager can't be told.
    let told = tell_manager("STOPPING=1");
    out::words(&format!("{means} arrived: leaving the home"));
    leave::hand_over(&local, &mut signals).await?;
    told.map(|()| exit::DONE)
}

/// Tells the service manager about this process, if one asked for it (sd_notify(3)).
fn tell_manager(state: &'static str) -> Result<(), CliError> {
    sd_notify(state).map_err(|cause| CliError::Manager { state, cause })
}

/// Sends one datagram to the socket that `NOTIFY_SOCKET` names: a path, or an abstract name that begins with `@`.
#[expect(clippy::disallowed_methods, reason = "door: the socket of the service manager")]
fn sd_notify(state: &str) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(()) };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}
