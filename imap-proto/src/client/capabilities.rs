//! What a server announced.

/// What a server can do, as it announced it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities(pub(super) Vec<Box<str>>);

impl Capabilities {
    /// Names kept of one announcement: 200; Cyrus sends 60.
    pub const NAMES_MAX: usize = 200;

    /// True if this capability was announced, in any case.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|c| c.eq_ignore_ascii_case(name))
    }

    /// The names, as announced.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}
