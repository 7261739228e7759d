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

#[cfg(test)]
mod tests {
    use super::*;

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
