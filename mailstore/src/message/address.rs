//! Address lists (RFC 5322 sections 3.4 and 4.4) in the form that an IMAP `ENVELOPE` has (RFC 3501 section 7.4.2).
//!
//! One pass, no look-ahead, no error: what is not an address is made into one as well as it goes. Quotes are removed,
//! comments dropped, except that a comment is the name of an address that has no other. A group becomes a marker with
//! the group's name as mailbox, its members, and a marker without anything. In IMAP only those markers have no host, so
//! an address that lacks one gets [`MISSING_DOMAIN`].

use super::codec::put_string;
use super::parameter::{comment, quoted};

/// The host of an address that has none, for example `To: root`.
pub const MISSING_DOMAIN: &[u8] = b"MISSING_DOMAIN";
/// The mailbox of an address that has neither mailbox nor host: `<>`.
pub const MISSING_MAILBOX: &[u8] = b"MISSING_MAILBOX";

/// Addresses in their encoded form.
#[derive(Debug, Default)]
pub(super) struct AddressList {
    pub(super) count: u32,
    pub(super) encoded: Vec<u8>,
    pub(super) truncated: bool,
}

impl AddressList {
    /// Appends the addresses of a field value, so that a repeated field adds to the first. Room for the marker that
    /// ends a group is always kept within `addresses_max`.
    pub(super) fn parse(&mut self, value: &[u8], addresses_max: usize) {
        let mut parser =
            Parser { rest: value, item: Item::default(), in_group: false, list: self, max: addresses_max };
        parser.run();
    }

    fn push(
        &mut self,
        name: Option<&[u8]>,
        route: Option<&[u8]>,
        mailbox: Option<&[u8]>,
        host: Option<&[u8]>,
    ) {
        self.count += 1;
        for value in [name, route, mailbox, host] {
            put_string(&mut self.encoded, value);
        }
    }
}

/// What has been seen of the address being read.
#[derive(Default)]
struct Item {
    /// All words with single spaces between: a display name, if `<` follows.
    phrase: Vec<u8>,
    /// The words since the last gap: the local part, if `@` follows.
    local: Vec<u8>,
    domain: Option<Vec<u8>>,
    /// White space or a comment stands before the next word.
    gap: bool,
    any: bool,
    comment: Option<Vec<u8>>,
    angle: Option<Angle>,
}

#[derive(Default)]
struct Angle {
    route: Option<Vec<u8>>,
    local: Vec<u8>,
    domain: Option<Vec<u8>>,
}

struct Parser<'a, 'l> {
    rest: &'a [u8],
    item: Item,
    in_group: bool,
    list: &'l mut AddressList,
    max: usize,
}

impl Parser<'_, '_> {
    fn run(&mut self) {
        while let Some((&byte, tail)) = self.rest.split_first() {
            self.rest = tail;
            match byte {
                b' ' | b'\t' => self.item.gap = true,
                b'(' => {
                    let text = comment(&mut self.rest);
                    self.item.comment = Some(text.trim_ascii().to_vec());
                    self.item.gap = true;
                }
                b'"' => {
                    let mut text = Vec::new();
                    quoted(&mut self.rest, &mut text);
                    self.item.word(&text);
                }
                b'<' if self.item.angle.is_none() => {
                    self.item.angle = Some(angle(&mut self.rest));
                }
                b'<' | b'>' => {}
                b',' => self.emit(),
                b';' => {
                    self.emit();
                    self.end_group();
                }
                b':' if self.item.starts_group() && !self.in_group => self.start_group(),
                b'@' => self.item.at_sign(),
                b'\\' => {
                    if let Some((escaped, tail)) = self.rest.split_first() {
                        self.rest = tail;
                        self.item.word(&[*escaped]);
                    }
                }
                other => self.item.word(&[other]),
            }
        }
        self.emit();
        self.end_group();
    }

    /// Whether one more address fits, with `reserve` places to be left behind it.
    fn fits(&mut self, reserve: usize) -> bool {
        let fits = (self.list.count as usize).saturating_add(reserve) < self.max;
        self.list.truncated |= !fits;
        fits
    }

    fn start_group(&mut self) {
        let item = std::mem::take(&mut self.item);
        if self.fits(1) {
            self.list.push(None, None, Some(&item.phrase), None);
            self.in_group = true;
        }
    }

    fn end_group(&mut self) {
        if self.in_group {
            self.list.push(None, None, None, None);
            self.in_group = false;
        }
    }

