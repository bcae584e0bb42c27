//! Instant selectors: for each step the latest sample that is not too old.

use super::{Computed, Evaluator, Result, Row, stored};
use crate::ast::{Extension, PositionRange};
use crate::histogram;
use crate::plan::Instant;
use parapet_model::{CounterReset, Histogram, Series, is_stale_nan};
use std::borrow::Cow;
use std::sync::Arc;

/// The sample that an instant selector finds.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// Time, value, place in the series.
    Float(i64, f64, usize),
    Histogram(i64, &'a Arc<Histogram>, usize),
}

/// Walks a series forward.
pub(super) struct Cursor<'a> {
    series: &'a Series,
    histograms_of: &'a [(i64, Arc<Histogram>)],
    lookback: i64,
    /// Samples at or before the last time asked for.
    floats: usize,
    histograms: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(series: &'a Series, histograms_of: &'a [(i64, Arc<Histogram>)], lookback: i64) -> Self {
        Self {
            series,
            histograms_of,
            lookback,
            floats: 0,
            histograms: 0,
        }
    }

    /// The sample for a time; times must not go back.
    pub(super) fn seek(&mut self, time: i64) -> Option<Found<'a>> {
        self.floats = advance(&self.series.timestamps, self.floats, time);
        while self
            .histograms_of
            .get(self.histograms)
            .is_some_and(|(at, _)| *at <= time)
        {
            self.histograms += 1;
        }
        let float = self.floats.checked_sub(1).map(|at| (self.series.timestamps[at], at));
        let histogram = self.histograms.checked_sub(1).map(|at| (self.histograms_of[at].0, at));
        let oldest = time.saturating_sub(self.lookback);
        match (float, histogram) {
            (Some((time, at)), other) if other.is_none_or(|(other, _)| time > other) => {
                let value = self.series.values[at];
                (time > oldest && !is_stale_nan(value)).then(|| Found::Float(time, stored(value), at))
            }
            (_, Some((time, at))) => {
                let histogram = &self.histograms_of[at].1;
                (time > oldest && !is_stale_nan(histogram.sum)).then_some(Found::Histogram(time, histogram, at))
            }
            _ => None,
        }
    }
}

/// How many times are at or before `time`, given that `from` are.
pub(super) fn advance(times: &[i64], from: usize, time: i64) -> usize {
    // Steps are mostly a few samples apart; a long way is searched by doubling.
    let rest = &times[from..];
    let mut near = 8;
    while near < rest.len() && rest[near - 1] <= time {
        near *= 2;
    }
    let searched = near / 2;
    let (low, high) = if near == 8 {
        (0, near.min(rest.len()))
    } else {
        (searched, near.min(rest.len()))
    };
    if near == 8 {
        from + rest[..high].iter().take_while(|at| **at <= time).count()
    } else {
        from + low + rest[low..high].partition_point(|at| *at <= time)
    }
}

