//! Sizes as people write them, such as `10G`, `512M` or `1.5T`, read to the byte, and written as clients of PVC know them.
//!
//! A letter counts in powers of 1024, whether an `iB` follows it or not; a number alone is bytes. What is no whole number
//! of sectors is refused and not rounded: whoever asked for a size shall have just that.

use crate::limits::{SECTOR_BYTES, SIZE_DECIMALS_MAX, SIZE_SHOWN_MAX};

/// The units, each 1024 times the one before it.
const UNITS: [char; 7] = ['B', 'K', 'M', 'G', 'T', 'P', 'E'];

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSize {
    /// No number, or more than a number and its unit.
    #[error("\"{text}\" is no size: write a number and its unit, such as 10G, 512M or 1.5T.")]
    NoNumber {
        /// What was given.
        text: String,
    },
    /// A unit that nobody knows.
    #[error(
        "\"{text}\" has the unit \"{unit}\", which is not known: B, K, M, G, T, P and E are, in powers of 1024, and a number \
         alone is bytes."
    )]
    UnknownUnit {
        /// What was given.
        text: String,
        /// Its end.
        unit: String,
    },
    /// Less than nothing.
    #[error("\"{text}\" is less than nothing; a size is greater than zero.")]
    Negative {
        /// What was given.
        text: String,
    },
    /// Nothing.
    #[error("A size is greater than zero.")]
    Zero,
    /// More than can be counted.
    #[error("\"{text}\" is more than any storage holds.")]
    TooLarge {
        /// What was given.
        text: String,
    },
    /// Parts of a sector.
    #[error(
        "\"{text}\" is no whole number of sectors of {SECTOR_BYTES} bytes; the next one is {next_bytes} bytes."
    )]
    Uneven {
        /// What was given.
        text: String,
        /// The next size that is one.
        next_bytes: u64,
    },
}

/// The bytes that a text stands for: greater than zero, and whole sectors.
///
/// # Errors
/// [`BadSize`] says what is wrong with it.
pub fn parse(text: &str) -> Result<u64, BadSize> {
    let given = || text.chars().take(80).collect::<String>();
    let trimmed = text.trim();
    let (number, unit) = trimmed.split_at(trimmed.find(|c: char| c.is_alphabetic()).unwrap_or(trimmed.len()));
    let number = number.trim_end();
    if let Some(positive) = number.strip_prefix('-')
        && digits(positive).is_some()
    {
        return Err(BadSize::Negative { text: given() });
    }
    let (whole, decimals) = digits(number).ok_or_else(|| BadSize::NoNumber { text: given() })?;
    let factor = factor(unit)
        .ok_or_else(|| BadSize::UnknownUnit { text: given(), unit: unit.chars().take(80).collect() })?;
    let too_large = || BadSize::TooLarge { text: given() };
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_large())? };
    let part: u128 = if decimals.is_empty() { 0 } else { decimals.parse().map_err(|_| too_large())? };
    let parts = 10_u128.pow(u32::try_from(decimals.len()).map_err(|_| too_large())?);
    let total = whole.checked_mul(parts).and_then(|w| (w + part).checked_mul(u128::from(factor)));
    let total = total.ok_or_else(too_large)?;
    let bytes = total.div_ceil(parts);
    let next_bytes = bytes.next_multiple_of(u128::from(SECTOR_BYTES));
    let next_bytes = u64::try_from(next_bytes).map_err(|_| too_large())?;
    match (total, u128::from(next_bytes) * parts == total) {
        (0, _) => Err(BadSize::Zero),
        (_, true) => Ok(next_bytes),
        (_, false) => Err(BadSize::Uneven { text: given(), next_bytes }),
    }
}

/// What stands before and behind the point of a number; `None` where it is none.
fn digits(number: &str) -> Option<(&str, &str)> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_some = !(whole.is_empty() && decimals.is_empty());
    (is_some && is_number(whole) && is_number(decimals) && decimals.len() <= SIZE_DECIMALS_MAX)
        .then_some((whole, decimals))
}

/// How many bytes a unit stands for; none is bytes.
fn factor(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_uppercase();
    let letter = match unit.strip_suffix("IB") {
        Some("") => return None,
        Some(letter) => letter,
        None => &unit,
    };
    let mut letters = letter.chars();
    match (letters.next(), letters.next()) {
        (None, _) => Some(1),
        (Some(letter), None) => {
            let place = UNITS.iter().position(|known| *known == letter)?;
            // Bytes have no power, so nobody writes BiB.
            (place > 0 || unit.len() == 1).then(|| 1024_u64.pow(u32::try_from(place).unwrap_or_default()))
        }
        _ => None,
    }
}

