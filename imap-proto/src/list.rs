//! LIST and LSUB, both ways (RFC 3501 6.3.8, 7.2.2; CHILDREN, RFC 3348; SPECIAL-USE, RFC 6154), and the special use
//! of CREATE.

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::{ListPattern, MailboxName};
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::{Cursor, Item, List, Node};
use crate::token::Kind;

/// `LIST reference pattern` or `LSUB reference pattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListQuery<'a> {
    /// What the pattern is relative to; mostly empty.
    pub reference: MailboxName<'a>,
    /// Which names.
    pub pattern: ListPattern<'a>,
    /// What a name must have to be listed; LIST only.
    pub selection: List<'a, ListOption>,
    /// What is to be told of it; LIST only.
    pub returned: List<'a, ListOption>,
}

/// An option of LIST, in front of the reference or behind `RETURN` (RFC 6154 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListOption {
    /// `SPECIAL-USE`.
    SpecialUse,
}

impl<'a> ListQuery<'a> {
    /// The query with no options, as RFC 3501 has it.
    #[must_use]
    pub fn new(reference: MailboxName<'a>, pattern: ListPattern<'a>) -> Self {
        Self { reference, pattern, selection: List::of(&[]), returned: List::of(&[]) }
    }

    /// Reads the arguments of LIST.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mut selection = List::of(&[]);
        if cursor.peek().is_some_and(|token| token.kind() == Kind::List) {
            selection = cursor.spaced()?.list()?;
        }
        let mut query = Self { selection, ..Self::read_plain(cursor)? };
        if !cursor.is_empty() {
            let word = cursor.spaced()?;
            if !word.word()?.eq_ignore_ascii_case(b"RETURN") {
                return word.fail("expected RETURN");
            }
            query.returned = cursor.spaced()?.list()?;
        }
        Ok(query)
    }

    /// Reads the arguments of LSUB.
    pub(crate) fn read_plain(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let reference = MailboxName::of_node(&cursor.spaced()?)?;
        Ok(Self::new(reference, ListPattern::of_node(&cursor.spaced()?)?))
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.selection.check(check)?;
        self.returned.check(check)
    }
}

impl<'a> Item<'a> for ListOption {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        if node.word()?.eq_ignore_ascii_case(b"SPECIAL-USE") {
            Ok(Self::SpecialUse)
        } else {
            node.fail("unknown LIST option")
        }
    }
}

impl Encode for ListOption {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        match self {
            Self::SpecialUse => out.raw(b"SPECIAL-USE"),
        }
        Ok(())
    }
}

/// `* LIST (\HasNoChildren) "/" INBOX`: a name and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedMailbox<'a> {
    /// Its attributes.
    pub attributes: List<'a, ListAttribute<'a>>,
    /// The hierarchy separator; `None` in a flat name space.
    pub separator: Option<Separator>,
    /// Its name.
    pub mailbox: MailboxName<'a>,
}

/// A hierarchy separator: one printable ASCII character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Separator(u8);

impl Separator {
    /// `/`.
    pub const SLASH: Self = Self(b'/');
    /// `.`.
    pub const DOT: Self = Self(b'.');

    /// This character. `None` for what may not stand between quotes.
    #[must_use]
    pub fn new(character: u8) -> Option<Self> {
        chars::is_quotable(character).then_some(Self(character))
    }

    /// The character.
    #[must_use]
    pub fn as_byte(self) -> u8 {
        self.0
    }

    /// Reads a quoted character or `NIL`.
    pub(crate) fn of_node(node: &Node<'_>) -> Result<Option<Self>, InvalidMessage> {
        let Some(string) = node.nstring()? else { return Ok(None) };
        let mut bytes = string.bytes();
        match (bytes.next().and_then(Self::new), bytes.next()) {
            (Some(separator), None) => Ok(Some(separator)),
            // Some servers send an empty string for a flat name space.
            (None, None) if string.is_empty() => Ok(None),
            _ => node.fail("expected one character"),
        }
    }

    pub(crate) fn encode_option<S: Sink>(
        separator: Option<Self>,
        out: &mut Encoder<'_, S>,
    ) -> Result<(), PeerIncompatible> {
        match separator {
            None => {
                out.raw(b"NIL");
                Ok(())
            }
            Some(Self(character)) => out.string(&IString::plain(&[character])),
        }
    }
}

/// A mailbox attribute, or a special use.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ListAttribute<'a> {
    /// `\Noinferiors`: no children, ever.
    NoInferiors,
    /// `\Noselect`.
    NoSelect,
    /// `\Marked`.
    Marked,
    /// `\Unmarked`.
    Unmarked,
    /// `\HasChildren` (RFC 3348).
    HasChildren,
    /// `\HasNoChildren` (RFC 3348).
    HasNoChildren,
    /// A special use (RFC 6154).
    Use(SpecialUse),
    /// Another attribute, with its backslash.
    Other(AttributeName<'a>),
}

/// The spelling of a [`ListAttribute::Other`].
#[derive(Debug, Clone, Copy)]
pub struct AttributeName<'a>(&'a [u8]);

/// A special use of a mailbox (RFC 6154 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\All`.
    All,
    /// `\Archive`.
    Archive,
    /// `\Drafts`.
    Drafts,
    /// `\Flagged`.
    Flagged,
    /// `\Junk`.
    Junk,
    /// `\Sent`.
    Sent,
    /// `\Trash`.
    Trash,
}

