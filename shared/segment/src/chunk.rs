//! [`Chunk`]: a run of samples of one series, one row of a segment.

use crate::Error;
use parapet_model::{Exemplar, Histogram, Labels, MetricType, Rollup, Series};
use std::cmp::Ordering;
use std::sync::Arc;

/// A run of samples of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The labels, `__name__` included.
    pub labels: Labels,
    /// The kind of the metric.
    pub kind: MetricType,
    /// The samples, at least one; or exemplars in their stead.
    pub samples: Samples,
}

impl Chunk {
    /// The chunks of a series: its floats, its native histograms, its exemplars, as far as there are any. Exemplars
    /// come in any order, and may repeat ([`Exemplar::merge`]).
    #[must_use]
    pub fn of_series(series: Series, kind: MetricType, mut exemplars: Vec<Exemplar>) -> Vec<Self> {
        Exemplar::merge(&mut exemplars);
        let Series {
            labels,
            timestamps,
            values,
            histograms,
        } = series;
        let kinds = [
            Samples::Floats { timestamps, values },
            Samples::Histograms(histograms),
            Samples::Exemplars(exemplars),
        ];
        let chunk = |samples| Self {
            labels: labels.clone(),
            kind,
            samples,
        };
        kinds.into_iter().filter(|one| !one.is_empty()).map(chunk).collect()
    }
}

/// Samples in strictly rising order of time, all floats or all native histograms; or exemplars, in order of time.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Float samples; both lists have the same length.
    Floats {
        /// Milliseconds since the Unix epoch.
        timestamps: Vec<i64>,
        /// The values.
        values: Vec<f64>,
    },
    /// Native histogram samples: time and histogram.
    Histograms(Vec<(i64, Arc<Histogram>)>),
    /// Exemplars: no samples.
    Exemplars(Vec<Exemplar>),
    /// What a longer run of samples comes to, without the samples.
    Summary {
        /// Time of the first sample, milliseconds.
        start_ms: i64,
        /// Time of the last sample, milliseconds.
        end_ms: i64,
        /// How many samples there are.
        samples: u64,
        /// Their figures; `None` where the samples themselves must be looked at.
        rollup: Option<Rollup>,
    },
}

impl Samples {
    /// All of them, lent.
    pub(crate) fn part(&self) -> Part<'_> {
        match self {
            Self::Floats { timestamps, values } => Part::Floats { timestamps, values },
            Self::Histograms(samples) => Part::Histograms(samples),
            Self::Exemplars(exemplars) => Part::Exemplars(exemplars),
            Self::Summary {
                start_ms,
                end_ms,
                samples,
                rollup,
            } => Part::Summary {
                start_ms: *start_ms,
                end_ms: *end_ms,
                samples: *samples,
                rollup: *rollup,
            },
        }
    }

    /// How many samples there are; none where there are exemplars.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.part().sample_count()
    }

    /// How many samples or exemplars there are; a summary is one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.part().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First and last time, milliseconds; `None` without samples.
    #[must_use]
    pub fn time_range(&self) -> Option<(i64, i64)> {
        self.part().time_range()
    }
}

