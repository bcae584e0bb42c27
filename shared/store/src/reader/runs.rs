//! Reading for functions over long ranges: what lies within their windows is taken from rollups, what their edges cut
//! from samples.
//!
//! A row of a file is summed up where no edge of a window cuts it, no other row of its series overlaps it, and its
//! rollup tells enough. A day whose rollup stands for its files, and which no edge cuts, is one row for each series.
//! Series for which that would not be exact are read whole.

use super::again::ReadError;
use super::open_file::{OpenFile, ranges};
use super::{Inner, Only, Reader, may_match, ranged};
use crate::day::Day;
use crate::manifest::FileEntry;
use crate::rollups::{self, Resolution};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parapet_model::{Labels, Matcher, Rollup, Run, Series, Windows};
use parapet_ports::Error;
use parapet_segment::{RollupColumn, RowRun, SeriesMerger};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Below this range rows are cut as a rule, and looking at their rollups first costs more than it saves.
const MIN_RANGE_MS: i64 = 2 * 3_600_000;

/// Sums of runs that add up to less than this share of their magnitudes are not exact enough.
const MIN_SUM_SHARE: f64 = 1e-5;

/// Series, and what stands for those of their samples that are not there.
#[derive(Clone, Debug, Default)]
pub struct SummedUp {
    /// Sorted by labels, with the samples that are needed themselves.
    pub series: Vec<Series>,
    /// For each series its runs, in order of time.
    pub runs: Vec<Vec<Run>>,
}

impl From<Vec<Series>> for SummedUp {
    /// Nothing is summed up.
    fn from(series: Vec<Series>) -> Self {
        Self {
            series,
            runs: Vec::new(),
        }
    }
}

/// What a function needs of a run.
struct Need {
    columns: &'static [RollupColumn],
    /// It subtracts values: they must be finite.
    differences: bool,
    /// It adds up values: they must not cancel out.
    sums: bool,
}

impl Need {
    fn of(function: &str) -> Option<Self> {
        use RollupColumn::{Changes, First, Increase, Last, Max, Min, Resets, Sum};
        let columns: &[RollupColumn] = match function {
            "rate" | "increase" => &[First, Last, Increase, Resets],
            "delta" => &[First, Last],
            "avg_over_time" | "sum_over_time" => &[Sum],
            "changes" => &[First, Last, Changes],
            "resets" => &[First, Last, Resets],
            "first_over_time" => &[First],
            "last_over_time" => &[Last],
            "max_over_time" => &[Max],
            "min_over_time" => &[Min],
            "absent_over_time"
            | "count_over_time"
            | "present_over_time"
            | "ts_of_first_over_time"
            | "ts_of_last_over_time" => &[],
            _ => return None,
        };
        Some(Self {
            columns,
            differences: matches!(function, "rate" | "increase" | "delta"),
            sums: matches!(function, "avg_over_time" | "sum_over_time"),
        })
    }

    /// Every figure, as far as a row has them.
    fn all() -> Self {
        Self {
            columns: &RollupColumn::ALL,
            differences: true,
            sums: true,
        }
    }

    /// What a row with these times comes to, where that will do.
    fn run(&self, read: &RowRun, (start_ms, end_ms): (i64, i64)) -> Option<Run> {
        let is_finite = |all: &Rollup| all.first.is_finite() && all.last.is_finite() && all.corrections.is_finite();
        let rollup = read.rollup.filter(|rollup| !self.differences || is_finite(rollup))?;
        Some(Run {
            start_ms,
            end_ms,
            samples: read.samples,
            rollup,
        })
    }

    /// Whether sums over any windows of these runs are exact enough.
    fn accepts_sums(&self, runs: &[Run]) -> bool {
        if !self.sums {
            return true;
        }
        let (mut sum, mut magnitude) = (0.0, 0.0);
        for run in runs {
            sum += run.rollup.sum;
            magnitude += run.rollup.sum.abs();
        }
        // What is no number stays none, whatever is added.
        !magnitude.is_finite() || sum.abs() >= magnitude * MIN_SUM_SHARE
    }
}

