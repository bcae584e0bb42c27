//! Straight lines through the points, and smoothing.

use super::super::math::Sum;
use super::{Answer, Context, Window, float, refuse};

/// Fewer than two floats make no line; a lone one beside histograms is told of.
fn has_line(context: &Context<'_>, window: &Window<'_>) -> bool {
    let enough = window.times.len() >= 2;
    if !window.histograms.is_empty() && !window.times.is_empty() {
        context.note_ignored_histograms();
    }
    enough
}

/// Slope and value at a time of the least-squares line.
#[allow(clippy::cast_precision_loss)]
fn linear_regression(window: &Window<'_>, at: i64) -> (f64, f64) {
    let first = window.values[0];
    let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    let mut constant = true;
    for (time, y) in window.times.iter().zip(window.values) {
        #[allow(clippy::float_cmp)]
        if *y != first {
            constant = false;
        }
        let x = time.wrapping_sub(at) as f64 / 1e3;
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    if constant && !first.is_nan() {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let n = window.times.len() as f64;
    let (x_sum, y_sum) = (x_sum.total(), y_sum.total());
    let covariance = xy_sum.total() - x_sum * y_sum / n;
    let variance = xx_sum.total() - x_sum * x_sum / n;
    let slope = covariance / variance;
    (slope, y_sum / n - slope * x_sum / n)
}

pub(super) fn deriv(context: &Context<'_>, window: &Window<'_>) -> Answer {
    if !has_line(context, window) {
        return Ok(None);
    }
    // Counted from a time near the points, for accuracy.
    float(linear_regression(window, window.times[0]).0)
}

pub(super) fn predict_linear(context: &Context<'_>, window: &Window<'_>) -> Answer {
    if !has_line(context, window) {
        return Ok(None);
    }
    let ahead = context.parameters.first().copied().unwrap_or_default();
    let (slope, value) = linear_regression(window, window.now);
    float(slope * ahead + value)
}

pub(super) fn double_exponential_smoothing(context: &Context<'_>, window: &Window<'_>) -> Answer {
    let [smoothing, trend] = context.parameters[..] else {
        return Ok(None);
    };
    if smoothing <= 0.0 || smoothing >= 1.0 {
        return refuse(format!(
            "invalid smoothing factor. Expected: 0 < sf < 1, got: {smoothing:.6}"
        ));
    }
    if trend <= 0.0 || trend >= 1.0 {
        return refuse(format!("invalid trend factor. Expected: 0 < tf < 1, got: {trend:.6}"));
    }
    if !has_line(context, window) {
        return Ok(None);
    }
    let values = window.values;
    let (mut before, mut level, mut slope) = (0.0, values[0], values[1] - values[0]);
    for (at, value) in values.iter().enumerate().skip(1) {
        if at > 1 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        (before, level) = (level, smoothing * value + (1.0 - smoothing) * (level + slope));
    }
    float(level)
}