impl Evaluator<'_> {
    pub(super) fn select(&self, instant: &Instant, position: PositionRange) -> Result<Vec<Row>> {
        if instant.extension == Some(Extension::Smoothed) {
            return self.select_smoothed(instant, position);
        }
        self.in_pieces(self.fetched(instant.source), self.steps(), |evaluator, series| {
            evaluator.select_series(instant, series)
        })
    }

    fn select_series(&self, instant: &Instant, fetched: &[&Series]) -> Result<Vec<Row>> {
        let (steps, lookback) = (self.steps(), self.options().lookback_delta_ms);
        let mut rows = Vec::new();
        for series in fetched {
            self.check_interrupt()?;
            let of_series = statistics(series, instant.statistics);
            let mut cursor = Cursor::new(series, &of_series, lookback);
            let mut row: Option<Row> = None;
            let mut histograms = 0;
            for step in 0..steps {
                self.check_interrupt()?;
                let Some(found) = cursor.seek(instant.reference(self.grid.time(step))) else {
                    continue;
                };
                let row = row.get_or_insert_with(|| Row::new(series.labels.clone(), false, steps));
                match found {
                    Found::Float(_, value, _) => row.floats[step] = value,
                    Found::Histogram(_, histogram, _) => {
                        histograms += super::rows::histogram_samples(histogram);
                        row.set(step, Computed::Histogram(Arc::clone(histogram)));
                    }
                }
            }
            if let Some(row) = row {
                self.charge(if histograms == 0 {
                    row.sample_count()
                } else {
                    histograms
                })?;
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// What `timestamp(selector)` finds at a step. With `@` Prometheus fetches what the offset says, and then forgets it:
    /// the sample is the latest before the time of `@`, among those fetched.
    fn seek_fixed<'s>(&self, cursor: &mut Cursor<'s>, instant: &Instant, step: usize) -> Option<Found<'s>> {
        let time = instant.reference(self.grid.time(step));
        let at = instant.at.unwrap_or(time);
        let oldest = at.max(time).saturating_sub(self.options().lookback_delta_ms);
        let found = cursor.seek(at.min(time));
        found.filter(|(Found::Float(time, ..) | Found::Histogram(time, ..))| *time > oldest)
    }

    /// `timestamp(selector)`: the times of the samples, in seconds.
    pub(super) fn select_timestamps(&self, instant: &Instant) -> Result<Vec<Row>> {
        let (steps, lookback) = (self.steps(), self.options().lookback_delta_ms);
        let mut rows = Vec::new();
        for series in self.fetched(instant.source) {
            let mut cursor = Cursor::new(series, &series.histograms, lookback);
            let mut row = Row::new(series.labels.clone(), false, steps);
            for step in 0..steps {
                self.check_interrupt()?;
                if let Some(Found::Float(time, ..) | Found::Histogram(time, ..)) =
                    self.seek_fixed(&mut cursor, instant, step)
                {
                    row.floats[step] = seconds(time);
                }
            }
            if !row.is_empty() {
                self.charge(steps)?;
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// `start_timestamp(selector)`: the start timestamps of the samples, in seconds.
    pub(super) fn select_start_timestamps(&self, instant: &Instant) -> Result<Vec<Row>> {
        let (steps, lookback) = (self.steps(), self.options().lookback_delta_ms);
        if !self.options().use_start_timestamps {
            return Ok(Vec::new());
        }
        let mut rows = Vec::new();
        for (at, series) in self.fetched(instant.source).iter().enumerate() {
            let starts = self.starts(instant.source, at);
            let mut cursor = Cursor::new(series, &series.histograms, lookback);
            let mut row = Row::new(series.labels.clone(), false, steps);
            for step in 0..steps {
                self.check_interrupt()?;
                let start = match self.seek_fixed(&mut cursor, instant, step) {
                    Some(Found::Float(_, _, at)) => starts.and_then(|starts| starts.floats.get(at)),
                    Some(Found::Histogram(_, _, at)) => starts.and_then(|starts| starts.histograms.get(at)),
                    None => continue,
                };
                row.floats[step] = seconds(start.copied().unwrap_or_default());
            }
            if !row.is_empty() {
                rows.push(row);
            }
        }
        Ok(rows)
    }
}

/// The histograms of a series, or of each only count and sum, with what the buckets tell of resets as a hint
/// (`HistogramStatsIterator` of Prometheus).
pub(super) fn statistics(series: &Series, only: bool) -> Cow<'_, [(i64, Arc<Histogram>)]> {
    if !only || series.histograms.is_empty() {
        return Cow::Borrowed(&series.histograms);
    }
    let mut before: Option<&Histogram> = None;
    let reduced = series.histograms.iter().map(|(time, histogram)| {
        let mut counter_reset = histogram.counter_reset;
        if !is_stale_nan(histogram.sum) {
            if let (CounterReset::Unknown, Some(before)) = (counter_reset, before) {
                let reset = histogram::is_reset(histogram, before);
                counter_reset = if reset {
                    CounterReset::Reset
                } else {
                    CounterReset::NotReset
                };
            }
            before = Some(histogram);
        }
        let (schema, count, sum) = (histogram.schema, histogram.count, histogram.sum);
        (
            *time,
            Arc::new(Histogram {
                counter_reset,
                schema,
                count,
                sum,
                ..Histogram::default()
            }),
        )
    });
    Cow::Owned(reduced.collect())
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::advance;

    #[test]
    fn advance_counts_times_up_to_a_time() {
        let times: Vec<i64> = (0..1000).map(|at| at * 10).collect();
        for from in [0usize, 1, 7, 500] {
            for time in [-1i64, 0, 5, 10, 69, 70, 75, 90, 4999, 5000, 9990, 20_000] {
                let want = times.iter().filter(|at| **at <= time).count().max(from);
                assert_eq!(advance(&times, from, time), want, "{from} {time}");
            }
        }
    }
}
