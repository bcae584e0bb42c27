//! What an evaluation has recorded so far.

use parapet_model::{BatchSeries, Labels, MetricType, Sample, stale_nan};
use std::collections::HashMap;

/// The series of an evaluation, each once: later rules of the group see them, then they are stored.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    series: Vec<BatchSeries>,
    places: HashMap<Labels, usize>,
}

impl Recorded {
    pub(super) fn series(&self) -> &[BatchSeries] {
        &self.series
    }

    pub(super) fn into_series(self) -> Vec<BatchSeries> {
        self.series
    }

    /// Adds a series. One that another rule has recorded differently in this evaluation is refused, as the storage
    /// of Prometheus does; a staleness marker gives way.
    pub(super) fn write(&mut self, series: BatchSeries) -> Result<(), String> {
        let Some(&place) = self.places.get(&series.labels) else {
            self.places.insert(series.labels.clone(), self.series.len());
            self.series.push(series);
            return Ok(());
        };
        let standing = &mut self.series[place];
        if standing.samples.iter().all(|sample| sample.value.is_stale()) || standing.samples == series.samples {
            *standing = series;
            return Ok(());
        }
        Err("duplicate sample for timestamp".to_owned())
    }

    /// Marks a series as ended, unless another rule records it in this evaluation.
    pub(super) fn mark_stale(&mut self, labels: &Labels, at_ms: i64) {
        if !self.places.contains_key(labels) {
            let samples = vec![Sample::float(at_ms, stale_nan())];
            self.places.insert(labels.clone(), self.series.len());
            self.series.push(BatchSeries {
                labels: labels.clone(),
                kind: MetricType::Unknown,
                samples,
                exemplars: Vec::new(),
            });
        }
    }
}
