//! What a parse may overlook, and a note of what it did.
//!
//! Servers and clients in use break the grammar in ways that have been known for years. Each way is a [`Quirk`] with
//! a name, and each connection has a set of those it lets pass ([`Quirks`]): none from a client, all but one from a
//! server. What was let pass is counted ([`QuirkCounts`]), so that an operator sees what a peer does before a stricter
//! setting shuts it out.
//!
//! Views read tolerantly, always. Whether what they read may be so is for the check that follows each parse: it knows
//! the limits and which quirks are allowed, and notes those that it met. A quirk is looked for where the grammar
//! fails already, so that a frame without any costs nothing more.
//!
//! ```
//! use imap_proto::{FetchItem, Parser, Quirk, Quirks, Response};
//! let line = b"* 5 FETCH (UID 19436 )";
//! let mut parser = Parser::new();
//! let Response::Fetch { items, .. } = parser.response(line)? else { panic!() };
//! assert_eq!(items.iter().next(), Some(FetchItem::Uid(19436)));
//! assert_eq!(parser.quirk_counts().of(Quirk::SpaceBeforeClose), 1);
//!
//! parser.set_response_quirks(Quirks::TOLERANT.without(Quirk::SpaceBeforeClose));
//! assert!(matches!(parser.response(line)?, Response::Invalid(_)));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::cell::Cell;
use std::fmt;

use mail_wire::{FrameLimits, InvalidMessage, LineEnd, LiteralFramer};

use crate::mailbox::Names;
use crate::{Limits, Parser};

