//! Reading: matchers and a time range in, series out.

pub(crate) mod again;
pub(crate) mod cache;
mod exemplars;
pub(crate) mod hedge;
mod open_file;
mod runs;
mod series_labels;

pub use runs::SummedUp;

use crate::Dataset;
use crate::day::Day;
use crate::manifest::FileEntry;
use crate::rollups::{self, RollupEntry};
use crate::{blocking, tenant};
use again::ReadError;
use cache::Cache;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hedge::Hedged;
use open_file::{Only, OpenFile, fetch};
use parapet_model::{Labels, METRIC_NAME, MatchOp, Matcher, MetricType, Series};
use parapet_ports::{Error, Kind, Objects, Ports, Table};
use parapet_segment::{Footer, SeriesMerger};
use series_labels::SeriesLabels;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Limits and caches of a [`Reader`].
#[derive(Clone, Debug)]
pub struct ReaderSettings {
    /// Memory for open files: their indexes (labels and time ranges of rows), and the samples or bytes of small ones.
    pub cache_bytes: usize,
    /// Label sets that are remembered by their series' id.
    pub cached_label_sets: usize,
    /// A file up to this size is fetched whole, a larger one by the ranges that are needed.
    pub whole_file_bytes: u64,
    /// The same where a few columns of a file will do: where rollups are read instead of samples.
    pub whole_rollup_bytes: u64,
    /// A small file of up to this many samples is held decoded.
    pub decoded_file_samples: u64,
    /// A read that has no answer after so many milliseconds is asked for again; 0 for never.
    pub hedge_after_ms: u64,
    /// Requests to the object store under way at once, per call.
    pub parallel_requests: usize,
    /// Files of one call whose samples are read at once: each holds its decoded rows in memory.
    pub parallel_reads: usize,
    /// The most samples that one `select` gives; 0 for no limit.
    pub max_samples: usize,
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 128 << 20,
            cached_label_sets: 500_000,
            whole_file_bytes: 4 << 20,
            whole_rollup_bytes: 48 << 10,
            decoded_file_samples: 64 * 1024,
            hedge_after_ms: 500,
            parallel_requests: 16,
            parallel_reads: 4,
            max_samples: 50_000_000,
        }
    }
}

/// The files of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelStatus {
    /// How many files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Samples in them, duplicates counted.
    pub samples: u64,
    /// Rows (series chunks) in them.
    pub rows: u64,
}

/// What a tenant has stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Per level of compaction; 0 is what ingest writes.
    pub levels: BTreeMap<u8, LevelStatus>,
    /// Days that have files.
    pub days: u64,
    /// The earliest sample, milliseconds; `None` without data.
    pub min_time_ms: Option<i64>,
    /// The latest sample, milliseconds.
    pub max_time_ms: Option<i64>,
    /// Series in the newest day, about: the largest count of any of its files.
    pub series: u64,
}

/// Reads what is stored. Cheap to clone; clones share their caches.
#[derive(Clone, Debug)]
pub struct Reader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    objects: Objects,
    table: Arc<dyn Table>,
    settings: ReaderSettings,
    files: Cache<OpenFile>,
    labels: SeriesLabels,
}

impl Reader {
    /// A reader over the objects and the table of `ports`.
    #[must_use]
    pub fn new(ports: &Ports, settings: ReaderSettings) -> Self {
        let objects: Objects = match settings.hedge_after_ms {
            0 => ports.objects.clone(),
            after => Arc::new(Hedged::new(ports.objects.clone(), Duration::from_millis(after))),
        };
        Self {
            inner: Arc::new(Inner {
                objects,
                table: ports.table.clone(),
                files: Cache::new(settings.cache_bytes),
                labels: SeriesLabels::new(settings.cached_label_sets),
                settings,
            }),
        }
    }

