//! Running sums of the metrics that are made of log lines.
//!
//! What a batch adds is written in the transaction that stores the batch: counted exactly once. Each minute the totals
//! become samples. A batch adds to one of some lanes, so that batches which are stored at the same time seldom meet; a
//! total is the sum over the lanes.

use crate::keys;
use parapet_logs::pipeline::{MetricKind, Observation};
use parapet_model::{BatchSeries, Labels, LabelsBuilder, METRIC_NAME, MetricType, Sample};
use parapet_ports::{Condition, Error, Item, Key, Kind, SkRange, Table, Write};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Batches add to one of so many lanes.
const LANES: u64 = 8;
/// The series of a lane stand in so many items.
const ITEMS: u64 = 4;
/// An item has at most so many series; what is beyond is counted without labels. It must fit into one item of the table
/// (400 KB).
const MAX_ITEM_SERIES: usize = 1_000;

/// What one item holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    series: Vec<Sum>,
}

/// The sum of one series in one lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sum {
    labels: Labels,
    /// When it last rose, milliseconds.
    at_ms: i64,
    #[serde(flatten)]
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Value {
    Counter(f64),
    Histogram {
        bounds: Vec<f64>,
        counts: Vec<u64>,
        sum: f64,
    },
}

impl Value {
    fn of(kind: &MetricKind) -> Self {
        match kind {
            MetricKind::Counter(rise) => Self::Counter(*rise),
            MetricKind::Histogram { bounds, counts, sum } => Self::Histogram {
                bounds: bounds.clone(),
                counts: counts.clone(),
                sum: *sum,
            },
        }
    }

    /// Adds another; one that is of another kind, or has other buckets, takes its place: the rule was changed.
    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Counter(total), Self::Counter(rise)) => *total += rise,
            (
                Self::Histogram { bounds, counts, sum },
                Self::Histogram {
                    bounds: other_bounds,
                    counts: other_counts,
                    sum: rise,
                },
            ) if *bounds == other_bounds && counts.len() == other_counts.len() => {
                for (count, more) in counts.iter_mut().zip(other_counts) {
                    *count += more;
                }
                *sum += rise;
            }
            (this, other) => *this = other,
        }
    }
}

impl Sums {
    fn read(item: Option<&Item>) -> Result<Self, Error> {
        let Some(item) = item else { return Ok(Self::default()) };
        serde_json::from_str(&item.value)
            .map_err(|error| Error::new(Kind::Corrupt, "sums of log metrics do not read").with_source(error))
    }

    fn encode(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Internal, "sums of log metrics do not encode").with_source(error))
    }

    /// Adds to a series; false where it was counted without its labels.
    fn add(&mut self, labels: &Labels, value: Value, at_ms: i64) -> bool {
        let found = self.series.iter_mut().find(|sum| sum.labels == *labels);
        if let Some(sum) = found {
            sum.value.add(value);
            sum.at_ms = sum.at_ms.max(at_ms);
            return true;
        }
        let bare = Labels::from_pairs(labels.metric_name().map(|name| (METRIC_NAME, name)));
        if self.series.len() >= MAX_ITEM_SERIES && *labels != bare {
            self.add(&bare, value, at_ms);
            return false;
        }
        self.series.push(Sum {
            labels: labels.clone(),
            at_ms,
            value,
        });
        true
    }
}

/// The writes that raise sums.
#[derive(Debug, Default)]
pub(super) struct Raised {
    pub(super) writes: Vec<Write>,
    /// Series that were counted without their labels.
    pub(super) refused: u64,
}

