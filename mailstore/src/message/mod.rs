//! The structure of a message, read from its raw bytes.
//!
//! A message is read once, when it arrives, and what IMAP asks of it again and again (`ENVELOPE`, `BODYSTRUCTURE`, the
//! place of `BODY[1.2.MIME]`) is kept as a [`Structure`]: one compact byte string, written by [`Parser`], checked by
//! [`Structure::decode`] and then read in place, without an allocation for any field.
//!
//! **What it promises.** Reading never fails and never panics: every byte string is a message, if only an odd one.
//! Each byte is looked at once, the depth of the tree and the number of parts, fields, parameters and addresses are
//! bounded by [`Limits`], and no step recurses. A body is never held: [`Parser::feed`] takes a message in pieces of any
//! size and gives the same structure for every cut. What a limit cut off is marked by [`Structure::is_truncated`].
//!
//! **What it refuses to do.** It decodes no text: values are those of the message, unfolded, without quotes and comments
//! where the grammar says so, and without CR, LF and NUL. Charsets, encoded words and transfer encodings are the
//! matter of [`search`].
//!
//! **Sources.** RFC 5322 (message, addresses, dates, with the obsolete forms of section 4), RFC 2045 and 2046 (MIME),
//! RFC 2183 (`Content-Disposition`), RFC 1864 (`Content-MD5`), RFC 3282 (`Content-Language`), RFC 2557
//! (`Content-Location`), RFC 2231 (parameters, passed on as sent), RFC 3501 sections 6.4.5 and 7.4.2 (what is asked of
//! them).
//!
//! **Leniency.** Lines may end in CRLF or LF. A delimiter line is a boundary at the start of a line followed by white space,
//! the end of the line, or `--`; of several open boundaries that match, the longest wins, then the innermost. A
//! delimiter ends a header that has no blank line. A part that nobody closed ends where the next outer delimiter stands,
//! or with the message. A `multipart` without any part gets one, empty and of `text/plain`, so that its
//! `BODYSTRUCTURE` is grammatical.
//!
//! ```
//! use mailstore::message::{Kind, SectionText, Structure};
//!
//! let raw = b"From: Ann <ann@example.org>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
//!     --x\r\n\r\nhello\r\n--x\r\nContent-Type: image/png\r\n\r\n...\r\n--x--\r\n";
//! let structure = Structure::parse(raw);
//! assert_eq!(structure.root().kind, Kind::Multipart);
//! assert_eq!(structure.envelope().from.next().and_then(|a| a.mailbox), Some(&b"ann"[..]));
//! let place = structure.section(&[1], SectionText::Whole).unwrap();
//! assert_eq!(&raw[place.range()], b"hello");
//!
//! // What is kept in a cache is these bytes; decoding checks them and copies nothing.
//! let again = Structure::decode(structure.encoded().clone()).unwrap();
//! assert_eq!(again, structure);
//! ```

mod address;
mod codec;
mod date;
mod draft;
mod header;
mod parameter;
mod parser;
pub mod search;
mod structure;
mod view;

pub use address::{MISSING_DOMAIN, MISSING_MAILBOX};
pub use codec::{DecodeError, DecodeErrorKind, FORMAT_VERSION};
pub use date::SentDate;
pub use header::{Field, Fields, Selection, header_fields, headers, top};
pub use parser::Parser;
pub use structure::{Children, SectionText, Structure};
pub use view::{Address, Addresses, Disposition, Envelope, Extent, Kind, Parameters, Part, PartId, Strings};

/// How much of a message is looked into. What lies beyond is never an error: it stays readable as raw bytes, and the
/// structure says that it is truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a message. Default: 2^32 - 1, the largest size that `RFC822.SIZE` can say (RFC 3501, `number`). Bytes
    /// beyond are not counted.
    pub message_bytes_max: u32,
    /// Depth of the tree; the message itself has depth 1. Default: 100; Dovecot's limit, far above any real message.
    /// A container at the deepest level is one opaque `application/octet-stream`.
    pub depth_max: usize,
    /// Parts in the tree. Default: 10,000; Dovecot's limit. Further delimiters are text of the last part.
    pub parts_max: usize,
    /// Bytes of one header that are looked into for fields. Default: 1 MiB, above what any mail server accepts.
    pub header_bytes_max: u32,
    /// Bytes of one field, unfolded. Default: 64 KiB; some 2,000 recipients. The rest of the field is dropped.
    pub field_bytes_max: usize,
    /// Bytes of all values kept from one message. Default: 2 MiB, room for 10,000 parts with 200 bytes each; a cached
    /// structure is not much larger than this. Parts beyond have their kind and place only.
    pub captured_bytes_max: usize,
    /// Parameters of one field, and languages of one part. Default: 100; real ones have fewer than ten.
    pub parameters_max: usize,
    /// Addresses of one kind (`to`, `cc`, ...) in one envelope, group markers included. Default: 2,000.
    pub addresses_max: usize,
    /// Bytes of a boundary. Default: 256; RFC 2046 allows 70. A longer one is never found.
    pub boundary_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: u32::MAX,
            depth_max: 100,
            parts_max: 10_000,
            header_bytes_max: 1 << 20,
            field_bytes_max: 64 << 10,
            captured_bytes_max: 2 << 20,
            parameters_max: 100,
            addresses_max: 2_000,
            boundary_bytes_max: 256,
        }
    }
}
