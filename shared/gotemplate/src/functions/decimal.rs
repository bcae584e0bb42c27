//! Sums and products as decimals, which sprig takes floats for: 503 times 1.1 is 553.3.

/// A number as digits and a power of ten; `None` where it has too many.
fn decimal(number: f64) -> Option<(i128, i32)> {
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa = format!("{whole}{fraction}").parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    Some((mantissa, exponent - i32::try_from(fraction.len()).ok()?))
}

fn float((mantissa, exponent): (i128, i32)) -> Option<f64> {
    format!("{mantissa}e{exponent}").parse().ok()
}

pub(super) fn add(a: f64, b: f64) -> f64 {
    let exact = || {
        let ((a, a_exponent), (b, b_exponent)) = (decimal(a)?, decimal(b)?);
        let exponent = a_exponent.min(b_exponent);
        let scaled = |mantissa: i128, from: i32| {
            mantissa.checked_mul(10_i128.checked_pow(u32::try_from(from - exponent).ok()?)?)
        };
        float((scaled(a, a_exponent)?.checked_add(scaled(b, b_exponent)?)?, exponent))
    };
    exact().unwrap_or(a + b)
}

pub(super) fn multiply(a: f64, b: f64) -> f64 {
    let exact = || {
        let ((a, a_exponent), (b, b_exponent)) = (decimal(a)?, decimal(b)?);
        float((a.checked_mul(b)?, a_exponent + b_exponent))
    };
    exact().unwrap_or(a * b)
}
