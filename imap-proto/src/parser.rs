//! From a frame (RFC 3501 2.2: one command or one response) to views, and to frames that can be kept.
//!
//! ```
//! use imap_proto::{Parser, Response};
//! let mut parser = Parser::new();
//! // A malformed command is an error with its place, to be answered BAD; a malformed response is a value.
//! assert_eq!(parser.command(b"a SELECT INBOX (").unwrap_err().offset, 16);
//! assert_eq!(parser.response(b"* 23 EXISTS")?, Response::Exists(23));
//! assert!(matches!(parser.response(b"* 23 EXISTS (")?, Response::Invalid(_)));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use mail_wire::InvalidMessage;

use crate::Limits;
use crate::chars;
use crate::code::{Code, Condition, Status};
use crate::command::TaggedCommand;
use crate::fetch::FetchItem;
use crate::mailbox::Names;
use crate::quirks::{Check, Quirk, QuirkCounts, Quirks};
use crate::response::{Response, Shape, is_fetch};
use crate::scan::{self, Extent, Manner, Scanner};
use crate::search::{SearchResult, Threads};
use crate::sequence::NumberList;
use crate::tag::Tag;
use crate::tape::{Cursor, Item, STREAMED_ARGUMENT};
use crate::token::{Hole, Kind, Span, Tape, Token};
use crate::verb::Verb;

/// Parses frames, one at a time, over a tape that it keeps: no allocation once the tape has grown.
///
/// A frame is what `mail_wire::LiteralFramer` cuts: text and kept literals without the final CRLF. Where a literal
/// was streamed, join head and tail and name the [`Hole`].
#[derive(Debug)]
pub struct Parser {
    tape: Tape,
    limits: Limits,
    names: Names,
    command_quirks: Quirks,
    response_quirks: Quirks,
    counts: QuirkCounts,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_limits(Limits::default())
    }
}

