//! `rate`, `increase`, `delta`: the difference over the window, resets corrected, stretched to the window's edges.

use super::histograms;
use super::{Answer, Context, Window};
use crate::engine::Computed;
use parapet_model::{Histogram, Run, quote};
use std::sync::Arc;

/// Whether a sample's start timestamp says that the counter began again behind the sample before. Samples are
/// (start, time).
pub(super) fn is_start_reset(before: (i64, i64), after: (i64, i64)) -> bool {
    let ((before_start, before_time), (after_start, after_time)) = (before, after);
    if after_start == 0 || after_start >= after_time || after_start < before_time {
        return false;
    }
    if after_start > before_time {
        return true;
    }
    // It started right at the sample before: so does each sample of a delta series, but also each of a counter
    // whose start is not known, which then says so itself.
    before_start <= before_time && before_start != 0 && before_start != before_time
}

/// Whether a start timestamp contradicts the sample before.
fn overlaps(before_start: i64, before_time: i64, after_start: i64) -> bool {
    after_start != 0 && after_start < before_time && after_start != before_start
}

/// The window's samples of one kind, as far as stretching goes.
struct Extent {
    first_time: i64,
    last_time: i64,
    /// How many samples, less one.
    gaps: usize,
    first_start: i64,
}

pub(super) fn extrapolated_rate(
    drops: &[usize],
    context: &Context<'_>,
    window: &Window<'_>,
    counter: bool,
    per_second: bool,
) -> Answer {
    if window.is_mixed() {
        context.warn_mixed();
        return Ok(None);
    }
    if window.times.is_empty() {
        return Ok(histogram_rate(context, window, counter, per_second));
    }
    let (times, values) = (window.times, window.values);
    let gaps = times.len() - 1;
    let first_start = window.float_starts.first().copied().unwrap_or_default();
    let mut increase = values[gaps] - values[0];
    if counter {
        if window.float_starts.is_empty() {
            let low = drops.partition_point(|at| *at <= window.first_float);
            for at in drops[low..].iter().take_while(|at| **at <= window.first_float + gaps) {
                increase += values[at - window.first_float - 1];
            }
        } else {
            increase += corrections_with_starts(context, window);
        }
    }
    let extent = Extent {
        first_time: times[0],
        last_time: times[gaps],
        gaps,
        first_start,
    };
    let zero_at_start = counter && extent.starts_within(window);
    if zero_at_start {
        increase += values[0];
    } else if gaps == 0 {
        return Ok(None);
    }
    let share = (counter && increase > 0.0 && values[0] >= 0.0).then(|| values[0] / increase);
    let factor = extent.factor(window, zero_at_start, share);
    stretched(context, increase, factor, per_second)
}

/// The same of a window that is summed up.
pub(super) fn of_run(context: &Context<'_>, window: &Window<'_>, run: &Run, counter: bool, per_second: bool) -> Answer {
    let gaps = usize::try_from(run.samples).unwrap_or(usize::MAX).saturating_sub(1);
    if gaps == 0 {
        return Ok(None);
    }
    let first = run.rollup.first;
    let increase = if counter {
        run.rollup.increase()
    } else {
        run.rollup.last - first
    };
    let extent = Extent {
        first_time: run.start_ms,
        last_time: run.end_ms,
        gaps,
        first_start: 0,
    };
    let share = (counter && increase > 0.0 && first >= 0.0).then(|| first / increase);
    stretched(context, increase, extent.factor(window, false, share), per_second)
}

#[allow(clippy::unnecessary_wraps)] // The shape of every function's answer.
fn stretched(context: &Context<'_>, increase: f64, factor: f64, per_second: bool) -> Answer {
    let factor = if per_second {
        factor / context.range_seconds()
    } else {
        factor
    };
    Ok(Some(Computed::Float(increase * factor)))
}

/// The sum of the values before resets, which start timestamps tell of too.
fn corrections_with_starts(context: &Context<'_>, window: &Window<'_>) -> f64 {
    let (times, values, starts) = (window.times, window.values, window.float_starts);
    let (mut correction, mut overlapped) = (0.0, false);
    for at in 1..times.len() {
        if !overlapped && overlaps(starts[at - 1], times[at - 1], starts[at]) {
            context
                .evaluator
                .notes()
                .start_time_overlap(context.position, &context.metric);
            overlapped = true;
        }
        if values[at] < values[at - 1] || is_start_reset((starts[at - 1], times[at - 1]), (starts[at], times[at])) {
            correction += values[at - 1];
        }
    }
    correction
}

impl Extent {
    /// Whether the counter is known to have started at zero within the window, before its first sample.
    fn starts_within(&self, window: &Window<'_>) -> bool {
        self.first_start != 0 && self.first_start > window.start && self.first_start < self.first_time
    }

