//! The kinds of values that a configuration file holds. Each can only be made from text that means something, and
//! says what is allowed when the text does not.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use mail_wire::Secret;
use serde::{Deserialize, Deserializer, de};

/// The longest file with a password or token: no longer than the longest password that is looked at.
pub const PASSWORD_FILE_BYTES_MAX: u64 = 1024;

/// The longest name of a node: it becomes part of every location in the mailbox list.
pub const NODE_NAME_BYTES_MAX: usize = 128;

/// Gives a type that has `FromStr<Err = &'static str>` (the error says what is allowed) its `Deserialize`. The
/// rejected text is quoted by `serde`: none of these types holds a secret.
macro_rules! from_text {
    ($($type:ty),*) => { $(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|allowed| de::Error::invalid_value(de::Unexpected::Str(&text), &allowed))
            }
        }
    )* };
}
from_text!(HostPort, NodeName, Network, DatabaseUrl, AdminAddress);

/// `host:port`, where the host is an IPv4 address, an IPv6 address in brackets, or a name.
///
/// ```
/// use murder::config::HostPort;
/// let address: HostPort = "[::1]:143".parse().unwrap();
/// assert_eq!((address.host.as_str(), address.port), ("::1", 143));
/// assert_eq!(address.to_string(), "[::1]:143");
/// assert!("::1:143".parse::<HostPort>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// An address without brackets, or a host name in lower case.
    pub host: String,
    /// The TCP port. A listener on port 0 takes any free one.
    pub port: u16,
}

const HOST_PORT: &str = "host:port, such as 127.0.0.1:143, [::1]:143 or mail.example.org:143";

impl HostPort {
    /// Whether this is this machine alone: a loopback address or the name `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether this stands for every address of the machine.
    pub(super) fn is_unspecified(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    }
}

impl FromStr for HostPort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(HOST_PORT)?;
        let port = port.parse().map_err(|_| HOST_PORT)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().map_err(|_| HOST_PORT)?.to_string(),
            None if is_host_name(host) => host.to_ascii_lowercase(),
            None => return Err(HOST_PORT),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The addresses of one service: written as one `"host:port"` or as a list of them. Empty when it is off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listen(pub Vec<HostPort>);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> de::Visitor<'de> for OneOrMany {
            type Value = Listen;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{HOST_PORT}, or a list of these")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                text.parse()
                    .map(|one| Listen(vec![one]))
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Listen, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                if all.is_empty() {
                    return Err(de::Error::invalid_length(0, &self));
                }
                Ok(Listen(all))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// The name of a node: what a location in the mailbox list calls the server (RFC 3656 section 2). Letters, digits,
/// `.`, `-` and `_`, so that it can stand in a location (`server!partition`), a metric and a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(String);

const NODE_NAME: &str = "1 to 128 letters, digits, '.', '-' or '_', first a letter or digit";

impl NodeName {
    /// A name that the source gives, known to be valid.
    pub(super) fn constant(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if first && rest && text.len() <= NODE_NAME_BYTES_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(NODE_NAME)
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A network in CIDR form, or one address.
///
/// ```
/// use murder::config::Network;
/// let network: Network = "192.0.2.0/24".parse().unwrap();
/// assert!(network.contains("192.0.2.77".parse().unwrap()));
/// assert!(network.contains("::ffff:192.0.2.77".parse().unwrap()));
/// assert!(!network.contains("192.0.3.1".parse().unwrap()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

const NETWORK: &str = "an address or a network such as 192.0.2.0/24 or 2001:db8::/32";

impl Network {
    /// This machine.
    pub const LOOPBACK: [Self; 2] = [
        Self { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix_bits: 8 },
        Self { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix_bits: 128 },
    ];

    /// Whether the address is in the network. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| NETWORK)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NETWORK)?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.unwrap_or(bits_max);
        if prefix_bits > bits_max { Err(NETWORK) } else { Ok(Self { address, prefix_bits }) }
    }
}

/// Where the routing database is. SQLite is embedded: `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrl {
    /// A file, shared by the processes of one machine.
    Sqlite(PathBuf),
}

const DATABASE: &str = "sqlite:PATH, such as sqlite:/var/lib/corbie/routing.db";

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("sqlite:").ok_or(DATABASE)?;
        let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
        if path.is_empty() || path.starts_with(':') || path.contains('\0') {
            return Err(DATABASE);
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// Where the admin HTTP listens: a loopback address, or a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// A loopback address and port.
    Tcp(HostPort),
    /// A socket in the file system; written `unix:PATH`.
    Unix(PathBuf),
}

const ADMIN: &str = "a loopback host:port such as 127.0.0.1:8080, or unix:PATH";

impl FromStr for AdminAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(ADMIN) } else { Ok(Self::Unix(PathBuf::from(path))) };
        }
        match text.parse::<HostPort>() {
            Ok(address) if address.is_loopback() => Ok(Self::Tcp(address)),
            _ => Err(ADMIN),
        }
    }
}

/// A file whose first line is a password or a token. The configuration itself never holds one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct PasswordFile(pub PathBuf);

impl PasswordFile {
    /// Reads the password: the first line, without its line end.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, in words; never any of its text.
    pub fn read(&self) -> Result<Secret<String>, String> {
        use std::io::Read;
        let file = std::fs::File::open(&self.0).map_err(|error| describe(&error, &self.0))?;
        let mut buffer = String::new();
        let read = file.take(PASSWORD_FILE_BYTES_MAX + 1).read_to_string(&mut buffer);
        let whole = Secret::new(buffer);
        let length = read.map_err(|error| describe(&error, &self.0))?;
        if u64::try_from(length).is_ok_and(|length| length > PASSWORD_FILE_BYTES_MAX) {
            return Err(format!("{} is longer than {PASSWORD_FILE_BYTES_MAX} bytes", self.0.display()));
        }
        let text = Secret::new(whole.expose().lines().next().unwrap_or_default().to_owned());
        if text.expose().is_empty() || text.expose().contains('\0') {
            return Err(format!("the first line of {} holds no password", self.0.display()));
        }
        Ok(text)
    }
}

pub(super) fn describe(error: &std::io::Error, path: &Path) -> String {
    let what = match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist",
        std::io::ErrorKind::PermissionDenied => "may not be read by this user",
        std::io::ErrorKind::InvalidData => "is not UTF-8 text",
        std::io::ErrorKind::IsADirectory => "is a directory",
        _ => "cannot be read",
    };
    format!("{} {what}", path.display())
}

/// A whole number from `MIN` to `MAX`. There is no way to write "unlimited": every limit is a number that somebody
/// chose.
pub(super) fn within<'de, D, T, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let number = i64::deserialize(deserializer)?;
    u64::try_from(number)
        .ok()
        .filter(|number| (MIN..=MAX).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| {
            let allowed = format!("a whole number from {MIN} to {MAX}");
            de::Error::invalid_value(de::Unexpected::Signed(number), &allowed.as_str())
        })
}

/// A number of seconds from `MIN` to `MAX`.
pub(super) fn seconds<'de, D, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    within::<D, u64, MIN, MAX>(deserializer).map(Duration::from_secs)
}

fn is_host_name(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok()
        || (!host.is_empty()
            && host.len() <= 253
            && host.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            }))
}
