//! What is exported: series by metric and window of time, so that memory stays bounded.

use crate::storage::Storage;
use anyhow::{Context as _, anyhow, bail};
use parapet_model::{Exemplar, Labels, METRIC_NAME, Matcher, MetricType, Series};
use parapet_store::day::Day;
use parapet_store::{Dataset, Reader, ReaderSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// About so many samples are read at once.
const MAX_SAMPLES_AT_ONCE: u64 = 4_000_000;

pub(super) struct Source {
    storage: Storage,
    reader: Reader,
    /// A series is exported that passes every matcher of any set.
    sets: Vec<Vec<Matcher>>,
    /// The first and the last time that there is something of.
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// Samples and time range of each file.
    files: Vec<(u64, i64, i64)>,
}

impl Source {
    pub(super) fn open(
        path: &Path,
        tenant: Option<&str>,
        selectors: &[String],
        (start_ms, end_ms): (Option<i64>, Option<i64>),
    ) -> anyhow::Result<Self> {
        let mut sets = Vec::new();
        for selector in selectors {
            let set = parapet_promql::parse_selector(selector)
                .map_err(|error| anyhow!("--match {selector:?}: {error}; write up or '{{job=\"node\"}}'"))?;
            sets.push(set);
        }
        if sets.is_empty() {
            sets.push(Vec::new());
        }
        let storage = Storage::existing(path)?.of(tenant)?;
        let settings = ReaderSettings {
            // The reader is asked for little at a time.
            max_samples: 0,
            ..ReaderSettings::default()
        };
        let reader = Reader::new(&storage.ports, settings);
        let files = storage.runtime.block_on(files(&storage))?;
        let (first, last) = (
            files.iter().map(|file| file.1).min(),
            files.iter().map(|file| file.2).max(),
        );
        let Some((first_ms, last_ms)) = first.zip(last) else {
            bail!("{} has no samples of the tenant {}", path.display(), storage.tenant);
        };
        Ok(Self {
            reader,
            sets,
            start_ms: start_ms.map_or(first_ms, |start| start.max(first_ms)),
            end_ms: end_ms.map_or(last_ms, |end| end.min(last_ms)),
            files,
            storage,
        })
    }

    /// The kind of each metric, and of those without a name, that may have samples.
    pub(super) fn metrics(&self) -> anyhow::Result<BTreeMap<String, MetricType>> {
        let (reader, tenant) = (&self.reader, &self.storage.tenant);
        let (start_ms, end_ms) = (self.start_ms, self.end_ms);
        let work = async {
            let series = reader.series(tenant, &self.sets, start_ms, end_ms).await?;
            let kinds = reader.metric_types(tenant, start_ms, end_ms).await?;
            Ok::<_, parapet_ports::Error>((series, kinds))
        };
        let (series, kinds) = self.storage.runtime.block_on(work)?;
        let names: BTreeSet<&str> = series
            .iter()
            .map(|labels| labels.metric_name().unwrap_or_default())
            .collect();
        let kind = |name: &&str| kinds.get(*name).copied().unwrap_or_default();
        Ok(names.iter().map(|name| ((*name).to_owned(), kind(name))).collect())
    }

    /// The values of a label of a metric.
    pub(super) fn values(&self, metric: &str, label: &str) -> anyhow::Result<Vec<String>> {
        let (reader, tenant) = (&self.reader, &self.storage.tenant);
        let sets = self.of_metric(Some(metric));
        let values = reader.label_values(tenant, label, &sets, self.start_ms, self.end_ms);
        Ok(self.storage.runtime.block_on(values)?)
    }

    /// The series of a metric, or of all, sorted by labels, with their samples in the window.
    pub(super) fn select(&self, metric: Option<&str>, (start_ms, end_ms): (i64, i64)) -> anyhow::Result<Vec<Series>> {
        let mut by_labels: BTreeMap<Labels, Series> = BTreeMap::new();
        for set in self.of_metric(metric) {
            let select = self.reader.select(&self.storage.tenant, &set, start_ms, end_ms);
            let found = self.storage.runtime.block_on(select).context("samples do not read")?;
            // A series that several selectors match is the same each time.
            by_labels.extend(found.into_iter().map(|series| (series.labels.clone(), series)));
        }
        Ok(by_labels.into_values().collect())
    }

    /// The exemplars of a metric's series in the window.
    pub(super) fn exemplars(
        &self,
        metric: &str,
        (start_ms, end_ms): (i64, i64),
    ) -> anyhow::Result<BTreeMap<Labels, Vec<Exemplar>>> {
        let (reader, tenant) = (&self.reader, &self.storage.tenant);
        let sets = self.of_metric(Some(metric));
        let exemplars = self
            .storage
            .runtime
            .block_on(reader.exemplars(tenant, &sets, start_ms, end_ms))?;
        Ok(exemplars.into_iter().collect())
    }

    fn of_metric(&self, metric: Option<&str>) -> Vec<Vec<Matcher>> {
        let mut sets = self.sets.clone();
        if let Some(metric) = metric {
            sets.iter_mut()
                .for_each(|set| set.insert(0, Matcher::equal(METRIC_NAME, metric)));
        }
        sets
    }

    /// Windows of at most `width_ms`, from multiples of it, that cover a time; one where there is little to read.
    pub(super) fn windows(&self, (start_ms, end_ms): (i64, i64), width_ms: i64) -> Vec<(i64, i64)> {
        if self.is_little((start_ms, end_ms)) {
            return vec![(start_ms, end_ms)];
        }
        windows((start_ms, end_ms), width_ms)
    }

    /// Whether all that is stored of a time may be read at once.
    pub(super) fn is_little(&self, (start_ms, end_ms): (i64, i64)) -> bool {
        let overlapping = self.files.iter().filter(|file| file.1 <= end_ms && file.2 >= start_ms);
        let share = |&(samples, first_ms, last_ms): &(u64, i64, i64)| {
            let shared = last_ms.min(end_ms) - first_ms.max(start_ms) + 1;
            samples as f64 * shared as f64 / (last_ms - first_ms + 1) as f64
        };
        overlapping.map(share).sum::<f64>() <= MAX_SAMPLES_AT_ONCE as f64
    }
}

/// Windows of `width_ms`, from multiples of it, that cover a time.
pub(super) fn windows((start_ms, end_ms): (i64, i64), width_ms: i64) -> Vec<(i64, i64)> {
    let mut windows = Vec::new();
    let mut from_ms = start_ms;
    while from_ms <= end_ms {
        let last_ms = from_ms.div_euclid(width_ms) * width_ms + (width_ms - 1);
        windows.push((from_ms, last_ms.min(end_ms)));
        from_ms = last_ms + 1;
    }
    windows
}

async fn files(storage: &Storage) -> anyhow::Result<Vec<(u64, i64, i64)>> {
    let table = storage.ports.table.as_ref();
    let mut all = Vec::new();
    for day in Dataset::Metrics.all_days(table, &storage.tenant).await? {
        let day: Day = day;
        let files = Dataset::Metrics.files(table, &storage.tenant, day).await?;
        all.extend(files.iter().map(|file| (file.samples, file.min_ts, file.max_ts)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn windows_begin_at_multiples_and_miss_nothing() {
        assert_eq!(windows((5, 25), 10), [(5, 9), (10, 19), (20, 25)]);
        assert_eq!(windows((-5, 0), 10), [(-5, -1), (0, 0)]);
        assert_eq!(windows((7, 7), 10), [(7, 7)]);
        assert!(windows((8, 7), 10).is_empty());
    }
}
