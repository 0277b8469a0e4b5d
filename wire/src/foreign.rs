//! Bytes of HTTP or TLS on a mail port (safety row F10).
//!
//! A browser can be made to send a request to a mail port and to take what comes back for an answer (ALPACA). A
//! server that recognises the first bytes closes without echoing any of them.

/// True when the first bytes of a connection begin an HTTP request or a TLS handshake, as far as they go.
///
/// ```
/// use mail_wire::is_foreign_protocol;
/// assert!(is_foreign_protocol(b"GET / HTTP/1.1\r\n"));
/// assert!(is_foreign_protocol(&[0x16, 3, 1]));
/// assert!(!is_foreign_protocol(b"EHLO host\r\n"));
/// ```
#[must_use]
pub fn is_foreign_protocol(first_bytes: &[u8]) -> bool {
    /// Methods that begin no command of a mail protocol.
    const METHODS: [&[u8]; 8] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"CONNECT ", b"OPTIONS ", b"PATCH ", b"TRACE "];
    matches!(first_bytes, [0x16, 0x03, ..]) || METHODS.iter().any(|method| first_bytes.starts_with(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_http_and_tls_are_recognised_and_mail_is_not() {
        for foreign in [&b"POST /x HTTP/1.1"[..], b"CONNECT a:25 HTTP/1.0", b"\x16\x03\x01\x02\x00"] {
            assert!(is_foreign_protocol(foreign), "{foreign:?}");
        }
        for mail in
            [&b"EHLO x"[..], b"a1 CAPABILITY", b"USER GET ", b"A01 AUTHENTICATE \"PLAIN\"", b"LHLO get", b""]
        {
            assert!(!is_foreign_protocol(mail), "{mail:?}");
        }
    }
}
