//! Bringing the samples of one series together: order, duplicates.
//!
//! Two samples of a series at one time are one sample. Which of them stays depends on the two values alone, never
//! on which was written first, so that an answer is the same before and after any merge of files:
//!
//! 1. a sample beats a staleness marker;
//! 2. a float beats a native histogram;
//! 3. of two floats a number beats a NaN, then the greater stays (by IEEE 754 `totalOrder`: `0.0` beats `-0.0`);
//! 4. of two histograms the one with the greater count stays, then the greater sum, then the rest, field by field.
//!
//! Prometheus keeps the sample that came first. Over an at-least-once queue "first" is not known, and a repeat of
//! the same scrape has the same values, for which both rules are one.

use parapet_model::{Histogram, Labels, Series, is_stale_nan};
use std::cmp::Ordering;
use std::sync::Arc;

/// Collects the samples of one series from many places, in any order.
#[derive(Clone, Debug, Default)]
pub struct SeriesMerger {
    timestamps: Vec<i64>,
    values: Vec<f64>,
    histograms: Vec<(i64, Arc<Histogram>)>,
    floats_unordered: bool,
    histograms_unordered: bool,
}

impl SeriesMerger {
    /// Makes room for `more` float samples.
    pub fn reserve(&mut self, more: usize) {
        self.timestamps.reserve(more);
        self.values.reserve(more);
    }

    /// Adds float samples that are in order of time among themselves.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn push_floats(&mut self, timestamps: &[i64], values: &[f64]) {
        assert_eq!(timestamps.len(), values.len(), "a value for each timestamp");
        if let (Some(last), Some(first)) = (self.timestamps.last(), timestamps.first()) {
            self.floats_unordered |= first <= last;
        }
        self.timestamps.extend_from_slice(timestamps);
        self.values.extend_from_slice(values);
    }

    /// Adds one float sample.
    pub fn push_float(&mut self, timestamp_ms: i64, value: f64) {
        self.floats_unordered |= self.timestamps.last().is_some_and(|last| timestamp_ms <= *last);
        self.timestamps.push(timestamp_ms);
        self.values.push(value);
    }

    /// Adds one native histogram sample.
    pub fn push_histogram(&mut self, timestamp_ms: i64, histogram: Arc<Histogram>) {
        self.histograms_unordered |= self.histograms.last().is_some_and(|(last, _)| timestamp_ms <= *last);
        self.histograms.push((timestamp_ms, histogram));
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty() && self.histograms.is_empty()
    }

    /// Whether any native histogram was added.
    #[must_use]
    pub fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    /// How many samples were added, duplicates included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps.len() + self.histograms.len()
    }

    /// The series: sorted by time, one sample per time.
    #[must_use]
    pub fn finish(mut self, labels: Labels) -> Series {
        if self.floats_unordered {
            self.sort_floats();
        }
        if self.histograms_unordered {
            self.histograms
                .sort_by(|a, b| a.0.cmp(&b.0).then_with(|| compare_histograms(&b.1, &a.1)));
            self.histograms.dedup_by_key(|sample| sample.0);
        }
        if !self.timestamps.is_empty() && !self.histograms.is_empty() {
            self.part_floats_and_histograms();
        }
        Series {
            labels,
            timestamps: self.timestamps,
            values: self.values,
            histograms: self.histograms,
        }
    }

    fn sort_floats(&mut self) {
        let mut samples: Vec<(i64, f64)> = self
            .timestamps
            .iter()
            .copied()
            .zip(self.values.iter().copied())
            .collect();
        // A stable sort: what comes in runs, as samples of several files do, is merged run by run.
        samples.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| compare_floats(b.1, a.1)));
        samples.dedup_by_key(|sample| sample.0);
        self.timestamps.clear();
        self.values.clear();
        for (timestamp_ms, value) in samples {
            self.timestamps.push(timestamp_ms);
            self.values.push(value);
        }
    }

    /// No time stands in both lists.
    fn part_floats_and_histograms(&mut self) {
        let (timestamps, values) = (&mut self.timestamps, &mut self.values);
        let mut beaten = Vec::new();
        self.histograms
            .retain(|(at, histogram)| match timestamps.binary_search(at) {
                Err(_) => true,
                Ok(index) if is_stale_nan(values[index]) && !is_stale_nan(histogram.sum) => {
                    beaten.push(index);
                    true
                }
                Ok(_) => false,
            });
        for index in beaten.into_iter().rev() {
            timestamps.remove(index);
            values.remove(index);
        }
    }
}

