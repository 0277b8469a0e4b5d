//! Bodies on the wire: ended by a lone dot (RFC 5321 4.5.2, RFC 1939 3), or in counted chunks (RFC 3030).
//!
//! Only CRLF.CRLF ends a body with dots. What other line ends may stand in it is a policy, and no policy makes them an
//! end: a receiver that takes `LF . LF` for the end while the sender does not can be made to read a second message out
//! of the first (SMTP smuggling, CVE-2023-51764 and its kin; safety rows F1 to F4). The writers canonicalise line
//! ends, so nothing that they send can be read in two ways.
//!
//! All carry their state across any cut of the bytes and never collect: the readers hand out slices of what came in,
//! the writers pass slices on.

mod lines;
mod reader;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub use lines::BareLineEnd;
pub use reader::{BodyPart, BodySlice, ChunkReader, DotReader};
pub use writer::{ChunkWriter, DotWriter};
