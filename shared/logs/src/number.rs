//! Numbers with units as logs and queries write them: `1.5`, `250ms`, `10 MB`.

/// Reads a number, a duration (in seconds) or a size (in bytes). `None` for anything else.
#[must_use]
pub fn parse_quantity(text: &str) -> Option<f64> {
    let text = text.trim();
    // The common case first: logs are full of words.
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    text.parse::<f64>()
        .ok()
        .or_else(|| parse_duration_seconds(text))
        .or_else(|| parse_bytes(text))
}

/// Reads a duration of Go's `time.ParseDuration`, with days, weeks and years besides: `1h30m`, `1.5s`, `250us`, `2d`.
/// In seconds.
#[must_use]
pub fn parse_duration_seconds(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => (-1.0, rest),
        Some(rest) => (1.0, rest),
        None => (1.0, text),
    };
    if rest == "0" {
        return Some(0.0);
    }
    let mut seconds = 0.0;
    let mut any = false;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let length = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(length);
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "y" => 31_536_000.0,
            _ => return None,
        };
        seconds += number * factor;
        any = true;
        rest = next;
    }
    // Go counts whole nanoseconds, and has the seconds from them.
    let nanos = (seconds * 1e9).round();
    any.then_some(sign * ((nanos / 1e9).floor() + nanos % 1e9 / 1e9))
}

/// Reads a size as `dustin/go-humanize` does, which Loki uses: `10KB` is 10,000, `10KiB` is 10,240, `5 MB`, `7`. Bytes.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<f64> {
    let (number, unit) =
        leading_number(&text.replace(',', "")).map(|(number, unit)| (number, unit.trim().to_ascii_lowercase()))?;
    let factor: f64 = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "p" | "pb" => 1e15,
        "e" | "eb" => 1e18,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        "ti" | "tib" => 1_099_511_627_776.0,
        "pi" | "pib" => 1_125_899_906_842_624.0,
        "ei" | "eib" => 1_152_921_504_606_846_976.0,
        _ => return None,
    };
    Some((number * factor).floor())
}

/// The number at the start of a text, without sign, and what follows it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let length = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number = text[..length].parse().ok()?;
    Some((number, &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, want) in [
            ("1", Some(1.0)),
            ("-1.5e3", Some(-1500.0)),
            ("250ms", Some(0.25)),
            ("1h30m", Some(5400.0)),
            ("2d", Some(172_800.0)),
            ("10KB", Some(10_000.0)),
            ("10 KiB", Some(10_240.0)),
            ("1,024", Some(1024.0)),
            ("ten", None),
            ("", None),
            ("1x", None),
            ("-", None),
            ("5.5.5", None),
        ] {
            assert_eq!(parse_quantity(text), want, "{text}");
        }
        assert_eq!(parse_duration_seconds("-1.5h"), Some(-5400.0));
        assert_eq!(parse_duration_seconds("0"), Some(0.0));
        assert_eq!(parse_duration_seconds("5"), None);
    }
}