impl Parser {
    /// A parser with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A parser with these limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            tape: Tape::default(),
            limits,
            names: Names::default(),
            command_quirks: Quirks::STRICT,
            response_quirks: Quirks::TOLERANT,
            counts: QuirkCounts::default(),
        }
    }

    /// Changes the limits (after login, say).
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Says how the session spells mailbox names from now on; with UTF-8, any quoted string may hold it
    /// (RFC 6855 3, RFC 9051 9).
    pub fn set_names(&mut self, names: Names) {
        self.names = names;
    }

    /// Changes what is let pass in commands: nothing by default.
    pub fn set_command_quirks(&mut self, quirks: Quirks) {
        self.command_quirks = quirks;
    }

    /// Changes what is let pass in responses: [`Quirks::TOLERANT`] by default.
    pub fn set_response_quirks(&mut self, quirks: Quirks) {
        self.response_quirks = quirks;
    }

    /// In how many frames so far each quirk was let pass.
    #[must_use]
    pub fn quirk_counts(&self) -> &QuirkCounts {
        &self.counts
    }

    /// Gives the tape's memory back: a large frame need not cost anything once it is gone.
    pub fn release(&mut self) {
        self.tape = Tape::default();
    }

    /// Bytes of heap that the tape holds: at most 6 for each byte of the largest frame so far, and 1,024.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.tape.heap_bytes()
    }

    /// The command in a frame.
    ///
    /// # Errors
    /// When it is malformed. The tag may still be found by [`Tag::of_frame`], to answer `BAD`.
    pub fn command<'a>(&'a mut self, frame: &'a [u8]) -> Result<TaggedCommand<'a>, InvalidMessage> {
        self.command_with_holes(frame, &[])
    }

    /// The command in a frame some literals of which are elsewhere.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn command_with_holes<'a>(
        &'a mut self,
        frame: &'a [u8],
        holes: &[Hole],
    ) -> Result<TaggedCommand<'a>, InvalidMessage> {
        self.read_command(frame, holes, Extent::Whole)
    }

    fn read_command<'a>(
        &'a mut self,
        frame: &'a [u8],
        holes: &[Hole],
        extent: Extent,
    ) -> Result<TaggedCommand<'a>, InvalidMessage> {
        let limits = self.limits;
        let check = Check::allowing(&limits, self.command_quirks, self.names);
        self.scan_command(frame, holes, extent, &check)?;
        self.mark_names();
        let mut cursor = Cursor::new(frame, self.tape.tokens());
        let tagged = TaggedCommand::read(&mut cursor)?;
        cursor.end()?;
        tagged.command.check(&check)?;
        note(&mut self.counts, &check);
        Ok(tagged)
    }

    /// The response in a frame.
    ///
    /// # Errors
    /// When it is neither tagged status nor untagged nor a continuation, so that nobody can say what it answers. An
    /// untagged response that is malformed is [`Response::Invalid`].
    pub fn response<'a>(&'a mut self, frame: &'a [u8]) -> Result<Response<'a>, InvalidMessage> {
        self.response_with_holes(frame, &[])
    }

    /// The response in a frame some literals of which are elsewhere.
    ///
    /// # Errors
    /// As [`response`](Self::response).
    pub fn response_with_holes<'a>(
        &'a mut self,
        frame: &'a [u8],
        holes: &[Hole],
    ) -> Result<Response<'a>, InvalidMessage> {
        self.scan_response(frame, holes, Extent::Whole)?;
        Response::read(&mut Cursor::new(frame, self.tape.tokens()))
    }

    /// The response that a frame begins, seen from a literal that is being streamed: `head` ends with the
    /// announcement, and the items up to and with the streamed one are there.
    ///
    /// ```
    /// use imap_proto::{Data, FetchItem, Hole, Parser, Response};
    /// use mail_wire::LiteralId;
    /// let head = b"* 12 FETCH (UID 7 BODY[] {500000}\r\n";
    /// let holes = [Hole { at: head.len(), id: LiteralId(1), bytes: 500_000 }];
    /// let mut parser = Parser::new();
    /// let Response::Fetch { items, .. } = parser.response_so_far(head, &holes)? else { panic!() };
    /// assert_eq!(items.iter().next(), Some(FetchItem::Uid(7)));
    /// # Ok::<(), imap_proto::InvalidMessage>(())
    /// ```
    ///
    /// # Errors
    /// As [`response`](Self::response).
    pub fn response_so_far<'a>(
        &'a mut self,
        head: &'a [u8],
        holes: &[Hole],
    ) -> Result<Response<'a>, InvalidMessage> {
        self.scan_response(head, holes, Extent::Head)?;
        Response::read(&mut Cursor::new(head, self.tape.tokens()))
    }

    /// The command in a frame, as a value that can be kept.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn parse_command(
        &mut self,
        frame: Bytes,
        holes: &[Hole],
    ) -> Result<Parsed<kind::Command>, InvalidMessage> {
        self.command_with_holes(&frame, holes)?;
        Ok(self.keep(frame, holes))
    }

    /// The command that a frame begins, seen from a literal that is on offer: `head` ends with the announcement, and the
    /// last of `holes` is that literal. `None` if it is no message but an argument, such as the name of a mailbox or a
    /// URL: it is to be collected, and the whole frame will be read with it inside.
    ///
    /// Every literal of MULTIAPPEND and CATENATE is told this way, one after the other, so that each can be streamed,
    /// collected or refused.
    ///
    /// ```
    /// use imap_proto::{Command, Hole, Parser};
    /// use mail_wire::LiteralId;
    /// let head = bytes::Bytes::from_static(b"a APPEND Work CATENATE (URL \"/x/;UID=7\" TEXT {310}\r\n");
    /// let holes = [Hole { at: head.len(), id: LiteralId(1), bytes: 310 }];
    /// let so_far = Parser::new().parse_command_so_far(head, &holes)?.expect("a message");
    /// assert!(matches!(so_far.view().command, Command::Append(_)));
    /// let head = bytes::Bytes::from_static(b"a APPEND {4}\r\n");
    /// let holes = [Hole { at: head.len(), id: LiteralId(1), bytes: 4 }];
    /// assert!(Parser::new().parse_command_so_far(head, &holes)?.is_none());
    /// # Ok::<(), imap_proto::InvalidMessage>(())
    /// ```
    ///
    /// # Errors
    /// When no literal makes a command of it.
    pub fn parse_command_so_far(
        &mut self,
        head: Bytes,
        holes: &[Hole],
    ) -> Result<Option<Parsed<kind::Command>>, InvalidMessage> {
        if !Verb::of_frame(&head).is_some_and(|(verb, _)| verb.carries_message()) {
            return Ok(None);
        }
        match self.read_command(&head, holes, Extent::Head).map(drop) {
            Ok(()) => Ok(Some(self.keep(head, holes))),
            Err(error) if error.what == STREAMED_ARGUMENT => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The response in a frame, as a value that can be kept.
    ///
    /// # Errors
    /// As [`response`](Self::response).
    pub fn parse_response(
        &mut self,
        frame: Bytes,
        holes: &[Hole],
    ) -> Result<Parsed<kind::Response>, InvalidMessage> {
        self.response_with_holes(&frame, holes)?;
        Ok(self.keep(frame, holes))
    }

    /// [`response_so_far`](Self::response_so_far) as a value that can be kept.
    ///
    /// # Errors
    /// As [`response`](Self::response).
    pub fn parse_response_so_far(
        &mut self,
        head: Bytes,
        holes: &[Hole],
    ) -> Result<Parsed<kind::Response>, InvalidMessage> {
        self.response_so_far(&head, holes)?;
        Ok(self.keep(head, holes))
    }

    /// What the last parse left on the tape.
    #[cfg(test)]
    pub(crate) fn tokens(&self) -> &[Token] {
        self.tape.tokens()
    }

    fn keep<K>(&mut self, frame: Bytes, holes: &[Hole]) -> Parsed<K> {
        let has_holes = !holes.is_empty();
        let tape = if frame.len() > COPIED_FRAME_BYTES_MAX {
            Kept::Whole(Arc::new(self.tape.take()))
        } else {
            Kept::Copy(Arc::from(self.tape.tokens()))
        };
        Parsed { frame, tape, has_holes, kind: PhantomData }
    }

    fn scanner<'f, 't>(
        &'t mut self,
        frame: &'f [u8],
        holes: &'t [Hole],
        manner: Manner,
        extent: Extent,
        check: &'t Check<'t>,
    ) -> Result<Scanner<'f, 't>, InvalidMessage> {
        if frame.len() > Token::FRAME_BYTES_MAX {
            return Err(InvalidMessage::new("frame too large", Token::FRAME_BYTES_MAX));
        }
        self.tape.reset(check.limits);
        Ok(Scanner {
            frame,
            at: 0,
            tape: &mut self.tape,
            check,
            shape: scan::Shape { manner, extent, holes },
        })
    }

    fn scan_command(
        &mut self,
        frame: &[u8],
        holes: &[Hole],
        extent: Extent,
        check: &Check<'_>,
    ) -> Result<(), InvalidMessage> {
        let mut scanner = self.scanner(frame, holes, Manner::Strict, extent, check)?;
        scanner.word(false)?;
        scanner.space()?;
        let mut word = scanner.word(true)?.of(frame);
        let mut verb = Verb::of_word(word);
        if word.eq_ignore_ascii_case(b"UID") {
            scanner.space()?;
            word = scanner.word(true)?.of(frame);
            verb = Verb::of_word(word).filter(|verb| verb.takes_uid());
        }
        if verb.is_none() {
            // Nobody knows how to scan its arguments.
            if scanner.at < frame.len() {
                scanner.space()?;
                scanner.opaque_text(frame.len())?;
            }
            return Ok(());
        }
        scanner.elements()?;
        self.mark_names();
        Ok(())
    }

    fn scan_response(&mut self, frame: &[u8], holes: &[Hole], extent: Extent) -> Result<(), InvalidMessage> {
        let limits = self.limits;
        let check = Check::allowing(&limits, self.response_quirks, self.names);
        let scanned = self.scan_checked(frame, holes, extent, &check);
        note(&mut self.counts, &check);
        scanned
    }

    fn scan_checked(
        &mut self,
        frame: &[u8],
        holes: &[Hole],
        extent: Extent,
        check: &Check<'_>,
    ) -> Result<(), InvalidMessage> {
        let mut scanner = self.scanner(frame, holes, Manner::Tolerant, extent, check)?;
        let first = scanner.word(false)?.of(frame);
        match first {
            b"+" => {
                one_space(&mut scanner, Quirk::EmptyContinuation)?;
                scanner.text()
            }
            b"*" => {
                let scanned = scan_untagged(&mut scanner);
                if scanned.and_then(|shape| self.check_untagged(frame, shape, check)).is_err() {
                    check.forget_since(Quirks::STRICT);
                    self.mark_invalid();
                }
                Ok(())
            }
            tag => {
                if tag.starts_with(b"[") && check.meet(Quirk::CodeWithoutStatus, 0).is_ok() {
                    self.mark_invalid();
                    return Ok(());
                }
                Tag::new(tag)?;
                scanner.space()?;
                let offset = scanner.at;
                let word = scanner.word(true)?.of(frame);
                if !Condition::of_word(word).is_some_and(Condition::is_tagged) {
                    return Err(InvalidMessage::new("expected OK, NO or BAD", offset));
                }
                scan_status(&mut scanner)?;
                self.check_code(frame, 2, check);
                Ok(())
            }
        }
    }

    /// The whole response is malformed.
    fn mark_invalid(&mut self) {
        self.tape.truncate(1);
        if let Some(first) = self.tape.get_mut(0) {
            first.mark_invalid();
        }
    }

    fn check_untagged(
        &mut self,
        frame: &[u8],
        shape: Scanned,
        check: &Check<'_>,
    ) -> Result<(), InvalidMessage> {
        match shape {
            // All that may be malformed in it is marked where it stands.
            Scanned::Fetch => {
                self.check_items(frame, 4, check);
                return Ok(());
            }
            Scanned::Status => self.check_code(frame, 2, check),
            Scanned::Other => self.mark_names(),
        }
        let response = Response::read(&mut Cursor::new(frame, self.tape.tokens()))?;
        response.check(check)
    }

    /// Notes on the tape how its names are spelled. FETCH and status responses have none.
    fn mark_names(&mut self) {
        if self.names == Names::Utf8 {
            Token::mark_utf8(self.tape.tokens_mut());
        }
    }

    /// Marks the code whose token stands at `at`, if there is one and it is malformed.
    fn check_code(&mut self, frame: &[u8], at: usize, check: &Check<'_>) {
        let has_code = self.tape.get(at).is_some_and(|token| token.kind() == Kind::List);
        if !has_code {
            return;
        }
        let mut cursor = Cursor::new(frame, self.tape.tokens().get(1..).unwrap_or_default());
        let checked = Status::read(&mut cursor)
            .and_then(|status| status.code.as_ref().map_or(Ok(()), |code: &Code<'_>| code.check(check)));
        if checked.is_err()
            && let Some(token) = self.tape.get_mut(at)
        {
            token.mark_invalid();
        }
    }

    /// Marks every FETCH item from the token at `at` on that is malformed.
    fn check_items(&mut self, frame: &[u8], mut at: usize, check: &Check<'_>) {
        while let Some(tokens) = self.tape.tokens().get(at..).filter(|tokens| !tokens.is_empty()) {
            let mut cursor = Cursor::new(frame, tokens);
            let met = check.met();
            let good = FetchItem::pass(&mut cursor, check).is_ok();
            let separate = cursor.peek().is_none_or(Token::is_spaced);
            if good && separate {
                at = self.tape.len() - cursor.tokens.len();
                continue;
            }
            check.forget_since(met);
            cursor = Cursor::new(frame, tokens);
            FetchItem::skip(&mut cursor);
            let next = self.tape.len() - cursor.tokens.len();
            if let Some(token) = self.tape.get_mut(at) {
                token.mark_invalid();
            }
            at = next;
        }
    }
}

/// Counts what a check let pass.
#[inline]
fn note(counts: &mut QuirkCounts, check: &Check<'_>) {
    if check.met() != Quirks::STRICT {
        counts.note(check.met());
    }
}

/// What was scanned, and what of it is still to be checked.
#[derive(Debug, Clone, Copy)]
enum Scanned {
    Status,
    Fetch,
    Other,
}

fn scan_untagged(scanner: &mut Scanner<'_, '_>) -> Result<Scanned, InvalidMessage> {
    let frame = scanner.frame;
    scanner.space()?;
    let mut word = scanner.word(true)?.of(frame);
    if word.first().is_some_and(u8::is_ascii_digit) {
        let number: Option<u32> = chars::number(word);
        scanner.space()?;
        word = scanner.word(true)?.of(frame);
        scanner.elements()?;
        let list = scanner.tape.get(3).filter(|token| is_fetch(word) && token.kind() == Kind::List);
        return match (list, number) {
            (None, _) => Ok(Scanned::Other),
            // Nothing may follow the list.
            (Some(list), _) if list.inner_len() + 4 != scanner.tape.len() => {
                Err(InvalidMessage::new("more than one list", 0))
            }
            (Some(list), Some(1..)) if list.is_spaced() => Ok(Scanned::Fetch),
            _ => Err(InvalidMessage::new("malformed FETCH", 0)),
        };
    }
    match Shape::of_word(word) {
        Shape::Status => {
            scan_status(scanner)?;
            Ok(Scanned::Status)
        }
        Shape::Numbers => {
            let start = scanner.at;
            let end = SearchResult::numbers_end(frame, start);
            scanner.opaque_text(end)?;
            let numbers = frame.get(start..end).unwrap_or_default();
            // The space in front of a trailer is the trailer's.
            let numbers =
                if end < frame.len() { numbers.strip_suffix(b" ").unwrap_or(numbers) } else { numbers };
            NumberList::check(numbers, start, scanner.check)?;
            scanner.elements()?;
            Ok(Scanned::Other)
        }
        Shape::Threads => {
            let start = scanner.at;
            scanner.opaque_text(frame.len())?;
            Threads::check(frame.get(start..).unwrap_or_default(), start, scanner.check.limits)?;
            Ok(Scanned::Other)
        }
        Shape::Elements => {
            scanner.elements()?;
            Ok(Scanned::Other)
        }
    }
}

/// What follows OK, NO, BAD, BYE or PREAUTH: a code, if one can be told from text, and text. Either may be missing,
/// as some servers have it.
fn scan_status(scanner: &mut Scanner<'_, '_>) -> Result<(), InvalidMessage> {
    one_space(scanner, Quirk::NoText)?;
    if scanner.frame.get(scanner.at) == Some(&b'[') && scanner.bracketed()? {
        match scanner.frame.get(scanner.at) {
            Some(b' ') => scanner.at += 1,
            _ => scanner.check.meet(Quirk::NoTextAfterCode, scanner.at)?,
        }
    }
    scanner.text()
}

/// The space in front of text, which some servers leave out with the text. What follows it belongs to the text.
fn one_space(scanner: &mut Scanner<'_, '_>, missing: Quirk) -> Result<(), InvalidMessage> {
    match scanner.frame.get(scanner.at) {
        None => scanner.check.meet(missing, scanner.at),
        Some(b' ') => {
            scanner.at += 1;
            Ok(())
        }
        Some(_) => Err(InvalidMessage::new("expected a space", scanner.at)),
    }
}

/// What a [`Parsed`] frame is.
pub mod kind {
    /// A command.
    #[derive(Debug, Clone, Copy)]
    pub struct Command;
    /// A response.
    #[derive(Debug, Clone, Copy)]
    pub struct Response;
}

/// A frame and its tape: parsed once, kept as long as wanted, sent anywhere, viewed at no cost.
///
/// The frame shares the buffer it was read into; nothing is copied but the tape.
///
/// ```
/// use imap_proto::{Command, Parsed, Parser, kind};
/// let frame = bytes::Bytes::from_static(b"a1 SELECT INBOX");
/// let parsed: Parsed<kind::Command> = Parser::new().parse_command(frame, &[])?;
/// let other_thread = std::thread::spawn(move || match parsed.view().command {
///     Command::Select(select) => select.mailbox.is_inbox(),
///     _ => false,
/// });
/// assert!(other_thread.join().unwrap());
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
pub struct Parsed<K> {
    frame: Bytes,
    tape: Kept,
    has_holes: bool,
    kind: PhantomData<K>,
}

/// The tape of a frame that is kept.
#[derive(Clone)]
enum Kept {
    /// Of a small frame: the parser keeps its own for the next one.
    Copy(Arc<[Token]>),
    /// Of a large one: the parser has given its own away, so that it is not there twice.
    Whole(Arc<Vec<Token>>),
}

impl Kept {
    #[inline]
    fn tokens(&self) -> &[Token] {
        match self {
            Self::Copy(tokens) => tokens,
            Self::Whole(tokens) => tokens,
        }
    }
}

/// Frames above this take the parser's tape with them.
const COPIED_FRAME_BYTES_MAX: usize = 4 << 10;

impl<K> Clone for Parsed<K> {
    fn clone(&self) -> Self {
        Self {
            frame: self.frame.clone(),
            tape: self.tape.clone(),
            has_holes: self.has_holes,
            kind: PhantomData,
        }
    }
}

impl<K> Parsed<K> {
    /// The frame itself, without its final CRLF and without what was streamed.
    #[must_use]
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// True if literals of the frame were streamed: its bytes alone are not the message.
    #[must_use]
    pub fn has_holes(&self) -> bool {
        self.has_holes
    }

    /// The bytes of a span as a slice that shares the frame.
    #[must_use]
    pub fn raw(&self, span: Span) -> Bytes {
        self.frame.slice_ref(span.of(&self.frame))
    }

    /// The same for bytes that a view has borrowed from the frame. `None` for any others.
    #[must_use]
    pub fn share(&self, bytes: &[u8]) -> Option<Bytes> {
        let start = (bytes.as_ptr() as usize).checked_sub(self.frame.as_ptr() as usize)?;
        let end = start.checked_add(bytes.len())?;
        (end <= self.frame.len()).then(|| self.frame.slice(start..end))
    }
}

impl Parsed<kind::Command> {
    /// The command. Nothing is parsed again.
    #[must_use]
    pub fn view(&self) -> TaggedCommand<'_> {
        let read = TaggedCommand::read(&mut Cursor::new(&self.frame, self.tape.tokens()));
        // The same read has succeeded before this value was made.
        read.unwrap_or_else(|_| TaggedCommand::unreadable())
    }
}

impl Parsed<kind::Response> {
    /// The response. Nothing is parsed again.
    #[must_use]
    pub fn view(&self) -> Response<'_> {
        let read = Response::read(&mut Cursor::new(&self.frame, self.tape.tokens()));
        read.unwrap_or(Response::Invalid(Span { start: 0, len: self.frame.len() }))
    }
}

impl fmt::Debug for Parsed<kind::Command> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Debug for Parsed<kind::Response> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
