//! Languages (RFC 6856 3): tags, ranges, and the lines of a language listing.

use mail_wire::{InvalidMessage, Outbox, Text};

/// Languages that are kept of one listing; further ones are passed over.
pub const LANGUAGES_MAX: usize = 256;

/// A language tag (RFC 5646): subtags of 1 to 8 letters or digits, the first of letters, with hyphens between them.
///
/// ```
/// use pop3_proto::LanguageTag;
/// assert_eq!(LanguageTag::new(b"en-boont")?.as_str(), "en-boont");
/// assert!(LanguageTag::new(b"en_US").is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageTag(String);

impl LanguageTag {
    /// Bytes of a tag: the longest that RFC 5646 4.4.1 has an implementation expect.
    pub const BYTES_MAX: usize = 35;

    /// Takes a tag.
    pub fn new(tag: &[u8]) -> Result<Self, InvalidMessage> {
        let wrong = |at| InvalidMessage::new("language tag expected", at);
        if tag.len() > Self::BYTES_MAX {
            return Err(wrong(Self::BYTES_MAX));
        }
        let subtag = |s: &[u8]| (1..=8).contains(&s.len()) && s.iter().all(u8::is_ascii_alphanumeric);
        let mut subtags = tag.split(|b| *b == b'-');
        let first = subtags.next().unwrap_or_default();
        if !(subtag(first) && first.iter().all(u8::is_ascii_alphabetic) && subtags.all(subtag)) {
            return Err(wrong(0));
        }
        Ok(Self(String::from_utf8_lossy(tag).into_owned()))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which language is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanguageRange {
    /// `*`: the one that the server prefers.
    Preferred,
    /// This one, or one that is more special: `en` is `en-GB` too (RFC 4647 3.3.1).
    Tag(LanguageTag),
}

impl LanguageRange {
    /// Reads a range.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, InvalidMessage> {
        if text == b"*" { Ok(Self::Preferred) } else { LanguageTag::new(text).map(Self::Tag) }
    }

    /// The range as it stands in the command.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Preferred => "*",
            Self::Tag(tag) => tag.as_str(),
        }
    }

    /// True when a language is in it.
    #[must_use]
    pub fn matches(&self, language: &LanguageTag) -> bool {
        match self {
            Self::Preferred => true,
            Self::Tag(range) => {
                let (range, tag) = (range.as_str().as_bytes(), language.as_str().as_bytes());
                tag.split_at_checked(range.len()).is_some_and(|(head, tail)| {
                    head.eq_ignore_ascii_case(range) && matches!(tail, [] | [b'-', ..])
                })
            }
        }
    }
}

/// A line of a language listing: a language, and what it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageListing {
    /// The language.
    pub tag: LanguageTag,
    /// Its name in itself; empty if the server gives none.
    pub description: Text,
}

impl LanguageListing {
    /// Reads a line without its CRLF.
    pub fn parse(line: &[u8]) -> Result<Self, InvalidMessage> {
        let mut words = line.splitn(2, |b| *b == b' ');
        let tag = LanguageTag::new(words.next().unwrap_or_default())?;
        let description = String::from_utf8_lossy(words.next().unwrap_or_default());
        Ok(Self { tag, description: Text::international_lossy(&description) })
    }

    /// Writes the line.
    pub fn encode(&self, out: &mut Outbox) {
        out.put(self.tag.as_str().as_bytes());
        if !self.description.as_str().is_empty() {
            out.put(b" ");
            out.put(self.description.as_str().as_bytes());
        }
        out.put(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_of_the_rfc_is_read() {
        for (line, tag, description) in [
            ("en English", "en", "English"),
            ("en-boont English Boontling dialect", "en-boont", "English Boontling dialect"),
            ("es Espa\u{f1}ol", "es", "Espa\u{f1}ol"),
            ("sv", "sv", ""),
        ] {
            let listing = LanguageListing::parse(line.as_bytes()).unwrap();
            assert_eq!((listing.tag.as_str(), listing.description.as_str()), (tag, description));
        }
        for bad in ["", " English", "1en x", "en_US x", "-en", "en- x", "toolongtag x"] {
            assert!(LanguageListing::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_takes_in_what_is_more_special() {
        let range = |text: &[u8]| LanguageRange::parse(text).unwrap();
        let tag = |text: &[u8]| LanguageTag::new(text).unwrap();
        assert!(range(b"en").matches(&tag(b"en")) && range(b"EN").matches(&tag(b"en-boont")));
        assert!(!range(b"en").matches(&tag(b"enx")) && !range(b"en-boont").matches(&tag(b"en")));
        assert!(range(b"*").matches(&tag(b"sv")));
        assert!(LanguageRange::parse(b"**").is_err());
    }

    #[test]
    fn a_tag_at_the_limit_passes_and_one_above_does_not() {
        let tag = |last: usize| [&b"abcdefgh-abcdefgh-abcdefgh-"[..], &vec![b'a'; last]].concat();
        assert_eq!(tag(8).len(), LanguageTag::BYTES_MAX);
        assert!(LanguageTag::new(&tag(8)).is_ok());
        assert!(LanguageTag::new(&[tag(7), b"-a".to_vec()].concat()).is_err());
    }
}