/// Declares the quirks: name, and what the error says when it is not allowed.
macro_rules! quirks {
    ($($(#[$doc:meta])* $name:ident = $what:literal),* $(,)?) => {
        /// One way to break the grammar that can be read all the same.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Quirk {
            $($(#[$doc])* $name,)*
        }

        impl Quirk {
            /// All of them, in the order of their declaration.
            pub const ALL: [Self; [$($what),*].len()] = [$(Self::$name),*];

            /// What an error says where this quirk is not allowed.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $what,)*
                }
            }
        }
    };
}

quirks! {
    /// A space behind the last word of a line: `CAPABILITY` and `SEARCH` of Tencent's exmail, `STATUS` of Exchange.
    TrailingSpace = "trailing space",
    /// A space in front of a closing parenthesis or bracket: `FETCH (UID 5 )` of QQ, flag lists of SurgeMail.
    SpaceBeforeClose = "space before a closing parenthesis",
    /// A space behind an opening parenthesis.
    SpaceAfterOpen = "space after an opening parenthesis",
    /// More than one space where the grammar has one: `QUOTA` of Exchange.
    DoubleSpace = "more than one space",
    /// A space between two addresses of an envelope, or two parts of a structure, where the grammar has none.
    SpaceBetween = "space between addresses or parts",
    /// A backslash in a quoted string in front of anything but a quote or a backslash.
    OddEscape = "malformed escape",
    /// A quote inside a quoted string without its backslash: `""""` in envelopes of 163.com, Message-IDs elsewhere.
    /// A quote is taken for the end of the string only if a space, a parenthesis or a bracket follows.
    UnescapedQuote = "quote without a backslash",
    /// Bytes above 127 in a quoted string: Latin-1 in the parameters of attachments, raw UTF-8 in names. Valid UTF-8
    /// is no quirk once it is allowed by ENABLE (RFC 6855, RFC 9051).
    EightBitQuoted = "byte above 127 in a quoted string",
    /// A mailbox name that is not canonical modified UTF-7: raw UTF-8, a lone `&`. It is read as text.
    BareName = "mailbox name is not canonical modified UTF-7",
    /// A NUL octet in a literal that is not of the form `~{n}` (RFC 3516): servers that hand out stored mail as it is.
    NulInLiteral = "NUL octet in a literal",
    /// A status without the space before its text, and without text: `* BYE` of iCloud, `a1 OK`.
    NoText = "expected a space and text",
    /// The same behind a response code: `* OK [HIGHESTMODSEQ 7]` of Gmail.
    NoTextAfterCode = "expected a space and text behind the code",
    /// A continuation request that is a `+` alone.
    EmptyContinuation = "expected a space behind the plus sign",
    /// A response code that is no atom, or is joined to what follows it: `[Error="..." Proxy=...]` of Exchange Online.
    OddCode = "malformed response code",
    /// A response code where a line begins, without `* OK`: `[COPYUID ...]` of Exchange 2013. It is read as invalid
    /// and costs the line, not the session.
    CodeWithoutStatus = "response code without a status",
    /// A `]` in a keyword: Gmail.
    BracketInFlag = "bracket in a flag",
    /// `NIL` for the encoding of a part: iCloud, maddy. It means `7BIT`.
    NilEncoding = "NIL for an encoding",
    /// `NIL` for the value of a parameter: `("boundary" NIL)` of Mail.ru. It is read as the empty string.
    NilParameter = "NIL for the value of a parameter",
    /// `()` where the grammar has `NIL` for an empty list of addresses or parameters.
    EmptyList = "empty list",
    /// A disposition that is a string alone, not a name and its parameters in parentheses: Exchange.
    BareDisposition = "disposition without parentheses",
    /// A multipart without parts: Gmail leaves them out, others write `NIL` in their place.
    MultipartWithoutParts = "multipart without parts",
    /// A negative size of a part, in bytes or lines. It is read as 0.
    NegativeNumber = "negative number",
    /// A text part without its number of lines. It is read as 0.
    MissingLines = "text part without its lines",
    /// A part of type `message/rfc822` described as any other part, without envelope and structure.
    MessageWithoutEnvelope = "message part without its envelope",
    /// A line that ends with LF alone. In no preset: it moves the boundary between two messages, so that whoever gets
    /// an LF into a string of a careless server can make up a line of its own.
    DangerBareLf = "bare LF",
}

const _: () = assert!(Quirk::ALL.len() <= u32::BITS as usize, "a set of quirks is a u32");

/// A set of quirks.
///
/// ```
/// use imap_proto::{Quirk, Quirks};
/// let set = Quirks::STRICT.with(Quirk::EightBitQuoted);
/// assert!(set.contains(Quirk::EightBitQuoted) && !set.contains(Quirk::OddCode));
/// assert!(!Quirks::TOLERANT.contains(Quirk::DangerBareLf));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Quirks(u32);

impl Quirks {
    /// None: what a server takes of a client by default.
    pub const STRICT: Self = Self(0);

    /// All but [`Quirk::DangerBareLf`]: what a client takes of a server by default.
    pub const TOLERANT: Self =
        Self(u32::MAX >> (u32::BITS as usize - Quirk::ALL.len())).without(Quirk::DangerBareLf);

    /// The set with this quirk in it.
    #[must_use]
    pub const fn with(self, quirk: Quirk) -> Self {
        Self(self.0 | 1 << quirk as u32)
    }

    /// The set without this quirk.
    #[must_use]
    pub const fn without(self, quirk: Quirk) -> Self {
        Self(self.0 & !(1 << quirk as u32))
    }

    /// Whether this quirk is in the set.
    #[must_use]
    pub const fn contains(self, quirk: Quirk) -> bool {
        self.0 & 1 << quirk as u32 != 0
    }

    /// The quirks in the set, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.into_iter().filter(move |quirk| self.contains(*quirk))
    }
}

impl fmt::Debug for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// In how many frames each quirk was met and let pass; of [`Quirk::DangerBareLf`], how many line ends.
///
/// Most peers have none, so that nothing is held for them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct QuirkCounts(Option<Box<[u64; Quirk::ALL.len()]>>);

impl QuirkCounts {
    /// In how many frames this quirk was let pass.
    #[must_use]
    pub fn of(&self, quirk: Quirk) -> u64 {
        self.0.as_ref().and_then(|counts| counts.get(quirk as usize)).copied().unwrap_or(0)
    }

