//! The one secret of the admin HTTP (RFC 6750 section 2.1; RFC 7617 for browsers).

use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_wire::Secret;
use subtle::ConstantTimeEq;

/// The longest header that is looked at.
const HEADER_BYTES_MAX: usize = 4096;

/// The token, as a keyed hash: two hashes are of one length, so comparing them tells nothing of the length of either.
pub(super) struct Token {
    key: [u8; 32],
    digest: blake3::Hash,
}

impl Token {
    pub(super) fn new(token: &Secret<String>) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, digest: blake3::keyed_hash(&key, token.expose().as_bytes()) })
    }

    /// Whether a request brings the token.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return false;
        };
        if rest.len() > HEADER_BYTES_MAX {
            return false;
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.is(rest.trim().as_bytes());
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = Secret::new(STANDARD.decode(rest.trim()).unwrap_or_default());
            let colon = memchr::memchr(b':', decoded.expose());
            return colon
                .and_then(|at| decoded.expose().get(at + 1..))
                .is_some_and(|password| self.is(password));
        }
        false
    }

    fn is(&self, given: &[u8]) -> bool {
        bool::from(blake3::keyed_hash(&self.key, given).as_bytes().ct_eq(self.digest.as_bytes()))
    }
}
