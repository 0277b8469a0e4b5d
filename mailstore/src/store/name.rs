//! Names: of mailboxes, users, groups, and the numbers that outlive them.
//!
//! A mailbox name is a list of UTF-8 components. The store gives no component a meaning: what `INBOX`, `user` or a
//! shared prefix is, the layer above knows. No name ever becomes a path; names live only as values in the log, so
//! `..` and `/` are as good as any other text. Names compare by bytes, component by component, and a name sorts
//! directly before everything below it, so a subtree is one contiguous range.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::error::InvalidName;

/// The most bytes one component of a mailbox name may have. File systems and Cyrus allow as much.
pub const NAME_COMPONENT_BYTES_MAX: usize = 255;
/// The most components a mailbox name may have. Clients nest a handful; ancestors are walked at each look-up.
pub const NAME_DEPTH_MAX: usize = 32;
/// The most bytes a whole mailbox name may have, separators counted. Keeps a catalogue of a million names small.
pub const NAME_BYTES_MAX: usize = 1024;
/// The most bytes a user or group name may have.
pub const IDENTITY_BYTES_MAX: usize = 255;

const SEPARATOR: char = '\0';
const AFTER_SEPARATOR: char = '\u{1}';

/// The name of a mailbox: 1 to [`NAME_DEPTH_MAX`] components of 1 to [`NAME_COMPONENT_BYTES_MAX`] bytes of UTF-8,
/// free of NUL, CR and LF. Cheap to clone.
///
/// ```
/// use mailstore::store::MailboxName;
///
/// let work = MailboxName::new(["user", "alice", "Work"])?;
/// assert_eq!(work.leaf(), "Work");
/// assert!(work.is_below(&MailboxName::new(["user", "alice"])?));
/// assert!(MailboxName::new(["user", ""]).is_err());
/// # Ok::<(), mailstore::store::InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxName(Arc<str>);

impl MailboxName {
    /// A name of these components.
    ///
    /// # Errors
    /// No component, an empty one, one with NUL, CR or LF, or a limit exceeded.
    pub fn new<S: AsRef<str>>(components: impl IntoIterator<Item = S>) -> Result<Self, InvalidName> {
        let mut joined = String::new();
        for (depth, component) in components.into_iter().enumerate() {
            let component = component.as_ref();
            check_text(component, NAME_COMPONENT_BYTES_MAX)?;
            if depth >= NAME_DEPTH_MAX {
                return Err(InvalidName::TooDeep);
            }
            if depth > 0 {
                joined.push(SEPARATOR);
            }
            joined.push_str(component);
            if joined.len() > NAME_BYTES_MAX {
                return Err(InvalidName::TooLong);
            }
        }
        if joined.is_empty() { Err(InvalidName::Empty) } else { Ok(Self(joined.into())) }
    }

    /// The components, outermost first; at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split(SEPARATOR)
    }

    /// How many components there are; at least 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// The innermost component.
    #[must_use]
    pub fn leaf(&self) -> &str {
        self.0.rsplit(SEPARATOR).next().unwrap_or_default()
    }

    /// The name one level up; `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rfind(SEPARATOR).and_then(|end| self.0.get(..end)).map(|outer| Self(outer.into()))
    }

    /// The name one level down.
    ///
    /// # Errors
    /// As [`MailboxName::new`].
    pub fn child(&self, component: &str) -> Result<Self, InvalidName> {
        Self::new(self.components().chain([component]))
    }

    /// Whether this name lies strictly below `ancestor`.
    #[must_use]
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// The same name with its leading `from` replaced by `to`; `None` if it is neither `from` nor below it.
    pub(super) fn moved(&self, from: &Self, to: &Self) -> Option<Result<Self, InvalidName>> {
        let rest = self.0.strip_prefix(&*from.0)?;
        if !rest.is_empty() && !rest.starts_with(SEPARATOR) {
            return None;
        }
        Some(Self::from_joined(&format!("{}{rest}", to.0)))
    }

    /// The range of names strictly below this one.
    pub(super) fn below(&self) -> (Bound<Self>, Bound<Self>) {
        let edge = |end| Self(format!("{}{end}", self.0).into());
        (Bound::Included(edge(SEPARATOR)), Bound::Excluded(edge(AFTER_SEPARATOR)))
    }

    /// The text of the record formats: components joined by NUL.
    pub(super) fn joined(&self) -> &str {
        &self.0
    }

    pub(super) fn from_joined(joined: &str) -> Result<Self, InvalidName> {
        Self::new(joined.split(SEPARATOR))
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.components()).finish()
    }
}

