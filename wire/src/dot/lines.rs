//! The machine below the readers: where lines begin, what is a dot there, what is done with a stray CR or LF.

use super::scan::{StopAt, plain_bytes};
use crate::InvalidMessage;

/// What a reader does with a CR or LF that is not part of a CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareLineEnd {
    /// The body is refused. The default.
    #[default]
    Refuse,
    /// A bare LF is read as CRLF, a bare CR as a space; neither begins the end of the body.
    DangerNormalize,
    /// It is handed on as it is, and is the owner's to look after; it neither begins nor ends a line here.
    DangerKeep,
}

/// Whether a dot at the start of a line is one that the sender has added, or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dots {
    Stuffed,
    Text,
}

/// What the next bytes of a body are, after `skip` bytes that are only the wire's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes of text.
    Run { skip: usize, bytes: usize },
    /// Text that does not stand in the bytes in one piece.
    Made { skip: usize, text: &'static [u8] },
    /// The end of the body.
    End { skip: usize },
    /// Nothing more in these bytes.
    Wait { skip: usize },
}

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind a CRLF, or at the very start: a dot here is a stuffed dot or the end.
    LineStart,
    /// Behind a normalised LF: a dot here is a stuffed dot, never the end.
    AfterLf,
    /// Behind a dot at [`LineStart`](Self::LineStart).
    AfterDot,
    /// Behind such a dot and a CR.
    AfterDotCr,
    /// Behind a CR that was not handed out, since nobody knows yet what it is.
    AfterCr,
    /// Behind a CR that was handed out.
    AfterKeptCr,
    Inside,
}

#[derive(Debug)]
pub(super) struct Lines {
    bare: BareLineEnd,
    dots: Dots,
    place: Place,
    /// Bytes consumed so far, for the offset of an error.
    offset: usize,
}

impl Lines {
    pub(super) fn new(bare: BareLineEnd, dots: Dots) -> Self {
        Self { bare, dots, place: Place::LineStart, offset: 0 }
    }

    /// What comes next. What the step names is consumed with it; an error is final.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<Step, InvalidMessage> {
        let mut skip = 0;
        loop {
            let rest = bytes.get(skip..).unwrap_or_default();
            let Some(next) = rest.first() else { return Ok(Step::Wait { skip }) };
            match (self.place, next) {
                (Place::LineStart, b'.') if self.dots == Dots::Stuffed => {
                    self.skip_to(Place::AfterDot, &mut skip);
                }
                (Place::AfterLf, b'.') if self.dots == Dots::Stuffed => {
                    self.skip_to(Place::Inside, &mut skip)
                }
                (Place::AfterDot, b'\r') => self.skip_to(Place::AfterDotCr, &mut skip),
                (Place::AfterDotCr, b'\n') => {
                    self.skip_to(Place::LineStart, &mut skip);
                    return Ok(Step::End { skip });
                }
                (Place::AfterCr, b'\n') => {
                    self.skip_to(Place::LineStart, &mut skip);
                    return Ok(Step::Made { skip, text: b"\r\n" });
                }
                (Place::AfterKeptCr, b'\n') => {
                    self.place = Place::LineStart;
                    self.offset += 1;
                    return Ok(Step::Run { skip, bytes: 1 });
                }
                (Place::AfterCr | Place::AfterDotCr, _) => {
                    let text = self.bare_cr(self.offset - 1)?;
                    return Ok(Step::Made { skip, text });
                }
                (Place::Inside, _) => return self.inside(rest, skip),
                (Place::LineStart | Place::AfterLf | Place::AfterDot | Place::AfterKeptCr, _) => {
                    self.place = Place::Inside;
                }
            }
        }
    }

    /// Says that no byte follows; what was held back is text after all.
    pub(super) fn finish(&mut self) -> Result<Option<&'static [u8]>, InvalidMessage> {
        if self.place == Place::AfterCr { self.bare_cr(self.offset - 1).map(Some) } else { Ok(None) }
    }

    fn skip_to(&mut self, place: Place, skip: &mut usize) {
        self.place = place;
        self.offset += 1;
        *skip += 1;
    }

    fn inside(&mut self, rest: &[u8], skip: usize) -> Result<Step, InvalidMessage> {
        let bytes = match (self.dots, self.bare) {
            (Dots::Stuffed, BareLineEnd::DangerKeep) => plain_bytes(rest, StopAt::Dots),
            (Dots::Stuffed, _) => plain_bytes(rest, StopAt::DotsAndBareLineEnds),
            (Dots::Text, BareLineEnd::DangerKeep) => rest.len(),
            (Dots::Text, _) => plain_bytes(rest, StopAt::BareLineEnds),
        };
        if bytes > 0 {
            self.place = match rest.get(..bytes) {
                Some([.., b'\r', b'\n']) => Place::LineStart,
                Some([.., b'\r']) => Place::AfterKeptCr,
                _ => Place::Inside,
            };
            self.offset += bytes;
            return Ok(Step::Run { skip, bytes });
        }
        let at = self.offset;
        self.offset += 1;
        let skip = skip + 1;
        match rest {
            [b'\r'] => {
                self.place = Place::AfterCr;
                Ok(Step::Wait { skip })
            }
            [b'\r', ..] => self.bare_cr(at).map(|text| Step::Made { skip, text }),
            _ if self.bare == BareLineEnd::Refuse => Err(InvalidMessage::new(InvalidMessage::BARE_LF, at)),
            _ => {
                self.place = Place::AfterLf;
                Ok(Step::Made { skip, text: b"\r\n" })
            }
        }
    }

    /// What a bare CR at this offset is read as.
    fn bare_cr(&mut self, at: usize) -> Result<&'static [u8], InvalidMessage> {
        self.place = Place::Inside;
        match self.bare {
            BareLineEnd::Refuse => Err(InvalidMessage::new(InvalidMessage::BARE_CR, at)),
            BareLineEnd::DangerNormalize => Ok(b" "),
            BareLineEnd::DangerKeep => Ok(b"\r"),
        }
    }
}