    fn emit(&mut self) {
        let item = std::mem::take(&mut self.item);
        if !item.any && item.angle.is_none() || !self.fits(usize::from(self.in_group)) {
            return;
        }
        let filled = |bytes: &Option<Vec<u8>>| bytes.clone().filter(|b| !b.is_empty());
        let remark = filled(&item.comment);
        let missing = Some(MISSING_DOMAIN);
        if let Some(Angle { route, local, domain }) = item.angle {
            let name = if item.phrase.is_empty() { remark } else { Some(item.phrase) };
            let mailbox = if local.is_empty() && domain.is_none() { MISSING_MAILBOX } else { &local };
            let host = filled(&domain);
            self.list.push(name.as_deref(), route.as_deref(), Some(mailbox), host.as_deref().or(missing));
        } else if item.domain.is_some() {
            let host = filled(&item.domain);
            self.list.push(remark.as_deref(), None, Some(&item.local), host.as_deref().or(missing));
        } else {
            self.list.push(remark.as_deref(), None, Some(&item.phrase), missing);
        }
    }
}

impl Item {
    fn word(&mut self, text: &[u8]) {
        self.any = true;
        if self.angle.is_some() {
            return;
        }
        // Around a dot, gaps do not part words (obs-local-part, obs-domain).
        let joins = |before: &[u8]| before.ends_with(b".") || text.starts_with(b".");
        match &mut self.domain {
            Some(domain) if !self.gap || domain.is_empty() || joins(domain) => {
                domain.extend_from_slice(text);
            }
            Some(_) => {}
            None => {
                if self.gap && !joins(&self.local) {
                    self.local.clear();
                }
                self.local.extend_from_slice(text);
            }
        }
        if self.gap && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.extend_from_slice(text);
        self.gap = false;
    }

    fn at_sign(&mut self) {
        self.any = true;
        if self.angle.is_some() {
            return;
        }
        self.phrase.push(b'@');
        match &mut self.domain {
            Some(domain) => domain.push(b'@'),
            None => self.domain = Some(Vec::new()),
        }
        self.gap = false;
    }

    fn starts_group(&self) -> bool {
        self.any && self.angle.is_none() && self.domain.is_none()
    }
}

/// What stands between `<` and `>`: an optional route of domains up to a colon, the local part, the domain.
fn angle(rest: &mut &[u8]) -> Angle {
    let mut angle = Angle::default();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b',' && angle.route_may_go_on() {
            // A comma inside a route; elsewhere it means that `>` was forgotten, and the list goes on.
        } else if byte == b',' || byte == b'<' {
            return angle;
        }
        *rest = tail;
        match byte {
            b'>' => return angle,
            b' ' | b'\t' => {}
            b'(' => {
                comment(rest);
            }
            b'"' => {
                let target = angle.domain.as_mut().unwrap_or(&mut angle.local);
                quoted(rest, target);
            }
            b'@' if angle.domain.is_none() => angle.domain = Some(Vec::new()),
            b':' if angle.route_may_go_on() => {
                let mut route = b"@".to_vec();
                route.append(&mut angle.domain.take().unwrap_or_default());
                angle.route = Some(route);
            }
            b'\\' => {
                if let Some((escaped, tail)) = rest.split_first() {
                    *rest = tail;
                    angle.domain.as_mut().unwrap_or(&mut angle.local).push(*escaped);
                }
            }
            other => angle.domain.as_mut().unwrap_or(&mut angle.local).push(other),
        }
    }
    angle
}

