//! The patterns of LIST and LSUB (RFC 3501 6.3.8): `*` for anything, `%` for anything within one level.
//!
//! All the places where a pattern can be are followed at once, so that no pattern takes longer than its length times
//! that of the name, however its wildcards nest. A list has many names, so matching one allocates next to nothing.

/// Wildcards in one pattern. Clients use one or two; each may hold a place of its own while a name is read.
pub(crate) const WILDCARDS_MAX: usize = 32;

/// A pattern, ready to be compared.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
    literals: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(u8),
    /// `%`
    Level,
    /// `*`
    All,
}

impl Token {
    fn literal(&self) -> Option<u8> {
        match self {
            Self::Literal(byte) => Some(*byte),
            Self::Level | Self::All => None,
        }
    }
}

impl Pattern {
    /// A pattern behind a reference, which is simply its beginning. `None` with too many wildcards.
    pub(crate) fn new(reference: &str, pattern: &str) -> Option<Self> {
        let mut tokens: Vec<Token> = Vec::with_capacity(reference.len() + pattern.len());
        for byte in reference.bytes().chain(pattern.bytes()) {
            let token = match byte {
                b'*' => Token::All,
                b'%' => Token::Level,
                byte => Token::Literal(byte),
            };
            // Wildcards in a row are as good as the widest of them.
            match (tokens.last_mut(), token) {
                (Some(Token::All), Token::All | Token::Level) | (Some(Token::Level), Token::Level) => {}
                (Some(last @ Token::Level), Token::All) => *last = Token::All,
                _ => tokens.push(token),
            }
        }
        let literals = tokens.iter().filter(|token| token.literal().is_some()).count();
        (tokens.len() - literals <= WILDCARDS_MAX).then_some(Self { tokens, literals })
    }

    /// Whether levels of names are wanted though there may be no mailbox: all but by a `*` at the end, which lists
    /// what is below them as well.
    pub(crate) fn wants_levels(&self) -> bool {
        self.tokens.last() != Some(&Token::All)
    }

    /// The one name that it can match, if it has no wildcards.
    pub(crate) fn exact(&self) -> Option<String> {
        let bytes = self.tokens.iter().map(Token::literal).collect::<Option<Vec<u8>>>()?;
        String::from_utf8(bytes).ok()
    }

    /// Whether anything below `root`, which ends with a separator, could match, or a level of `root`: told by the
    /// letters in front of the first wildcard alone.
    pub(crate) fn may_match_below(&self, root: &str) -> bool {
        // Either is a prefix of the other.
        self.tokens.iter().map_while(Token::literal).zip(root.bytes()).all(|(letter, byte)| letter == byte)
    }

    /// Whether it matches a name. `INBOX` matches in any case (RFC 3501 5.1).
    pub(crate) fn matches(&self, name: &str) -> bool {
        const INBOX: &str = "INBOX";
        if self.literals > name.len() {
            return false;
        }
        let is_inbox = name.split('/').next() == Some(INBOX);
        // The places in the pattern, ascending, that what was read of the name may have led to.
        let (mut places, mut next) = (Vec::with_capacity(4), Vec::with_capacity(4));
        self.reach(&mut places, 0);
        for (at, byte) in name.bytes().enumerate() {
            let any_case = is_inbox && at < INBOX.len();
            for &place in &places {
                match self.tokens.get(place) {
                    Some(Token::Literal(literal))
                        if *literal == byte || any_case && literal.eq_ignore_ascii_case(&byte) =>
                    {
                        self.reach(&mut next, place + 1);
                    }
                    Some(Token::All) => self.reach(&mut next, place),
                    Some(Token::Level) if byte != b'/' => self.reach(&mut next, place),
                    _ => {}
                }
            }
            places.clear();
            std::mem::swap(&mut places, &mut next);
            if places.is_empty() {
                return false;
            }
        }
        places.last() == Some(&self.tokens.len())
    }