/// A number with at most one decimal and the letter of its power, such as `88.0k`: how clients of PVC know rates. What is
/// smaller than one step is told as it is.
pub fn brief(number: u64, step: u64) -> String {
    let step = u128::from(step.max(2));
    let (mut unit, mut letter) = (1_u128, "");
    for next in ["k", "M", "G", "T", "P", "E"] {
        if u128::from(number) < unit * step {
            break;
        }
        (unit, letter) = (unit * step, next);
    }
    let tenths = u128::from(number) * 10 / unit;
    match letter {
        "" => number.to_string(),
        letter => format!("{}.{}{letter}", tenths / 10, tenths % 10),
    }
}

/// A size in the smallest unit in which it has at most four digits, rounded up, such as `10G`.
pub fn shown(bytes: u64) -> String {
    let mut factor: u64 = 1;
    for unit in UNITS {
        let count = bytes.div_ceil(factor);
        if count <= SIZE_SHOWN_MAX {
            return format!("{count}{unit}");
        }
        factor = factor.saturating_mul(1024);
    }
    unreachable!("64 bits hold 16 of the largest unit")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_to_the_byte() {
        let cases: [(&str, u64); 12] = [
            ("512", 512),
            ("10G", 10 << 30),
            ("10g", 10 << 30),
            (" 10 GiB ", 10 << 30),
            ("512M", 512 << 20),
            ("1.5T", 3 << 39),
            (".5K", 512),
            ("1024B", 1024),
            ("4K", 4096),
            ("2P", 2 << 50),
            ("15E", 15 << 60),
            ("0.25G", 256 << 20),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn rates_are_told_in_short() {
        let cases = [(0, "0"), (999, "999"), (1000, "1.0k"), (12_345, "12.3k"), (999_999, "999.9k")];
        for (number, text) in cases {
            assert_eq!(brief(number, 1000), text);
        }
        assert_eq!(brief(90_112, 1024), "88.0k");
        assert_eq!(brief(u64::MAX, 1024), "15.9E");
    }

    #[test]
    fn what_is_no_size_is_told_by_its_fault() {
        for text in ["", "G", "ten", "1.2.3G", "1e3", "10G5", "+5G", ".", "0x10", "1,5G"] {
            let fault = parse(text).unwrap_err();
            assert!(
                matches!(fault, BadSize::NoNumber { .. } | BadSize::UnknownUnit { .. }),
                "{text}: {fault}"
            );
        }
        for text in ["10X", "10GB", "10GG", "10iB", "10BiB", "10é", "10 Gig"] {
            assert!(matches!(parse(text), Err(BadSize::UnknownUnit { .. })), "{text}");
        }
        for text in ["0", "0G", "0.0T"] {
            assert_eq!(parse(text), Err(BadSize::Zero), "{text}");
        }
        assert!(matches!(parse("-5G"), Err(BadSize::Negative { .. })));
        for text in ["16E", "18446744073709551615E", "99999999999999999999999999999999999999999999"] {
            assert!(matches!(parse(text), Err(BadSize::TooLarge { .. })), "{text}");
        }
        assert_eq!(parse("1000"), Err(BadSize::Uneven { text: "1000".into(), next_bytes: 1024 }));
        assert!(matches!(parse("0.1G"), Err(BadSize::Uneven { next_bytes: 107_374_592, .. })));
    }

    #[test]
    fn a_size_is_shown_in_at_most_four_digits_and_never_smaller_than_it_is() {
        let cases: [(u64, &str); 7] = [
            (0, "0B"),
            (9999, "9999B"),
            (10_000, "10K"),
            (10 << 30, "10G"),
            ((10 << 30) + 1, "11G"),
            (1 << 40, "1024G"),
            (u64::MAX, "16E"),
        ];
        for (bytes, text) in cases {
            assert_eq!(shown(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_shown_can_be_read_and_is_no_less(sectors in 1..=u64::MAX >> 9) {
            let bytes = sectors << 9;
            let read = parse(&shown(bytes));
            let is_no_less = read.as_ref().is_ok_and(|read| *read >= bytes);
            let is_beyond = matches!(read, Err(BadSize::TooLarge { .. }));
            prop_assert!(is_no_less || is_beyond, "{bytes}: {read:?}");
        }

        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            prop_assert!(parse(&text).is_ok_and(|bytes| bytes > 0) || parse(&text).is_err());
        }
    }
}
