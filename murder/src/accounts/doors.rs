//! The way in of a node: accounts that can be read again, names that nobody may act for, and a line in the log.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mail_wire::Escaped;
use mail_wire::sasl::Credentials;
use tracing::{info, warn};

use super::{Accounts, Identity, Principal, ReservedNames, Verdict};

/// Who may come in at a front-end or back-end.
#[derive(Debug)]
pub struct Doors {
    accounts: ArcSwap<Accounts<Principal>>,
    reserved: ReservedNames,
}

/// What a login came to, for a protocol to answer. The reason is in the log and nowhere else.
#[derive(Debug)]
pub enum Entry {
    /// Let in, as this.
    Granted(Identity),
    /// Not let in.
    Rejected,
    /// It cannot be said now.
    Unavailable,
}

impl Doors {
    /// Doors to these accounts; no proxy acts for a reserved name.
    #[must_use]
    pub fn new(accounts: Accounts<Principal>, reserved: ReservedNames) -> Self {
        Self { accounts: ArcSwap::from_pointee(accounts), reserved }
    }

    /// Puts other accounts in their place. Sessions that are logged in stay so.
    pub fn replace(&self, accounts: Accounts<Principal>) {
        self.accounts.store(Arc::new(accounts));
    }

    /// Checks credentials and says for whom the session acts.
    pub async fn log_in(&self, credentials: &Credentials, peer: IpAddr, protocol: &'static str) -> Entry {
        let login = Escaped::new(credentials.authcid.as_str()).to_string();
        match self.accounts.load_full().log_in(credentials, &self.reserved, peer).await {
            Verdict::Accepted(identity) => {
                info!(protocol, %peer, login, "logged in");
                Entry::Granted(identity)
            }
            Verdict::Rejected(why) => {
                info!(protocol, %peer, login, %why, "not let in");
                Entry::Rejected
            }
            Verdict::Unavailable(why) => {
                warn!(protocol, %peer, login, %why, "cannot check a login");
                Entry::Unavailable
            }
        }
    }
}
