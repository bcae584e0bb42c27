//! Floats written with Go's `%e`, `%f` and `%g`.

/// Digits and decimal exponent: `d.ddd × 10^exponent`.
fn scientific(value: f64, precision: Option<usize>) -> (String, i32) {
    let text = match precision {
        Some(precision) => format!("{:.*e}", precision, value.abs()),
        None => format!("{:e}", value.abs()),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

fn write_exponential(digits: &str, exponent: i32, marker: char) -> String {
    let (first, rest) = digits.split_at(1.min(digits.len()));
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}{marker}{sign}{:02}", exponent.unsigned_abs())
}

fn write_plain(digits: &str, exponent: i32) -> String {
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        format!("0.{zeros}{digits}")
    } else if exponent + 1 >= length {
        let zeros = "0".repeat(usize::try_from(exponent + 1 - length).unwrap_or(0));
        format!("{digits}{zeros}")
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
        format!("{whole}.{fraction}")
    }
}

/// Writes the magnitude and sign of `value` with `verb` (`e`, `E`, `f`, `F`, `g`, `G`); `precision` `None` is the
/// shortest form that reads back. `keep_zeros` is the flag `#` of `%g`. NaN and infinities are `NaN`, `+Inf`, `-Inf`.
pub(crate) fn format_float(value: f64, verb: char, precision: Option<usize>, keep_zeros: bool) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let upper = verb.is_ascii_uppercase();
    let marker = if upper { 'E' } else { 'e' };
    let body = match verb.to_ascii_lowercase() {
        'f' => match precision {
            Some(precision) => format!("{:.*}", precision, value.abs()),
            None => format!("{}", value.abs()),
        },
        'e' => {
            let (digits, exponent) = scientific(value, precision);
            write_exponential(&digits, exponent, marker)
        }
        _ => general(value, precision, marker, keep_zeros),
    };
    format!("{sign}{body}")
}

/// `%g`: plain between 1e-4 and the precision, else exponential (`strconv.FormatFloat`).
fn general(value: f64, precision: Option<usize>, marker: char, keep_zeros: bool) -> String {
    let significant = precision.map(|precision| precision.max(1));
    let (mut digits, exponent) = scientific(value, significant.map(|count| count - 1));
    if !keep_zeros {
        let kept = digits.trim_end_matches('0').len().max(1);
        digits.truncate(kept);
    }
    let mut limit = significant.unwrap_or(6);
    let point = exponent + 1;
    if significant.is_some() && limit > digits.len() && i32::try_from(digits.len()).is_ok_and(|length| length >= point)
    {
        limit = digits.len();
    }
    if exponent < -4 || exponent >= i32::try_from(limit).unwrap_or(i32::MAX) {
        write_exponential(&digits, exponent, marker)
    } else {
        write_plain(&digits, exponent)
    }
}

/// `%v`: the shortest form that reads back, as `fmt` prints a `float64`.
pub(crate) fn format_default(value: f64) -> String {
    format_float(value, 'g', None, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go() {
        for (value, verb, precision, want) in [
            (1234567.0, 'g', Some(4), "1.235e+06"),
            (1000.0, 'g', Some(4), "1000"),
            (0.0, 'g', Some(4), "0"),
            (100.0, 'g', Some(2), "1e+02"),
            (0.00001, 'g', None, "1e-05"),
            (3.0, 'e', Some(2), "3.00e+00"),
            (2.5, 'f', Some(0), "2"),
            (3720.01, 'f', Some(2), "3720.01"),
            (-1.5, 'G', None, "-1.5"),
            (1e100, 'G', None, "1E+100"),
        ] {
            assert_eq!(format_float(value, verb, precision, false), want, "{value} {verb}");
        }
        assert_eq!(format_float(3.0, 'g', Some(3), true), "3.00");
        assert_eq!(format_default(1_353_755_652.0), "1.353755652e+09");
        assert_eq!(format_default(123_456.0), "123456");
    }
}
