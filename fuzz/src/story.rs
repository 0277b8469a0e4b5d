//! What a connection says and sends while it is fed, to be told from another way of feeding it.

use std::time::Instant;

use mail_wire::{Connection, Error, PeerMisbehaved};

/// All events, as they print, and all output. Chunks of a body come as the input was cut: they are told as one.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Story {
    said: Vec<String>,
    pub(crate) sent: Vec<u8>,
}

impl Story {
    pub(crate) fn say(&mut self, event: &impl std::fmt::Debug) {
        self.said.push(format!("{event:?}"));
    }

    fn has_early_bytes(&self) -> bool {
        let early = [PeerMisbehaved::UnsolicitedReply, PeerMisbehaved::PipelinedTooEarly];
        self.said
            .last()
            .is_some_and(|last| early.iter().any(|early| *last == format!("{:?}", Error::from(*early))))
    }

    pub(crate) fn chunk(&mut self, bytes: &[u8]) {
        const CHUNK: &str = "chunk ";
        assert!(!bytes.is_empty(), "a chunk has bytes");
        match self.said.last_mut() {
            Some(last) if last.starts_with(CHUNK) => last.push_str(&bytes.escape_ascii().to_string()),
            _ => self.said.push(format!("{CHUNK}{}", bytes.escape_ascii())),
        }
    }
}

/// Feeds `input` to a connection in pieces, and lets `answer` deal with each event, until all is said.
pub(crate) fn feed<C: Connection>(
    conn: &mut C,
    input: &[u8],
    piece: usize,
    mut answer: impl FnMut(&mut C, C::Event, &mut Story),
) -> Story {
    let now = Instant::now();
    let mut story = Story::default();
    let mut drain = |conn: &mut C, story: &mut Story| -> Result<(), Error> {
        loop {
            while let Some(bytes) = conn.poll_transmit() {
                story.sent.extend_from_slice(&bytes);
            }
            match conn.poll_event() {
                Ok(Some(event)) => answer(conn, event, story),
                Ok(None) if conn.transmit_bytes() == 0 => return Ok(()),
                Ok(None) => {}
                Err(error) => {
                    story.say(&error);
                    assert!(conn.is_closing(), "an error ends the connection");
                    while let Some(bytes) = conn.poll_transmit() {
                        story.sent.extend_from_slice(&bytes);
                    }
                    return Err(error);
                }
            }
        }
    };
    let mut alive = drain(conn, &mut story).is_ok();
    for bytes in input.chunks(piece.min(input.len().max(1))) {
        if alive && !conn.is_closing() {
            conn.receive(bytes, now);
            alive = drain(conn, &mut story).is_ok();
        }
    }
    if alive {
        conn.receive_eof();
        let _ = drain(conn, &mut story);
    }
    story
}

/// Tells the story twice, in pieces and whole; panics unless it is the same. What comes before its turn is another matter:
/// whether it does, the cut decides.
pub(crate) fn tell_twice(data: &[u8], tell: impl Fn(u8, &[u8], usize) -> Story) {
    let Some((&how, input)) = data.split_first() else { return };
    let (pieces, whole) = (tell(how, input, usize::from(how & 15) + 1), tell(how, input, usize::MAX));
    if !pieces.has_early_bytes() && !whole.has_early_bytes() {
        assert_eq!(pieces, whole);
    }
}
