//! Field values made of a head and parameters: `Content-Type`, `Content-Disposition` (RFC 2045 section 5.1, RFC 2183),
//! and the smaller values beside them. Parameters of RFC 2231 are taken as sent: `filename*0*` stays `filename*0*`.
//!
//! Each byte is looked at once. What cannot be read is skipped up to the next `;`.

/// A field with parameters, its values owned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameterised {
    pub(super) head: Vec<u8>,
    /// Behind a `/`; empty if there is none.
    pub(super) subtype: Vec<u8>,
    pub(super) parameters: Vec<(Vec<u8>, Vec<u8>)>,
    /// There were more parameters than the limit allows.
    pub(super) truncated: bool,
}

impl Parameterised {
    pub(super) fn parse(value: &[u8], parameters_max: usize) -> Self {
        let mut cursor = Cursor { rest: value };
        let mut this = Self { head: cursor.word(is_token), ..Self::default() };
        cursor.skip_cfws();
        if cursor.eat(b'/') {
            this.subtype = cursor.word(is_token);
        }
        while cursor.skip_past_semicolon() {
            let name = cursor.word(is_token);
            cursor.skip_cfws();
            if name.is_empty() || !cursor.eat(b'=') {
                continue;
            }
            if this.parameters.len() >= parameters_max {
                this.truncated = true;
                break;
            }
            this.parameters.push((name, cursor.word(is_loose_value)));
        }
        this
    }

    /// The value of the first parameter of this name; the pieces of RFC 2231 (`name*0`, `name*1`), in the order they
    /// stand, if it was sent so.
    pub(super) fn parameter(&self, name: &[u8]) -> Option<Vec<u8>> {
        let whole = self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        if let Some((_, value)) = whole {
            return Some(value.clone());
        }
        let mut pieces = None::<Vec<u8>>;
        for (sent, value) in &self.parameters {
            if let Some((head, tail)) = sent.split_at_checked(name.len())
                && head.eq_ignore_ascii_case(name)
                && tail.first() == Some(&b'*')
                && tail.get(1..).is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
            {
                pieces.get_or_insert_default().extend_from_slice(value);
            }
        }
        pieces
    }
}

/// The first word of a value without comments, as in `Content-Transfer-Encoding`; `None` if there is none.
pub(super) fn first_word(value: &[u8]) -> Option<Vec<u8>> {
    let word = Cursor { rest: value }.word(is_token);
    (!word.is_empty()).then_some(word)
}

/// The words between commas, as in `Content-Language` (RFC 3282); true with it if there were more than `max`.
pub(super) fn words(value: &[u8], max: usize) -> (Vec<Vec<u8>>, bool) {
    let mut cursor = Cursor { rest: value };
    let mut words = Vec::new();
    loop {
        let word = cursor.word(is_token);
        if !word.is_empty() {
            if words.len() >= max {
                return (words, true);
            }
            words.push(word);
        }
        // Past the comma, or past a byte that fits nowhere.
        match cursor.rest.split_first() {
            Some((_, tail)) => cursor.rest = tail,
            None => return (words, false),
        }
    }
}

/// Joins the lines of a field value and drops white space around it (RFC 5322 section 2.2.3). NUL, which no IMAP
/// string can carry, becomes a space.
pub(super) fn unfold(value: &[u8]) -> Vec<u8> {
    value
        .trim_ascii()
        .iter()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .map(|&b| if b == 0 { b' ' } else { b })
        .collect()
}

/// Skips a comment whose opening parenthesis has been taken; gives its text without the outer parentheses.
pub(super) fn comment(rest: &mut &[u8]) -> Vec<u8> {
    let mut depth = 1usize;
    let mut text = Vec::new();
    while let Some((&byte, tail)) = rest.split_first() {
        *rest = tail;
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            b'\\' => {
                if let Some((&escaped, tail)) = rest.split_first() {
                    text.push(escaped);
                    *rest = tail;
                }
                continue;
            }
            _ => {}
        }
        text.push(byte);
    }
    text
}

