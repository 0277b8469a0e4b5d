//! The fields of a raw header, and selections of them: `BODY[HEADER.FIELDS (...)]`, `SEARCH HEADER`, POP3 `TOP`.
//!
//! A field is a line with a colon and the lines behind it that begin with white space (RFC 5322 section 2.2). A line
//! that is neither is a field without a name: never found, but part of every selection by exclusion. The header ends
//! with its first empty line or with the bytes.

use std::cmp::Ordering;

use memchr::{memchr, memchr_iter};

/// One field of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as sent, without white space before the colon; empty for a line that is no field.
    pub name: &'a [u8],
    /// What stands behind the colon, still folded, without the line end of its last line.
    pub value: &'a [u8],
    /// The whole field with all its line ends.
    pub raw: &'a [u8],
}

impl Field<'_> {
    /// Whether this is the field of that name, in any case (RFC 5322 section 1.2.2).
    pub fn is(&self, name: impl AsRef<[u8]>) -> bool {
        !self.name.is_empty() && self.name.eq_ignore_ascii_case(name.as_ref())
    }
}

/// The fields of the header at the start of `raw`; see [`headers`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// Iterates over the fields of the header that `raw` begins with. What follows its empty line is not looked at.
///
/// ```
/// let mut fields = mailstore::message::headers(b"Subject: a\r\n b\r\nTo : x\r\n\r\nbody: no\r\n");
/// let subject = fields.next().unwrap();
/// assert_eq!((subject.name, subject.value), (&b"Subject"[..], &b" a\r\n b"[..]));
/// assert!(fields.next().unwrap().is("TO"));
/// assert_eq!(fields.next(), None);
/// ```
pub fn headers(raw: &[u8]) -> Fields<'_> {
    Fields { rest: raw }
}

impl<'a> Fields<'a> {
    /// The empty line that ends the header, if there is one; to be asked after the last field.
    fn blank_line(&self) -> &'a [u8] {
        match self.rest {
            [b'\r', b'\n', ..] => self.rest.get(..2).unwrap_or_default(),
            [b'\n', ..] => self.rest.get(..1).unwrap_or_default(),
            _ => b"",
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || !self.blank_line().is_empty() {
            return None;
        }
        let end = memchr_iter(b'\n', self.rest)
            .map(|at| at + 1)
            .find(|&at| !matches!(self.rest.get(at), Some(b' ' | b'\t')))
            .unwrap_or(self.rest.len());
        let (raw, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let (name, value) = split(text);
        Some(Field { name, value, raw })
    }
}

/// Parts a field, or its first line, at the colon. A line without one, or that begins with white space, has no name.
pub(super) fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let colon = memchr(b':', text).filter(|_| !matches!(text.first(), Some(b' ' | b'\t')));
    let parted = colon.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)));
    match parted {
        Some((name, value)) if memchr(b'\n', name).is_none() => (name.trim_ascii_end(), value),
        _ => (b"", text),
    }
}

/// Which fields [`header_fields`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those named: `HEADER.FIELDS`.
    Only,
    /// All others: `HEADER.FIELDS.NOT`.
    Not,
}

/// The header that `raw` begins with, reduced to some fields in the order in which they stand, as sent. The empty line
/// belongs to it, unless the header has none (RFC 3501 section 6.4.5).
///
/// ```
/// use mailstore::message::{Selection, header_fields};
/// let raw = b"To: a\r\nSubject: b\r\n\r\n";
/// assert_eq!(header_fields(raw, &["subject"], Selection::Only), b"Subject: b\r\n\r\n");
/// assert_eq!(header_fields(raw, &["subject"], Selection::Not), b"To: a\r\n\r\n");
/// ```
pub fn header_fields<N: AsRef<[u8]>>(raw: &[u8], names: &[N], selection: Selection) -> Vec<u8> {
    // Sorted, since a client chooses the number of names and a sender that of fields.
    let mut names: Vec<&[u8]> = names.iter().map(AsRef::as_ref).collect();
    names.sort_unstable_by(|a, b| compare(a, b));
    let mut out = Vec::new();
    let mut fields = headers(raw);
    for field in fields.by_ref() {
        let named =
            !field.name.is_empty() && names.binary_search_by(|name| compare(name, field.name)).is_ok();
        if named == (selection == Selection::Only) {
            out.extend_from_slice(field.raw);
        }
    }
    out.extend_from_slice(fields.blank_line());
    out
}