/// The writes by which observations are added, valid as long as the sums are as they are now. `lane` chooses the lane.
pub(super) async fn raised(
    table: &dyn Table,
    tenant: &str,
    lane: &str,
    observations: &[&Observation],
    now_ms: i64,
) -> Result<Raised, Error> {
    let lane = xxhash_rust::xxh3::xxh3_64(lane.as_bytes()) % LANES;
    let mut by_item: BTreeMap<u64, Vec<&Observation>> = BTreeMap::new();
    for observation in observations {
        let item = observation.labels.series_id().cast_unsigned() % ITEMS;
        by_item.entry(item).or_default().push(observation);
    }
    let mut raised = Raised::default();
    for (number, observations) in by_item {
        let key = Key::new(keys::log_metrics(tenant), format!("{lane}/{number}"));
        let item = table.get(&key).await?;
        let mut sums = Sums::read(item.as_ref())?;
        for observation in observations {
            let known = sums.add(&observation.labels, Value::of(&observation.kind), now_ms);
            raised.refused += u64::from(!known);
        }
        raised.writes.push(Write::Put {
            key,
            value: sums.encode()?,
            expires_at: None,
            condition: item.map_or(Condition::Absent, |item| Condition::Version(item.version)),
        });
    }
    Ok(raised)
}

/// The totals of a tenant as samples at `at_ms`, in order of their labels.
///
/// # Errors
/// [`Kind::Unavailable`] where the table is, [`Kind::Corrupt`] where sums do not read.
pub async fn samples(table: &dyn Table, tenant: &str, at_ms: i64) -> Result<Vec<BatchSeries>, Error> {
    let mut totals: BTreeMap<Labels, Value> = BTreeMap::new();
    for item in table.query(&keys::log_metrics(tenant), SkRange::all()).await? {
        for sum in Sums::read(Some(&item))?.series {
            match totals.entry(sum.labels) {
                std::collections::btree_map::Entry::Occupied(mut total) => total.get_mut().add(sum.value),
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(sum.value);
                }
            }
        }
    }
    Ok(totals
        .into_iter()
        .flat_map(|(labels, value)| series(&labels, value, at_ms))
        .collect())
}

/// Forgets sums that have not risen since `before_ms`. One that rises meanwhile stays.
///
/// # Errors
/// As [`samples`].
pub async fn forget(table: &dyn Table, tenant: &str, before_ms: i64) -> Result<(), Error> {
    for item in table.query(&keys::log_metrics(tenant), SkRange::all()).await? {
        let mut sums = Sums::read(Some(&item))?;
        let count = sums.series.len();
        sums.series.retain(|sum| sum.at_ms >= before_ms);
        if sums.series.len() == count {
            continue;
        }
        let condition = Condition::Version(item.version);
        let outcome = match sums.series.is_empty() {
            true => table.delete(item.key, condition).await,
            false => table.put(item.key, sums.encode()?, None, condition).await.map(|_| ()),
        };
        match outcome {
            Err(error) if error.kind() != Kind::Conflict => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The series of one metric: a counter, or the buckets, the sum and the count of a histogram.
fn series(labels: &Labels, value: Value, at_ms: i64) -> Vec<BatchSeries> {
    let one = |suffix: &str, le: Option<String>, kind: MetricType, value: f64| {
        let mut builder = LabelsBuilder::from(labels);
        builder.set(
            METRIC_NAME,
            format!("{}{suffix}", labels.metric_name().unwrap_or_default()),
        );
        if let Some(le) = le {
            builder.set("le", le);
        }
        BatchSeries {
            labels: builder.build(),
            kind,
            samples: vec![Sample::float(at_ms, value)],
            exemplars: Vec::new(),
        }
    };
    #[allow(clippy::cast_precision_loss)] // As Prometheus counts.
    match value {
        Value::Counter(total) => vec![one("", None, MetricType::Counter, total)],
        Value::Histogram { bounds, counts, sum } => {
            let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            let mut count = 0;
            let mut all: Vec<BatchSeries> = bounds
                .zip(&counts)
                .map(|(bound, more)| {
                    count += more;
                    one("_bucket", Some(bound), MetricType::Histogram, count as f64)
                })
                .collect();
            all.push(one("_sum", None, MetricType::Histogram, sum));
            all.push(one("_count", None, MetricType::Histogram, count as f64));
            all
        }
    }
}
