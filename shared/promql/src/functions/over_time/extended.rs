//! `anchored` and `smoothed` windows: values at the very edges of the window.

use super::histograms::{add_or_warn, note_reconciled, subtract, warn_incompatible};
use super::{Answer, Context, Window};
use crate::ast::Extension;
use crate::engine::Computed;
use crate::histogram::{self, HistogramError};
use parapet_model::{CounterReset, Histogram, quote};
use std::sync::Arc;

/// The value at a time on the line between two points. A counter that fell is taken to have started from zero.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn interpolate(before: (i64, f64), after: (i64, f64), time: i64, counter: bool) -> f64 {
    let from = if counter && after.1 < before.1 { 0.0 } else { before.1 };
    from + (after.1 - from) * (time - before.0) as f64 / (after.0 - before.0) as f64
}

/// Where the window's samples begin and end: the last one at or before the start if there is one, and the last one,
/// or for `smoothed` the first one at or behind the end.
fn bounds(count: usize, time: impl Fn(usize) -> i64, start: i64, end: i64, smoothed: bool) -> Option<(usize, usize)> {
    let mut last = count - 1;
    let search = |limit: usize, test: &dyn Fn(i64) -> bool| (0..limit).find(|at| test(time(*at))).unwrap_or(limit);
    let first = search(last, &|time| time > start).saturating_sub(1);
    if smoothed {
        last = search(last, &|time| time >= end);
    }
    if time(last) <= start || (smoothed && time(first) > end) {
        None
    } else {
        Some((first, last))
    }
}

fn left_value(times: &[i64], values: &[f64], first: usize, start: i64, smoothed: bool, counter: bool) -> f64 {
    if smoothed && times[first] < start && first + 1 < times.len() {
        let (next, here) = ((times[first + 1], values[first + 1]), (times[first], values[first]));
        return interpolate(here, next, start, counter);
    }
    values[first]
}

fn right_value(times: &[i64], values: &[f64], last: usize, end: i64, smoothed: bool, counter: bool) -> f64 {
    if smoothed && last > 0 && times[last] > end {
        let (before, here) = ((times[last - 1], values[last - 1]), (times[last], values[last]));
        return interpolate(before, here, end, counter);
    }
    values[last]
}

/// The points of a window with points at its very edges.
pub(crate) fn extend(
    times: &[i64],
    values: &[f64],
    start: i64,
    end: i64,
    extension: Extension,
) -> (Vec<i64>, Vec<f64>) {
    let smoothed = extension == Extension::Smoothed;
    if times.is_empty() {
        return (Vec::new(), Vec::new());
    }
    // Unlike the functions, a range as such takes samples behind its end too.
    let Some((mut first, mut last)) = bounds(times.len(), |at| times[at], start, i64::MAX, false) else {
        return (Vec::new(), Vec::new());
    };
    if smoothed {
        last = times[..last].partition_point(|time| *time < end);
        if times[last] <= start {
            return (Vec::new(), Vec::new());
        }
    }
    let left = left_value(times, values, first, start, smoothed, false);
    let right = right_value(times, values, last, end, smoothed, false);
    if times[first] <= start {
        first += 1;
    }
    let until = if times[last] >= end { last } else { last + 1 };
    let inner = first..until.max(first);
    let mut out = (vec![start], vec![left]);
    out.0.extend_from_slice(&times[inner.clone()]);
    out.1.extend_from_slice(&values[inner]);
    out.0.push(end);
    out.1.push(right);
    out
}

pub(super) fn extended_rate(context: &Context<'_>, window: &Window<'_>, counter: bool, per_second: bool) -> Answer {
    if window.is_mixed() {
        context.warn_mixed();
        return Ok(None);
    }
    let smoothed = context.extension == Some(Extension::Smoothed);
    if window.times.is_empty() {
        return Ok(histogram_rate(context, window, counter, per_second, smoothed).map(Computed::Histogram));
    }
    let (times, values, start, end) = (window.times, window.values, window.start, window.end);
    let Some((first, last)) = bounds(times.len(), |at| times[at], start, end, smoothed) else {
        return Ok(None);
    };
    let left = left_value(times, values, first, start, smoothed, counter);
    let right = right_value(times, values, last, end, smoothed, counter);
    let mut result = right - left;
    if counter {
        // Resets at the edges are dealt with by the interpolation.
        let from = if times[first] <= start { first + 1 } else { first };
        let until = if times[last] >= end { last } else { last + 1 };
        let mut before = left;
        for value in values.get(from..until).unwrap_or_default().iter().chain([&right]) {
            if *value < before {
                result += before;
            }
            before = *value;
        }
    }
    if per_second {
        result /= context.range_seconds();
    }
    Ok(Some(Computed::Float(result)))
}