/// The order of names without regard to case.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

/// The header of `raw`, its empty line and the first `lines` lines of the body: what POP3 `TOP` sends (RFC 1939
/// section 7). `body_start` is where the body begins, [`super::Part::body`] of the root.
///
/// ```
/// assert_eq!(mailstore::message::top(b"A: b\r\n\r\n1\r\n2\r\n", 8, 1), b"A: b\r\n\r\n1\r\n");
/// ```
pub fn top(raw: &[u8], body_start: u32, lines: u32) -> &[u8] {
    let start = (body_start as usize).min(raw.len());
    let body = raw.get(start..).unwrap_or_default();
    let length = match lines.checked_sub(1) {
        None => 0,
        Some(skipped) => memchr_iter(b'\n', body).nth(skipped as usize).map_or(body.len(), |at| at + 1),
    };
    raw.get(..start + length).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"From x\r\nA: 1\r\n\tmore\r\nbroken\r\nA : 2\nB:\r\n\r\nC: 3\r\n";

    #[test]
    fn fields_keep_their_bytes() {
        let found: Vec<_> = headers(RAW).map(|f| (f.name, f.value)).collect();
        let expected: [(&[u8], &[u8]); 5] =
            [(b"", b"From x"), (b"A", b" 1\r\n\tmore"), (b"", b"broken"), (b"A", b" 2"), (b"B", b"")];
        assert_eq!(found, expected);
        let joined: Vec<u8> = headers(RAW).flat_map(|f| f.raw.to_vec()).collect();
        assert_eq!(Some(&joined[..]), RAW.strip_suffix(b"\r\nC: 3\r\n"));
    }

    #[test]
    fn selections_end_with_the_empty_line_only_if_there_is_one() {
        assert_eq!(header_fields(RAW, &["a"], Selection::Only), b"A: 1\r\n\tmore\r\nA : 2\n\r\n");
        assert_eq!(header_fields(RAW, &["a"], Selection::Not), b"From x\r\nbroken\r\nB:\r\n\r\n");
        assert_eq!(header_fields(RAW, &["zzz", ""], Selection::Only), b"\r\n");
        assert_eq!(header_fields(RAW, &["x", "B", "c", "aa"], Selection::Only), b"B:\r\n\r\n");
        assert_eq!(header_fields(b"A: 1\r\n", &["b"], Selection::Only), b"");
        assert_eq!(header_fields(b"A: 1", &["a"], Selection::Only), b"A: 1");
        assert_eq!(header_fields(b"", &["a"], Selection::Not), b"");
    }

    #[test]
    fn a_line_of_white_space_does_not_end_a_header() {
        let names: Vec<_> = headers(b"A: 1\r\n \r\nB: 2\r\n\r\n").map(|f| f.name).collect();
        assert_eq!(names, [&b"A"[..], b"B"]);
        assert_eq!(headers(b" x: 1\r\n").next().map(|f| f.name), Some(&b""[..]));
    }

    #[test]
    fn top_gives_header_and_the_lines_asked_for() {
        let raw = b"A: b\r\n\r\n1\r\n2\r\n3";
        assert_eq!(top(raw, 8, 0), b"A: b\r\n\r\n");
        assert_eq!(top(raw, 8, 2), b"A: b\r\n\r\n1\r\n2\r\n");
        assert_eq!(top(raw, 8, 3), raw);
        assert_eq!(top(raw, 8, u32::MAX), raw);
        assert_eq!(top(raw, 800, 1), raw);
    }
}
