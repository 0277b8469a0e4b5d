//! ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 7.4.2) from the structure of a message.
//!
//! The grammar's views borrow lists, so the lists of one answer are laid on shelves that live as long as it does. The tree
//! is put together from its end, where the parts without parts are: no step recurses.

use std::cell::{Cell, OnceCell};

use imap_proto::{
    Address, BodyPart, CommonExtension, Disposition, Envelope, IString, List, MultiExtension, MultiPart, One,
    Parameter, PartKind, SingleExtension, SinglePart,
};
use mailstore::message::{self, Addresses, Kind, Parameters, Part, Structure};

/// Which of the two forms of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `BODY`: without extension data.
    Body,
    /// `BODYSTRUCTURE`: with it.
    BodyStructure,
}

/// Lists that have been laid down, each once.
#[derive(Debug)]
struct Shelf<T> {
    places: Vec<OnceCell<Box<[T]>>>,
    taken: Cell<usize>,
}

impl<T> Shelf<T> {
    fn of(places: usize) -> Self {
        Self { places: (0..places).map(|_| OnceCell::new()).collect(), taken: Cell::new(0) }
    }

    /// Lays a list down. Without a free place, which [`Shelves::for_structure`] rules out, it is lost.
    fn keep(&self, items: Vec<T>) -> &[T] {
        if items.is_empty() {
            return &[];
        }
        let at = self.taken.replace(self.taken.get() + 1);
        self.places.get(at).map_or(&[], |place| place.get_or_init(|| items.into_boxed_slice()))
    }
}

/// The lists of one answer.
#[derive(Debug)]
pub(super) struct Shelves<'a> {
    parts: Shelf<BodyPart<'a>>,
    parameters: Shelf<Parameter<'a>>,
    strings: Shelf<IString<'a>>,
    addresses: Shelf<Address<'a>>,
    envelopes: Shelf<Envelope<'a>>,
}

/// Lists of addresses in an envelope.
const ADDRESS_LISTS: usize = 6;

impl<'a> Shelves<'a> {
    /// Room for so many envelopes and trees of this structure.
    pub(super) fn for_structure(structure: Option<&Structure>, trees: usize) -> Self {
        let parts = structure.map_or(0, Structure::len) * trees;
        Self {
            // Each tree's root has a place of its own.
            parts: Shelf::of(parts + trees),
            parameters: Shelf::of(parts * 2),
            strings: Shelf::of(parts),
            // One envelope for each message inside, and those of the message itself.
            addresses: Shelf::of((parts + trees) * ADDRESS_LISTS),
            envelopes: Shelf::of(parts + trees),
        }
    }

    /// An envelope.
    pub(super) fn envelope(&'a self, envelope: &message::Envelope<'a>) -> Option<One<'a, Envelope<'a>>> {
        let envelope = Envelope {
            date: envelope.date.map(string),
            subject: envelope.subject.map(string),
            from: self.addresses(&envelope.from),
            sender: self.addresses(&envelope.sender),
            reply_to: self.addresses(&envelope.reply_to),
            to: self.addresses(&envelope.to),
            cc: self.addresses(&envelope.cc),
            bcc: self.addresses(&envelope.bcc),
            in_reply_to: envelope.in_reply_to.map(string),
            message_id: envelope.message_id.map(string),
        };
        self.envelopes.keep(vec![envelope]).first().map(One::of)
    }

    fn addresses(&'a self, addresses: &Addresses<'a>) -> List<'a, Address<'a>> {
        let address = |address: message::Address<'a>| Address {
            name: address.name.map(string),
            adl: address.route.map(string),
            mailbox: address.mailbox.map(string),
            host: address.host.map(string),
        };
        List::of(self.addresses.keep(addresses.clone().map(address).collect()))
    }

    /// The tree of a message.
    pub(super) fn body(&'a self, structure: &'a Structure, form: Form) -> Option<One<'a, BodyPart<'a>>> {
        let parts: Vec<Part<'a>> = structure.parts().collect();
        // The roots of what lies behind the part that is looked at, the next one last.
        let mut behind: Vec<BodyPart<'a>> = Vec::new();
        for part in parts.iter().rev() {
            let children = behind.len().saturating_sub(structure.children(part).count());
            let mut children = behind.split_off(children);
            children.reverse();
            behind.push(self.part(part, self.parts.keep(children), form));
        }
        self.parts.keep(behind).first().map(One::of)
    }

    fn part(&'a self, part: &Part<'a>, children: &'a [BodyPart<'a>], form: Form) -> BodyPart<'a> {
        let extended = form == Form::BodyStructure;
        if part.kind == Kind::Multipart && !children.is_empty() {
            return BodyPart::Multi(MultiPart {
                parts: List::of(children),
                subtype: string(part.media_subtype),
                extension: extended.then(|| MultiExtension {
                    parameters: self.parameters(&part.parameters),
                    common: self.common(part),
                }),
            });
        }
        let lines = u64::from(part.lines);
        let envelope = part.envelope.as_ref().and_then(|envelope| self.envelope(envelope));
        let kind = match (part.kind, envelope, children.first()) {
            (Kind::Message, Some(envelope), Some(body)) => {
                PartKind::Message { envelope, body: One::of(body), lines }
            }
            _ if part.is_type("text") => PartKind::Text { lines },
            _ => PartKind::Basic,
        };
        BodyPart::Single(SinglePart {
            media_type: string(part.media_type),
            subtype: string(part.media_subtype),
            parameters: self.parameters(&part.parameters),
            id: part.content_id.map(string),
            description: part.description.map(string),
            encoding: Some(string(part.encoding)),
            octets: u64::from(part.body.len()),
            kind,
            extension: extended
                .then(|| SingleExtension { md5: part.md5.map(string), common: self.common(part) }),
        })
    }

    fn common(&'a self, part: &Part<'a>) -> CommonExtension<'a> {
        let disposition = part.disposition.as_ref().map(|disposition| Disposition {
            name: string(disposition.kind),
            parameters: self.parameters(&disposition.parameters),
        });
        let language = List::of(self.strings.keep(part.languages.clone().map(string).collect()));
        CommonExtension { disposition, language, location: part.location.map(string) }
    }

    fn parameters(&'a self, parameters: &Parameters<'a>) -> List<'a, Parameter<'a>> {
        let parameter = |(name, value)| Parameter { name: string(name), value: string(value) };
        List::of(self.parameters.keep(parameters.clone().map(parameter).collect()))
    }
}

/// Values of a structure never hold NUL; one that did would be cut off there.
fn string(value: &[u8]) -> IString<'_> {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    IString::new(text).unwrap_or(IString::EMPTY)
}