/// The histogram at a time between two others. A counter that was reset is taken to have started from zero. Answers
/// also the operations during which custom bounds were reconciled.
pub(crate) fn interpolate_histograms(
    before: (i64, &Histogram),
    after: (i64, &Histogram),
    time: i64,
    counter: bool,
) -> Result<(Histogram, Vec<&'static str>), HistogramError> {
    if time == before.0 {
        return Ok((before.1.clone(), Vec::new()));
    }
    let mut result = after.1.clone();
    if time == after.0 {
        return Ok((result, Vec::new()));
    }
    #[allow(clippy::cast_precision_loss)]
    let fraction = (time - before.0) as f64 / (after.0 - before.0) as f64;
    if counter && histogram::is_reset(after.1, before.1) {
        histogram::multiply(&mut result, fraction);
        return Ok((result, Vec::new()));
    }
    let mut reconciled = Vec::new();
    if histogram::subtract(&mut result, before.1)?.reconciled {
        reconciled.push("subtraction");
    }
    histogram::multiply(&mut result, fraction);
    if histogram::add(&mut result, before.1)?.reconciled {
        reconciled.push("addition");
    }
    Ok((result, reconciled))
}

type Points<'w> = &'w [(i64, Arc<Histogram>)];

/// The histogram at an edge of the window, between two samples if need be; `None`, with a warning, where they do not
/// go together.
fn edge(
    context: &Context<'_>,
    points: Points<'_>,
    pair: Option<(usize, usize)>,
    at: usize,
    time: i64,
    counter: bool,
) -> Option<Histogram> {
    let Some((before, after)) = pair else {
        return Some((*points[at].1).clone());
    };
    let side = |at: usize| (points[at].0, &*points[at].1);
    match interpolate_histograms(side(before), side(after), time, counter) {
        Ok((histogram, reconciled)) => {
            reconciled
                .into_iter()
                .for_each(|operation| note_reconciled(context, true, operation));
            Some(histogram)
        }
        Err(HistogramError::Incompatible) => {
            warn_incompatible(context);
            None
        }
    }
}

fn histogram_rate(
    context: &Context<'_>,
    window: &Window<'_>,
    counter: bool,
    per_second: bool,
    smoothed: bool,
) -> Option<Arc<Histogram>> {
    let (points, start, end) = (window.histograms, window.start, window.end);
    let (first, last) = bounds(points.len(), |at| points[at].0, start, end, smoothed)?;
    let custom = points[first].1.uses_custom_buckets();
    for (_, histogram) in &points[first..=last] {
        if histogram.uses_custom_buckets() != custom {
            warn_incompatible(context);
            return None;
        }
        if counter && histogram.counter_reset == CounterReset::Gauge {
            context.warn(format!(
                "this native histogram metric is not a counter: {}",
                quote(&context.metric)
            ));
        }
    }
    let between = |edge_is_inside: bool, pair: (usize, usize)| (smoothed && edge_is_inside).then_some(pair);
    let left_pair = between(points[first].0 < start && first + 1 < points.len(), (first, first + 1));
    let left = edge(context, points, left_pair, first, start, counter)?;
    let right_pair = between(last > 0 && points[last].0 > end, (last.saturating_sub(1), last));
    let right = edge(context, points, right_pair, last, end, counter)?;
    let gauge = |histogram: &Histogram| histogram.counter_reset == CounterReset::Gauge;
    let gauges = gauge(&left) && gauge(&right);
    if !counter && !gauges {
        context.warn(format!(
            "this native histogram metric is not a gauge: {}",
            quote(&context.metric)
        ));
    }
    let mut result = right.clone();
    match subtract(&mut result, &left) {
        Ok(reconciled) => note_reconciled(context, reconciled, "subtraction"),
        Err(HistogramError::Incompatible) => {
            warn_incompatible(context);
            return None;
        }
    }
    if counter
        && let Some(correction) = correction(context, points, (first, last), (&left, &right), left_pair)?
        && !add_or_warn(context, &mut result, &correction)
    {
        return None;
    }
    if per_second {
        histogram::divide(&mut result, context.range_seconds());
    }
    result.counter_reset = CounterReset::Gauge;
    result.compact(0);
    Some(Arc::new(result))
}

/// The sum of the histograms before resets between the edges. The outer `None` is a failure, already told of.
#[allow(clippy::option_option)]
fn correction(
    context: &Context<'_>,
    points: Points<'_>,
    (first, last): (usize, usize),
    (left, right): (&Histogram, &Histogram),
    left_pair: Option<(usize, usize)>,
) -> Option<Option<Histogram>> {
    let (mut from, mut before) = (first + 1, left);
    if let Some((here, next)) = left_pair
        && histogram::is_reset(&points[next].1, &points[here].1)
    {
        // The interpolation spans this reset.
        before = &points[next].1;
        from += 1;
    }
    if from > last {
        return Some(None);
    }
    let mut sum: Option<Histogram> = None;
    // The last sample is represented by the right edge.
    for histogram in points[from..last]
        .iter()
        .map(|(_, histogram)| &**histogram)
        .chain([right])
    {
        if histogram::is_reset(histogram, before) {
            match &mut sum {
                None => sum = Some(before.clone()),
                Some(sum) => {
                    if !add_or_warn(context, sum, before) {
                        return None;
                    }
                }
            }
        }
        before = histogram;
    }
    Some(sum)
}