/// Appends the content of a quoted string whose opening quote has been taken. Without a closing one it is the rest.
pub(super) fn quoted(rest: &mut &[u8], text: &mut Vec<u8>) {
    while let Some((&byte, tail)) = rest.split_first() {
        *rest = tail;
        match byte {
            b'"' => return,
            b'\\' => {
                if let Some((&escaped, tail)) = rest.split_first() {
                    text.push(escaped);
                    *rest = tail;
                }
            }
            _ => text.push(byte),
        }
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, tail)) if first == byte => {
                self.rest = tail;
                true
            }
            _ => false,
        }
    }

    fn skip_cfws(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if !self.eat(b'(') {
                return;
            }
            comment(&mut self.rest);
        }
    }

    /// A quoted string, or the bytes that `belongs` accepts.
    fn word(&mut self, belongs: fn(u8) -> bool) -> Vec<u8> {
        self.skip_cfws();
        let mut text = Vec::new();
        if self.eat(b'"') {
            quoted(&mut self.rest, &mut text);
            return text;
        }
        let length = self.rest.iter().position(|b| !belongs(*b)).unwrap_or(self.rest.len());
        if let Some((word, tail)) = self.rest.split_at_checked(length) {
            text.extend_from_slice(word);
            self.rest = tail;
        }
        text
    }

    /// Goes behind the next `;` outside quotes and comments; false at the end.
    fn skip_past_semicolon(&mut self) -> bool {
        while let Some((&byte, tail)) = self.rest.split_first() {
            self.rest = tail;
            match byte {
                b';' => return true,
                b'"' => quoted(&mut self.rest, &mut Vec::new()),
                b'(' => {
                    comment(&mut self.rest);
                }
                _ => {}
            }
        }
        false
    }
}

/// A token of RFC 2045, bytes above ASCII included.
fn is_token(byte: u8) -> bool {
    byte > b' ' && byte != 0x7F && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// What stands unquoted in a parameter's value although it should not: everything up to white space or `;`.
fn is_loose_value(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && byte != b';'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, head: &str, subtype: &str, parameters: &[(&str, &str)]) {
        let found = Parameterised::parse(value.as_bytes(), 100);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs: Vec<_> = found.parameters.iter().map(|(n, v)| (text(n), text(v))).collect();
        let wanted: Vec<_> = parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!((text(&found.head), text(&found.subtype), pairs), (head.into(), subtype.into(), wanted));
    }

    #[test]
    fn content_types_are_read_however_they_are_spelled() {
        check("text/plain", "text", "plain", &[]);
        check(" Text / HTML ; Charset = \"utf-8\" ", "Text", "HTML", &[("Charset", "utf-8")]);
        check("text/plain; charset=us-ascii (Plain text)", "text", "plain", &[("charset", "us-ascii")]);
        check("(a (nested) \\) one)text/plain", "text", "plain", &[]);
        check("text", "text", "", &[]);
        check("text/", "text", "", &[]);
        check("", "", "", &[]);
        check("/plain", "", "plain", &[]);
        check("a/b;;; x=1;", "a", "b", &[("x", "1")]);
        check("a/b; x; y=2", "a", "b", &[("y", "2")]);
        check("a/b; x=\"a\\\"b;c\"; y=2", "a", "b", &[("x", "a\"b;c"), ("y", "2")]);
        check("a/b; x=\"open; y=2", "a", "b", &[("x", "open; y=2")]);
        check("a/b; boundary=--=_a/b?c", "a", "b", &[("boundary", "--=_a/b?c")]);
        check("a/b; name=my file.pdf; y=2", "a", "b", &[("name", "my"), ("y", "2")]);
        check("a/b; f*0*=utf-8''a; f*1=b", "a", "b", &[("f*0*", "utf-8''a"), ("f*1", "b")]);
        check("a/b; boundary=\"\"", "a", "b", &[("boundary", "")]);
        check("a/b; x=\"trailing\\", "a", "b", &[("x", "trailing")]);
    }

    #[test]
    fn a_boundary_in_pieces_is_joined() {
        let found = Parameterised::parse(b"multipart/mixed; boundary*0=ab; boundary*1=cd", 100);
        assert_eq!(found.parameter(b"boundary"), Some(b"abcd".to_vec()));
        assert_eq!(found.parameter(b"charset"), None);
    }

    #[test]
    fn parameters_are_counted_up_to_the_limit() {
        let value = |n: usize| format!("a/b{}", "; x=1".repeat(n));
        let at = Parameterised::parse(value(100).as_bytes(), 100);
        assert_eq!((at.parameters.len(), at.truncated), (100, false));
        let above = Parameterised::parse(value(101).as_bytes(), 100);
        assert_eq!((above.parameters.len(), above.truncated), (100, true));
    }

    #[test]
    fn languages_are_the_words_between_commas() {
        assert_eq!(
            words(b"de, (x) en-GB ,,fr", 9),
            (vec![b"de".to_vec(), b"en-GB".to_vec(), b"fr".to_vec()], false)
        );
        assert_eq!(words(b"a,b,c", 2), (vec![b"a".to_vec(), b"b".to_vec()], true));
        assert_eq!(words(b",=,", 2), (vec![], false));
    }
}
