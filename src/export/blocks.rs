//! Blocks of Prometheus.

use super::Count;
use super::source::{Source, windows};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use parapet_model::{Labels, Series};
use parapet_tsdb::{
    BlockSeries, ChunkMeta, ChunkWriter, Compaction, Meta, Samples, Stats, encode, file_name, ulid, write_index,
};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// The longest block that Prometheus' defaults make (15 days' retention): later compactions take it as their own.
const BLOCK_MS: i64 = 18 * HOUR_MS;
/// The range of the head, in which chunks are cut.
const CHUNKS_MS: i64 = 2 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// Writes a block for each 18 hours that have samples.
pub(super) fn write(source: &Source, directory: &Path) -> anyhow::Result<Count> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let all = windows((source.start_ms, source.end_ms), BLOCK_MS);
    let progress = ProgressBar::new(all.len() as u64).with_message("blocks");
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        progress.set_style(style);
    }
    let (mut count, mut seen) = (Count::default(), HashSet::new());
    for window in all {
        let stats = write_block(source, directory, window, &mut seen)
            .with_context(|| format!("cannot write a block into {}", directory.display()))?;
        count.samples += stats.num_samples;
        progress.inc(1);
    }
    progress.finish_and_clear();
    count.series = seen.len() as u64;
    Ok(count)
}

/// A block that is being written: Prometheus deletes what is left of one when it starts.
const UNFINISHED: &str = "parapet.tmp-for-creation";

fn write_block(
    source: &Source,
    directory: &Path,
    window: (i64, i64),
    seen: &mut HashSet<i64>,
) -> anyhow::Result<Stats> {
    let unfinished = directory.join(UNFINISHED);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(unfinished.join("chunks"))?;
    let mut block =
        BlockBuilder::new(|number| File::create(unfinished.join("chunks").join(file_name(number))).map(BufWriter::new));
    for part in windows(window, CHUNKS_MS) {
        if source.is_little(part) {
            block.add(source.select(None, part)?)?;
            continue;
        }
        for metric in source.metrics()?.into_keys() {
            block.add(source.select(Some(&metric), part)?)?;
        }
    }
    let Some((meta, series)) = block.finish()? else {
        fs::remove_dir_all(&unfinished)?;
        return Ok(Stats::default());
    };
    seen.extend(series.iter().map(|one| one.labels.series_id()));
    write_index(BufWriter::new(File::create(unfinished.join("index"))?), &series)?;
    let mut file = File::create(unfinished.join("meta.json"))?;
    file.write_all(&meta.to_json())?;
    for entry in [unfinished.join("index"), unfinished.join("meta.json")] {
        File::open(entry)?.sync_all()?;
    }
    let finished = directory.join(&meta.ulid);
    if finished.exists() {
        // The same samples give the same name: it is this block, perhaps cut off.
        fs::remove_dir_all(&finished)?;
    }
    fs::rename(&unfinished, &finished)?;
    Ok(meta.stats)
}

/// Gathers the chunks of a block.
struct BlockBuilder<F> {
    chunks: ChunkWriter<BufWriter<File>, F>,
    series: BTreeMap<Labels, Vec<ChunkMeta>>,
    stats: Stats,
    times: Option<(i64, i64)>,
    /// Of every chunk and its series: the block's name.
    hasher: Xxh3,
}

impl<F: FnMut(u32) -> std::io::Result<BufWriter<File>>> BlockBuilder<F> {
    fn new(open: F) -> Self {
        Self {
            chunks: ChunkWriter::new(open),
            series: BTreeMap::new(),
            stats: Stats::default(),
            times: None,
            hasher: Xxh3::new(),
        }
    }

