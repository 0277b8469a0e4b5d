//! The banner: what a server says of itself when a client connects, and again under TLS (RFC 3656 3.8).
//!
//! Lines begin with `*`; the last begins with `* OK`; lines that are not known are passed over. The RFC writes
//! mechanism names as atoms, Cyrus quotes them: both are read, the quoted form is written.

use bytes::Bytes;
use mail_wire::sasl::MechanismName;
use mail_wire::{InvalidMessage, Outbox};
use nom::IResult;
use nom::Parser;
use nom::bytes::complete::{tag, tag_no_case, take_until1};
use nom::combinator::{all_consuming, opt, rest, verify};
use nom::sequence::{preceded, terminated};

use crate::string::{Cursor, LineWriter};

/// Mechanisms that are kept of a banner; further ones are passed over.
pub const MECHANISMS_MAX: usize = 32;
/// Bytes of each string of a banner.
pub const BANNER_STRING_BYTES_MAX: usize = 255;

/// The one algorithm of COMPRESS.
pub(crate) const DEFLATE: &str = "DEFLATE";

/// A server's banner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// The mechanisms on offer; none means that TLS must come first.
    pub mechanisms: Vec<MechanismName>,
    /// True if STARTTLS is on offer.
    pub start_tls: bool,
    /// True if COMPRESS takes DEFLATE (Cyrus).
    pub compress_deflate: bool,
    /// True if UPDATE takes servers' names (Cyrus).
    pub partial_update: bool,
    /// Who it is.
    pub server: Identity,
}

/// The last line of a banner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The server's host name.
    pub host: BannerString,
    /// The name of the software.
    pub implementation: BannerString,
    /// Its version.
    pub version: BannerString,
    /// Master or slave.
    pub role: Role,
}

/// A string of a banner: up to [`BANNER_STRING_BYTES_MAX`] octets without NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannerString(Bytes);

impl BannerString {
    /// Takes the octets.
    pub fn new(octets: impl Into<Bytes>) -> Result<Self, InvalidMessage> {
        let octets = octets.into();
        if octets.len() > BANNER_STRING_BYTES_MAX || octets.contains(&0) {
            return Err(InvalidMessage::new("no string of a banner is like this", 0));
        }
        Ok(Self(octets))
    }

    /// The octets: a peer's, if they were read. Show them through [`Escaped`](mail_wire::Escaped).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What part the server plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It holds the list.
    Master,
    /// It holds a replica, which nobody changes through it; the list is at this host.
    Slave(BannerString),
}

/// One line of a banner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BannerLine {
    Auth(Vec<MechanismName>),
    StartTls,
    CompressDeflate,
    PartialUpdate,
    Unknown,
    Last(Identity),
    Bye(Bytes),
}

impl BannerLine {
    pub(crate) fn parse(frame: &Bytes) -> Result<Self, InvalidMessage> {
        let mut cursor = Cursor::new(frame);
        if !(cursor.word() == b"*" && cursor.space()) {
            return Err(InvalidMessage::new("banner expected", 0));
        }
        let word = cursor.word();
        if word.eq_ignore_ascii_case(b"AUTH") {
            return names(&mut cursor).map(Self::Auth);
        }
        if word.eq_ignore_ascii_case(b"OK") {
            return identity(&mut cursor).map(Self::Last);
        }
        if word.eq_ignore_ascii_case(b"BYE") {
            return cursor.argument().map(Self::Bye);
        }
        if word.eq_ignore_ascii_case(b"COMPRESS") {
            let algorithms = names(&mut cursor)?;
            let deflate = algorithms.iter().any(|name| name.as_str() == DEFLATE);
            return Ok(if deflate { Self::CompressDeflate } else { Self::Unknown });
        }
        Ok(if word.eq_ignore_ascii_case(b"STARTTLS") && cursor.is_at_end() {
            Self::StartTls
        } else if word.eq_ignore_ascii_case(b"PARTIAL-UPDATE") {
            Self::PartialUpdate
        } else {
            Self::Unknown
        })
    }
}

impl Banner {
    /// Writes the banner's lines.
    pub fn encode(&self, out: &mut Outbox) {
        let mut auth = LineWriter::new(out);
        auth.raw(b"* AUTH");
        for mechanism in &self.mechanisms {
            auth.argument(mechanism.as_str().as_bytes());
        }
        auth.end();
        if self.start_tls {
            out.put(b"* STARTTLS\r\n");
        }
        if self.compress_deflate {
            out.put(b"* COMPRESS \"DEFLATE\"\r\n");
        }
        if self.partial_update {
            out.put(b"* PARTIAL-UPDATE\r\n");
        }
        let Identity { host, implementation, version, role } = &self.server;
        let mut last = LineWriter::new(out);
        last.raw(b"* OK MUPDATE");
        last.argument(host.as_bytes()).argument(implementation.as_bytes()).argument(version.as_bytes());
        match role {
            Role::Master => last.argument(b"(master)").end(),
            Role::Slave(master) => {
                last.argument(&[b"mupdate://", master.as_bytes(), b"/"].concat()).end();
            }
        }
    }
}