    /// By how much the difference between the samples is stretched. `share` is the first sample's share of the
    /// increase, for counters, which do not go below zero.
    #[allow(clippy::cast_precision_loss)]
    fn factor(&self, window: &Window<'_>, zero_at_start: bool, share: Option<f64>) -> f64 {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let mut sampled = seconds(self.last_time - self.first_time);
        let average = if self.gaps > 0 { sampled / self.gaps as f64 } else { 0.0 };
        // Up to a tenth more than usual, the next sample is taken to be just missing; beyond that the series is
        // taken to start or end half a gap away.
        let threshold = average * 1.1;
        let mut to_start = seconds(self.first_time - window.start);
        let mut to_end = seconds(window.end - self.last_time);
        if zero_at_start {
            to_start = 0.0;
            sampled = seconds(self.last_time - self.first_start);
        } else {
            if to_start >= threshold {
                to_start = average / 2.0;
            }
            if let Some(share) = share {
                let to_zero = sampled * share;
                if to_zero < to_start {
                    to_start = to_zero;
                }
            }
        }
        if to_end >= threshold {
            to_end = average / 2.0;
        }
        if sampled == 0.0 {
            1.0
        } else {
            (sampled + to_start + to_end) / sampled
        }
    }
}

fn histogram_rate(context: &Context<'_>, window: &Window<'_>, counter: bool, per_second: bool) -> Option<Computed> {
    let points = window.histograms;
    let gaps = points.len() - 1;
    let first_start = window.histogram_starts.first().copied().unwrap_or_default();
    let extent = Extent {
        first_time: points[0].0,
        last_time: points[gaps].0,
        gaps,
        first_start,
    };
    let mut increase: Option<Histogram> = None;
    if gaps > 0 {
        increase = Some(histogram_increase(context, window, counter)?);
    }
    let first = &points[0].1;
    let zero_at_start = counter && extent.starts_within(window);
    if zero_at_start {
        match &mut increase {
            None => increase = Some((**first).clone()),
            Some(increase) => {
                if !histograms::add_or_warn(context, increase, first) {
                    return None;
                }
            }
        }
    }
    let mut increase = increase?;
    let positive = counter && increase.count > 0.0 && first.count >= 0.0;
    let share = positive.then(|| first.count / increase.count);
    let factor = extent.factor(window, zero_at_start, share);
    let factor = if per_second {
        factor / context.range_seconds()
    } else {
        factor
    };
    crate::histogram::multiply(&mut increase, factor);
    Some(Computed::Histogram(Arc::new(increase)))
}

/// The difference between the last histogram and the first, resets corrected.
fn histogram_increase(context: &Context<'_>, window: &Window<'_>, counter: bool) -> Option<Histogram> {
    use crate::histogram;
    use parapet_model::CounterReset::Gauge;
    let (points, starts) = (window.histograms, window.histogram_starts);
    let last = &points[points.len() - 1].1;
    let metric = || quote(&context.metric);
    let not_a_counter = || context.warn(format!("this native histogram metric is not a counter: {}", metric()));
    let gauge = |histogram: &Histogram| histogram.counter_reset == Gauge;
    if counter && (gauge(&points[0].1) || gauge(last)) {
        not_a_counter();
    }
    let restarted = |at: usize| {
        let pair = |at: usize| (starts.get(at).copied().unwrap_or_default(), points[at].0);
        !starts.is_empty() && is_start_reset(pair(at - 1), pair(at))
    };
    // A first sample before a reset does not count, and neither does its layout.
    let first = &points[0].1;
    let second = &points[1].1;
    let ignored = counter && (restarted(1) || histogram::is_reset(second, first));
    let zero = Histogram {
        schema: second.schema,
        custom_values: second.custom_values.clone(),
        ..Histogram::default()
    };
    let mut before: &Histogram = if ignored { &zero } else { first };
    let custom = before.uses_custom_buckets();
    if last.uses_custom_buckets() != custom {
        histograms::warn_incompatible(context);
        return None;
    }
    let mut schema = last.schema.min(before.schema);
    if counter {
        for (_, histogram) in &points[1..points.len() - 1] {
            if gauge(histogram) {
                not_a_counter();
            }
            schema = schema.min(histogram.schema);
            if histogram.uses_custom_buckets() != custom {
                histograms::warn_incompatible(context);
                return None;
            }
        }
    }
    let mut increase = last.at_schema(schema);
    match histograms::subtract(&mut increase, before) {
        Ok(reconciled) => histograms::note_reconciled(context, reconciled, "subtraction"),
        Err(_) => {
            histograms::warn_incompatible(context);
            return None;
        }
    }
    if counter {
        let mut overlapped = false;
        for at in 1..points.len() {
            if !starts.is_empty() && !overlapped && overlaps(starts[at - 1], points[at - 1].0, starts[at]) {
                context
                    .evaluator
                    .notes()
                    .start_time_overlap(context.position, &context.metric);
                overlapped = true;
            }
            let histogram = &points[at].1;
            if (restarted(at) || histogram::is_reset(histogram, before))
                && !histograms::add_or_warn(context, &mut increase, before)
            {
                return None;
            }
            before = histogram;
        }
    } else if !gauge(first) || !gauge(last) {
        context.warn(format!("this native histogram metric is not a gauge: {}", metric()));
    }
    increase.counter_reset = Gauge;
    increase.compact(0);
    Some(increase)
}