    /// Adds samples, for each series later ones than before.
    fn add(&mut self, all: Vec<Series>) -> anyhow::Result<()> {
        for series in all {
            self.stats.num_float_samples += series.values.len() as u64;
            self.stats.num_histogram_samples += series.histograms.len() as u64;
            for samples in runs(&series) {
                for chunk in encode(&samples) {
                    let reference = self.chunks.write(&chunk)?;
                    self.hasher.update(&series.labels.series_id().to_le_bytes());
                    self.hasher.update(&chunk.bytes);
                    let times = self.times.get_or_insert((chunk.min_ms, chunk.max_ms));
                    *times = (times.0.min(chunk.min_ms), times.1.max(chunk.max_ms));
                    let of_series = match self.series.get_mut(&series.labels) {
                        Some(chunks) => chunks,
                        None => self.series.entry(series.labels.clone()).or_default(),
                    };
                    of_series.push(ChunkMeta {
                        min_ms: chunk.min_ms,
                        max_ms: chunk.max_ms,
                        reference,
                    });
                    self.stats.num_chunks += 1;
                }
            }
        }
        Ok(())
    }

    /// What the block is, and its series; `None` where it has none.
    fn finish(mut self) -> anyhow::Result<Option<(Meta, Vec<BlockSeries>)>> {
        if let Some(file) = self.chunks.finish()? {
            file.into_inner()
                .map_err(std::io::IntoInnerError::into_error)?
                .sync_all()?;
        }
        let Some((first_ms, last_ms)) = self.times else {
            return Ok(None);
        };
        self.stats.num_samples = self.stats.num_float_samples + self.stats.num_histogram_samples;
        self.stats.num_series = self.series.len() as u64;
        let name = ulid(u64::try_from(last_ms).unwrap_or_default(), self.hasher.digest128());
        let meta = Meta {
            compaction: Compaction {
                level: 1,
                sources: vec![name.clone()],
                ..Compaction::default()
            },
            ulid: name,
            min_time: first_ms,
            max_time: last_ms + 1,
            stats: self.stats,
            version: 1,
        };
        let series = self
            .series
            .into_iter()
            .map(|(labels, chunks)| BlockSeries { labels, chunks });
        Ok(Some((meta, series.collect())))
    }
}

/// The samples of a series in order of time, floats and histograms apart.
fn runs(series: &Series) -> Vec<Samples> {
    let floats = |range: std::ops::Range<usize>| Samples::Floats {
        timestamps: series.timestamps[range.clone()].to_vec(),
        values: series.values[range].to_vec(),
    };
    let mut runs = Vec::new();
    let (mut at, mut rest) = (0, &series.histograms[..]);
    while let Some((next_ms, _)) = rest.first() {
        let end = at + series.timestamps[at..].partition_point(|time| time < next_ms);
        if end > at {
            runs.push(floats(at..end));
        }
        let count = match series.timestamps.get(end) {
            Some(float_ms) => rest.partition_point(|(time, _)| time < float_ms),
            None => rest.len(),
        };
        runs.push(Samples::Histograms(rest[..count].to_vec()));
        (at, rest) = (end, &rest[count..]);
    }
    if at < series.timestamps.len() {
        runs.push(floats(at..series.timestamps.len()));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Histogram;
    use std::sync::Arc;

    #[test]
    fn floats_and_histograms_alternate_in_order_of_time() {
        let histogram = |at: i64| (at, Arc::new(Histogram::default()));
        let series = Series {
            timestamps: vec![1, 2, 5, 9],
            values: vec![1.0, 2.0, 5.0, 9.0],
            histograms: vec![histogram(3), histogram(4), histogram(7)],
            ..Series::default()
        };
        let floats = |times: &[i64]| Samples::Floats {
            timestamps: times.to_vec(),
            values: times.iter().map(|time| *time as f64).collect(),
        };
        let want = [
            floats(&[1, 2]),
            Samples::Histograms(vec![histogram(3), histogram(4)]),
            floats(&[5]),
            Samples::Histograms(vec![histogram(7)]),
            floats(&[9]),
        ];
        assert_eq!(runs(&series), want);
        assert_eq!(runs(&Series::default()), []);
    }
}