/// A row of an open file.
#[derive(Clone, Copy)]
struct Row {
    file: usize,
    row: usize,
    start_ms: i64,
    end_ms: i64,
    run: Option<Run>,
    /// Its times may be those of staleness markers.
    has_stale: bool,
}

/// What has come together so far.
#[derive(Default)]
struct Gathered {
    series: HashMap<Labels, (SeriesMerger, Vec<Run>)>,
    /// Series to read whole.
    refused: HashSet<Labels>,
}

impl Gathered {
    fn of(&mut self, labels: &Labels) -> &mut (SeriesMerger, Vec<Run>) {
        self.series.entry(labels.clone()).or_default()
    }
}

impl Reader {
    /// As [`Reader::select`], for a function over windows: what its windows hold whole may be summed up.
    ///
    /// # Errors
    /// As [`Reader::select`].
    pub async fn select_runs(
        &self,
        tenant: &str,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        windows: &Windows,
    ) -> Result<SummedUp, Error> {
        match Need::of(windows.function) {
            Some(need) if windows.range_ms >= MIN_RANGE_MS => {
                let read = || {
                    self.inner
                        .select_runs(tenant, matchers, (start_ms, end_ms), windows, &need, None)
                };
                self.inner.again(read).await
            }
            _ => Ok(self.select(tenant, matchers, start_ms, end_ms).await?.into()),
        }
    }

    /// What a day's samples of some series come to, wherever that can be said without the samples; else the samples.
    pub(crate) async fn day_runs(
        &self,
        tenant: &str,
        matchers: &[Matcher],
        day: Day,
        only: &HashSet<Labels>,
    ) -> Result<SummedUp, Error> {
        let uncut = Windows {
            function: "",
            first_end_ms: i64::MAX,
            range_ms: 0,
            step_ms: 0,
            count: 0,
        };
        let (need, times) = (Need::all(), (day.start_ms(), day.last_ms()));
        let read = || {
            self.inner
                .select_runs(tenant, matchers, times, &uncut, &need, Some(only))
        };
        self.inner.again(read).await
    }

    /// Whether a file has series that pass any of the matcher sets.
    pub(crate) async fn holds_any(&self, file: &FileEntry, sets: &[Vec<Matcher>]) -> Result<bool, Error> {
        let open = self.inner.again(|| self.inner.open_ranged(file)).await?;
        let any = |matchers: &Vec<Matcher>| open.labels(matchers, i64::MIN, i64::MAX).next().is_some();
        Ok(sets.iter().any(any))
    }

    /// As [`Reader::select`], of some series alone.
    pub(crate) async fn select_only(
        &self,
        tenant: &str,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        only: &HashSet<Labels>,
    ) -> Result<Vec<Series>, Error> {
        let read = || self.inner.select(tenant, matchers, start_ms, end_ms, Some(only));
        self.inner.again(read).await
    }
}

