//! Durations as people write them: a number is seconds, a unit may be named.

use std::time::Duration;

/// The longest duration kept, about 584 years: longer ones are cut to it, so that sums in nanoseconds fit.
pub(super) const LONGEST: Duration = Duration::from_nanos(u64::MAX);

/// Why a text or a number is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoDuration {
    Nonsense,
    Negative,
    NotFinite,
}

/// Seconds as a duration; too many are cut to [`LONGEST`].
pub(super) fn from_seconds(seconds: f64) -> Result<Duration, NoDuration> {
    if !seconds.is_finite() {
        return Err(NoDuration::NotFinite);
    }
    if seconds < 0.0 {
        return Err(NoDuration::Negative);
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST))
}

/// `5`, `0.5` are seconds; `250ms`, `1m30s`, `4.2s` say their unit.
pub(super) fn parse(text: &str) -> Result<Duration, NoDuration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return from_seconds(seconds);
    }
    match humantime::parse_duration(text) {
        Ok(duration) => Ok(duration.min(LONGEST)),
        Err(humantime::DurationError::NumberOverflow) => Ok(LONGEST),
        Err(_) if text.strip_prefix('-').is_some_and(|rest| humantime::parse_duration(rest).is_ok()) => {
            Err(NoDuration::Negative)
        }
        Err(_) => Err(NoDuration::Nonsense),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_seconds_and_a_unit_is_obeyed() {
        for (text, milliseconds) in [
            ("5", 5_000),
            ("5.0", 5_000),
            ("0.5", 500),
            ("+2", 2_000),
            ("1e2", 100_000),
            (" 3 ", 3_000),
            ("0", 0),
            ("-0.0", 0),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("4.2s", 4_200),
            ("2h", 7_200_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_reason() {
        for (text, why) in [
            ("", NoDuration::Nonsense),
            ("abc", NoDuration::Nonsense),
            ("5 parsecs", NoDuration::Nonsense),
            ("0x10", NoDuration::Nonsense),
            ("-1", NoDuration::Negative),
            ("-5s", NoDuration::Negative),
            ("inf", NoDuration::NotFinite),
            ("-inf", NoDuration::NotFinite),
            ("infinity", NoDuration::NotFinite),
            ("NaN", NoDuration::NotFinite),
            ("1e400", NoDuration::NotFinite),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn absurd_durations_are_cut_and_never_panic() {
        assert_eq!(parse("1e300"), Ok(LONGEST));
        assert_eq!(parse("99999999999999999999s"), Ok(LONGEST));
        assert_eq!(parse("1000years"), Ok(LONGEST));
        assert_eq!(from_seconds(f64::MAX), Ok(LONGEST));
        assert_eq!(from_seconds(1e-30), Ok(Duration::ZERO));
    }
}
