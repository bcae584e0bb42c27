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
use std::collections::{BTreeMap, HashSet};

/// Batches add to one of so many lanes.
const LANES: u64 = 8;
/// The series of a lane stand in so many items.
const ITEMS: u64 = 4;
/// An item has at most so many series; what is beyond is counted without labels. It must fit into one item of the table
/// (400 KB).
const MAX_ITEM_SERIES: usize = 1_000;

/// A minute is taken again so often where others come between.
const MAX_ATTEMPTS: u32 = 4;

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

/// The totals of a tenant as samples of a minute that are to be sent; `None` where those of a later minute were taken
/// already: a total never falls from one minute to the next, however late or often a minute is asked for.
///
/// Invariant: the totals of a minute are read after those of every earlier minute. The mark of the last minute is read
/// before them, and replaced after only if it is the same still.
///
/// # Errors
/// As [`samples`].
pub async fn take(table: &dyn Table, tenant: &str, at_ms: i64) -> Result<Option<Vec<BatchSeries>>, Error> {
    let key = keys::log_metrics_minute(tenant);
    for _ in 0..MAX_ATTEMPTS {
        let mark = table.get(&key).await?;
        let last_ms = mark.as_ref().and_then(|mark| mark.value.parse().ok());
        if last_ms.is_some_and(|last_ms: i64| last_ms > at_ms) {
            return Ok(None);
        }
        let series = samples(table, tenant, at_ms).await?;
        if series.is_empty() {
            return Ok(Some(series));
        }
        let condition = mark.map_or(Condition::Absent, |mark| Condition::Version(mark.version));
        match table.put(key.clone(), at_ms.to_string(), None, condition).await {
            Ok(_) => return Ok(Some(series)),
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(
        Kind::Unavailable,
        "another minute came between at every attempt",
    ))
}

/// Forgets series that have not risen since `before_ms` in any lane: a part of a total would look like a reset. Where one
/// rises meanwhile, it and those beside it are left for the next time.
///
/// # Errors
/// As [`samples`].
pub async fn forget(table: &dyn Table, tenant: &str, before_ms: i64) -> Result<(), Error> {
    let mut by_number: BTreeMap<String, Vec<(Item, Sums)>> = BTreeMap::new();
    for item in table.query(&keys::log_metrics(tenant), SkRange::all()).await? {
        let number = item.key.sk.rsplit('/').next().unwrap_or_default().to_owned();
        let sums = Sums::read(Some(&item))?;
        by_number.entry(number).or_default().push((item, sums));
    }
    // A series stands in the items of one number.
    for (_, lanes) in by_number {
        let all = lanes.iter().flat_map(|(_, sums)| &sums.series);
        let risen = all.filter(|sum| sum.at_ms >= before_ms);
        let risen: HashSet<Labels> = risen.map(|sum| sum.labels.clone()).collect();
        let mut writes = Vec::new();
        for (item, mut sums) in lanes {
            let count = sums.series.len();
            sums.series.retain(|sum| risen.contains(&sum.labels));
            let condition = Condition::Version(item.version);
            if sums.series.is_empty() {
                writes.push(Write::Delete {
                    key: item.key,
                    condition,
                });
            } else if sums.series.len() < count {
                writes.push(Write::Put {
                    key: item.key,
                    value: sums.encode()?,
                    expires_at: None,
                    condition,
                });
            }
        }
        if writes.is_empty() {
            continue;
        }
        match table.transact(writes).await {
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

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::ConfigFiles;
    use parapet_ports::memory::MemoryPorts;

    const DAY_MS: i64 = crate::day::DAY_MS;

    /// Adds one to a counter, in the lane of a batch.
    async fn rise(table: &dyn Table, batch: &str, name: &str, at_ms: i64) {
        let observation = Observation {
            labels: Labels::from_pairs([(METRIC_NAME, name)]),
            timestamp_ns: 0,
            kind: MetricKind::Counter(1.0),
        };
        let raised = raised(table, "t", batch, &[&observation], at_ms).await.unwrap();
        table.transact(raised.writes).await.unwrap();
    }

    async fn total(table: &dyn Table, at_ms: i64) -> Option<Vec<f64>> {
        let series = take(table, "t", at_ms).await.unwrap()?;
        let values = series.iter().map(|series| match &series.samples[0].value {
            parapet_model::Value::Float(value) => *value,
            parapet_model::Value::Histogram(_) => f64::NAN,
        });
        Some(values.collect())
    }

    #[tokio::test]
    async fn a_minute_that_comes_late_is_left_out() {
        let world = MemoryPorts::new(0, ConfigFiles::default());
        let table = world.ports.table.as_ref();
        assert_eq!(total(table, 0).await, Some(Vec::new()));
        rise(table, "a", "x", 1).await;
        assert_eq!(total(table, 60_000).await, Some(vec![1.0]));
        // Asked for again, it may have risen, and is sent under the same id.
        rise(table, "b", "x", 2).await;
        assert_eq!(total(table, 60_000).await, Some(vec![2.0]));
        assert_eq!(total(table, 180_000).await, Some(vec![2.0]));
        rise(table, "c", "x", 3).await;
        assert_eq!(
            total(table, 120_000).await,
            None,
            "it would be above the minute after it"
        );
        assert_eq!(total(table, 180_000).await, Some(vec![3.0]));
    }

    #[tokio::test]
    async fn what_rises_in_one_lane_is_kept_in_all() {
        let world = MemoryPorts::new(0, ConfigFiles::default());
        let table = world.ports.table.as_ref();
        for batch in 0..20 {
            rise(table, &format!("old {batch}"), "x", 0).await;
            rise(table, &format!("old {batch}"), "y", 0).await;
        }
        rise(table, "new", "x", DAY_MS).await;
        forget(table, "t", 1).await.unwrap();
        assert_eq!(total(table, DAY_MS).await, Some(vec![21.0]), "x is whole, y is gone");
        forget(table, "t", DAY_MS + 1).await.unwrap();
        assert_eq!(total(table, DAY_MS).await, Some(Vec::new()));
    }
}
