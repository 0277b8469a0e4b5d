//! What a server can be told of an envelope: its extensions and its limits.

use std::collections::BTreeSet;

use mail_wire::{ApiMisuse, Error, LimitExceeded, PeerIncompatible};

use super::{Chunking, Envelope, Machine};
use crate::body::Body;
use crate::capabilities::Capabilities;
use crate::dialect::Dialect;
use crate::extension::Extension;
use crate::params::{MailParams, OtherParam};

impl<D: Dialect> Machine<D> {
    /// The parameters of MAIL as this server can be told them, if all of the envelope can.
    pub(super) fn expressible(&self, envelope: &Envelope) -> Result<MailParams, Error> {
        let capabilities = self.ready()?;
        self.check_limits(envelope, capabilities)?;
        let mut params = envelope.params.clone();
        if let (Some(size), Some(max)) = (params.size_bytes, capabilities.size_bytes_max())
            && size > max
        {
            return Err(LimitExceeded::new("SIZE", max).into());
        }
        // Their absence loses nothing.
        params.size_bytes = params.size_bytes.filter(|_| capabilities.announces("SIZE"));
        params.auth = params.auth.filter(|_| capabilities.announces("AUTH"));
        params.body =
            params.body.filter(|b| *b != Body::SevenBit || capabilities.has(&Extension::EightBitMime));
        let recipients = &envelope.recipients;
        let needs_utf8 =
            !envelope.reverse_path.is_ascii() || recipients.iter().any(|recipient| !recipient.is_ascii());
        params.smtp_utf8 |= needs_utf8;
        let needed =
            params.needed_keywords().chain(recipients.iter().flat_map(|r| r.params.needed_keywords()));
        let binary: &[_] =
            if params.body == Some(Body::BinaryMime) { &["CHUNKING", "PIPELINING"] } else { &[] };
        let missing = needed.chain(binary.iter().copied()).find(|keyword| !capabilities.announces(keyword));
        if let Some(missing) = missing {
            return Err(PeerIncompatible::Missing(missing).into());
        }
        if params.require_tls && self.core.tls().is_none() {
            return Err(PeerIncompatible::Inexpressible("REQUIRETLS over a link without TLS").into());
        }
        are_announced(&params.other, capabilities)?;
        recipients.iter().try_for_each(|recipient| are_announced(&recipient.params.other, capabilities))?;
        Ok(params)
    }

    /// Our limit of recipients, and what the server announces (RFC 9422 4).
    fn check_limits(&self, envelope: &Envelope, capabilities: &Capabilities) -> Result<(), Error> {
        if envelope.recipients.is_empty() {
            return Err(ApiMisuse::WrongState("an envelope has at least one recipient").into());
        }
        let max = self.config.limits.recipients_max;
        let count = envelope.recipients.len();
        if count > max {
            return Err(LimitExceeded::new("recipients_max", max as u64).into());
        }
        let Some(limits) = capabilities.session_limits() else { return Ok(()) };
        let within = |name, used: usize, max: Option<u32>| match max {
            Some(max) if used as u64 > u64::from(max) => Err(LimitExceeded::new(name, max.into())),
            _ => Ok(()),
        };
        let domains: BTreeSet<_> = envelope
            .recipients
            .iter()
            .filter_map(|r| r.path.address())
            .map(|address| address.domain())
            .collect();
        within("MAILMAX", self.mails as usize + 1, limits.mail_max)?;
        within("RCPTMAX", count, limits.rcpt_max)?;
        Ok(within("RCPTDOMAINMAX", domains.len(), limits.rcpt_domain_max)?)
    }

    /// Whether a message with this body leaves in chunks.
    pub(super) fn is_chunked(&self, body: Option<Body>) -> bool {
        let offered = self.capabilities.as_ref().is_some_and(|capabilities| {
            capabilities.has(&Extension::Chunking) && capabilities.has(&Extension::Pipelining)
        });
        offered && (self.config.chunking == Chunking::WhenOffered || body == Some(Body::BinaryMime))
    }
}

fn are_announced(params: &[OtherParam], capabilities: &Capabilities) -> Result<(), PeerIncompatible> {
    if params.iter().all(|param| capabilities.announces(param.keyword())) {
        Ok(())
    } else {
        Err(PeerIncompatible::Inexpressible("a parameter of an extension that the peer does not announce"))
    }
}
