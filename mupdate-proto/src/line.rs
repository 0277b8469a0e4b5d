//! The line of an entry, read where it lies.
//!
//! A list of a million entries is a million lines of one form. [`entry_line`] reads that form in one pass over the input,
//! without first looking for the line's end, and leaves everything else (other responses, escapes, literals that wait
//! for a go-ahead, lines that are not all there, whatever is wrong) to [`Response`](crate::Response) behind the framer.
//! What it does read, it reads as these do; a property test holds it to that.

use mail_wire::FrameLimits;
use memchr::memchr;

use crate::string::plain_bytes;
use crate::{ACL_BYTES_MAX, EntryView, NAME_BYTES_MAX, Tag};

/// Literals that the line of an entry can have.
const LITERALS_MAX: usize = 3;
/// Digits of the size of a literal: more than [`ACL_BYTES_MAX`] has.
const SIZE_DIGITS_MAX: usize = 6;

/// The entry at the front of the input and the bytes of its line, if the line is there whole, has this tag and one of
/// the forms that peers write: quoted strings without escapes, or `{n+}`.
pub(crate) fn entry_line<'a>(
    input: &'a [u8],
    tag: &Tag,
    limits: &FrameLimits,
) -> Option<(EntryView<'a>, usize)> {
    let rest = input.strip_prefix(tag.as_bytes())?;
    let (active, rest) = match rest.strip_prefix(b" MAILBOX ") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(b" RESERVE ")?),
    };
    let (name, rest) = string(rest)?;
    let (location, rest) = string(rest.strip_prefix(b" ")?)?;
    let (acl, rest) = if active {
        let (acl, rest) = string(rest.strip_prefix(b" ")?)?;
        (Some(acl), rest)
    } else {
        (None, rest)
    };
    let rest = rest.strip_prefix(b"\r\n")?;
    let bytes = input.len() - rest.len();
    let within_limits = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && location.len() <= NAME_BYTES_MAX
        && acl.is_none_or(|acl| acl.len() <= ACL_BYTES_MAX)
        // Each of these counts only a part of the line, so a line within them all is within each.
        && bytes <= limits.text_bytes_max
        && bytes as u64 <= limits.kept_literal_bytes_max
        && limits.literals_max >= LITERALS_MAX;
    within_limits.then_some((EntryView { name, location, acl }, bytes))
}

/// A string and what follows it.
fn string(input: &[u8]) -> Option<(&[u8], &[u8])> {
    match input.split_first()? {
        (b'"', body) => {
            let (text, rest) = body.split_at_checked(plain_bytes(body))?;
            Some((text, rest.strip_prefix(b"\"")?))
        }
        (b'{', body) => literal(body),
        _ => None,
    }
}

/// A literal behind its opening brace, and what follows it.
fn literal(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = body.iter().take(SIZE_DIGITS_MAX).take_while(|b| b.is_ascii_digit()).count();
    let (size, rest) = body.split_at_checked(digits)?;
    let rest = rest.strip_prefix(b"+}\r\n")?;
    if size.is_empty() {
        return None;
    }
    let size = size.iter().fold(0, |n: usize, digit| 10 * n + usize::from(digit - b'0'));
    let (text, rest) = rest.split_at_checked(size)?;
    memchr(0, text).is_none().then_some((text, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Option<(EntryView<'_>, usize)> {
        entry_line(input, &Tag::new(b"X2").unwrap(), &FrameLimits::default())
    }

    #[test]
    fn entries_are_read_in_the_forms_that_masters_write() {
        let active = |acl| EntryView { name: b"user.p1", location: b"be9!zz", acl: Some(acl) };
        let reserved = EntryView { acl: None, ..active(b"") };
        for (line, expected) in [
            (&b"X2 MAILBOX \"user.p1\" \"be9!zz\" \"p1\tlrs\t\"\r\n"[..], active(b"p1\tlrs\t")),
            (b"X2 MAILBOX {7+}\r\nuser.p1 {6+}\r\nbe9!zz {7+}\r\np1\tlrs\t\r\n", active(b"p1\tlrs\t")),
            (b"X2 MAILBOX {7+}\r\nuser.p1 \"be9!zz\" {0+}\r\n\r\n", active(b"")),
            (b"X2 MAILBOX \"user.p1\" \"be9!zz\" {2+}\r\n\r\n\r\n", active(b"\r\n")),
            (b"X2 RESERVE \"user.p1\" \"be9!zz\"\r\n", reserved),
        ] {
            assert_eq!(read(line), Some((expected, line.len())), "{line:?}");
            assert_eq!(read(&[line, b"X2 OK"].concat()), Some((expected, line.len())));
            for cut in 0..line.len() {
                assert_eq!(read(&line[..cut]), None, "{line:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn everything_else_is_left_to_others() {
        for line in [
            &b"X1 RESERVE \"a\" \"b\"\r\n"[..],
            b"X22 RESERVE \"a\" \"b\"\r\n",
            b"* RESERVE \"a\" \"b\"\r\n",
            b"X2 reserve \"a\" \"b\"\r\n",
            b"X2 OK \"done\"\r\n",
            b"X2 DELETE \"a\"\r\n",
            b"X2 RESERVE \"\" \"b\"\r\n",
            b"X2 RESERVE \"a\\\"\" \"b\"\r\n",
            b"X2 RESERVE \"a\xc3\xa9\" \"b\"\r\n",
            b"X2 RESERVE \"a\" \"b\" \"c\"\r\n",
            b"X2 MAILBOX \"a\" \"b\"\r\n",
            b"X2 RESERVE a \"b\"\r\n",
            b"X2 RESERVE {1}\r\na \"b\"\r\n",
            b"X2 RESERVE {+}\r\n \"b\"\r\n",
            b"X2 RESERVE {0000001+}\r\na \"b\"\r\n",
            b"X2 RESERVE {1+}\r\n\0 \"b\"\r\n",
            b"X2 RESERVE \"a\"  \"b\"\r\n",
            b"X2 RESERVE \"a\" \"b\"\n",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_line_at_the_limits_is_read_and_one_above_is_left_to_others() {
        let line = b"X2 RESERVE \"a\" \"b\"\r\n";
        let max = line.len();
        let within = FrameLimits {
            text_bytes_max: max,
            kept_literal_bytes_max: max as u64,
            literals_max: LITERALS_MAX,
            ..FrameLimits::default()
        };
        let tag = Tag::new(b"X2").unwrap();
        assert!(entry_line(line, &tag, &within).is_some());
        for above in [
            FrameLimits { text_bytes_max: max - 1, ..within },
            FrameLimits { kept_literal_bytes_max: max as u64 - 1, ..within },
            FrameLimits { literals_max: LITERALS_MAX - 1, ..within },
        ] {
            assert_eq!(entry_line(line, &tag, &above), None);
        }
        let name = |bytes: usize| format!("X2 RESERVE \"{}\" \"b\"\r\n", "n".repeat(bytes)).into_bytes();
        assert!(read(&name(NAME_BYTES_MAX)).is_some());
        assert!(read(&name(NAME_BYTES_MAX + 1)).is_none());
    }
}
