//! Functions of single floats, and sums and quantiles of several.

use super::date::Date;

/// A function of one float, by its name in PromQL.
pub(crate) fn unary(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => cosh,
        "deg" => |value| value * 180.0 / std::f64::consts::PI,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |value| value * std::f64::consts::PI / 180.0,
        "sgn" => |value| {
            if value < 0.0 {
                -1.0
            } else if value > 0.0 {
                1.0
            } else {
                value
            }
        },
        "sin" => f64::sin,
        "sinh" => sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

/// A function of a Unix time in seconds, by its name in PromQL.
pub(crate) fn calendar(name: &str) -> Option<fn(Date) -> i64> {
    Some(match name {
        "days_in_month" => |date| date.days_in_month(),
        "day_of_month" => |date| date.day,
        "day_of_week" => |date| date.day_of_week(),
        "day_of_year" => |date| date.day_of_year(),
        "hour" => |date| date.hour,
        "minute" => |date| date.minute,
        "month" => |date| date.month,
        "year" => |date| date.year,
        _ => return None,
    })
}

/// A sum with the part that rounding lost (Kahan's method, Neumaier's variant).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    pub(crate) value: f64,
    pub(crate) lost: f64,
}

impl Sum {
    pub(crate) fn new(value: f64) -> Self {
        Self { value, lost: 0.0 }
    }

    #[inline]
    pub(crate) fn add(&mut self, more: f64) {
        let total = self.value + more;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.value.abs() >= more.abs() {
            self.lost += (self.value - total) + more;
        } else {
            self.lost += (more - total) + self.value;
        }
        self.value = total;
    }

    pub(crate) fn scale(&mut self, factor: f64) {
        self.value *= factor;
        self.lost *= factor;
    }

    pub(crate) fn total(self) -> f64 {
        self.value + self.lost
    }
}

/// The mean: of the sum where that can be held, else built up value by value.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values = values.into_iter();
    let Some(first) = values.next() else { return f64::NAN };
    let (mut sum, mut count, mut incremental) = (Sum::new(first), 1.0, false);
    for value in values {
        count += 1.0;
        if !incremental {
            let mut next = sum;
            next.add(value);
            if !next.value.is_infinite() {
                sum = next;
                continue;
            }
            incremental = true;
            sum.value /= count - 1.0;
            sum.lost /= count - 1.0;
        }
        sum.scale((count - 1.0) / count);
        sum.add(value / count);
    }
    if incremental {
        sum.total()
    } else {
        sum.value / count + sum.lost / count
    }
}

/// The `q`-quantile, interpolated between the two nearest values, NaN counted as the least. Changes the order of
/// `values`.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    #[allow(clippy::cast_precision_loss)]
    let last = (values.len() - 1) as f64;
    let rank = q * last;
    let weight = rank - rank.floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let place = rank.floor().clamp(0.0, last) as usize;
    // In the total order of floats, NaN with a sign comes before all else.
    values
        .iter_mut()
        .filter(|value| value.is_nan())
        .for_each(|value| *value = -f64::NAN.abs());
    let (_, lower, above) = values.select_nth_unstable_by(place, f64::total_cmp);
    let lower = *lower;
    let upper = above.iter().copied().min_by(f64::total_cmp).unwrap_or(lower);
    lower * (1.0 - weight) + upper * weight
}

/// Beyond this `exp(-x)` does not count beside `exp(x)`; Go takes half of `exp(x)` then, which overflows before the
/// true value does (`math.Cosh`, `math.Sinh`).
const HALF_OF_EXP: f64 = 21.0;

fn cosh(value: f64) -> f64 {
    if value.abs() > HALF_OF_EXP {
        value.abs().exp() * 0.5
    } else {
        value.cosh()
    }
}

fn sinh(value: f64) -> f64 {
    if value.abs() > HALF_OF_EXP {
        (value.abs().exp() * 0.5).copysign(value)
    } else {
        value.sinh()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_what_rounding_loses() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|value| sum.add(value));
        assert_eq!(sum.total(), 2.0);
    }

    #[test]
    fn means_do_not_overflow() {
        assert_eq!(mean([f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(mean([1.0, 2.0, 6.0]), 3.0);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0, 4.0]), 2.5);
        assert_eq!(quantile(1.0, &mut [3.0, 1.0]), 3.0);
        assert!(quantile(0.0, &mut [f64::NAN, 1.0]).is_nan());
    }
}