/// Names of mechanisms, or of algorithms, which are of the same form.
fn names(cursor: &mut Cursor<'_>) -> Result<Vec<MechanismName>, InvalidMessage> {
    let mut names = Vec::new();
    while cursor.space() {
        let name = match cursor.rest().first() {
            Some(b'"' | b'{') => MechanismName::new(&cursor.string()?),
            _ => MechanismName::new(cursor.word()),
        };
        // A name that no mechanism can have is of no use, and no reason to give up.
        if let Ok(name) = name
            && names.len() < MECHANISMS_MAX
        {
            names.push(name);
        }
    }
    cursor.end()?;
    Ok(names)
}

fn identity(cursor: &mut Cursor<'_>) -> Result<Identity, InvalidMessage> {
    if !(cursor.space() && cursor.word().eq_ignore_ascii_case(b"MUPDATE")) {
        return Err(cursor.error("MUPDATE expected"));
    }
    let mut string = || BannerString::new(cursor.argument()?);
    let (host, implementation, version) = (string()?, string()?, string()?);
    let at = cursor.offset();
    let role = cursor.argument()?;
    cursor.end()?;
    let role = match &role[..] {
        b"(master)" => Role::Master,
        url => match master_url(url) {
            Ok((_, master)) => Role::Slave(BannerString::new(Bytes::copy_from_slice(master))?),
            Err(_) => return Err(InvalidMessage::new("(master) or a mupdate URL expected", at)),
        },
    };
    Ok(Identity { host, implementation, version, role })
}

/// `mupdate://host/` (RFC 3656 6); Cyrus leaves the last slash out.
fn master_url(url: &[u8]) -> IResult<&[u8], &[u8]> {
    let with_slash = terminated(take_until1("/"), tag("/"));
    let host = with_slash.or(verify(rest, |host: &[u8]| !host.is_empty()));
    all_consuming(preceded(tag_no_case("mupdate://"), terminated(host, opt(rest)))).parse(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<BannerLine, InvalidMessage> {
        BannerLine::parse(&text.into())
    }

    fn names(names: &[&str]) -> Vec<MechanismName> {
        names.iter().map(|name| MechanismName::new(name.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn mechanisms_are_read_as_atoms_and_quoted() {
        assert_eq!(
            parse("* AUTH KERBEROS_V4 GSSAPI"),
            Ok(BannerLine::Auth(names(&["KERBEROS_V4", "GSSAPI"])))
        );
        let cyrus = "* AUTH \"PLAIN\" \"SCRAM-SHA-256\" \"CRAM-MD5\"";
        assert_eq!(parse(cyrus), Ok(BannerLine::Auth(names(&["PLAIN", "SCRAM-SHA-256", "CRAM-MD5"]))));
        assert_eq!(parse("* AUTH"), Ok(BannerLine::Auth(Vec::new())));
    }

    #[test]
    fn lines_that_are_not_known_are_passed_over() {
        assert_eq!(parse("* STARTTLS"), Ok(BannerLine::StartTls));
        assert_eq!(parse("* COMPRESS \"LZMA\""), Ok(BannerLine::Unknown));
        assert_eq!(parse("* COMPRESS \"LZMA\" \"deflate\""), Ok(BannerLine::CompressDeflate));
        assert_eq!(parse("* PARTIAL-UPDATE"), Ok(BannerLine::PartialUpdate));
        assert_eq!(parse("* X-NEW (a) b"), Ok(BannerLine::Unknown));
    }

    #[test]
    fn the_last_line_names_master_or_slave() {
        let role = |text| match parse(text) {
            Ok(BannerLine::Last(identity)) => Some(identity.role),
            _ => None,
        };
        let slave = |host: &'static str| Some(Role::Slave(BannerString::new(host).unwrap()));
        assert_eq!(role("* OK MUPDATE \"m\" \"Cyrus IMAP\" \"3.6.1\" \"(master)\""), Some(Role::Master));
        assert_eq!(role("* OK MUPDATE \"f\" \"i\" \"v\" \"mupdate://master.test\""), slave("master.test"));
        assert_eq!(role("* OK MUPDATE \"f\" \"i\" \"v\" \"mupdate://master.test/\""), slave("master.test"));
        assert_eq!(role("* OK MUPDATE \"f\" \"i\" \"v\" \"mupdate://\""), None);
        assert_eq!(role("* OK MUPDATE \"f\" \"i\" \"v\""), None);
        assert_eq!(role("* OK IMAP \"f\" \"i\" \"v\" \"(master)\""), None);
    }

    #[test]
    fn strings_and_mechanisms_stay_within_their_limits() {
        assert!(BannerString::new(vec![b'a'; BANNER_STRING_BYTES_MAX]).is_ok());
        assert!(BannerString::new(vec![b'a'; BANNER_STRING_BYTES_MAX + 1]).is_err());
        let many = format!("* AUTH{}", " A".repeat(MECHANISMS_MAX + 1));
        let Ok(BannerLine::Auth(kept)) = BannerLine::parse(&many.into()) else { panic!() };
        assert_eq!(kept.len(), MECHANISMS_MAX);
    }
}
