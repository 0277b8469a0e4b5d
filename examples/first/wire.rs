//! First read: `mail-wire`, the ground that the five protocols stand on.
//!
//! The server's half of a small protocol: lines, a SASL login, a message ended by a lone dot. It arrives in pieces of
//! three bytes, and nothing below has to care: framers keep their place in the [`Input`], and read no byte twice.
//!
//!     cargo run -p corbie-examples --example wire

use std::fmt::Write as _;

use mail_wire::sasl::{self, Mechanism, ServerExchange, Step};
use mail_wire::{
    BareLineEnd, BodyPart, DotReader, DotWriter, Escaped, Input, Line, LineFramer, LineLimits, Outbox,
};

#[allow(clippy::print_stdout)]
fn main() {
    print!("{}", run());
}

pub(crate) fn run() -> String {
    let mut honest = Session::new();
    honest.receive(b"AUTH AGFsaWNlAHNlY3JldA==\r\nDATA\r\nThe end:\r\n..\r\n.\r\nN\0OP\r\nQUIT\r\n");
    // To some servers LF.LF ends a message. Here it does not, so nobody can hide a second one behind it.
    let mut smuggler = Session::new();
    smuggler.receive(b"DATA\r\nhello\n.\nMAIL FROM:<boss@example.org>\r\n");

    // On the way out the writer stuffs dots and mends line ends: what it sends can be read in one way only.
    let (mut writer, mut outbox) = (DotWriter::new(), Outbox::new());
    writer.write(&".profile\nand more".into(), &mut outbox);
    writer.finish(&mut outbox);
    let sent: Vec<u8> = std::iter::from_fn(|| outbox.take()).flatten().collect();
    format!("{}--\n{}--\nsent: {}\n", honest.report, smuggler.report, Escaped::new(&sent))
}

struct Session {
    input: Input,
    lines: LineFramer,
    /// The message under way, and who reads it.
    message: Option<(DotReader, Vec<u8>)>,
    report: String,
}

impl Session {
    fn new() -> Self {
        let lines = LineFramer::new(LineLimits::default());
        Self { input: Input::new(), lines, message: None, report: String::new() }
    }

    fn receive(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(3) {
            self.input.buffer().extend_from_slice(piece);
            if let Err(fatal) = self.drain() {
                // The error says what and where, never with the peer's bytes: it is safe to log.
                let _ = writeln!(self.report, "closed: {fatal}");
                return;
            }
        }
    }

    /// Takes all that is complete. The rest waits in the input.
    fn drain(&mut self) -> Result<(), mail_wire::Error> {
        loop {
            if let Some((reader, message)) = &mut self.message {
                match reader.poll(&mut self.input)? {
                    None => return Ok(()),
                    Some(BodyPart::Chunk(bytes)) => message.extend_from_slice(&bytes),
                    Some(BodyPart::End) => {
                        let _ = writeln!(self.report, "message: {}", Escaped::new(message));
                        self.message = None;
                    }
                }
                continue;
            }
            let said = match self.lines.poll(&mut self.input)? {
                None => return Ok(()),
                Some(Line::Whole(line)) => self.command(&line),
                // A bad line is a value: its sender hears of it, and the session goes on.
                Some(Line::Invalid(why)) => format!("bad line: {why}"),
                Some(Line::Overlong(limit)) => format!("long line: {limit}"),
            };
            let _ = writeln!(self.report, "{said}");
        }
    }

    fn command(&mut self, line: &[u8]) -> String {
        if let Some(argument) = line.strip_prefix(b"AUTH ") {
            let message = sasl::decode_initial(argument);
            let step = message.and_then(|m| ServerExchange::new(Mechanism::Plain).start(Some(m.expose())));
            return match step {
                Ok(Step::Done(who)) => format!("login: {} by {:?}", who.authcid.as_str(), who.password),
                _ => "login: malformed".to_owned(),
            };
        }
        if line == b"DATA" {
            self.message = Some((DotReader::new(BareLineEnd::Refuse), Vec::new()));
        }
        format!("line: {}", Escaped::new(line))
    }
}
