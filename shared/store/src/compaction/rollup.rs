//! Making rollups of days that are over.

use super::Compaction;
use crate::day::Day;
use crate::manifest::{self, NewFile};
use crate::objects;
use crate::reader::SummedUp;
use crate::rollups::{self, ROLLUP_PREFIX, Resolution, RollupEntry};
use parapet_model::{Labels, METRIC_NAME, Matcher, MetricType, Rollup, Run, Series, is_stale_nan};
use parapet_ports::{Condition, Error, Kind, Write};
use parapet_segment::{Chunk, Samples, Segment, SegmentWriter};
use std::collections::{BTreeMap, HashSet};

/// Series that are worked on at once: of a day's rollup their rows are in memory, of finer ones their samples.
const DAY_SERIES: usize = 20_000;
const FINER_SERIES: usize = 1_000;

/// What came of making a rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RolledUp {
    Made,
    /// There is one already.
    Stands,
    /// There is nothing to make it of.
    Empty,
    /// The day changed meanwhile, or another run was quicker.
    Overtaken,
}

impl Compaction {
    /// Makes the rollup of a day, unless there is one that stands for the day's files, or one that is sealed. Where
    /// the files change meanwhile, nothing comes of it: the next run makes it anew.
    pub(super) async fn roll_up(&self, tenant: &str, day: Day, resolution: Resolution) -> Result<RolledUp, Error> {
        let files = self.dataset.files(self.table.as_ref(), tenant, day).await?;
        let old = rollups::entry(self.table.as_ref(), tenant, day, resolution).await?;
        if old.as_ref().is_some_and(|old| old.sealed || old.stands_for(&files)) {
            return Ok(RolledUp::Stands);
        }
        if files.is_empty() {
            return Ok(RolledUp::Empty);
        }
        let Some(segment) = self.sum_up(tenant, day, resolution).await? else {
            return Ok(RolledUp::Empty);
        };
        let output = NewFile::from(segment);
        let made_of = files.iter().map(|file| file.key.as_str());
        let name = manifest::file_name(&output.bytes, made_of, 0);
        let resolution_name = resolution.as_str();
        let key = format!("{ROLLUP_PREFIX}/tenant={tenant}/resolution={resolution_name}/dt={day}/{name}");
        objects::put_new(self.objects.as_ref(), key.clone(), output.bytes.clone()).await?;
        let now_ms = self.clock.now_ms();
        let file = output.entry(key, 0, now_ms);
        let entry = RollupEntry::new(file, &files);
        // Names of files never come again: the same set is the same content, and nothing has come and gone between.
        if !entry.stands_for(&self.dataset.files(self.table.as_ref(), tenant, day).await?) {
            return Ok(RolledUp::Overtaken);
        }
        let mut writes = vec![Write::Put {
            key: rollups::key(tenant, day, resolution),
            value: entry.encode()?,
            expires_at: None,
            condition: old
                .as_ref()
                .map_or(Condition::Absent, |old| Condition::Version(old.version)),
        }];
        if let Some(old) = old.filter(|old| old.file.key != entry.file.key) {
            writes.push(self.deletion(&[old.file.key.as_str()], now_ms)?);
        }
        match self.table.transact(writes).await {
            Ok(_) => Ok(RolledUp::Made),
            Err(error) if error.kind() == Kind::Conflict => Ok(RolledUp::Overtaken),
            Err(error) => Err(error),
        }
    }

