//! What the owner says: the greeting, replies, untagged data, bodies, and what a proxy passes on
//! (RFC 3501 2.2.2, 7; RFC 2177).
//!
//! A response may hold bodies that the owner does not have in memory (`Data::Streamed`): [`Connection::untagged`]
//! writes it up to the first of them and waits for exactly the announced bytes, given by
//! [`Connection::literal_chunk`]; then it writes on. Until the response is complete nothing else can be said, and
//! more or fewer bytes than announced cannot be sent at all.

use std::collections::VecDeque;

use bytes::Bytes;
use mail_wire::{ApiMisuse, Error, Ticket};

use super::turn::{Duty, Turn};
use super::{Connection, ExpungeTiming, LiteralOffer, State};
use crate::client::Piece;
use crate::numbers::Numbers;
use crate::segments::Segment;
use crate::{
    Capability, Code, Condition, Encode, Encoder, Literals, Parsed, Response, Status, Tag, Text, kind,
};

/// How the owner meets a client (RFC 3501 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting<'a> {
    /// `* OK`, with the capabilities: log in.
    Ok(Text<'a>),
    /// `* PREAUTH`, with the capabilities: the owner knows already who this is.
    Preauth(Text<'a>),
    /// `* BYE`: not now.
    Bye(Text<'a>),
}

/// What is open on the way out.
#[derive(Debug)]
pub(super) enum Writing {
    /// Nothing: between two responses.
    Nothing,
    /// A response of ours stops at a body.
    Body { left: u64, rest: VecDeque<Rest> },
    /// A response of another server is passed on; `left` bytes of its literal are due, or its next text.
    Passing { left: Option<u64> },
}

/// What follows a body within its response.
#[derive(Debug)]
pub(super) enum Rest {
    Bytes(Bytes),
    Hole(u64),
}

impl Connection {
    /// Greets. Bytes of a client that did not wait for it end the connection at the next poll (safety row F5).
    ///
    /// # Errors
    /// The connection was greeted before.
    pub fn greet(&mut self, greeting: Greeting<'_>) -> Result<(), ApiMisuse> {
        if self.turn != Turn::Greeting {
            return Err(ApiMisuse::WrongState("the client was greeted already"));
        }
        if !self.core.input.is_empty() {
            return Ok(());
        }
        self.turn = Turn::Command;
        let (kind, text) = match greeting {
            Greeting::Ok(text) => ("* OK [", text),
            Greeting::Preauth(text) => {
                self.logged_in();
                ("* PREAUTH [", text)
            }
            Greeting::Bye(text) => {
                self.shut_down(text);
                return Ok(());
            }
        };
        self.put(&[kind]);
        self.put_capabilities();
        self.put(&["] "]);
        self.put_text(&text);
        Ok(())
    }

    /// Ends the session: `* BYE`, unless a response is open or TLS or compression is starting, and nothing more is
    /// read.
    pub fn shut_down(&mut self, text: Text<'_>) {
        let is_unheard = matches!(self.turn, Turn::Handshake | Turn::Compression);
        if !(self.core.is_closing() || self.is_mid_response() || is_unheard) {
            self.put(&["* BYE "]);
            self.put_text(&text);
        }
        self.state = State::Logout;
        self.core.close();
    }

    /// Replaces what the owner adds to the capabilities after login, before [`auth_ok`](Self::auth_ok) tells them:
    /// a proxy learns only from the server behind it what the session can do.
    pub fn set_capabilities(&mut self, after_login: Vec<Capability<'static>>) {
        self.config.capabilities_after_login = after_login;
    }

    /// Refuses a literal, and its command with it. The reply goes out when the literal has gone by.
    ///
    /// # Errors
    /// As [`reply`](Self::reply); and if the literal is not on offer here, or the status is OK.
    pub fn refuse(&mut self, offer: LiteralOffer, status: &Status<'_>) -> Result<(), Error> {
        let LiteralOffer { ticket, announced, .. } = offer;
        if status.condition == Condition::Ok {
            return Err(ApiMisuse::WrongState("a literal is refused by NO or BAD").into());
        }
        self.encode_reply(status)?;
        self.ledger.redeem(ticket)?;
        let mut line = Vec::new();
        self.segments.drain(|segment| {
            if let Segment::Text(text) = segment {
                line.extend_from_slice(text);
            }
        });
        self.refuse_offer(line, &announced)
    }

    /// Answers a command. An OK to IDLE comes after [`idle_begin`](Self::idle_begin) and `Event::IdleDone`.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the ticket is not that of a command of this connection, a response is open, or the status is
    /// no reply; [`PeerIncompatible`](mail_wire::PeerIncompatible) if its code cannot be expressed. The ticket is
    /// spent then: the client gets `NO [SERVERBUG]`.
    pub fn reply(&mut self, ticket: Ticket, status: &Status<'_>) -> Result<(), Error> {
        if !matches!(self.turn, Turn::Reply(Duty::Command | Duty::Idle)) {
            return Err(ApiMisuse::WrongState("this ticket is answered by another call").into());
        }
        self.encode_reply(status)?;
        self.ledger.redeem(ticket)?;
        self.flush();
        self.pass_to_client(Turn::Command);
        Ok(())
    }

    /// Answers a command with another server's tagged reply: its own tag is put in the place of that server's.
    ///
    /// # Errors
    /// As [`reply`](Self::reply); and if `response` is no tagged reply.
    pub fn reply_forward(&mut self, ticket: Ticket, response: &Parsed<kind::Response>) -> Result<(), Error> {
        match response.view() {
            Response::Tagged { status, .. } => {
                // What could not be read cannot be written; the text still tells a human.
                let code = status.code.filter(|code| !matches!(code, Code::Invalid(_)));
                self.reply(ticket, &Status { code, ..status })
            }
            _ => Err(ApiMisuse::WrongState("only a tagged reply can be a reply").into()),
        }
    }

    /// Accepts IDLE: `+ idling`. From here on untagged data may be sent, until `Event::IdleDone` brings the
    /// ticket for the reply, or `Event::IdleBroken`.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the ticket is not that of IDLE.
    pub fn idle_begin(&mut self, ticket: Ticket) -> Result<(), ApiMisuse> {
        if self.turn != Turn::Reply(Duty::Idle) {
            return Err(ApiMisuse::WrongState("the client did not ask for IDLE"));
        }
        self.check_may_answer()?;
        self.ledger.redeem(ticket)?;
        self.put(&["+ idling\r\n"]);
        self.pass_to_client(Turn::Idle);
        Ok(())
    }

    /// Sends untagged data, up to the first body that is to be streamed. `ENABLED` tells the connection, too: from
    /// there on [`enabled`](Self::enabled) says so, and commands are read accordingly.
    ///
    /// # Errors
    /// [`ApiMisuse`] if it is not untagged; before the greeting; while a response is open; between IDLE and its
    /// `+`, where some clients take it for the answer; for EXPUNGE outside any command and during FETCH, STORE or
    /// SEARCH, where it would shift the client's numbers unseen (RFC 3501 7.4.1); for EXPUNGE and FETCH where the
    /// client has enabled what forbids them (RFC 7162 3.2.10, RFC 9586). [`PeerIncompatible`] if a value
    /// cannot be expressed. Nothing is sent then.
    ///
    /// [`PeerIncompatible`]: mail_wire::PeerIncompatible
    pub fn untagged(&mut self, response: &Response<'_>) -> Result<(), Error> {
        self.check_untagged()?;
        self.check_data(response)?;
        self.segments.clear();
        let names = self.enabled.names();
        response.encode(&mut Encoder::new(&mut self.segments, Literals::Server).with_names(names))?;
        self.flush();
        self.note_enabled(response);
        Ok(())
    }

    /// Whether this may be said now, and in what the client has enabled.
    fn check_data(&self, response: &Response<'_>) -> Result<(), ApiMisuse> {
        let wrong = match response {
            Response::Tagged { .. } | Response::Continue(_) => "this is not untagged data",
            Response::Expunge(_) if self.enabled.has(&Capability::Qresync) => {
                "under QRESYNC VANISHED is sent"
            }
            Response::Expunge(_) | Response::Fetch { .. } if self.enabled.has(&Capability::UidOnly) => {
                "under UIDONLY there are no message numbers"
            }
            Response::Expunge(_) if !self.may_expunge() => "EXPUNGE may not be sent now",
            _ => return Ok(()),
        };
        Err(ApiMisuse::WrongState(wrong))
    }

    fn may_expunge(&self) -> bool {
        match self.turn {
            Turn::Idle => true,
            Turn::Reply(_) => self.verb.is_none_or(|verb| Numbers::of_verb(verb).may_shift()),
            _ => self.expunge_timing == ExpungeTiming::Anytime,
        }
    }

    /// What the client was told to be enabled holds from here on.
    fn note_enabled(&mut self, response: &Response<'_>) {
        if let Response::Enabled(capabilities) = response {
            let mut enabled = self.enabled;
            enabled.note(capabilities);
            self.set_enabled(enabled);
        }
    }

    /// Gives bytes of the body at which the open response stands; large slices leave without a copy.
    ///
    /// # Errors
    /// [`ApiMisuse`] if no body is due, or if these are more bytes than were announced. Nothing is sent then.
    pub fn literal_chunk(&mut self, bytes: Bytes) -> Result<(), ApiMisuse> {
        let Writing::Body { left, .. } = &mut self.writing else {
            return Err(ApiMisuse::WrongState("no body is due"));
        };
        *left = left
            .checked_sub(bytes.len() as u64)
            .ok_or(ApiMisuse::WrongState("more bytes than were announced"))?;
        self.core.out.put_slice(bytes);
        self.write_on();
        Ok(())
    }

    /// Bytes of the body that are still due before the response can go on; `None` between responses.
    #[must_use]
    pub fn literal_bytes_due(&self) -> Option<u64> {
        match self.writing {
            Writing::Nothing => None,
            Writing::Body { left, .. } => Some(left),
            Writing::Passing { left } => Some(left.unwrap_or(0)),
        }
    }

    /// Passes on untagged data of another server, as its client connection framed it, without a copy.
    ///
    /// # Errors
    /// As [`untagged`](Self::untagged); a response whose literals were streamed was passed on as pieces.
    pub fn forward(&mut self, response: &Parsed<kind::Response>) -> Result<(), Error> {
        self.check_untagged()?;
        let view = response.view();
        if response.has_holes() || matches!(view, Response::Tagged { .. } | Response::Continue(_)) {
            return Err(ApiMisuse::WrongState("this cannot be passed on as one piece").into());
        }
        self.core.out.put_slice(response.frame().clone());
        self.put(&["\r\n"]);
        self.note_enabled(&view);
        Ok(())
    }

    /// Passes on a piece of untagged data whose literals are streamed, without a copy. Pieces come in order, all
    /// of them.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the piece does not follow the one before.
    pub fn forward_piece(&mut self, piece: Piece) -> Result<(), ApiMisuse> {
        let out_of_order = || Err(ApiMisuse::WrongState("this piece does not follow the last one"));
        match (piece, &mut self.writing) {
            (
                Piece::Head { text, literal, .. },
                writing @ (Writing::Nothing | Writing::Passing { left: None }),
            ) => {
                let first = matches!(writing, Writing::Nothing);
                if first {
                    self.check_untagged()?;
                }
                self.core.out.put_slice(text.into_bytes());
                self.writing = Writing::Passing { left: Some(literal.bytes) };
            }
            (Piece::Chunk(_, bytes), Writing::Passing { left: Some(left) }) => {
                let Some(rest) = left.checked_sub(bytes.len() as u64) else { return out_of_order() };
                *left = rest;
                self.core.out.put_slice(bytes);
            }
            (Piece::LiteralEnd(_), Writing::Passing { left: left @ Some(0) }) => *left = None,
            (Piece::Tail(text), Writing::Passing { left: None }) => {
                self.core.out.put_slice(text.into_bytes());
                self.put(&["\r\n"]);
                self.writing = Writing::Nothing;
            }
            _ => return out_of_order(),
        }
        Ok(())
    }

    pub(super) fn is_mid_response(&self) -> bool {
        !matches!(self.writing, Writing::Nothing)
    }

    /// Whether a line of ours may go out now.
    pub(super) fn check_may_answer(&self) -> Result<(), ApiMisuse> {
        if self.core.is_closing() {
            return Err(ApiMisuse::WrongState("the session is over"));
        }
        if self.is_mid_response() { Err(ApiMisuse::WrongState("a response is open")) } else { Ok(()) }
    }

    fn check_untagged(&self) -> Result<(), ApiMisuse> {
        self.check_may_answer()?;
        match self.turn {
            Turn::Greeting => Err(ApiMisuse::WrongState("the client was not greeted")),
            Turn::Handshake => Err(ApiMisuse::WrongState("TLS is starting")),
            Turn::Compression => Err(ApiMisuse::WrongState("compression is starting")),
            Turn::Reply(Duty::Idle) => Err(ApiMisuse::WrongState("IDLE has not begun")),
            _ => Ok(()),
        }
    }

    /// Encodes the reply to the command under way, if it is one and may go out now.
    fn encode_reply(&mut self, status: &Status<'_>) -> Result<(), Error> {
        if !status.condition.is_tagged() {
            return Err(ApiMisuse::WrongState("a reply is OK, NO or BAD").into());
        }
        self.check_may_answer()?;
        self.segments.clear();
        let response = match Tag::new(&self.tag) {
            Ok(tag) => Response::Tagged { tag, status: *status },
            Err(_) => Response::Status(*status),
        };
        let names = self.enabled.names();
        response.encode(&mut Encoder::new(&mut self.segments, Literals::Server).with_names(names))?;
        Ok(())
    }

    /// Moves the encoded message to the output, up to its first hole.
    fn flush(&mut self) {
        let Self { segments, core, writing, .. } = self;
        segments.drain(|segment| match (segment, &mut *writing) {
            (Segment::Wait, _) => {}
            (Segment::Text(text), Writing::Body { rest, .. }) => {
                rest.push_back(Rest::Bytes(Bytes::copy_from_slice(text)));
            }
            (Segment::Shared(bytes), Writing::Body { rest, .. }) => rest.push_back(Rest::Bytes(bytes)),
            (Segment::Hole(bytes), Writing::Body { rest, .. }) => rest.push_back(Rest::Hole(bytes)),
            (Segment::Text(text), _) => core.out.put(text),
            (Segment::Shared(bytes), _) => core.out.put_slice(bytes),
            (Segment::Hole(left), writing) => *writing = Writing::Body { left, rest: VecDeque::new() },
        });
        self.write_on();
    }

    /// Goes on behind a body that is complete.
    fn write_on(&mut self) {
        while let Writing::Body { left: left @ 0, rest } = &mut self.writing {
            match rest.pop_front() {
                Some(Rest::Bytes(bytes)) => self.core.out.put_slice(bytes),
                Some(Rest::Hole(bytes)) => *left = bytes,
                None => self.writing = Writing::Nothing,
            }
        }
    }

    pub(super) fn put(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.core.out.put(text.as_bytes()));
    }

    fn put_text(&mut self, text: &Text<'_>) {
        self.segments.clear();
        // Text can always be expressed; should that change, the line is still ended.
        let _ = text.encode(&mut Encoder::new(&mut self.segments, Literals::Server));
        self.flush();
        self.put(&["\r\n"]);
    }

    /// A tagged reply of the connection's own.
    pub(super) fn tagged(&mut self, status: &str) {
        let line = self.tagged_line(status);
        self.core.out.put(&line);
    }

    pub(super) fn tagged_line(&self, status: &str) -> Vec<u8> {
        let tag: &[u8] = if self.tag.is_empty() { b"*" } else { &self.tag };
        [tag, b" ", status.as_bytes(), b"\r\n"].concat()
    }

    pub(super) fn tagged_ok(&mut self, text: &Text<'_>) {
        let line = self.tagged_line("OK [");
        self.core.out.put(line.strip_suffix(b"\r\n").unwrap_or(&line));
        self.put_capabilities();
        self.put(&["] "]);
        self.put_text(text);
    }
}
