//! COMPRESS (RFC 4978 section 3): what is asked for. Compressing is the caller's.
//!
//! ```
//! use imap_proto::{Code, Command, Compression, Parser, Response};
//! let mut parser = Parser::new();
//! assert_eq!(parser.command(b"b COMPRESS DEFLATE")?.command, Command::Compress(Compression::Deflate));
//! let reply = parser.response(b"b NO [COMPRESSIONACTIVE] DEFLATE active via TLS")?;
//! let Response::Tagged { status, .. } = reply else { panic!() };
//! assert_eq!(status.code, Some(Code::CompressionActive));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::tape::Cursor;

/// How a connection is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// DEFLATE (RFC 1951), without a header.
    Deflate,
}

impl Compression {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, InvalidMessage> {
        let node = cursor.spaced()?;
        if node.atom()?.eq_ignore_ascii_case(b"DEFLATE") {
            Ok(Self::Deflate)
        } else {
            node.fail("expected DEFLATE")
        }
    }
}

impl Encode for Compression {
    /// Behind a space.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::Deflate => out.raw(b" DEFLATE"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Command, Parser};

    #[test]
    fn deflate_is_the_only_compression() {
        let mut parser = Parser::new();
        let tagged = parser.command(b"c compress deflate").unwrap();
        assert_eq!(tagged.command, Command::Compress(super::Compression::Deflate));
        for bad in ["c COMPRESS", "c COMPRESS LZ4", "c COMPRESS DEFLATE 9", "c COMPRESS \"DEFLATE\""] {
            assert!(parser.command(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
