//! What is made of the samples of a window.

use crate::logql::ast::RangeAggregation;

/// The value of a window that is not empty: samples in order of time, within (start, end].
#[allow(clippy::cast_precision_loss)]
pub(super) fn over_time(range: &RangeAggregation, samples: &[(i64, f64)], start: i64, end: i64) -> f64 {
    let seconds = range.range_ns as f64 / 1e9;
    let values = || samples.iter().map(|(_, value)| *value);
    let sum = || values().sum::<f64>();
    let count = samples.len() as f64;
    match range.function.as_str() {
        "rate" | "bytes_rate" => sum() / seconds,
        "avg_over_time" => sum() / count,
        "min_over_time" => values().fold(f64::NAN, f64::min),
        "max_over_time" => values().fold(f64::NAN, f64::max),
        "stdvar_over_time" => variance(values()),
        "stddev_over_time" => variance(values()).sqrt(),
        "quantile_over_time" => quantile(range.parameter.unwrap_or_default(), values().collect()),
        "first_over_time" => samples[0].1,
        "last_over_time" => samples[samples.len() - 1].1,
        "rate_counter" => rate_counter(samples, start, end, seconds),
        // count_over_time, sum_over_time, bytes_over_time
        _ => sum(),
    }
}

/// Population variance (Welford's way).
pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut sum) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        sum += delta * (value - mean);
    }
    sum / count
}

/// As Prometheus interpolates.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(f64::total_cmp);
    let rank = q * (values.len() - 1) as f64;
    let low = rank.floor() as usize;
    let high = (low + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[low] * (1.0 - weight) + values[high] * weight
}

/// Prometheus' rate of a counter, extrapolated to the ends of the window (`extrapolatedRate`).
#[allow(clippy::cast_precision_loss)]
fn rate_counter(samples: &[(i64, f64)], start: i64, end: i64, seconds: f64) -> f64 {
    let [(first_time, first), .., (last_time, last)] = samples else {
        return 0.0;
    };
    let mut increase = last - first;
    for pair in samples.windows(2) {
        if pair[1].1 < pair[0].1 {
            increase += pair[0].1;
        }
    }
    let between = (last_time - first_time) as f64 / 1e9;
    if between <= 0.0 {
        return 0.0;
    }
    let mut to_start = (first_time - start) as f64 / 1e9;
    let mut to_end = (end - last_time) as f64 / 1e9;
    let average = between / (samples.len() - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    // A counter starts at zero at the earliest.
    if increase > 0.0 && *first >= 0.0 {
        to_start = to_start.min(between * (first / increase));
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    increase * ((between + to_start + to_end) / between) / seconds
}
