//! Verbs of a cluster: the grammar knows them, a connection to a user does not (safety row N4).

use imap_proto::{Command, Parser, Verb};

use crate::conn_owner::Owner;

/// One line for each way to speak as a node of a cluster.
const LINES: [&str; 12] = [
    "LOCALAPPEND x \"\" {1+}\r\na",
    "LOCALCREATE x default",
    "LOCALDELETE x",
    "XFER x y",
    "MUPDATEPUSH x",
    "RLIST \"\" *",
    "RLSUB \"\" *",
    "XLIST \"\" *",
    "GETANNOTATION x /comment value.shared",
    "SETANNOTATION x /comment (value.shared NIL)",
    "CREATE x default",
    "RENAME x x be2.example!default",
];

#[test]
fn n4_cluster_verbs_are_unknown_here() {
    for line in LINES.iter().filter(|line| !line.starts_with("CREATE") && !line.starts_with("RENAME")) {
        let mut owner = Owner::preauth();
        owner.sent();
        owner.seen.clear();
        let end = owner.receive(format!("a {line}\r\nb NOOP\r\n").as_bytes());
        assert_eq!(end, Ok(()), "{line}");
        assert_eq!(owner.sent(), "a BAD Unknown command\r\nb OK Done\r\n", "{line}");
        assert_eq!(owner.seen.len(), 1, "{line}: {:?}", owner.seen);
    }
}

#[test]
fn n4_the_grammar_tells_them_from_what_users_may_say() {
    for line in LINES {
        let mut parser = Parser::new();
        let frame = format!("a {line}");
        let command = parser.command(frame.as_bytes()).unwrap().command;
        assert!(command.is_internal(), "{line}");
        let verb = command.verb().unwrap();
        assert_eq!(verb.is_internal(), !matches!(verb, Verb::Create | Verb::Rename), "{line}");
    }
    for verb in ["UNDUMP", "DUMP", "SYNCAPPLY", "SYNCGET", "SYNCRESTART"] {
        let frame = format!("a {verb} x y");
        let mut parser = Parser::new();
        assert!(matches!(parser.command(frame.as_bytes()).unwrap().command, Command::Unknown(_)), "{verb}");
    }
    for frame in [
        "a LIST \"\" *",
        "a CREATE x (USE (\\Sent))",
        "a RENAME x y",
        "a GETMETADATA \"\" /a",
        "a APPEND x {1+}\r\na",
    ] {
        assert!(!Parser::new().command(frame.as_bytes()).unwrap().command.is_internal(), "{frame}");
    }
}