    /// Notes a place, and the one behind a wildcard, which may stand for nothing. No two wildcards stand side by
    /// side, and places come in ascending order, so what is there already is among the last two.
    fn reach(&self, places: &mut Vec<usize>, place: usize) {
        let is_wildcard = matches!(self.tokens.get(place), Some(Token::All | Token::Level));
        for place in [Some(place), is_wildcard.then_some(place + 1)].into_iter().flatten() {
            if !places.iter().rev().take(2).any(|known| *known == place) {
                places.push(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let pattern = Pattern::new("", pattern).unwrap();
        for name in matching {
            assert!(pattern.matches(name), "{pattern:?} {name}");
        }
        for name in other {
            assert!(!pattern.matches(name), "{pattern:?} {name}");
        }
    }

    #[test]
    fn wildcards_stand_for_anything_or_for_one_level() {
        check("*", &["a", "a/b", "INBOX"], &[]);
        check("%", &["a", "INBOX"], &["a/b"]);
        check("a/%", &["a/b", "a/"], &["a", "a/b/c"]);
        check("a/*", &["a/b", "a/b/c"], &["a", "b/a"]);
        check("%/b", &["a/b"], &["b", "a/c/b"]);
        check("*b", &["b", "ab", "a/b", "bb"], &["ba"]);
        check("%a*b%", &["ab", "xa/y/bz"], &["xa/b/z", "x/ab"]);
        check("a%%*%b", &["ab", "a/x/b"], &["a"]);
        check("", &[""], &["a"]);
        check("Ä%", &["Ära"], &["ära"]);
    }

    #[test]
    fn inbox_is_known_in_any_case_and_nothing_else_is() {
        check("inbox", &["INBOX"], &["inboX", "INBOX/a"]);
        check("iNb%", &["INBOX"], &["Inbo", "INBOXES"]);
        check("inbox/a", &["INBOX/a"], &["INBOX/A"]);
    }

    #[test]
    fn a_pattern_may_have_32_wildcards_and_not_33() {
        assert!(Pattern::new("", &"*a".repeat(WILDCARDS_MAX)).is_some());
        assert!(Pattern::new("", &"*a".repeat(WILDCARDS_MAX + 1)).is_none());
        assert!(Pattern::new("%a", &"*a".repeat(WILDCARDS_MAX)).is_none());
    }

    #[test]
    fn a_reference_comes_before_the_pattern() {
        let pattern = Pattern::new("a/", "%").unwrap();
        assert!(pattern.matches("a/b") && !pattern.matches("b"));
        assert_eq!(pattern.exact(), None);
        assert_eq!(Pattern::new("a/", "b").unwrap().exact().as_deref(), Some("a/b"));
    }

    #[test]
    fn levels_are_wanted_by_all_but_a_star_at_the_end() {
        for (pattern, wanted) in [("%", true), ("a", true), ("a/%", true), ("*", false), ("%*", false)] {
            assert_eq!(Pattern::new("", pattern).unwrap().wants_levels(), wanted, "{pattern}");
        }
    }

    #[test]
    fn what_lies_below_a_root_is_ruled_out_by_the_letters_in_front() {
        for (pattern, possible) in [
            ("*", true),
            ("%", true),
            ("Other", true),
            ("Other%", true),
            ("Other Users/x", true),
            ("O*x", true),
            ("Others", false),
            ("Work/*", false),
        ] {
            let pattern = Pattern::new("", pattern).unwrap();
            assert_eq!(pattern.may_match_below("Other Users/"), possible, "{pattern:?}");
        }
    }

    fn slow(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|n| slow(rest, &name[n..])),
            ([b'%', rest @ ..], _) => {
                let level = name.iter().position(|b| *b == b'/').unwrap_or(name.len());
                (0..=level).any(|n| slow(rest, &name[n..]))
            }
            ([p, pattern @ ..], [n, name @ ..]) => p == n && slow(pattern, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_trying_everything(pattern in "[ab/%*]{0,8}", name in "[ab/]{0,8}") {
            let matches = Pattern::new("", &pattern).unwrap().matches(&name);
            prop_assert_eq!(matches, slow(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
