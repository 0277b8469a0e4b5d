//! Who somebody is, and for whom he may act.
//!
//! The roles are types of their own: nothing turns a proxy into an administrator or a peer into a user by comparing
//! names. [`authorize`] is the only way from a verified [`Principal`] to an [`Identity`] that a session may have
//! (RFC 4422 section 3.4.1), and it never looks at where the connection came from.

use super::verdict::Rejection;
use crate::routing::Login;

/// Somebody whose password was right, before it is known for whom he acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person with a mailbox.
    User(Login),
    /// An administrator.
    Admin(AdminName),
    /// A front-end that acts for users.
    Proxy(ProxyName),
    /// A node that uses the verbs of the cluster.
    Peer(PeerName),
}

/// What a session is, once it is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A user.
    User {
        /// Whose session this is.
        login: Login,
        /// The front-end that vouches for it, if the user did not log in here.
        through: Option<ProxyName>,
    },
    /// An administrator.
    Admin(AdminName),
    /// Another node.
    Peer(PeerName),
}

macro_rules! role_name {
    ($($(#[$docs:meta])* $type:ident),*) => { $(
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $type(String);

        impl $type {
            /// The role is granted here: by configuration, never by a peer.
            #[must_use]
            pub fn granted_to(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )* };
}
role_name!(
    /// The name of an administrator.
    AdminName,
    /// The name of a front-end in its role as proxy.
    ProxyName,
    /// The name of a node in its role as member of the cluster.
    PeerName
);

/// Names that a proxy may never act for: administrators and nodes.
#[derive(Debug, Clone, Default)]
pub struct ReservedNames(std::collections::HashSet<String>);

impl ReservedNames {
    /// Reserves these names, in any case of letters.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_lowercase()).collect())
    }

    /// Whether this name is reserved.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(&name.to_lowercase())
    }
}

/// Decides for whom a principal acts: `authzid` is the name that he asked for, if he asked.
///
/// | who | without authzid | with his own name | with another |
/// | --- | --- | --- | --- |
/// | user | himself | himself | refused |
/// | administrator | himself | himself | refused |
/// | proxy | refused: it has no mail | refused | that user, unless reserved |
/// | peer | itself | itself | refused |
///
/// # Errors
///
/// [`Rejection::MayNotActFor`].
///
/// ```
/// use murder::accounts::{Identity, Principal, ReservedNames, authorize};
/// let alice = Principal::User("alice".parse().unwrap());
/// let nobody = ReservedNames::default();
/// assert!(matches!(authorize(alice.clone(), None, &nobody), Ok(Identity::User { .. })));
/// assert!(authorize(alice, Some("bob"), &nobody).is_err());
/// ```
pub fn authorize(
    principal: Principal,
    authzid: Option<&str>,
    reserved: &ReservedNames,
) -> Result<Identity, Rejection> {
    match (principal, authzid) {
        (Principal::User(login), None) => Ok(Identity::User { login, through: None }),
        (Principal::User(login), Some(name)) if name.parse::<Login>().is_ok_and(|asked| asked == login) => {
            Ok(Identity::User { login, through: None })
        }
        (Principal::Admin(admin), None) => Ok(Identity::Admin(admin)),
        (Principal::Admin(admin), Some(name)) if name == admin.as_str() => Ok(Identity::Admin(admin)),
        (Principal::Peer(peer), None) => Ok(Identity::Peer(peer)),
        (Principal::Peer(peer), Some(name)) if name == peer.as_str() => Ok(Identity::Peer(peer)),
        (Principal::Proxy(proxy), Some(name)) if name != proxy.as_str() && !reserved.contains(name) => {
            let login = name.parse().map_err(|_| Rejection::MayNotActFor)?;
            Ok(Identity::User { login, through: Some(proxy) })
        }
        _ => Err(Rejection::MayNotActFor),
    }
}
