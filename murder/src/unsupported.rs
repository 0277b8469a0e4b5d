//! What clients may say in IMAP that no server here understands: extensions that are not announced, of which the grammar
//! knows more than the servers. All of it is answered `BAD`, so that a client never takes half an answer for a whole
//! one.

use imap_proto::{Command, CreateParameter, ListPatterns, ListReturn, ListSelection};

/// Why a command must be answered `BAD`, if it must.
pub(crate) fn unsupported(command: &Command<'_>) -> Option<&'static str> {
    match command {
        Command::Select(select) | Command::Examine(select) if !select.parameters.is_empty() => {
            Some("Unknown SELECT parameter")
        }
        Command::Create(create)
            if create.location.is_some()
                || create.parameters.iter().any(|p| !matches!(p, CreateParameter::Use(_))) =>
        {
            Some("Unknown CREATE parameter")
        }
        Command::Rename(rename) if rename.location.is_some() || !rename.parameters.is_empty() => {
            Some("Unknown RENAME parameter")
        }
        Command::List(query)
            if query.selection.iter().any(|option| option != ListSelection::SpecialUse)
                || query.returned.iter().any(|option| option != ListReturn::SpecialUse) =>
        {
            Some("Unknown LIST option")
        }
        Command::List(query) if !matches!(query.patterns, ListPatterns::One(_)) => {
            Some("One LIST pattern at a time")
        }
        // Back-ends may offer more than a front-end does: what they would say to it is not passed on.
        Command::Search(search) if search.returned.is_some() => Some("ESEARCH is not offered"),
        command if command.uses_saved_result() => Some("SEARCHRES is not offered"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_announced_is_not_understood() {
        for (line, understood) in [
            ("SELECT INBOX", true),
            ("SELECT INBOX (CONDSTORE)", false),
            ("EXAMINE INBOX (QRESYNC (1 2))", false),
            ("CREATE x (USE (\\Sent))", true),
            ("CREATE x (FROB)", false),
            ("CREATE x default", false),
            ("RENAME x y", true),
            ("RENAME x y be2!default", false),
            ("RENAME x y (FROB)", false),
            ("LIST \"\" *", true),
            ("LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE)", true),
            ("LIST (SUBSCRIBED) \"\" *", false),
            ("LIST \"\" * RETURN (CHILDREN)", false),
            ("LIST \"\" * RETURN (STATUS (MESSAGES))", false),
            ("LIST \"\" (a b)", false),
            ("SEARCH ALL", true),
            ("SEARCH RETURN () ALL", false),
            ("FETCH $ FLAGS", false),
        ] {
            let mut parser = imap_proto::Parser::new();
            let line = format!("a {line}");
            let command = parser.command(line.as_bytes()).unwrap().command;
            assert_eq!(unsupported(&command).is_none(), understood, "{line}");
        }
    }
}