impl Inner {
    async fn select_runs(
        &self,
        tenant: &str,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        windows: &Windows,
        need: &Need,
        only: Only<'_>,
    ) -> Result<SummedUp, ReadError> {
        let days = self.days(tenant, start_ms, end_ms).await?;
        let (first, last) = (Day::of_ms(start_ms), Day::of_ms(end_ms));
        let rollups = rollups::entries(self.table.as_ref(), tenant, first, last).await?;
        let (mut files, mut rolled) = (Vec::new(), Vec::new());
        for (day, live) in days {
            match rollups.get(&(day, Resolution::Day)) {
                Some(rollup)
                    if (rollup.sealed || rollup.stands_for(&live))
                        && !windows.cut(rollup.file.min_ts, rollup.file.max_ts) =>
                {
                    rolled.push((rollup.file.clone(), live));
                }
                _ => files.extend(live),
            }
        }
        let mut gathered = Gathered::default();
        files.extend(self.gather_days(rolled, matchers, need, only, &mut gathered).await?);
        files.retain(|file| file.min_ts <= end_ms && file.max_ts >= start_ms && may_match(file, matchers));
        self.gather_rows(&files, matchers, (start_ms, end_ms), windows, need, only, &mut gathered)
            .await?;
        for (labels, (merger, runs)) in &mut gathered.series {
            runs.sort_unstable_by_key(|run| run.start_ms);
            if !runs.is_empty() && (merger.has_histograms() || !need.accepts_sums(runs)) {
                gathered.refused.insert(labels.clone());
            }
        }
        let Gathered { series, refused } = gathered;
        let kept = series
            .into_iter()
            .filter(|(labels, (merger, runs))| !(refused.contains(labels) || (merger.is_empty() && runs.is_empty())));
        let mut all: Vec<(Series, Vec<Run>)> = kept
            .map(|(labels, (merger, runs))| (merger.finish(labels), runs))
            .collect();
        if !refused.is_empty() {
            let whole = self.select(tenant, matchers, start_ms, end_ms, Some(&refused)).await?;
            all.extend(whole.into_iter().map(|series| (series, Vec::new())));
        }
        all.sort_unstable_by(|a, b| a.0.labels.cmp(&b.0.labels));
        let (series, runs) = all.into_iter().unzip();
        Ok(SummedUp { series, runs })
    }

    /// Takes days from their rollups. Gives the files of the days whose rollup is not there any more.
    async fn gather_days(
        &self,
        days: Vec<(FileEntry, Vec<FileEntry>)>,
        matchers: &[Matcher],
        need: &Need,
        only: Only<'_>,
        gathered: &mut Gathered,
    ) -> Result<Vec<FileEntry>, ReadError> {
        let read = |(rollup, live): (FileEntry, Vec<FileEntry>)| async move {
            if !may_match(&rollup, matchers) {
                return Ok(Err(Vec::new()));
            }
            let file = match self.open_by_columns(&rollup, &rollup.key).await {
                Ok(file) => file,
                Err(ReadError::Gone(_)) => return Ok(Err(live)),
                Err(error) => return Err(error),
            };
            let rows = file.rows(matchers, i64::MIN, i64::MAX, only);
            let runs = file.clone().rollups(&self.objects, need.columns, rows).await?;
            Ok(Ok((file, runs)))
        };
        let mut read = stream::iter(days.into_iter().map(read).collect::<Vec<_>>())
            .buffered(self.settings.parallel_requests.max(1));
        let mut missing = Vec::new();
        while let Some(day) = read.try_next().await? {
            let (file, runs) = match day {
                Ok(read) => read,
                Err(live) => {
                    missing.extend(live);
                    continue;
                }
            };
            for (row, run) in runs {
                let labels = file.index().labels(row);
                match need.run(&run, file.index().times(row)) {
                    Some(run) => gathered.of(labels).1.push(run),
                    None => {
                        gathered.refused.insert(labels.clone());
                    }
                }
            }
        }
        Ok(missing)
    }

