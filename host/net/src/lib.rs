//! The host's only sockets to the network. This room resolves names, judges every address, dials what was judged, and speaks HTTP/1.1
//! within bounds.
//!
//! Whether a request may be made is decided before it arrives here (`policy::decide`, carried out by `gate`). This room only applies the
//! table of addresses to what a name resolves to. The room `broker` handles secrets, redaction and what the guest sees.
//!
//! INVARIANTS: a name is resolved again for every new connection, and each of its addresses is judged. A connection goes to an address that
//! was judged, and is compared with it. No redirect is followed, no proxy of the environment is used, no cookie is kept, and no other
//! protocol is switched to. Whatever a server sends is bounded in bytes and in time. Dropping a future or a body closes its connection,
//! because no other task runs for it.

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
