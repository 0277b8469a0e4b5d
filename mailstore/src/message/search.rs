//! Text of a message for `SEARCH` (RFC 3501 section 6.4.4): decoded from encoded words (RFC 2047), transfer encodings
//! (RFC 2045 section 6) and charsets, and compared without regard to case.
//!
//! The decoders are `mail-parser`'s. What they refuse is searched as it stands, so that damaged content can still be
//! found. Text without a known charset is read as UTF-8, or as Windows-1252 if it is not that.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;
use memchr::memmem;

use super::header::headers;
use super::structure::Structure;
use super::view::{Kind, Part};

/// Bytes of one part's raw body that a search looks into. 16 MiB: text is smaller, and decoding takes a few times as
/// much memory.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// Bytes of an encoded word. RFC 2047 allows 75; some senders put a whole subject into one.
pub const ENCODED_WORD_BYTES_MAX: usize = 1_024;

/// What is searched for, made ready once for many messages.
///
/// ```
/// use mailstore::message::search::Needle;
/// let needle = Needle::new("Grüße");
/// assert!(needle.is_in_value(b"=?utf-8?q?Sch=C3=B6ne_GR=C3=9C=C3=9FE?="));
/// ```
#[derive(Clone, Debug)]
pub struct Needle {
    finder: memmem::Finder<'static>,
}

impl Needle {
    /// The empty string is found everywhere.
    pub fn new(text: &str) -> Self {
        Self { finder: memmem::Finder::new(fold(text).as_bytes()).into_owned() }
    }

    /// Whether decoded text contains it.
    pub fn is_in(&self, text: &str) -> bool {
        self.finder.find(fold(text).as_bytes()).is_some()
    }

    /// Whether a raw field value or envelope string contains it, once decoded.
    pub fn is_in_value(&self, value: &[u8]) -> bool {
        self.is_in(&decode_value(value))
    }

    /// `HEADER name`: whether a field of that name in the header that `raw` begins with contains it.
    pub fn is_in_field(&self, raw: &[u8], name: &str) -> bool {
        headers(raw).any(|field| field.is(name) && self.is_in_value(field.value))
    }

    /// Whether any field of the header that `raw` begins with contains it, the name included.
    pub fn is_in_header(&self, raw: &[u8]) -> bool {
        headers(raw).any(|field| {
            let mut text = String::from_utf8_lossy(field.name).into_owned();
            text.push(':');
            text.push_str(&decode_value(field.value));
            self.is_in(&text)
        })
    }

    /// Whether a part's own content contains it: only parts that hold text have any. `body` is the raw body.
    pub fn is_in_part(&self, part: &Part<'_>, body: &[u8]) -> bool {
        part_text(part, body).is_some_and(|text| self.is_in(&text))
    }

    /// `BODY`: whether the text of some part, or the header of a message inside, contains it. `raw` is the message
    /// that `structure` was made of.
    pub fn is_in_body(&self, structure: &Structure, raw: &[u8]) -> bool {
        let slice = |range| raw.get(range).unwrap_or_default();
        let mut inside = false;
        structure.parts().any(|part| {
            let header = inside && self.is_in_header(slice(part.header.range()));
            inside = part.kind == Kind::Message;
            header || self.is_in_part(&part, slice(part.body.range()))
        })
    }

    /// `TEXT`: the header of the message or its body.
    pub fn is_in_message(&self, structure: &Structure, raw: &[u8]) -> bool {
        self.is_in_header(raw) || self.is_in_body(structure, raw)
    }
}

/// A raw field value as text: unfolded, encoded words decoded. White space between two encoded words goes away (RFC
/// 2047 section 6.2).
pub fn decode_value(value: &[u8]) -> String {
    let mut text = String::new();
    let mut plain: Vec<u8> = Vec::new();
    let mut rest = value;
    let mut after_word = false;
    let start = memmem::Finder::new("=?");
    loop {
        let at = start.find(rest).unwrap_or(rest.len());
        let (before, candidate) = rest.split_at_checked(at).unwrap_or((rest, b""));
        plain.extend(before.iter().filter(|b| !matches!(b, b'\r' | b'\n')));
        if candidate.is_empty() {
            text.push_str(&lenient(&plain));
            return text;
        }
        match encoded_word(candidate) {
            Some((word, length)) => {
                if !(after_word && plain.trim_ascii().is_empty()) {
                    text.push_str(&lenient(&plain));
                }
                plain.clear();
                text.push_str(&word);
                after_word = true;
                rest = candidate.get(length..).unwrap_or_default();
            }
            None => {
                plain.extend_from_slice(b"=?");
                rest = candidate.get(2..).unwrap_or_default();
            }
        }
    }
}