    /// Takes rows of files, summed up where that is possible.
    #[allow(clippy::too_many_arguments)]
    async fn gather_rows(
        &self,
        entries: &[FileEntry],
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        windows: &Windows,
        need: &Need,
        only: Only<'_>,
        gathered: &mut Gathered,
    ) -> Result<(), ReadError> {
        let open = |entry| async move {
            let file = self.open_ranged(entry).await?;
            let rows = file.rows(matchers, start_ms, end_ms, only);
            let uncut = |row: &usize| {
                let (from, to) = file.index().times(*row);
                !windows.cut(from, to)
            };
            let uncut = ranges(rows.iter().cloned().flatten().filter(uncut));
            let runs = file.clone().rollups(&self.objects, need.columns, uncut).await?;
            Ok::<_, ReadError>((file, rows, runs))
        };
        let files: Vec<_> = stream::iter(entries.iter().map(open).collect::<Vec<_>>())
            .buffered(self.settings.parallel_requests.max(1))
            .try_collect()
            .await?;
        let mut by_series: HashMap<Labels, Vec<Row>> = HashMap::new();
        for (number, (file, rows, runs)) in files.iter().enumerate() {
            let mut runs = runs.iter().peekable();
            let mut current: Option<(&Labels, Vec<Row>)> = None;
            for row in rows.iter().cloned().flatten() {
                let (start_ms, end_ms) = file.index().times(row);
                let read = runs.next_if(|(at, _)| *at == row).map(|(_, read)| read);
                // Exemplars, or nothing but staleness markers.
                if read.is_some_and(|read| read.samples == 0) {
                    continue;
                }
                let run = read.and_then(|read| need.run(read, (start_ms, end_ms)));
                let row = Row {
                    file: number,
                    row,
                    start_ms,
                    end_ms,
                    run,
                    has_stale: read.is_some_and(|read| read.has_stale),
                };
                let labels = file.index().labels(row.row);
                match &mut current {
                    Some((same, rows)) if *same == labels => rows.push(row),
                    _ => {
                        if let Some((labels, rows)) = current.replace((labels, vec![row])) {
                            by_series.entry(labels.clone()).or_default().extend(rows);
                        }
                    }
                }
            }
            if let Some((labels, rows)) = current {
                by_series.entry(labels.clone()).or_default().extend(rows);
            }
        }
        let mut raw: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); files.len()];
        for (labels, mut rows) in by_series {
            rows.sort_unstable_by_key(|row| (row.start_ms, row.end_ms));
            let mut reach = i64::MIN;
            for at in 0..rows.len() {
                let row = rows[at];
                let (before, after) = (at.checked_sub(1).map(|at| rows[at]), rows.get(at + 1));
                let alone = row.start_ms > reach && after.is_none_or(|after| after.start_ms > row.end_ms);
                reach = reach.max(row.end_ms);
                // Of runs only the first and the last times of a window count: those of others need not be exact.
                let within = || {
                    before.is_some_and(|before| !windows.cut(before.start_ms, row.end_ms))
                        && after.is_some_and(|after| !windows.cut(row.start_ms, after.end_ms))
                };
                match row.run.filter(|_| alone && (!row.has_stale || within())) {
                    Some(run) => gathered.of(&labels).1.push(run),
                    None => {
                        raw[row.file].insert(row.row);
                    }
                }
            }
        }
        let read = files.into_iter().zip(raw).map(|((file, ..), rows)| {
            let rows = ranges(rows.into_iter());
            file.choose(&self.objects, rows, start_ms, end_ms)
        });
        let mut read = stream::iter(read.collect::<Vec<_>>()).buffered(self.settings.parallel_reads.max(1));
        let mut samples = 0;
        while let Some(chosen) = read.try_next().await? {
            if let Some(chosen) = chosen {
                chosen.visit(start_ms, end_ms, |row| {
                    if row.len() > 0 {
                        samples += row.len();
                        row.push_to(&mut gathered.of(row.labels).0);
                    }
                });
            }
            self.check_samples(samples)?;
        }
        Ok(())
    }

    /// A file, fetched by the ranges that are needed unless it is held already.
    async fn open_ranged(&self, entry: &FileEntry) -> Result<Arc<OpenFile>, ReadError> {
        if entry.bytes <= self.settings.whole_rollup_bytes {
            return self.open(entry).await;
        }
        if let Some(file) = self.files.get(&entry.key) {
            return Ok(file);
        }
        self.open_by_columns(entry, &ranged(&entry.key)).await
    }

    /// A file of which some columns will be asked for.
    async fn open_by_columns(&self, entry: &FileEntry, cache_key: &str) -> Result<Arc<OpenFile>, ReadError> {
        let load = OpenFile::open(
            &self.objects,
            entry,
            self.labels.clone(),
            self.settings.whole_rollup_bytes,
            0,
        );
        self.files.get_or_load(cache_key, load).await
    }
}
