//! `irate` and `idelta`: the last two samples.

use super::histograms::{self, HistogramError};
use super::rate::is_start_reset;
use super::{Answer, Context, Window, float};
use crate::engine::Computed;
use crate::histogram;
use parapet_model::{CounterReset, Histogram, quote};
use std::sync::Arc;

#[derive(Clone, Copy)]
enum Last<'w> {
    Float {
        time: i64,
        start: i64,
        value: f64,
    },
    Histogram {
        time: i64,
        start: i64,
        value: &'w Arc<Histogram>,
    },
}

impl Last<'_> {
    fn time(&self) -> i64 {
        match self {
            Self::Float { time, .. } | Self::Histogram { time, .. } => *time,
        }
    }

    fn start(&self) -> i64 {
        match self {
            Self::Float { start, .. } | Self::Histogram { start, .. } => *start,
        }
    }
}

/// The last two samples of either kind, the later one second.
fn last_two<'w>(window: &Window<'w>) -> Option<[Last<'w>; 2]> {
    let start = |starts: &[i64], at: usize| starts.get(at).copied().unwrap_or_default();
    let floats = (window.times.len().saturating_sub(2)..window.times.len()).map(|at| Last::Float {
        time: window.times[at],
        start: start(window.float_starts, at),
        value: window.values[at],
    });
    let histograms = (window.histograms.len().saturating_sub(2)..window.histograms.len()).map(|at| Last::Histogram {
        time: window.histograms[at].0,
        start: start(window.histogram_starts, at),
        value: &window.histograms[at].1,
    });
    let mut last: Vec<Last<'w>> = floats.chain(histograms).collect();
    last.sort_by_key(Last::time);
    let [.., before, after] = last[..] else { return None };
    Some([before, after])
}

pub(super) fn instant_value(context: &Context<'_>, window: &Window<'_>, per_second: bool) -> Answer {
    let Some([before, after]) = last_two(window) else {
        return Ok(None);
    };
    let interval = after.time() - before.time();
    if interval == 0 {
        return Ok(None);
    }
    #[allow(clippy::cast_precision_loss)]
    let seconds = interval as f64 / 1000.0;
    let restarted = is_start_reset((before.start(), before.time()), (after.start(), after.time()));
    match (before, after) {
        (Last::Float { value: earlier, .. }, Last::Float { value: later, .. }) => {
            let reset = per_second && (later < earlier || restarted);
            let difference = if reset { later } else { later - earlier };
            float(if per_second { difference / seconds } else { difference })
        }
        (Last::Histogram { value: earlier, .. }, Last::Histogram { value: later, .. }) => {
            let gauges = [earlier, later].map(|histogram| histogram.counter_reset == CounterReset::Gauge);
            let metric = quote(&context.metric);
            if per_second && (gauges[0] || gauges[1]) {
                context.warn(format!("this native histogram metric is not a counter: {metric}"));
            }
            let both_gauges = gauges[0] && gauges[1];
            if !per_second && !both_gauges {
                context.warn(format!("this native histogram metric is not a gauge: {metric}"));
            }
            let mut result = (**later).clone();
            if !per_second || (!restarted && !histogram::is_reset(later, earlier)) {
                match histograms::subtract(&mut result, earlier) {
                    Ok(reconciled) => histograms::note_reconciled(context, reconciled, "subtraction"),
                    Err(HistogramError::Incompatible) => {
                        histograms::warn_incompatible(context);
                        return Ok(None);
                    }
                }
            }
            result.counter_reset = CounterReset::Gauge;
            result.compact(0);
            if per_second {
                histogram::divide(&mut result, seconds);
            }
            Ok(Some(Computed::Histogram(Arc::new(result))))
        }
        _ => {
            context.warn_mixed();
            Ok(None)
        }
    }
}
