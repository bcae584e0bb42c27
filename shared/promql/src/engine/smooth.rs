//! `smoothed` instant selectors: values between samples, on the line from one to the next.

use super::instant::advance;
use super::range::Points;
use super::{Computed, Evaluator, Result, Row};
use crate::ast::PositionRange;
use crate::functions::over_time::{
    HistogramError, incompatible_text, interpolate, interpolate_histograms, reconciled_text,
};
use crate::plan::Instant;
use parapet_model::{CounterReset, Histogram, quote};
use std::sync::Arc;

impl Evaluator<'_> {
    pub(super) fn select_smoothed(&self, instant: &Instant, position: PositionRange) -> Result<Vec<Row>> {
        let (steps, lookback) = (self.steps(), self.options().lookback_delta_ms);
        let mut rows = Vec::new();
        for series in self.fetched(instant.source) {
            self.check_interrupt()?;
            let points = Points::of_series(series, instant.statistics, None);
            let mut row = Row::new(series.labels.clone(), false, steps);
            for step in 0..steps {
                self.check_interrupt()?;
                let time = instant.reference(self.grid.time(step));
                let (after, until) = (time.saturating_sub(lookback), time.saturating_add(lookback));
                let (low, high) = (advance(&points.times, 0, after), advance(&points.times, 0, until));
                let (times, values) = (&points.times[low..high], &points.values[low..high]);
                let histograms = &points.histograms[..];
                let first = histograms.partition_point(|(at, _)| *at <= after);
                let last = histograms.partition_point(|(at, _)| *at <= until);
                let histograms = &histograms[first..last];
                if !times.is_empty() && !histograms.is_empty() {
                    let name = quote(row.metric_name());
                    let text = format!("encountered a mix of histograms and floats for metric name {name}");
                    self.warn(position, text);
                } else if histograms.is_empty() {
                    if let Some(value) = smooth_float(times, values, time) {
                        row.floats[step] = value;
                    }
                } else if let Some(value) = self.smooth_histogram(histograms, time, row.metric_name(), position) {
                    row.set(step, Computed::Histogram(value));
                }
            }
            if !row.is_empty() {
                self.charge(row.sample_count())?;
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn smooth_histogram(
        &self,
        histograms: &[(i64, Arc<Histogram>)],
        time: i64,
        metric: &str,
        position: PositionRange,
    ) -> Option<Arc<Histogram>> {
        let at = histograms.partition_point(|(at, _)| *at < time);
        let next = histograms.get(at);
        if let Some((_, exact)) = next.filter(|(at, _)| *at == time) {
            return Some(Arc::clone(exact));
        }
        let (before_time, before) = histograms.get(at.checked_sub(1)?)?;
        let Some((next_time, next)) = next else {
            // Nothing comes after: the value stands, but what is known of resets was about its place.
            return Some(Arc::new(Histogram {
                counter_reset: CounterReset::Unknown,
                ..(**before).clone()
            }));
        };
        let gauge = |histogram: &Histogram| histogram.counter_reset == CounterReset::Gauge;
        let counter = !gauge(before) || !gauge(next);
        let compatible = before.uses_custom_buckets() == next.uses_custom_buckets();
        let interpolated = if compatible {
            interpolate_histograms((*before_time, before), (*next_time, next), time, counter)
        } else {
            Err(HistogramError::Incompatible)
        };
        match interpolated {
            Ok((histogram, reconciled)) => {
                reconciled
                    .into_iter()
                    .for_each(|operation| self.note(position, reconciled_text(operation)));
                Some(Arc::new(histogram))
            }
            Err(HistogramError::Incompatible) => {
                self.warn(position, incompatible_text(metric));
                None
            }
        }
    }
}

fn smooth_float(times: &[i64], values: &[f64], time: i64) -> Option<f64> {
    let at = times.partition_point(|at| *at < time);
    if times.get(at) == Some(&time) {
        return Some(values[at]);
    }
    let before = at.checked_sub(1)?;
    if at == times.len() {
        return Some(values[before]);
    }
    Some(interpolate(
        (times[before], values[before]),
        (times[at], values[at]),
        time,
        false,
    ))
}
