//! The ends of series, found in the store: nothing else remembers what was sent.

use parapet_ml::Snapshot;
use parapet_model::{BatchSeries, Labels, Matcher, MetricType, Sample, is_stale_nan, stale_nan};
use parapet_ports::Error;
use parapet_store::Reader;
use std::collections::HashSet;

/// How far back is looked for series: longer than samples take to be stored, ticks that were missed included.
const BACK_MS: i64 = 15 * 60_000;

/// Markers at `at_ms` for the exporter's series that were sent before and are not in `found`. A marker that is not stored
/// yet at the next tick is sent again, which does no harm.
///
/// # Errors
/// Where the store cannot be read.
pub(crate) async fn markers(
    reader: &Reader,
    tenant: &str,
    found: &[BatchSeries],
    at_ms: i64,
) -> Result<Vec<BatchSeries>, Error> {
    let (name, value) = Snapshot::JOB;
    let ours = [Matcher::equal(name, value)];
    let stored = reader.select(tenant, &ours, at_ms - BACK_MS, at_ms - 1).await?;
    let found: HashSet<&Labels> = found.iter().map(|series| &series.labels).collect();
    let ended = stored.into_iter().filter(|series| {
        let is_ours = series.labels.metric_name().is_some_and(|name| name.starts_with("ml_"));
        let lives = series.values.last().is_some_and(|last| !is_stale_nan(*last));
        is_ours && lives && !found.contains(&series.labels)
    });
    let marker = |labels| BatchSeries {
        labels,
        kind: MetricType::Gauge,
        samples: vec![Sample::float(at_ms, stale_nan())],
        exemplars: Vec::new(),
    };
    Ok(ended.map(|series| marker(series.labels)).collect())
}
