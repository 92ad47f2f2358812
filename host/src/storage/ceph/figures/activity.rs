//! What each OSD's clients do, read from the table of `ceph osd status`: there is no other answer of Ceph's with it.

use std::collections::BTreeMap;

use crate::storage::Rates;

/// The rates of each OSD. What cannot be read is left out.
pub(super) fn rates(table: &str) -> BTreeMap<i32, Rates> {
    table.lines().filter_map(row).collect()
}

/// A row has the number first, and writes, what was written, reads, what was read and the state last. The name of a host
/// in between may be missing, so what stands behind it is counted from the end.
fn row(line: &str) -> Option<(i32, Rates)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, .., write_count, write_bytes, read_count, read_bytes, _state] = words[..] else { return None };
    let rates = Rates {
        read_count: number(read_count, 1000.0)?,
        read_bytes: number(read_bytes, 1024.0)?,
        write_count: number(write_count, 1000.0)?,
        write_bytes: number(write_bytes, 1024.0)?,
    };
    Some((words.first()?.parse().ok()?, rates))
}

/// A number such as `88.0k`, whose letters count in powers of this.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not below zero, and what is beyond all use becomes the greatest number"
)]
fn number(text: &str, step: f64) -> Option<u64> {
    let letters = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (digits, letter) = text.split_at(letters);
    let power = ["", "k", "M", "G", "T", "P", "E"].iter().position(|known| *known == letter)?;
    let number: f64 = digits.parse().ok().filter(|number| *number >= 0.0)?;
    Some((number * step.powi(i32::try_from(power).ok()?)).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_stand_at_the_end_of_a_row_whether_the_host_is_named_or_not() {
        let table = "ID  HOST     USED  AVAIL  WR OPS  WR DATA  RD OPS  RD DATA  STATE      \n \
                     0  pvchv1   310G  1478G     12     88.0k      3     14.2k  exists,up  \n \
                     1           310G  1478G   1.2k     1023       0        0   exists,up  \n \
                    12  pvchv3      0      0       0        0       0        0   exists     \n";
        let rates = rates(table);
        assert_eq!(rates.keys().copied().collect::<Vec<_>>(), [0, 1, 12]);
        let first = Rates { read_count: 3, read_bytes: 14541, write_count: 12, write_bytes: 90112 };
        assert_eq!(rates[&0], first);
        assert_eq!((rates[&1].write_count, rates[&1].write_bytes), (1200, 1023));
        assert_eq!(rates[&12], Rates::default());
    }

    #[test]
    fn what_is_no_table_tells_no_rates() {
        assert!(rates("Error ENOENT: no such module\n\nx 1 2 3 4 5 6").is_empty());
    }
}
