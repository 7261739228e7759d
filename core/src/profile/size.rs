//! Amounts of memory as people write them: `4GiB`, `512M`, `1.5g`.

/// What is accepted, for error messages.
pub const FORMS: &str = "an amount of memory such as 4GiB, 512MiB or 2G";

/// Reads an amount in bytes. Units count by 1024, as the batch systems count them (pbs_resources(7B), sbatch(1)), with or
/// without `iB` or `B`. A bare number is refused: PBS takes it for bytes and Slurm for megabytes.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" if unit == "b" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * 1024f64.powi(power);
    (bytes.is_finite() && bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// An amount in bytes, for people: in the largest unit of which it is a whole number of at most four digits, else in the
/// largest unit that it fills, with one decimal, rounded down.
pub fn display(bytes: u64) -> String {
    let mut units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("bytes", 0)].into_iter();
    let whole = |shift: u32| bytes.trailing_zeros() >= shift && bytes >> shift < 10_000;
    if let Some((unit, shift)) = units.clone().find(|(_, shift)| bytes > 0 && whole(*shift)) {
        return format!("{} {unit}", bytes >> shift);
    }
    let filled = units.find(|(_, shift)| bytes >> shift > 0);
    filled.map_or("0 bytes".to_owned(), |(unit, shift)| {
        let tenths = (u128::from(bytes) * 10) >> shift;
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_people_ask_for_them() {
        let sizes = [
            (0, "0 bytes"),
            (1000, "1000 bytes"),
            (5 << 10, "5 KiB"),
            (1536 << 20, "1536 MiB"),
            (2 << 30, "2 GiB"),
            (9999 << 30, "9999 GiB"),
            (25_276_502_016, "23.5 GiB"),
            (12_345, "12.0 KiB"),
            (3 << 40, "3 TiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (bytes, expected) in sizes {
            assert_eq!(display(bytes), expected);
        }
    }

    #[test]
    fn amounts_of_memory() {
        let cases = [
            ("4GiB", Some(4 << 30)),
            ("4g", Some(4 << 30)),
            ("512 MB", Some(512 << 20)),
            ("1.5K", Some(1536)),
            ("7b", Some(7)),
            ("2T", Some(2 << 40)),
            ("7", None),
            ("", None),
            ("GiB", None),
            ("1.2.3G", None),
            ("4 gigs", None),
            ("-1G", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), bytes, "{text}");
        }
    }
}
