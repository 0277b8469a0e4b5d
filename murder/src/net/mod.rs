//! Sockets, TLS and time for the sans-IO connections.
//!
//! Everything that the protocol crates leave out happens here, once for all five: [`Link`] drives any
//! [`mail_wire::Connection`] over a [`Transport`], [`Listener`] accepts and admits, [`tls`] makes and reloads
//! certificates' configurations, [`Shutdown`] ends things in order.

mod blocking;
mod link;
mod listen;
mod shutdown;
pub mod tls;
mod transport;

pub(crate) use blocking::on_disk;
pub use link::{Link, LinkError, OUTPUT_HIGH_WATER_BYTES};
pub use listen::{Accepted, Admission, Listener};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use transport::Transport;