/// Orders floats of one time: the greater stays.
fn compare_floats(a: f64, b: f64) -> Ordering {
    let rank = |value: f64| (!is_stale_nan(value), !value.is_nan());
    rank(a).cmp(&rank(b)).then_with(|| a.total_cmp(&b))
}

/// Orders histograms of one time: the greater stays.
fn compare_histograms(a: &Histogram, b: &Histogram) -> Ordering {
    let lists = |a: &[f64], b: &[f64]| a.iter().map(|v| v.to_bits()).cmp(b.iter().map(|v| v.to_bits()));
    let spans = |h: &Histogram| -> Vec<(i32, u32)> {
        h.positive_spans
            .iter()
            .chain(&h.negative_spans)
            .map(|span| (span.offset, span.length))
            .collect()
    };
    (!is_stale_nan(a.sum))
        .cmp(&!is_stale_nan(b.sum))
        .then_with(|| a.count.total_cmp(&b.count))
        .then_with(|| a.sum.total_cmp(&b.sum))
        .then_with(|| a.schema.cmp(&b.schema))
        .then_with(|| (a.counter_reset as u8).cmp(&(b.counter_reset as u8)))
        .then_with(|| a.zero_threshold.total_cmp(&b.zero_threshold))
        .then_with(|| a.zero_count.total_cmp(&b.zero_count))
        .then_with(|| spans(a).cmp(&spans(b)))
        .then_with(|| lists(&a.positive_buckets, &b.positive_buckets))
        .then_with(|| lists(&a.negative_buckets, &b.negative_buckets))
        .then_with(|| lists(&a.custom_values, &b.custom_values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::stale_nan;

    fn merged(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
        let mut merger = SeriesMerger::default();
        for (at, value) in samples {
            merger.push_float(*at, *value);
        }
        let series = merger.finish(Labels::empty());
        series
            .timestamps
            .into_iter()
            .zip(series.values.iter().map(|v| v.to_bits()))
            .collect()
    }

    #[test]
    fn the_value_that_stays_does_not_depend_on_the_order() {
        let cases = [
            (1.0, stale_nan(), 1.0),
            (f64::NAN, stale_nan(), f64::NAN),
            (f64::NAN, -5.0, -5.0),
            (1.0, 2.0, 2.0),
            (0.0, -0.0, 0.0),
        ];
        for (a, b, want) in cases {
            assert_eq!(merged(&[(7, a), (7, b)]), [(7, want.to_bits())], "{a} {b}");
            assert_eq!(merged(&[(7, b), (7, a)]), [(7, want.to_bits())], "{b} {a}");
        }
    }

    #[test]
    fn out_of_order_runs_are_sorted() {
        let mut merger = SeriesMerger::default();
        merger.push_floats(&[10, 20, 30], &[1.0, 2.0, 3.0]);
        merger.push_floats(&[5, 20, 25], &[0.5, 2.0, 2.5]);
        let series = merger.finish(Labels::empty());
        assert_eq!(series.timestamps, [5, 10, 20, 25, 30]);
        assert_eq!(series.values, [0.5, 1.0, 2.0, 2.5, 3.0]);
    }

    #[test]
    fn no_time_is_both_float_and_histogram() {
        let histogram = |sum| {
            Arc::new(Histogram {
                sum,
                count: 1.0,
                ..Histogram::default()
            })
        };
        let mut merger = SeriesMerger::default();
        merger.push_floats(&[1, 2], &[1.0, stale_nan()]);
        merger.push_histogram(1, histogram(1.0));
        merger.push_histogram(2, histogram(2.0));
        merger.push_histogram(3, histogram(3.0));
        merger.push_histogram(3, histogram(4.0));
        let series = merger.finish(Labels::empty());
        assert_eq!(series.timestamps, [1]);
        assert_eq!(series.histograms, [(2, histogram(2.0)), (3, histogram(4.0))]);
    }
}
