//! A number as its decimal digits, without an allocation.

/// The digits of a number, most significant first.
///
/// ```
/// use mail_wire::Decimal;
/// assert_eq!(Decimal::new(1_939).as_bytes(), b"1939");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// Filled from the end: digits come out last first, and a `u64` has at most 20.
    digits: [u8; 20],
    from: u8,
}

impl Decimal {
    /// The digits of `number`.
    #[must_use]
    pub fn new(mut number: u64) -> Self {
        let (mut digits, mut from) = ([b'0'; 20], 20_u8);
        for place in digits.iter_mut().rev() {
            *place = b"0123456789".get((number % 10) as usize).copied().unwrap_or(b'0');
            from -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Self { digits, from }
    }

    /// The digits as ASCII, 1 to 20 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(usize::from(self.from)..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_digits_is_written() {
        let mut number = 1_u64;
        for _ in 0..20 {
            for n in [number - 1, number, number + 1] {
                assert_eq!(Decimal::new(n).as_bytes(), n.to_string().as_bytes());
            }
            number = number.saturating_mul(10);
            if number == u64::MAX {
                break;
            }
        }
        assert_eq!(Decimal::new(u64::MAX).as_bytes(), u64::MAX.to_string().as_bytes());
    }
}
