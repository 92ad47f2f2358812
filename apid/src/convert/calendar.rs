//! Moments as the contract writes them in texts: `Fri Nov 20 10:00:00 2026`, in universal time.

use logic::time::WallTime;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days in 400 years, after which the calendar repeats itself.
const ERA_DAYS: u64 = 146_097;

/// A moment.
pub fn shown(at: WallTime) -> String {
    let seconds = at.0 / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or_default()];
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
}

/// The date so many days after the first one of 1970. Years are counted from March, so that a leap day is their last.
fn date(days: u64) -> (u64, &'static str, u64) {
    let since = days + 719_468;
    let (era, day) = (since / ERA_DAYS, since % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    let name = MONTHS[usize::try_from(month).unwrap_or_default()];
    (era * 400 + year + carried, name, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_contract_does() {
        let cases = [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_782_400_000, "Tue Feb 29 00:00:00 2000"),
            (951_868_799_999, "Tue Feb 29 23:59:59 2000"),
            (951_868_800_000, "Wed Mar  1 00:00:00 2000"),
            (1_795_168_800_000, "Fri Nov 20 10:00:00 2026"),
            (4_107_542_400_000, "Mon Mar  1 00:00:00 2100"),
        ];
        for (ms, text) in cases {
            assert_eq!(shown(WallTime(ms)), text);
        }
    }
}
