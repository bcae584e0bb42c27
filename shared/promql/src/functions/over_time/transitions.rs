//! `changes` and `resets`: how often one sample follows another that differs.

use super::rate::is_start_reset;
use super::{Answer, Context, Window, float};
use crate::ast::Extension;
use crate::histogram;
use parapet_model::Histogram;

/// A sample of either kind.
#[derive(Clone, Copy)]
struct Sample<'w> {
    time: i64,
    value: Value<'w>,
    /// Start timestamp, 0 where it is not known.
    start: i64,
}

#[derive(Clone, Copy)]
enum Value<'w> {
    Float(f64),
    Histogram(&'w Histogram),
}

/// The samples of both kinds by time, from the one that an anchored window starts with.
fn samples<'w>(context: &Context<'_>, window: &Window<'w>) -> Vec<Sample<'w>> {
    let start = |starts: &[i64], at: usize| starts.get(at).copied().unwrap_or_default();
    let floats = window
        .times
        .iter()
        .zip(window.values)
        .enumerate()
        .map(|(at, (time, value))| Sample {
            time: *time,
            value: Value::Float(*value),
            start: start(window.float_starts, at),
        });
    let histograms = window
        .histograms
        .iter()
        .enumerate()
        .map(|(at, (time, histogram))| Sample {
            time: *time,
            value: Value::Histogram(histogram),
            start: start(window.histogram_starts, at),
        });
    let mut samples: Vec<Sample<'w>> = floats.chain(histograms).collect();
    if !window.histograms.is_empty() && !window.times.is_empty() {
        samples.sort_by_key(|sample| sample.time);
    }
    if context.extension == Some(Extension::Anchored) {
        let before = samples.partition_point(|sample| sample.time <= window.start);
        if before == samples.len() {
            samples.clear();
        } else {
            samples.drain(..before.saturating_sub(1));
        }
    }
    samples
}

fn count(samples: &[Sample<'_>], differ: impl Fn(&Sample<'_>, &Sample<'_>) -> bool) -> Answer {
    if samples.is_empty() {
        return Ok(None);
    }
    #[allow(clippy::cast_precision_loss)]
    float(samples.windows(2).filter(|pair| differ(&pair[0], &pair[1])).count() as f64)
}

#[allow(clippy::float_cmp)]
pub(super) fn changes(context: &Context<'_>, window: &Window<'_>) -> Answer {
    count(&samples(context, window), |before, after| {
        match (before.value, after.value) {
            (Value::Float(before), Value::Float(after)) => before != after && !(before.is_nan() && after.is_nan()),
            (Value::Histogram(before), Value::Histogram(after)) => !histogram::equal(before, after),
            _ => true,
        }
    })
}

pub(super) fn resets(context: &Context<'_>, window: &Window<'_>) -> Answer {
    count(&samples(context, window), |before, after| {
        let by_start = || is_start_reset((before.start, before.time), (after.start, after.time));
        match (before.value, after.value) {
            (Value::Float(earlier), Value::Float(later)) => later < earlier || by_start(),
            (Value::Histogram(earlier), Value::Histogram(later)) => by_start() || histogram::is_reset(later, earlier),
            _ => true,
        }
    })
}