/// The number of a mailbox in this store: never 0, never used again, kept through RENAME (RFC 8474 MAILBOXID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxId(pub(super) u64);

impl MailboxId {
    /// The number itself.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

/// A unique identifier of a message in its mailbox (RFC 3501 2.3.1.1); never 0.
pub type Uid = u32;

/// Who a user is: 1 to [`IDENTITY_BYTES_MAX`] bytes of UTF-8.
///
/// What an access control list would read as something else is no user name: a leading `-` (a negative right), a
/// leading `group:`, `anyone`, `anonymous`, and control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(Arc<str>);

impl UserName {
    /// A user of this name.
    ///
    /// # Errors
    /// Empty, too long, or text that an ACL would read as something else.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        check_identity(name)?;
        if name.starts_with("group:") {
            return Err(InvalidName::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// The name of a group, without the `group:` that an ACL writes before it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// A group of this name.
    ///
    /// # Errors
    /// As [`UserName::new`].
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        check_identity(name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group:{:?}", &*self.0)
    }
}

fn check_identity(name: &str) -> Result<(), InvalidName> {
    check_text(name, IDENTITY_BYTES_MAX)?;
    if name.chars().any(char::is_control) {
        return Err(InvalidName::ForbiddenCharacter);
    }
    if name.starts_with('-') || name == "anyone" || name == "anonymous" {
        return Err(InvalidName::Reserved);
    }
    Ok(())
}

fn check_text(text: &str, bytes_max: usize) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    if text.len() > bytes_max {
        return Err(InvalidName::TooLong);
    }
    if memchr::memchr3(0, b'\r', b'\n', text.as_bytes()).is_some() {
        return Err(InvalidName::ForbiddenCharacter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(components: &[&str]) -> MailboxName {
        MailboxName::new(components).unwrap()
    }

    #[test]
    fn a_component_may_have_255_bytes_and_not_256() {
        assert!(MailboxName::new(["a".repeat(255)]).is_ok());
        assert_eq!(MailboxName::new(["a".repeat(256)]), Err(InvalidName::TooLong));
    }

    #[test]
    fn a_name_may_have_32_components_and_not_33() {
        assert!(MailboxName::new(vec!["a"; 32]).is_ok());
        assert_eq!(MailboxName::new(vec!["a"; 33]), Err(InvalidName::TooDeep));
    }

    #[test]
    fn a_whole_name_may_have_1024_bytes_and_not_1025() {
        let long = "a".repeat(255);
        assert!(MailboxName::new([&long[..], &long, &long, &long, "a"]).is_err());
        assert_eq!(name(&[&long, &long, &long, &long]).joined().len(), 1023);
        assert!(
            MailboxName::new([&long[..], &long, &long, &long[..253], "ab"])
                .is_ok_and(|n| n.joined().len() == 1024)
        );
    }

    #[test]
    fn empty_and_forbidden_components_are_refused() {
        for bad in [&[][..], &[""], &["a", "", "b"], &["a\0b"], &["a\r"], &["\n"]] {
            assert!(MailboxName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_subtree_is_one_range() {
        let all: std::collections::BTreeSet<_> =
            [&["a"][..], &["a", "b"], &["a", "b", "c"], &["a b"], &["ab"], &["a\u{1}"]]
                .iter()
                .map(|n| name(n))
                .collect();
        let below: Vec<_> = all.range(name(&["a"]).below()).cloned().collect();
        assert_eq!(below, [name(&["a", "b"]), name(&["a", "b", "c"])]);
        assert!(below.iter().all(|n| n.is_below(&name(&["a"]))));
        assert!(!name(&["ab"]).is_below(&name(&["a"])));
    }

    #[test]
    fn moving_a_name_replaces_whole_components_only() {
        let (a, x) = (name(&["a"]), name(&["x", "y"]));
        assert_eq!(name(&["a", "b"]).moved(&a, &x), Some(Ok(name(&["x", "y", "b"]))));
        assert_eq!(a.moved(&a, &x), Some(Ok(x.clone())));
        assert_eq!(name(&["ab"]).moved(&a, &x), None);
    }

    #[test]
    fn a_user_name_cannot_pass_for_another_kind_of_identifier() {
        for bad in ["", "-fred", "anyone", "anonymous", "group:staff", "a\tb", "a\0", "a\nb"] {
            assert!(UserName::new(bad).is_err(), "{bad:?}");
        }
        assert!(UserName::new("fred@example.org").is_ok());
    }
}
