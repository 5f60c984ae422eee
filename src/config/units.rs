//! Durations, sizes and quotas as `gateway.toml` writes them. Pure; a text either means one thing or is refused.

use std::time::Duration;

use crate::gate::limit::Quota;

/// Ten years: longer than anything here can mean, and far from every overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// `"500ms"`, `"10s"`, `"15m"`, `"1h"`, `"7d"`: a whole number and one unit.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "a duration is a whole number and one of ms, s, m, h, d, like \"15m\"";
    let (count, unit) = number_and_unit(text).ok_or(FORM)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(FORM),
    };
    let span = count.checked_mul(millis).map(Duration::from_millis);
    span.filter(|span| *span <= LONGEST).ok_or("a duration is at most \"3650d\"")
}

/// `"512B"`, `"16KiB"`, `"100MiB"`, `"1GiB"`, in bytes.
pub fn size(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "a size is a whole number and one of B, KiB, MiB, GiB, like \"16KiB\"";
    let (count, unit) = number_and_unit(text).ok_or(FORM)?;
    let bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(FORM),
    };
    count.checked_mul(bytes).filter(|size| *size <= 1 << 50).ok_or("a size is at most \"1048576GiB\"")
}

/// `"300/1m"`: so many in any such period.
pub fn quota(text: &str) -> Result<Quota, &'static str> {
    const FORM: &str = "a quota is COUNT/PERIOD, like \"300/1m\"";
    let (count, period) = text.split_once('/').ok_or(FORM)?;
    let (count, rest) = number_and_unit(count).ok_or(FORM)?;
    let count = u32::try_from(count).ok().filter(|_| rest.is_empty()).ok_or(FORM)?;
    let period = duration(period).map_err(|_| FORM)?;
    Quota::new(count, period).ok_or("a quota's count and period are more than zero, and at most one a microsecond")
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "15", "m", "1h30m", "15 m", " 15m", "-1s", "1.5s", "15M", "99999999999999999999s", "4000d"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
        assert!(duration(&format!("{}d", u64::MAX)).is_err());
    }

    #[test]
    fn sizes_count_in_1024s() {
        assert_eq!(size("512B"), Ok(512));
        assert_eq!(size("16KiB"), Ok(16 << 10));
        assert_eq!(size("100MiB"), Ok(100 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        for bad in ["", "16", "16KB", "16kib", "MiB", "1 GiB", "18446744073709551615GiB"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_quota_is_a_count_and_a_period() {
        assert_eq!(quota("300/1m").ok(), Quota::new(300, Duration::from_secs(60)));
        for bad in ["", "300", "300/", "/1m", "0/1m", "5/0s", "5x/1m", "300 / 1m", "4294967296/1m"] {
            assert!(quota(bad).is_err(), "{bad:?}");
        }
    }
}