    /// The series that pass every matcher, with their samples in `start_ms..=end_ms`, sorted by labels.
    /// Duplicates are merged, staleness markers are included, a series without samples in the range is left out.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table or the objects are; [`Kind::Corrupt`] where a file does not read;
    /// [`Kind::Invalid`] where there are more samples than `max_samples`.
    pub async fn select(
        &self,
        tenant: &str,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Series>, Error> {
        self.inner
            .again(|| self.inner.select(tenant, matchers, start_ms, end_ms, None))
            .await
    }

    /// The names of labels of the series that pass any of the matcher sets (all series where there is none).
    ///
    /// # Errors
    /// As [`Reader::select`].
    pub async fn label_names(
        &self,
        tenant: &str,
        matcher_sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<String>, Error> {
        let mut names = BTreeSet::new();
        for labels in self.label_sets(tenant, matcher_sets, start_ms, end_ms).await? {
            for (name, _) in &labels {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The values of a label over the series that pass any of the matcher sets, sorted.
    ///
    /// # Errors
    /// As [`Reader::select`].
    pub async fn label_values(
        &self,
        tenant: &str,
        name: &str,
        matcher_sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<String>, Error> {
        let mut values = BTreeSet::new();
        for labels in self.label_sets(tenant, matcher_sets, start_ms, end_ms).await? {
            if let Some(value) = labels.get(name)
                && !values.contains(value)
            {
                values.insert(value.to_owned());
            }
        }
        Ok(values.into_iter().collect())
    }

    /// The label sets that pass any of the matcher sets and have a chunk in the range, sorted.
    ///
    /// # Errors
    /// As [`Reader::select`].
    pub async fn series(
        &self,
        tenant: &str,
        matcher_sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Labels>, Error> {
        let sets = self.label_sets(tenant, matcher_sets, start_ms, end_ms).await?;
        let mut sorted: Vec<Labels> = sets.into_iter().collect();
        sorted.sort_unstable();
        Ok(sorted)
    }

    async fn label_sets(
        &self,
        tenant: &str,
        matcher_sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<HashSet<Labels>, Error> {
        self.inner
            .again(|| self.inner.label_sets(tenant, matcher_sets, start_ms, end_ms))
            .await
    }

    /// The kind of each metric that has data in the range, by metric name: what `/api/v1/metadata` needs.
    ///
    /// # Errors
    /// As [`Reader::select`].
    pub async fn metric_types(
        &self,
        tenant: &str,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<BTreeMap<String, MetricType>, Error> {
        self.inner
            .again(|| self.inner.metric_types(tenant, start_ms, end_ms))
            .await
    }

    /// The tenants that have (or had) data, sorted.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is.
    pub async fn tenants(&self) -> Result<Vec<String>, Error> {
        Dataset::Metrics.tenants(self.inner.table.as_ref()).await
    }

    /// Counts, sizes and the time range of what a tenant has stored, from the manifest alone.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is.
    pub async fn status(&self, tenant: &str) -> Result<Status, Error> {
        tenant::check(tenant).map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        let table = self.inner.table.as_ref();
        let mut status = Status::default();
        for day in Dataset::Metrics.all_days(table, tenant).await? {
            let files = Dataset::Metrics.files(table, tenant, day).await?;
            status.days += u64::from(!files.is_empty());
            if let Some(series) = files.iter().map(|file| file.series).max() {
                status.series = series;
            }
            for file in files {
                let level = status.levels.entry(file.level).or_default();
                level.files += 1;
                level.bytes += file.bytes;
                level.samples += file.samples;
                level.rows += file.rows;
                status.min_time_ms = Some(status.min_time_ms.map_or(file.min_ts, |min| min.min(file.min_ts)));
                status.max_time_ms = Some(status.max_time_ms.map_or(file.max_ts, |max| max.max(file.max_ts)));
            }
        }
        Ok(status)
    }
}

impl Inner {
    /// Reads again from the manifest where a file went away.
    async fn again<T, F: Future<Output = Result<T, ReadError>>>(&self, read: impl Fn() -> F) -> Result<T, Error> {
        let forget = |key: &str| {
            self.files.remove(key);
            self.files.remove(&ranged(key));
        };
        again::again(forget, read).await
    }

    /// The live files that may have samples in the range, by time.
    async fn files(&self, tenant: &str, start_ms: i64, end_ms: i64) -> Result<Vec<FileEntry>, Error> {
        let days = self.days(tenant, start_ms, end_ms).await?;
        let mut files: Vec<FileEntry> = days.into_iter().flat_map(|(_, files)| files).collect();
        files.retain(|file| file.min_ts <= end_ms && file.max_ts >= start_ms);
        files.sort_by_key(|file| file.min_ts);
        Ok(files)
    }

    /// The days of the range, each with all its live files.
    async fn days(&self, tenant: &str, start_ms: i64, end_ms: i64) -> Result<Vec<(Day, Vec<FileEntry>)>, Error> {
        tenant::check(tenant).map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        let (first, last) = (Day::of_ms(start_ms), Day::of_ms(end_ms));
        if first > last {
            return Ok(Vec::new());
        }
        let table = self.table.as_ref();
        let days = match first == last || first.next() == last {
            true => Vec::from_iter(BTreeSet::from([first, last])),
            false => Dataset::Metrics.days(table, tenant, first, last).await?,
        };
        let files = |day| async move { Ok::<_, Error>((day, Dataset::Metrics.files(table, tenant, day).await?)) };
        let mut days: Vec<(Day, Vec<FileEntry>)> = stream::iter(days.into_iter().map(files).collect::<Vec<_>>())
            .buffered(self.settings.parallel_requests.max(1))
            .try_collect()
            .await?;
        // Of days past their retention a rollup is left.
        if days.iter().any(|(_, files)| files.is_empty()) {
            let rollups = rollups::entries(table, tenant, first, last).await?;
            for (day, files) in days.iter_mut().filter(|(_, files)| files.is_empty()) {
                files.extend(RollupEntry::left_of(&rollups, *day).map(|entry| entry.file.clone()));
            }
        }
        Ok(days)
    }

    fn check_samples(&self, samples: usize) -> Result<(), Error> {
        let limit = self.settings.max_samples;
        if limit > 0 && samples > limit {
            return Err(Error::new(
                Kind::Invalid,
                format!("query would load more than {limit} samples"),
            ));
        }
        Ok(())
    }

    async fn open(&self, entry: &FileEntry) -> Result<Arc<OpenFile>, ReadError> {
        let settings = &self.settings;
        let load = OpenFile::open(
            &self.objects,
            entry,
            self.labels.clone(),
            settings.whole_file_bytes,
            settings.decoded_file_samples,
        );
        self.files.get_or_load(&entry.key, load).await
    }

    async fn select(
        &self,
        tenant: &str,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        only: Only<'_>,
    ) -> Result<Vec<Series>, ReadError> {
        let mut files = self.files(tenant, start_ms, end_ms).await?;
        files.retain(|file| may_match(file, matchers));
        // Files are taken in order of time, so that samples arrive sorted as a rule.
        // Collected, for the compiler cannot see that a future over a lazy `map` of references is `Send`.
        let mut chosen = stream::iter(files.iter().map(|entry| self.open(entry)).collect::<Vec<_>>())
            .buffered(self.settings.parallel_requests.max(1))
            .map_ok(|file| {
                let rows = file.rows(matchers, start_ms, end_ms, only);
                file.choose(&self.objects, rows, start_ms, end_ms)
            })
            .try_buffered(self.settings.parallel_reads.max(1));
        let mut by_labels: HashMap<Labels, SeriesMerger> = HashMap::new();
        let mut samples = 0usize;
        while let Some(rows) = chosen.try_next().await? {
            let Some(rows) = rows else { continue };
            rows.visit(start_ms, end_ms, |row| {
                if row.len() > 0 {
                    samples += row.len();
                    row.push_to(by_labels.entry(row.labels.clone()).or_default());
                }
            });
            self.check_samples(samples)?;
        }
        drop(chosen);
        let finish = move || {
            let mut series: Vec<Series> = by_labels
                .into_iter()
                .map(|(labels, merger)| merger.finish(labels))
                .collect();
            series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
            Ok(series)
        };
        if samples < 50_000 {
            Ok(finish()?)
        } else {
            Ok(blocking(finish).await?)
        }
    }

    async fn label_sets(
        &self,
        tenant: &str,
        matcher_sets: &[Vec<Matcher>],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<HashSet<Labels>, ReadError> {
        let everything = [Vec::new()];
        let sets = if matcher_sets.is_empty() {
            &everything
        } else {
            matcher_sets
        };
        let mut files = self.files(tenant, start_ms, end_ms).await?;
        files.retain(|file| sets.iter().any(|matchers| may_match(file, matchers)));
        let mut open = stream::iter(files.iter().map(|entry| self.open(entry)).collect::<Vec<_>>())
            .buffer_unordered(self.settings.parallel_requests.max(1));
        let mut found = HashSet::new();
        while let Some(file) = open.try_next().await? {
            for matchers in sets {
                for labels in file.labels(matchers, start_ms, end_ms) {
                    if !found.contains(labels) {
                        found.insert(labels.clone());
                    }
                }
            }
        }
        Ok(found)
    }

    async fn metric_types(
        &self,
        tenant: &str,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<BTreeMap<String, MetricType>, ReadError> {
        let mut kinds: BTreeMap<String, MetricType> = BTreeMap::new();
        for entry in self.files(tenant, start_ms, end_ms).await? {
            let store = self.objects.as_ref();
            let corrupt = |error| Error::new(Kind::Corrupt, "types of metrics do not read").with_source(error);
            let tail = entry.bytes.saturating_sub(entry.footer_bytes)..entry.bytes;
            let footer = Footer::read(&fetch(store, &entry.key, entry.bytes, vec![tail]).await?).map_err(corrupt)?;
            let source = fetch(store, &entry.key, entry.bytes, footer.type_ranges()).await?;
            for (metric, kind) in blocking(move || footer.read_types(&source).map_err(corrupt)).await? {
                let known = kinds.entry(metric).or_default();
                *known = kind.max(*known);
            }
        }
        Ok(kinds)
    }
}

/// A file's place in the cache where it is not held whole, though small enough for it.
fn ranged(key: &str) -> String {
    format!("{key}#ranged")
}

/// Whether the metric names of a file, which are sorted, leave room for the one that is asked for.
fn may_match(file: &FileEntry, matchers: &[Matcher]) -> bool {
    let named = |matcher: &&Matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal;
    let within = |name: &str| *file.first_metric <= *name && *name <= *file.last_metric;
    matchers.iter().filter(named).all(|matcher| within(&matcher.value))
}