impl<'a> ListAttribute<'a> {
    /// The attribute spelled like this, with its backslash.
    pub fn new(attribute: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_word(attribute.as_ref()).ok_or(InvalidMessage::new("expected a mailbox attribute", 0))
    }

    fn of_word(word: &'a [u8]) -> Option<Self> {
        keys! {
            NOINFERIORS = "\\Noinferiors", NOSELECT = "\\Noselect", MARKED = "\\Marked", UNMARKED = "\\Unmarked",
            HASCHILDREN = "\\HasChildren", HASNOCHILDREN = "\\HasNoChildren",
        }
        if let Some(special) = SpecialUse::of_word(word) {
            return Some(Self::Use(special));
        }
        Some(match key(word) {
            NOINFERIORS => Self::NoInferiors,
            NOSELECT => Self::NoSelect,
            MARKED => Self::Marked,
            UNMARKED => Self::Unmarked,
            HASCHILDREN => Self::HasChildren,
            HASNOCHILDREN => Self::HasNoChildren,
            _ => {
                let name = word.strip_prefix(b"\\").unwrap_or(word);
                return chars::is_atom(name).then_some(Self::Other(AttributeName(word)));
            }
        })
    }

    /// Its spelling.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::NoInferiors => b"\\Noinferiors",
            Self::NoSelect => b"\\Noselect",
            Self::Marked => b"\\Marked",
            Self::Unmarked => b"\\Unmarked",
            Self::HasChildren => b"\\HasChildren",
            Self::HasNoChildren => b"\\HasNoChildren",
            Self::Use(special) => special.as_str().as_bytes(),
            Self::Other(name) => name.0,
        }
    }
}

impl PartialEq for ListAttribute<'_> {
    /// Without regard to ASCII case.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for ListAttribute<'_> {}

impl SpecialUse {
    /// The use spelled like this, with its backslash.
    #[must_use]
    pub fn of_word(word: &[u8]) -> Option<Self> {
        keys! {
            ALL = "\\All", ARCHIVE = "\\Archive", DRAFTS = "\\Drafts", FLAGGED = "\\Flagged", JUNK = "\\Junk",
            SENT = "\\Sent", TRASH = "\\Trash",
        }
        Some(match key(word) {
            ALL => Self::All,
            ARCHIVE => Self::Archive,
            DRAFTS => Self::Drafts,
            FLAGGED => Self::Flagged,
            JUNK => Self::Junk,
            SENT => Self::Sent,
            TRASH => Self::Trash,
            _ => return None,
        })
    }

    /// Its spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

impl<'a> Item<'a> for ListAttribute<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail("expected a mailbox attribute"), Ok)
    }
}

impl<'a> Item<'a> for SpecialUse {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        Self::of_word(node.word()?).map_or_else(|| node.fail("unknown special use"), Ok)
    }
}

impl<'a> ListedMailbox<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let attributes = cursor.spaced()?.list()?;
        let separator = Separator::of_node(&cursor.spaced()?)?;
        let mailbox = MailboxName::of_node(&cursor.spaced()?)?;
        // RFC 5258 puts extended data in a list behind the name.
        if !cursor.is_empty() {
            cursor.spaced()?.inside()?;
        }
        Ok(Self { attributes, separator, mailbox })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.attributes.check(check)
    }
}

impl Encode for ListQuery<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        if !self.selection.is_empty() {
            out.raw(b" ");
            self.selection.encode(out)?;
        }
        out.raw(b" ");
        self.reference.encode(out)?;
        out.raw(b" ");
        self.pattern.encode(out)?;
        if !self.returned.is_empty() {
            out.raw(b" RETURN ");
            self.returned.encode(out)?;
        }
        Ok(())
    }
}

impl Encode for ListedMailbox<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.attributes.encode(out)?;
        out.raw(b" ");
        Separator::encode_option(self.separator, out)?;
        out.raw(b" ");
        self.mailbox.encode(out)
    }
}

impl Encode for ListAttribute<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.as_bytes());
        Ok(())
    }
}

impl Encode for SpecialUse {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.as_str().as_bytes());
        Ok(())
    }
}

/// `CREATE mailbox [(USE (\Drafts))]` (RFC 3501 6.3.3, RFC 6154 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Create<'a> {
    /// The name to be.
    pub mailbox: MailboxName<'a>,
    /// What it shall be used for.
    pub special_use: List<'a, SpecialUse>,
}

impl<'a> Create<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::argument(cursor)?;
        let mut special_use = List::of(&[]);
        if !cursor.is_empty() {
            let mut parameters = cursor.spaced()?.inside()?;
            if parameters.word_if(|word| word.eq_ignore_ascii_case(b"USE")).is_none() {
                return parameters.fail("unknown CREATE parameter");
            }
            special_use = parameters.spaced()?.list()?;
            parameters.end()?;
        }
        Ok(Self { mailbox, special_use })
    }
}

impl Encode for Create<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        if !self.special_use.is_empty() {
            out.raw(b" (USE ");
            self.special_use.encode(out)?;
            out.raw(b")");
        }
        Ok(())
    }
}
