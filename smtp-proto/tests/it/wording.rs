//! Commands and replies of the RFCs' examples and of real servers, as text in `testdata/`: every line is read, means
//! something, and is written as it was.
//!
//! `C: ` is a command, `S: ` a line of a reply; messages are left out.

use std::path::Path;

use bytes::Bytes;
use smtp_proto::{Capabilities, Command, Extension, MailParams, RcptParams, Reply, ReplyReader, ReplyRef};

/// The command, written anew, and whether all of its parameters are known.
fn read_command(line: &str) -> (String, bool) {
    let command = Command::parse(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
    let known = match command {
        Command::Mail { params, .. } => {
            let read = MailParams::read(params).unwrap_or_else(|e| panic!("{line}: {e}"));
            read.other.is_empty()
        }
        Command::Rcpt { params, .. } => {
            let read = RcptParams::read(params).unwrap_or_else(|e| panic!("{line}: {e}"));
            read.other.is_empty()
        }
        _ => true,
    };
    (command.to_string(), known)
}

fn read_replies(wire: &str) -> Vec<Reply> {
    let (mut reader, mut replies, mut rest) = (ReplyReader::new(), Vec::new(), wire.as_bytes());
    for line in wire.split_terminator("\r\n") {
        replies.extend(reader.push(&Bytes::copy_from_slice(line.as_bytes()), 100).expect(line));
    }
    for reply in &replies {
        let (view, used) = ReplyRef::parse(rest).expect("a reply").expect("complete");
        assert_eq!(view.to_owned(), *reply);
        rest = &rest[used..];
    }
    assert!(rest.is_empty() && !reader.is_partial(), "{wire}");
    replies
}

#[test]
fn every_line_of_the_examples_and_of_real_servers_is_read_and_written_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|f| f.expect("a file").path()).collect();
    files.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("rfc") || matches!(name, "extensions.txt" | "servers.txt")
    });
    assert!(files.len() >= 10);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let (mut said, mut hello) = (String::new(), false);
        let mut lines = text.lines().filter(|line| !line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let bytes = line[3..].strip_suffix("\\r\\n").unwrap_or_else(|| panic!("{line}"));
            if line.starts_with("C: ") {
                let (written, known) = read_command(bytes);
                assert_eq!(written, bytes);
                assert!(known, "{line}");
                hello = bytes.starts_with("EHLO") || bytes.starts_with("LHLO");
                continue;
            }
            assert!(line.starts_with("S: "), "{line}");
            said += &format!("{bytes}\r\n");
            if lines.peek().is_some_and(|next| next.starts_with("S: ")) {
                continue;
            }
            let replies = read_replies(&std::mem::take(&mut said));
            if std::mem::take(&mut hello) {
                for extension in Capabilities::read(&replies[0]).iter() {
                    let unknown = matches!(extension, Extension::Other(other) if !["PIPECONNECT", "PRDR"].contains(&other.keyword()));
                    assert!(!unknown, "{extension}");
                }
            }
        }
    }
}