    /// A row for each series and interval; `None` where there are no samples.
    async fn sum_up(&self, tenant: &str, day: Day, resolution: Resolution) -> Result<Option<Segment>, Error> {
        let (start_ms, end_ms) = (day.start_ms(), day.last_ms());
        let mut by_name: BTreeMap<String, Vec<(i64, Labels)>> = BTreeMap::new();
        for labels in self.reader.series(tenant, &[], start_ms, end_ms).await? {
            let name = labels.metric_name().unwrap_or_default().to_owned();
            by_name.entry(name).or_default().push((labels.series_id(), labels));
        }
        let kinds = self.reader.metric_types(tenant, start_ms, end_ms).await?;
        let mut writer = SegmentWriter::new(self.settings.encode.clone());
        for (name, mut series) in by_name {
            let matchers = [Matcher::equal(METRIC_NAME, &name)];
            series.sort_unstable();
            let at_once = match resolution {
                Resolution::Day => DAY_SERIES,
                Resolution::Hour | Resolution::FiveMinutes => FINER_SERIES,
            };
            let kind = kinds.get(&name).copied().unwrap_or_default();
            for part in series.chunks(at_once) {
                let only: HashSet<Labels> = part.iter().map(|(_, labels)| labels.clone()).collect();
                let read = match resolution {
                    Resolution::Day => self.reader.day_runs(tenant, &matchers, day, &only).await?,
                    Resolution::Hour | Resolution::FiveMinutes => SummedUp {
                        series: self
                            .reader
                            .select_only(tenant, &matchers, (start_ms, end_ms), &only)
                            .await?,
                        runs: Vec::new(),
                    },
                };
                let mut chunks = chunks(read, kind, resolution);
                chunks.sort_by_cached_key(|chunk| {
                    let labels = &chunk.labels;
                    (labels.series_id(), labels.clone(), chunk.samples.time_range())
                });
                for chunk in chunks {
                    let pushed = writer.push(chunk);
                    pushed
                        .map_err(|error| Error::new(Kind::Internal, "a rollup does not encode").with_source(error))?;
                }
            }
        }
        let finished = writer.finish();
        finished.map_err(|error| Error::new(Kind::Internal, "a rollup does not encode").with_source(error))
    }
}

fn chunks(SummedUp { series, runs }: SummedUp, kind: MetricType, resolution: Resolution) -> Vec<Chunk> {
    let runs = runs.into_iter().chain(std::iter::repeat_with(Vec::new));
    let mut chunks = Vec::with_capacity(series.len());
    for (series, runs) in series.into_iter().zip(runs) {
        let labels = series.labels.clone();
        chunks.extend(summaries(&series, &runs, resolution).into_iter().map(|samples| Chunk {
            labels: labels.clone(),
            kind,
            samples,
        }));
    }
    chunks
}

/// The summaries of a series, interval by interval. A day's is made of runs where there are some. One with native
/// histograms has no figures: whoever needs it must look at the samples.
fn summaries(series: &Series, runs: &[Run], resolution: Resolution) -> Vec<Samples> {
    let (times, values) = live(series);
    let summary = |run: Run| Samples::Summary {
        start_ms: run.start_ms,
        end_ms: run.end_ms,
        samples: run.samples,
        rollup: Some(run.rollup),
    };
    if let (Some(first), Some(last)) = (series.histograms.first(), series.histograms.last()) {
        return vec![Samples::Summary {
            start_ms: times.first().map_or(first.0, |time| first.0.min(*time)),
            end_ms: times.last().map_or(last.0, |time| last.0.max(*time)),
            samples: (times.len() + series.histograms.len()) as u64,
            rollup: None,
        }];
    }
    if !runs.is_empty() {
        let samples = times
            .iter()
            .zip(&values)
            .map(|(time, value)| Run::sample(*time, *value));
        let mut all: Vec<Run> = runs.iter().copied().chain(samples).collect();
        all.sort_unstable_by_key(|run| run.start_ms);
        let joined = all.into_iter().reduce(|mut all, run| {
            all.join(&run);
            all
        });
        return joined.map(summary).into_iter().collect();
    }
    let interval_ms = resolution.interval_ms();
    let interval = |time: i64| match resolution {
        Resolution::Day => 0,
        Resolution::Hour | Resolution::FiveMinutes => (time - 1).div_euclid(interval_ms),
    };
    let (mut summaries, mut from) = (Vec::new(), 0);
    while from < times.len() {
        let number = interval(times[from]);
        let until = from + times[from..].partition_point(|time| interval(*time) == number);
        summaries.extend(Rollup::of(&values[from..until]).map(|rollup| {
            summary(Run {
                start_ms: times[from],
                end_ms: times[until - 1],
                samples: (until - from) as u64,
                rollup,
            })
        }));
        from = until;
    }
    summaries
}

/// The float samples but for staleness markers.
fn live(series: &Series) -> (Vec<i64>, Vec<f64>) {
    let samples = series.timestamps.iter().zip(&series.values);
    samples
        .filter(|(_, value)| !is_stale_nan(**value))
        .map(|(time, value)| (*time, *value))
        .unzip()
}
