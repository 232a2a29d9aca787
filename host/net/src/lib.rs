//! The only sockets of the host to the world: resolves names, judges every address, dials what was judged, speaks HTTP/1.1 within bounds.
//!
//! Whether a request may be made at all is decided before it comes here (`policy::decide`, kept by `gate`); this room only
//! applies the address table to what a name turns out to be, and never decides again. Secrets, redaction and what the guest
//! is told are `broker`'s.
//!
//! INVARIANTS: a name is looked up anew for every new connection, and every address it has is judged; a connection goes to
//! an address that was judged, and is compared with it; no redirect is followed, no proxy of the environment is asked, no
//! cookie kept, no other protocol switched to; whatever a server sends is bounded in bytes and in time. Dropping a future or
//! a body closes its connection: nothing runs beside the caller.

mod body;
mod conn;
mod dial;
mod err;
mod exchange;
mod idle;
mod network;
mod pool;
mod resolve;
mod tls;
mod wire;

pub use body::BodyReader;
pub use err::{NetError, SetupError};
pub use exchange::Response;
pub use network::{Network, NetworkConfig};
pub use pool::{Noting, Pool};
pub use wire::{ResponseLimits, Timeouts, WireRequest};