impl Angle {
    /// A route looks like an address without local part until its colon comes.
    fn route_may_go_on(&self) -> bool {
        self.route.is_none() && self.local.is_empty() && self.domain.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::codec::Reader;

    /// Name, route, mailbox, host, with `-` for what is absent.
    fn read(list: &AddressList) -> Vec<String> {
        let mut reader = Reader::new(&list.encoded, 0);
        let mut field = || match reader.string() {
            Ok(Some(value)) => String::from_utf8_lossy(value).into_owned(),
            _ => "-".to_owned(),
        };
        (0..list.count).map(|_| [field(), field(), field(), field()].join("|")).collect()
    }

    fn check(value: &str, expected: &[&str]) {
        let mut list = AddressList::default();
        list.parse(value.as_bytes(), 2_000);
        assert_eq!(read(&list), expected, "{value:?}");
    }

    #[test]
    fn addresses_of_the_standard_are_read() {
        check("john@example.org", &["-|-|john|example.org"]);
        check("John Doe <jdoe@machine.example>", &["John Doe|-|jdoe|machine.example"]);
        check(
            "\"Joe Q. Public\" <john.q.public@example.com>",
            &["Joe Q. Public|-|john.q.public|example.com"],
        );
        check("a@x, b@y", &["-|-|a|x", "-|-|b|y"]);
        check("jdoe@test.example (John Doe)", &["John Doe|-|jdoe|test.example"]);
        check("<boss@nil.test>", &["-|-|boss|nil.test"]);
        check("\"Giant; \\\"Big\\\" Box\" <s@e.net>", &["Giant; \"Big\" Box|-|s|e.net"]);
        check("\"quoted local\"@x.org", &["-|-|quoted local|x.org"]);
        check("joe@[192.0.2.1]", &["-|-|joe|[192.0.2.1]"]);
        check("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &["Pete|-|pete|silly.test"]);
    }

    #[test]
    fn groups_have_a_start_and_an_end() {
        check("undisclosed-recipients:;", &["-|-|undisclosed-recipients|-", "-|-|-|-"]);
        check(
            "A Group:Ed <ed@a.test>,joe@b.test;, x@y",
            &["-|-|A Group|-", "Ed|-|ed|a.test", "-|-|joe|b.test", "-|-|-|-", "-|-|x|y"],
        );
        check("g: a@b", &["-|-|g|-", "-|-|a|b", "-|-|-|-"]);
        check("g: h: a@b;", &["-|-|g|-", "-|-|a|b", "-|-|-|-"]);
    }

    #[test]
    fn obsolete_and_broken_addresses_are_read_leniently() {
        check("<@a,@b:joe@c>", &["-|@a,@b|joe|c"]);
        check("<@a:joe@c>", &["-|@a|joe|c"]);
        check("john . doe @ example . org", &["-|-|john.doe|example.org"]);
        check("joe@x.org <joe@x.org>", &["joe@x.org|-|joe|x.org"]);
        check("root", &["-|-|root|MISSING_DOMAIN"]);
        check("John Doe", &["-|-|John Doe|MISSING_DOMAIN"]);
        check("Foo <foo@x, Bar <bar@y>", &["Foo|-|foo|x", "Bar|-|bar|y"]);
        check("a@b@c", &["-|-|a|b@c"]);
        check("John joe@x", &["-|-|joe|x"]);
        check(",,;;,", &[]);
        check("<joe@x", &["-|-|joe|x"]);
        check("\"open <joe@x>", &["-|-|open <joe@x>|MISSING_DOMAIN"]);
        check("J\u{f6}rg <j@x>", &["J\u{f6}rg|-|j|x"]);
    }

    #[test]
    fn p13_odd_legal_addresses_are_values_not_crashes() {
        check("\"\"@example.org", &["-|-||example.org"]);
        check("<\"\"@example.org>", &["-|-||example.org"]);
        check("\"\" <a@b>", &["-|-|a|b"]);
        check("<>", &["-|-|MISSING_MAILBOX|MISSING_DOMAIN"]);
        check("<@x>", &["-|-||x"]);
        check("@x", &["-|-||x"]);
        check("a@", &["-|-|a|MISSING_DOMAIN"]);
        check("\"\"", &["-|-||MISSING_DOMAIN"]);
        check(":;", &["-|-|:|MISSING_DOMAIN"]);
        check("\"\":;", &["-|-||-", "-|-|-|-"]);
        check("()", &[]);
        check("", &[]);
        check("\\", &[]);
        check("a\\", &["-|-|a|MISSING_DOMAIN"]);
        check("\"\\", &["-|-||MISSING_DOMAIN"]);
        check("(\\", &[]);
        check("<\\", &["-|-|MISSING_MAILBOX|MISSING_DOMAIN"]);
    }

    #[test]
    fn addresses_are_counted_up_to_the_limit() {
        let parse = |value: &str| {
            let mut list = AddressList::default();
            list.parse(value.as_bytes(), 4);
            (list.count, list.truncated)
        };
        assert_eq!(parse("a@b,a@b,a@b,a@b"), (4, false));
        assert_eq!(parse("a@b,a@b,a@b,a@b,a@b"), (4, true));
        assert_eq!(parse("g:a@b,a@b;"), (4, false));
        assert_eq!(parse("g:a@b,a@b,a@b;"), (4, true));
        assert_eq!(parse("a@b,a@b,a@b,g:a@b;"), (4, true));
    }
}