/// The decoded text of a part; `None` if the part holds no text. At most [`BODY_BYTES_MAX`] of `body` are read.
pub fn part_text<'b>(part: &Part<'_>, body: &'b [u8]) -> Option<Cow<'b, str>> {
    if part.kind != Kind::Leaf || !(part.is_type("text") || part.is_type("message")) {
        return None;
    }
    let body = body.get(..BODY_BYTES_MAX).unwrap_or(body);
    let bytes = if part.encoding.eq_ignore_ascii_case(b"base64") {
        base64_decode(body).map_or(Cow::Borrowed(body), Cow::Owned)
    } else if part.encoding.eq_ignore_ascii_case(b"quoted-printable") {
        quoted_printable_decode(body).map_or(Cow::Borrowed(body), Cow::Owned)
    } else {
        Cow::Borrowed(body)
    };
    let charset = part.parameters.named("charset").unwrap_or_default();
    // Text labelled with nothing better than ASCII is often more than that.
    let decoder = match charset {
        b"" => None,
        name if name.eq_ignore_ascii_case(b"us-ascii") || name.eq_ignore_ascii_case(b"utf-8") => None,
        name => charset_decoder(name),
    };
    Some(match (decoder, bytes) {
        (Some(decode), bytes) => Cow::Owned(decode(&bytes)),
        (None, Cow::Borrowed(bytes)) => lenient(bytes),
        (None, Cow::Owned(bytes)) => Cow::Owned(lenient(&bytes).into_owned()),
    })
}

/// The encoded word at the start of `candidate` as text, and its length.
fn encoded_word(candidate: &[u8]) -> Option<(String, usize)> {
    let window = candidate.get(..ENCODED_WORD_BYTES_MAX).unwrap_or(candidate);
    // `=?charset?q?` may be followed by `=` at once, so the end is looked for behind the third question mark.
    let third = memchr::memchr_iter(b'?', window).nth(2)?;
    let end = third + 1 + memmem::find(window.get(third + 1..)?, b"?=")? + 2;
    let text = MessageStream::new(window.get(1..end)?).decode_rfc2047()?;
    Some((text, end))
}

fn lenient(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decode) => Cow::Owned(decode(bytes)),
            None => String::from_utf8_lossy(bytes),
        },
    }
}

/// Lower case by Unicode's simple rules, character by character, so that text folds the same in any context.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(decode_value(value.as_bytes()), expected, "{value:?}");
    }

    #[test]
    fn encoded_words_are_decoded_and_joined() {
        check("plain", "plain");
        check("=?utf-8?q?a?= =?utf-8?q?b?=", "ab");
        check("=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c");
        check("x =?iso-8859-1?Q?=E9t=E9?= y", "x \u{e9}t\u{e9} y");
        check("=?utf-8?B?w6k=?=", "\u{e9}");
        check("=?utf-8?q?=C3=A9?=", "\u{e9}");
        check("=?utf-8*en?q?a?=", "a");
        check("=? =?utf-8?x?a?= =?utf-8?q?open", "=? =?utf-8?x?a?= =?utf-8?q?open");
        check("a\r\n\tb", "a\tb");
        check("", "");
    }

    #[test]
    fn values_without_charset_are_utf_8_or_windows_1252() {
        assert_eq!(decode_value(b"\xC3\xA9"), "\u{e9}");
        assert_eq!(decode_value(b"\xE9"), "\u{e9}");
    }

    #[test]
    fn an_encoded_word_has_a_longest_length() {
        let word = |bytes: usize| format!("=?utf-8?q?{}?=", "a".repeat(bytes - 12));
        assert_eq!(
            decode_value(word(ENCODED_WORD_BYTES_MAX).as_bytes()),
            "a".repeat(ENCODED_WORD_BYTES_MAX - 12)
        );
        assert!(decode_value(word(ENCODED_WORD_BYTES_MAX + 1).as_bytes()).starts_with("=?"));
    }

    #[test]
    fn bodies_are_searched_decoded() {
        let raw = b"Subject: Outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Sch=F6n wie lan=\r\nge nicht\r\n\
            --b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8g\r\nV29ybGQ=\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?In?=\r\n =?utf-8?q?ner?=\r\n\r\ndeep\r\n\
            --b\r\nContent-Type: image/png\r\n\r\nnottext\r\n--b--\r\n";
        let structure = Structure::parse(raw);
        let body = |text: &str| Needle::new(text).is_in_body(&structure, raw);
        assert!(body("SCH\u{d6}N"));
        assert!(body("wie lange nicht"));
        assert!(body("hello world"));
        assert!(body("inner"));
        assert!(body("deep"));
        assert!(!body("nottext"));
        assert!(!body("outer"));
        assert!(!body("quoted-printable"));
        assert!(body(""));
        assert!(Needle::new("outer").is_in_message(&structure, raw));
        assert!(Needle::new("OUT").is_in_field(raw, "subject"));
        assert!(!Needle::new("OUT").is_in_field(raw, "to"));
    }

    #[test]
    fn damaged_encodings_are_searched_as_they_stand() {
        let raw = b"Content-Transfer-Encoding: base64\r\n\r\n***needle***\r\n";
        assert!(Needle::new("needle").is_in_body(&Structure::parse(raw), raw));
        let raw = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ needle\r\n";
        assert!(Needle::new("needle").is_in_body(&Structure::parse(raw), raw));
    }

    #[test]
    fn a_part_is_searched_up_to_the_limit() {
        let mut raw = b"\r\n".to_vec();
        raw.resize(2 + BODY_BYTES_MAX - 1, b'a');
        raw.extend_from_slice(b"xy");
        let structure = Structure::parse(&raw);
        assert!(Needle::new("ax").is_in_body(&structure, &raw));
        assert!(!Needle::new("xy").is_in_body(&structure, &raw));
    }
}
