//! Sections: which bytes of a message are asked for, and how they come (RFC 3501 6.4.5, `section`).

use std::ops::Range;

use bytes::Bytes;
use imap_proto::{Data, Partial, Section, SectionText as Asked};
use mail_wire::LiteralId;
use mailstore::message::{Extent, SectionText, Selection, Structure, header_fields};
use mailstore::store::{Body, Error};

use super::READ_BYTES;
use crate::net::on_disk;

/// The largest piece that is read as a whole before its answer begins; a page or two of text, read in one go.
const HELD_BYTES_MAX: u32 = 64 << 10;
/// What all pieces of one answer may hold together; what is more comes later.
const ALL_HELD_BYTES_MAX: u32 = 256 << 10;

/// Bytes of a header in which fields are looked for, as many as the structure of a message looks into. Real headers
/// are smaller; what selects fields is held as a whole.
const FIELDS_BYTES_MAX: u32 = 1 << 20;

/// Bytes of a message that one attribute asks for.
#[derive(Debug)]
pub(super) enum Piece {
    /// There is no such part.
    Nil,
    /// Here they are.
    Held(Bytes),
    /// They are read while they are sent.
    Later(Later),
}

/// A piece that is read while it is sent.
#[derive(Debug)]
pub(super) struct Later {
    /// Its beginning, which could be read.
    pub(super) first: Bytes,
    /// Where the rest stands.
    pub(super) rest: Range<u32>,
}

impl Piece {
    /// The piece as the grammar has it.
    pub(super) fn data(&self) -> Data<'_> {
        match self {
            Self::Nil => Data::Nil,
            Self::Held(bytes) => Data::Shared(bytes),
            // The connection takes literals in the order in which they are announced; their names are of no use here.
            Self::Later(Later { first, rest }) => Data::Streamed {
                id: LiteralId(0),
                bytes: first.len() as u64 + u64::from(rest.end - rest.start),
            },
        }
    }
}

/// Reads the pieces of one message.
pub(super) struct Reader<'m> {
    body: &'m Body,
    structure: Option<&'m Structure>,
    held_bytes: u32,
}

impl<'m> Reader<'m> {
    /// A reader of this message. Sections other than the whole of it need its structure.
    pub(super) fn new(body: &'m Body, structure: Option<&'m Structure>) -> Self {
        Self { body, structure, held_bytes: 0 }
    }

    /// The bytes of a section.
    pub(super) fn piece(&mut self, section: &Section<'_>, partial: Option<Partial>) -> Result<Piece, Error> {
        let (text, fields) = match section.text {
            Asked::All => (SectionText::Whole, None),
            Asked::Header => (SectionText::Header, None),
            Asked::Text => (SectionText::Text, None),
            Asked::Mime => (SectionText::Mime, None),
            Asked::HeaderFields(names) => (SectionText::Header, Some((names, Selection::Only))),
            Asked::HeaderFieldsNot(names) => (SectionText::Header, Some((names, Selection::Not))),
        };
        let Some(place) = self.place(section, text) else { return Ok(Piece::Nil) };
        let Some((names, selection)) = fields else { return self.read(cut(place, partial)) };
        let names: Vec<_> = names.iter().map(|name| name.to_bytes().into_owned()).collect();
        let header = self.read_whole(place.partial(0, FIELDS_BYTES_MAX))?;
        let selected = header_fields(&header, &names, selection);
        let whole = Extent { start: 0, end: u32::try_from(selected.len()).unwrap_or(u32::MAX) };
        let selected = Bytes::from(selected).slice(cut(whole, partial).range());
        self.held_bytes = self.held_bytes.saturating_add(whole.len());
        Ok(Piece::Held(selected))
    }

    fn place(&self, section: &Section<'_>, text: SectionText) -> Option<Extent> {
        if *section == Section::MESSAGE {
            return Some(Extent { start: 0, end: self.body.size_bytes() });
        }
        let path: Vec<u32> = section.path.iter().map(std::num::NonZero::get).collect();
        self.structure?.section(&path, text)
    }

    fn read(&mut self, place: Extent) -> Result<Piece, Error> {
        let all_held = self.held_bytes.saturating_add(place.len());
        // A piece without bytes has nothing to come later.
        if place.len() == 0 || place.len() <= HELD_BYTES_MAX && all_held <= ALL_HELD_BYTES_MAX {
            self.held_bytes = all_held;
            return self.read_whole(place).map(Piece::Held);
        }
        // The first of several large pieces is read now, the others no more than begun.
        let first_bytes = if self.held_bytes < ALL_HELD_BYTES_MAX { READ_BYTES } else { 1 };
        let middle = place.end.min(place.start.saturating_add(first_bytes));
        let first = on_disk(|| self.body.read(place.start..middle))?;
        if first.len() as u64 != u64::from(middle - place.start) {
            return Err(Error::Damaged);
        }
        self.held_bytes = self.held_bytes.saturating_add(middle - place.start);
        Ok(Piece::Later(Later { first, rest: middle..place.end }))
    }

    fn read_whole(&self, place: Extent) -> Result<Bytes, Error> {
        let read = || self.body.read(place.start..place.end);
        // Small pieces are mostly in the page cache; giving up the thread for each costs more than the read.
        let bytes = if place.len() <= HELD_BYTES_MAX { read()? } else { on_disk(read)? };
        if bytes.len() as u64 == u64::from(place.len()) { Ok(bytes) } else { Err(Error::Damaged) }
    }
}

fn cut(place: Extent, partial: Option<Partial>) -> Extent {
    partial.map_or(place, |partial| place.partial(partial.offset, partial.count.get()))
}
