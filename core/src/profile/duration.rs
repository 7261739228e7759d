//! Durations as people write them: `90s`, `1h30m`, `250ms`, and the batch systems' `HH:MM:SS` and `D-HH:MM:SS`.

use std::time::Duration;

/// What is accepted, for error messages.
pub const FORMS: &str = "a duration such as 30m, 1h30m, 90s, 250ms, 02:00:00 or 1-12:00:00";

/// The longest duration that is accepted: ten years, so that no sum of durations overflows anywhere.
pub const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Reads a duration. A bare number is refused: Slurm takes it for minutes and PBS for seconds.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let duration = if text.contains(':') { parse_clock(text) } else { parse_units(text) }?;
    (duration <= LONGEST).then_some(duration)
}

/// `[D-]HH:MM:SS` or `MM:SS`, as qsub(1B) and sbatch(1) both read them.
fn parse_clock(text: &str) -> Option<Duration> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (whole(days)?, clock),
        None => (0, text),
    };
    let parts = clock.split(':').map(whole).collect::<Option<Vec<u64>>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [hours, minutes, seconds] => (hours, minutes, seconds),
        [minutes, seconds] if days == 0 => (0, minutes, seconds),
        _ => return None,
    };
    let total = days.checked_mul(24)?.checked_add(hours)?.checked_mul(60)?.checked_add(minutes)?;
    Some(Duration::from_secs(total.checked_mul(60)?.checked_add(seconds)?))
}

/// Numbers with units, largest first by custom but in any order: `1d`, `1h30m`, `0.5h`, `250ms`.
fn parse_units(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

fn whole(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// `HH:MM:SS`, which both Torque and Slurm read; hours may exceed 99. Part of a second counts as a whole one.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The shortest form that [`parse`] reads back exactly (to the millisecond).
pub fn display(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let fitting = units.iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size));
    match fitting {
        Some((size, unit)) => format!("{}{unit}", millis / size),
        None => "0s".to_owned(),
    }
}

/// Durations in serde data: written by [`display`], read by [`parse`].
pub mod text {
    use std::fmt;
    use std::time::Duration;

    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes the short form.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::display(*duration))
    }

    /// Reads any form.
    ///
    /// # Errors
    /// When it is not a text in one of the forms.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(Forms)
    }

    /// A number is refused with what is wanted instead, as any other text is.
    struct Forms;

    impl Visitor<'_> for Forms {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(super::FORMS)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            super::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
}

/// The same for durations that may be absent; use with `#[serde(default)]`.
pub mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    /// Writes the short form, or nothing.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::text::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads any form.
    ///
    /// # Errors
    /// When it is not a text in one of the forms.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::text::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        let cases = [
            ("30m", 1800.0),
            ("1h30m", 5400.0),
            ("1h 30m", 5400.0),
            ("0.5h", 1800.0),
            ("250ms", 0.25),
            ("02:00:00", 7200.0),
            ("100:00:00", 360_000.0),
            ("30:00", 1800.0),
            ("1-12:00:00", 129_600.0),
            ("2d", 172_800.0),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "30", "m", "1x", "1:2:3:4", "1-30:00", "-5s", "1..5s", "1:xx:00", "+1:00:00", "99999999d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn both_notations_read_back() {
        for millis in [0, 1, 250, 1000, 90_000, 1_800_000, 5_400_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&display(duration)), Some(duration));
        }
        assert_eq!(clock(Duration::from_secs(5400)), "01:30:00");
        assert_eq!(clock(Duration::from_secs(360_000)), "100:00:00");
        assert_eq!(clock(Duration::from_millis(1)), "00:00:01");
    }
}
