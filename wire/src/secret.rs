//! A value that is wiped when it goes and never printed (safety row O1).

use std::fmt;

use zeroize::Zeroize;

/// A secret: prints as `***`, is overwritten on drop, and is reached only by [`expose`](Self::expose).
///
/// ```
/// use mail_wire::Secret;
/// let password = Secret::new(b"hunter2".to_vec());
/// assert_eq!(format!("{password:?}"), "***");
/// assert_eq!(password.expose(), b"hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into custody.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Keep the borrow short and out of any format string.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
