//! Arguments that only search keys have: the name of a stored filter (RFC 5466), and what a mod-sequence is asked of
//! (RFC 7162 3.1.5).
//!
//! ```
//! use imap_proto::{Flag, Parser, Command, SearchKey};
//! use imap_proto::search::{EntryKind, FilterName};
//! let mut parser = Parser::new();
//! let line = br#"a SEARCH MODSEQ "/flags/\\draft" all 620162338 FILTER on-the-road"#;
//! let Command::Search(search) = parser.command(line)?.command else { panic!() };
//! let keys: Vec<_> = search.keys.iter().collect();
//! let SearchKey::ModSeq { entry: Some(entry), .. } = keys[0] else { panic!() };
//! assert_eq!((entry.flag.flag(), entry.kind), (Flag::Draft, EntryKind::All));
//! assert_eq!(keys[1], SearchKey::Filter(FilterName::new("on-the-road")?));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;

use mail_wire::{Escaped, InvalidMessage, PeerIncompatible};

use crate::chars::{self, key, keys};
use crate::encode::{Encode, Encoder, Sink};
use crate::flag::{Flag, SettableFlag};
use crate::tape::{Cursor, Node};
use crate::token::Kind;

/// `filter-name`: an atom without `/`, compared byte for byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FilterName<'a>(&'a [u8]);

impl<'a> FilterName<'a> {
    /// The filter of this name.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_bytes(name.as_ref()).ok_or(InvalidMessage::new(EXPECTED_FILTER, 0))
    }

    fn of_bytes(name: &'a [u8]) -> Option<Self> {
        (chars::is_atom(name) && !name.contains(&b'/')).then_some(Self(name))
    }

    pub(crate) fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        Self::of_bytes(node.word()?).map_or_else(|| node.fail(EXPECTED_FILTER), Ok)
    }

    /// Its spelling.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

const EXPECTED_FILTER: &str = "expected a filter name";

impl fmt::Debug for FilterName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(self.0).fmt(f)
    }
}

/// `"/flags/\\seen" all`: a flag, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModSeqEntry<'a> {
    /// The flag.
    pub flag: SettableFlag<'a>,
    /// Whose.
    pub kind: EntryKind,
}

/// `entry-type-req`: whose flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// `priv`: this user's.
    Private,
    /// `shared`: everybody's.
    Shared,
    /// `all`: either.
    All,
}

impl<'a> ModSeqEntry<'a> {
    /// Takes an entry, if a string stands here.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Option<Self>, InvalidMessage> {
        keys! { PRIVATE = "PRIV", SHARED = "SHARED", ALL = "ALL" }
        if cursor.peek().is_none_or(|token| token.kind() == Kind::Word) {
            return Ok(None);
        }
        let name = cursor.spaced()?;
        let Some(flag) = entry_flag(&name) else { return name.fail("expected the entry of a flag") };
        let word = cursor.spaced()?;
        let kind = match key(word.word()?) {
            PRIVATE => EntryKind::Private,
            SHARED => EntryKind::Shared,
            ALL => EntryKind::All,
            _ => return word.fail("expected priv, shared or all"),
        };
        Ok(Some(Self { flag, kind }))
    }
}

/// The flag behind `/flags/`. Of quoted text only the backslash of a system flag needs another in front.
fn entry_flag<'a>(node: &Node<'a>) -> Option<SettableFlag<'a>> {
    let name = match node.token.kind() {
        Kind::Quoted | Kind::QuotedEscaped | Kind::Literal => node.bytes(),
        _ => return None,
    };
    let (prefix, mut flag) = name.split_at_checked(PREFIX.len())?;
    if node.token.kind() == Kind::QuotedEscaped {
        flag = flag.strip_prefix(b"\\").filter(|flag| flag.starts_with(b"\\"))?;
    }
    prefix.eq_ignore_ascii_case(PREFIX).then(|| Flag::of_word(flag))?.and_then(SettableFlag::new)
}

const PREFIX: &[u8] = b"/flags/";

impl Encode for ModSeqEntry<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        let flag = self.flag.flag();
        let flag = flag.as_bytes();
        out.raw(b"\"/flags/");
        if flag.starts_with(b"\\") {
            out.raw(b"\\");
        }
        out.raw(flag);
        out.raw(match self.kind {
            EntryKind::Private => b"\" priv",
            EntryKind::Shared => b"\" shared",
            EntryKind::All => b"\" all",
        });
        Ok(())
    }
}
