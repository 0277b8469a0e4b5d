//! The mailbox list: which mailboxes there are, on which back-end each lives, who may see it.
//!
//! [`List`] is the list in memory, of [`Entry`]s. The master has it from its log, a front-end from the master
//! ([`Replica`]), and a back-end tells the master of its part ([`Registrar`]). Beside them stand [`Name`], which is a
//! mailbox's name on every wire, and [`Location`].

pub(crate) mod codec;
mod entry;
pub(crate) mod list;
pub mod name;
pub(crate) mod pattern;
mod registrar;
mod registration;
mod replica;
pub(crate) mod rows;
mod upstream;

pub use entry::{Entry, InvalidLocation, Location, State};
pub use list::List;
pub use name::{Name, NameError, Namespace};
pub use registrar::{Hold, LocalMailboxes, RegisterError, Registrar, SetAside, Told};
pub use registration::Registration;
pub(crate) use replica::log_options;
pub use replica::{ENTRIES_MAX, Follower, RefreshError, Replica, SILENCE};
pub use upstream::{ConnectError, Upstream};