/// [`Samples`] that stand elsewhere: those of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    Floats {
        timestamps: &'a [i64],
        values: &'a [f64],
    },
    Histograms(&'a [(i64, Arc<Histogram>)]),
    Exemplars(&'a [Exemplar]),
    Summary {
        start_ms: i64,
        end_ms: i64,
        samples: u64,
        rollup: Option<Rollup>,
    },
}

impl<'a> Part<'a> {
    pub(crate) fn sample_count(self) -> usize {
        match self {
            Self::Exemplars(_) => 0,
            Self::Summary { samples, .. } => usize::try_from(samples).unwrap_or(usize::MAX),
            samples => samples.len(),
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Self::Floats { timestamps, .. } => timestamps.len(),
            Self::Histograms(samples) => samples.len(),
            Self::Exemplars(exemplars) => exemplars.len(),
            Self::Summary { .. } => 1,
        }
    }

    pub(crate) fn time_range(self) -> Option<(i64, i64)> {
        match self {
            Self::Floats { timestamps, .. } => Some((*timestamps.first()?, *timestamps.last()?)),
            Self::Histograms(samples) => Some((samples.first()?.0, samples.last()?.0)),
            Self::Exemplars(exemplars) => Some((exemplars.first()?.timestamp_ms, exemplars.last()?.timestamp_ms)),
            Self::Summary { start_ms, end_ms, .. } => Some((start_ms, end_ms)),
        }
    }

    /// Cut into rows of at most `max` samples or exemplars.
    pub(crate) fn rows(self, max: usize) -> Result<impl Iterator<Item = Self>, Error> {
        if let Self::Floats { timestamps, values } = self
            && timestamps.len() != values.len()
        {
            return Err(Error::form("a chunk has not one value for each timestamp"));
        }
        let max = max.max(1);
        let starts = (0..self.len()).step_by(max);
        Ok(starts.map(move |start| {
            let range = start..self.len().min(start + max);
            match self {
                Self::Floats { timestamps, values } => Self::Floats {
                    timestamps: &timestamps[range.clone()],
                    values: &values[range],
                },
                Self::Histograms(samples) => Self::Histograms(&samples[range]),
                Self::Exemplars(exemplars) => Self::Exemplars(&exemplars[range]),
                Self::Summary { .. } => self,
            }
        }))
    }

    /// What is before a time, and what is not.
    pub(crate) fn split_at(self, cut_ms: i64) -> (Self, Self) {
        match self {
            Self::Floats { timestamps, values } => {
                let at = timestamps.partition_point(|time| *time < cut_ms);
                let part = |timestamps, values| Self::Floats { timestamps, values };
                (
                    part(&timestamps[..at], &values[..at]),
                    part(&timestamps[at..], &values[at..]),
                )
            }
            Self::Histograms(samples) => {
                let (before, after) = samples.split_at(samples.partition_point(|(time, _)| *time < cut_ms));
                (Self::Histograms(before), Self::Histograms(after))
            }
            Self::Exemplars(exemplars) => {
                let at = exemplars.partition_point(|exemplar| exemplar.timestamp_ms < cut_ms);
                let (before, after) = exemplars.split_at(at);
                (Self::Exemplars(before), Self::Exemplars(after))
            }
            Self::Summary { start_ms, .. } if start_ms < cut_ms => (self, Self::Exemplars(&[])),
            Self::Summary { .. } => (Self::Exemplars(&[]), self),
        }
    }
}

/// Where a chunk stands among the rows of a segment: by metric name, then series id, then labels, then time.
/// Labels only decide where two series have the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) labels: Labels,
    pub(crate) series_id: i64,
    pub(crate) min_ts: i64,
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_names(&self.labels, &other.labels)
            .then_with(|| self.series_id.cmp(&other.series_id))
            .then_with(|| self.labels.cmp(&other.labels))
            .then_with(|| self.min_ts.cmp(&other.min_ts))
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(crate) fn compare_names(a: &Labels, b: &Labels) -> Ordering {
    a.metric_name()
        .unwrap_or_default()
        .cmp(b.metric_name().unwrap_or_default())
}

/// Sorts chunks into the order of a segment's rows.
pub fn sort(chunks: &mut Vec<Chunk>) {
    let sorted = sort_with_ids(std::mem::take(chunks));
    chunks.extend(sorted.into_iter().map(|(_, chunk)| chunk));
}

/// Sorts chunks, and gives each with its series id. Names and ids are found once per chunk, not once per comparison.
pub(crate) fn sort_with_ids(chunks: Vec<Chunk>) -> Vec<(i64, Chunk)> {
    let mut order: Vec<(&str, i64, usize)> = chunks
        .iter()
        .enumerate()
        .map(|(place, chunk)| {
            (
                chunk.labels.metric_name().unwrap_or_default(),
                chunk.labels.series_id(),
                place,
            )
        })
        .collect();
    order.sort_unstable_by(|a, b| {
        let (left, right) = (&chunks[a.2], &chunks[b.2]);
        (a.0, a.1)
            .cmp(&(b.0, b.1))
            .then_with(|| left.labels.cmp(&right.labels))
            .then_with(|| left.samples.time_range().cmp(&right.samples.time_range()))
            .then_with(|| a.2.cmp(&b.2))
    });
    let order: Vec<(i64, usize)> = order
        .into_iter()
        .map(|(_, series_id, place)| (series_id, place))
        .collect();
    let mut places: Vec<Option<Chunk>> = chunks.into_iter().map(Some).collect();
    let taken = order
        .into_iter()
        .filter_map(|(series_id, place)| Some((series_id, places[place].take()?)));
    taken.collect()
}
