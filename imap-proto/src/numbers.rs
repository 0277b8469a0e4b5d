//! What commands have to do with message sequence numbers (RFC 3501 5.5, 7.4.1; RFC 5256 3; RFC 9586 3).
//!
//! A server may say EXPUNGE during any command but those that are answered by numbers, and each EXPUNGE shifts the
//! numbers of all messages behind it. So a server holds it back during those, and a client does not send a command
//! with numbers behind one that may shift them.

use crate::{Command, Numbering, SearchKey, Verb};

/// What a command has to do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// It uses them, and they hold still while it runs: FETCH, STORE, SEARCH, SORT, THREAD.
    Fixed,
    /// It uses them, and they may shift while it runs: COPY, MOVE, REPLACE.
    Used,
    /// It uses none, and they may shift while it runs.
    Unused,
}

impl Numbers {
    pub(crate) fn of_verb((verb, numbering): (Verb, Numbering)) -> Self {
        match verb {
            _ if numbering == Numbering::Uid || !verb.takes_uid() => Self::Unused,
            // `EXPUNGE` alone names no message.
            Verb::Expunge => Self::Unused,
            Verb::Fetch | Verb::Store | Verb::Search | Verb::Sort | Verb::Thread => Self::Fixed,
            _ => Self::Used,
        }
    }

    pub(crate) fn of(command: &Command<'_>) -> Self {
        let numbers = match (command.verb(), command.numbering()) {
            (Some(verb), Some(numbering)) => Self::of_verb((verb, numbering)),
            _ => Self::Unused,
        };
        // `UID SEARCH 1:3` is answered by UIDs, and yet asks by numbers. What a search has saved is no number.
        let mut is_numbered =
            |key: &SearchKey<'_>| matches!(key, SearchKey::Sequence(set) if !set.is_saved_result());
        if numbers == Self::Unused && command.any_key(&mut is_numbered) { Self::Used } else { numbers }
    }

    pub(crate) fn are_used(self) -> bool {
        self != Self::Unused
    }

    pub(crate) fn may_shift(self) -> bool {
        self != Self::Fixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parser;

    #[test]
    fn only_commands_that_are_answered_by_numbers_hold_them_still() {
        for (verb, numbering, expected) in [
            (Verb::Search, Numbering::Sequence, Numbers::Fixed),
            (Verb::Search, Numbering::Uid, Numbers::Unused),
            (Verb::Copy, Numbering::Sequence, Numbers::Used),
            (Verb::Copy, Numbering::Uid, Numbers::Unused),
            (Verb::Expunge, Numbering::Sequence, Numbers::Unused),
            (Verb::Noop, Numbering::Sequence, Numbers::Unused),
        ] {
            assert_eq!(Numbers::of_verb((verb, numbering)), expected, "{verb:?} {numbering:?}");
        }
    }

    #[test]
    fn a_search_by_uid_may_ask_by_numbers() {
        let mut parser = Parser::new();
        for (line, expected) in [
            ("a UID SEARCH NOT (OR 1:3 SEEN)", Numbers::Used),
            ("a UID SEARCH UID 1:3", Numbers::Unused),
            ("a UID SEARCH $", Numbers::Unused),
            ("a UID SORT (DATE) UTF-8 4", Numbers::Used),
            ("a SEARCH 1", Numbers::Fixed),
            ("a UID FETCH 1 FLAGS", Numbers::Unused),
        ] {
            let tagged = parser.command(line.as_bytes()).unwrap();
            assert_eq!(Numbers::of(&tagged.command), expected, "{line}");
        }
    }
}
