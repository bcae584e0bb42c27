//! A batch of samples on its way to the store.

use crate::{Exemplar, Labels, MetricType, Sample};

/// Samples that are stored together or not at all. `id` is derived from what the batch is (a scrape slot,
/// a rule evaluation, a push request), never random: the same batch sent twice has the same id, and is stored once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleBatch {
    /// Identity for exactly-once storing.
    pub id: String,
    /// The tenant that the samples belong to.
    pub tenant: String,
    /// The series, each with at least one sample or exemplar.
    pub series: Vec<BatchSeries>,
}

/// One series of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchSeries {
    /// The labels, `__name__` included.
    pub labels: Labels,
    /// The kind of the metric.
    pub kind: MetricType,
    /// Samples in order of time.
    pub samples: Vec<Sample>,
    /// Exemplars, in any order.
    pub exemplars: Vec<Exemplar>,
}

impl SampleBatch {
    /// How many samples there are in all.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.series.iter().map(|series| series.samples.len()).sum()
    }
}