    /// The quirks that were met, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Quirk, u64)> {
        Quirk::ALL.into_iter().map(|quirk| (quirk, self.of(quirk))).filter(|(_, count)| *count > 0)
    }

    #[cold]
    pub(crate) fn note(&mut self, met: Quirks) {
        met.iter().for_each(|quirk| self.note_times(quirk, 1));
    }

    pub(crate) fn note_times(&mut self, quirk: Quirk, times: u64) {
        if times > 0
            && let Some(count) = self.0.get_or_insert_default().get_mut(quirk as usize)
        {
            *count = count.saturating_add(times);
        }
    }
}

impl fmt::Debug for QuirkCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What one check goes by.
#[derive(Debug)]
pub struct Check<'l> {
    pub(crate) limits: &'l Limits,
    allowed: Quirks,
    names: Names,
    met: Cell<Quirks>,
}

impl<'l> Check<'l> {
    /// One that lets nothing pass.
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self::allowing(limits, Quirks::STRICT, Names::ModifiedUtf7)
    }

    pub(crate) fn allowing(limits: &'l Limits, allowed: Quirks, names: Names) -> Self {
        Self { limits, allowed, names, met: Cell::new(Quirks::STRICT) }
    }

    /// A quirk at this offset: noted if it is allowed, an error if not.
    #[cold]
    pub(crate) fn meet(&self, quirk: Quirk, offset: usize) -> Result<(), InvalidMessage> {
        if !self.allowed.contains(quirk) {
            return Err(InvalidMessage::new(quirk.as_str(), offset));
        }
        self.met.set(self.met.get().with(quirk));
        Ok(())
    }

    /// Bytes above 127 in a quoted string.
    #[cold]
    pub(crate) fn meet_eight_bit(&self, inside: &[u8], offset: usize) -> Result<(), InvalidMessage> {
        if self.names == Names::Utf8 && std::str::from_utf8(inside).is_ok() {
            return Ok(());
        }
        self.meet(Quirk::EightBitQuoted, offset)
    }

    /// The quirks met so far.
    pub(crate) fn met(&self) -> Quirks {
        self.met.get()
    }

    /// Forgets what was met since: what it was met in turned out to be malformed anyway.
    pub(crate) fn forget_since(&self, met: Quirks) {
        self.met.set(met);
    }
}

/// A framer that ends lines as the quirks have it.
pub(crate) fn framer(limits: FrameLimits, quirks: Quirks) -> LiteralFramer {
    let bare = quirks.contains(Quirk::DangerBareLf);
    LiteralFramer::new(limits).with_line_end(if bare { LineEnd::DangerLf } else { LineEnd::CrLf })
}

/// What the two of them have let pass.
pub(crate) fn counts(parser: &Parser, framer: &LiteralFramer) -> QuirkCounts {
    let mut counts = parser.quirk_counts().clone();
    counts.note_times(Quirk::DangerBareLf, framer.bare_line_ends());
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in_and_nothing_else() {
        for quirk in Quirk::ALL {
            assert!(!Quirks::STRICT.contains(quirk));
            assert_eq!(Quirks::STRICT.with(quirk).iter().collect::<Vec<_>>(), [quirk]);
            assert_eq!(Quirks::STRICT.with(quirk).without(quirk), Quirks::STRICT);
            assert_eq!(Quirks::TOLERANT.contains(quirk), quirk != Quirk::DangerBareLf);
        }
    }

    #[test]
    fn what_is_not_allowed_is_an_error_that_names_it_and_is_not_noted() {
        let limits = Limits::default();
        let check = Check::allowing(&limits, Quirks::STRICT.with(Quirk::OddCode), Names::ModifiedUtf7);
        assert_eq!(check.meet(Quirk::OddCode, 3), Ok(()));
        let refused = check.meet(Quirk::NoText, 3);
        assert_eq!(refused, Err(InvalidMessage::new(Quirk::NoText.as_str(), 3)));
        assert_eq!(check.met(), Quirks::STRICT.with(Quirk::OddCode));
        let mut counts = QuirkCounts::default();
        counts.note(check.met());
        counts.note(check.met());
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(Quirk::OddCode, 2)]);
        assert_eq!(format!("{counts:?}"), "{OddCode: 2}");
    }
}
