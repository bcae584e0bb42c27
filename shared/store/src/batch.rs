//! [`Batch`]: what is stored together or not at all.

use crate::readings::Readings;
use parapet_model::{BatchSeries, SampleBatch};

/// Samples that are stored together or not at all; `id` as in [`SampleBatch`], of which it is the wider form.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Identity for exactly-once storing.
    pub id: String,
    /// The tenant that the samples belong to.
    pub tenant: String,
    /// The samples.
    pub samples: Samples,
}

/// The samples of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Series, each with at least one sample or exemplar.
    Series(Vec<BatchSeries>),
    /// One float for each series of a layout.
    Readings(Readings),
}

impl From<SampleBatch> for Batch {
    fn from(batch: SampleBatch) -> Self {
        Self {
            id: batch.id,
            tenant: batch.tenant,
            samples: Samples::Series(batch.series),
        }
    }
}

impl Batch {
    /// How many samples there are in all.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        match &self.samples {
            Samples::Series(series) => series.iter().map(|series| series.samples.len()).sum(),
            Samples::Readings(readings) => readings.values.len(),
        }
    }

    /// The same batch with its samples as series.
    #[must_use]
    pub fn into_series(self) -> SampleBatch {
        SampleBatch {
            id: self.id,
            tenant: self.tenant,
            series: match self.samples {
                Samples::Series(series) => series,
                Samples::Readings(readings) => readings.into_series(),
            },
        }
    }
}
