//! Blocks of Prometheus.

use super::Window;
use super::sink::Sink;
use anyhow::{Context as _, bail};
use parapet_model::{Sample, Value};
use parapet_store::day::{DAY_MS, Day};
use parapet_tsdb::{ChunkFiles, Index, IndexedSeries, Meta, ReadAt, Samples, Tombstones, file_name};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A file of a block.
#[derive(Debug)]
struct BlockFile(File);

impl ReadAt for BlockFile {
    fn size(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

struct Block {
    path: PathBuf,
    meta: Meta,
}

/// Imports a block, or all of a directory.
pub(super) fn import(path: &Path, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    warn_of_head(path);
    let blocks = find(path)?;
    let Window { start_ms, end_ms } = sink.window();
    let wanted = |block: &&Block| block.meta.min_time <= end_ms && block.meta.max_time > start_ms;
    let blocks: Vec<&Block> = blocks.iter().filter(wanted).collect();
    let samples = blocks.iter().map(|block| block.meta.stats.num_samples).sum();
    sink.show_progress(path.display().to_string(), samples, "{human_pos}/{human_len} samples");
    for block in blocks {
        import_block(block, sink).with_context(|| format!("block {}", block.path.display()))?;
    }
    Ok(())
}

/// The blocks of a directory in order of time, without those that others were made from.
fn find(path: &Path) -> anyhow::Result<Vec<Block>> {
    let read = |path: PathBuf| -> anyhow::Result<Block> {
        let bytes = std::fs::read(path.join("meta.json"))?;
        let meta = Meta::parse(&bytes).with_context(|| format!("block {}", path.display()))?;
        Ok(Block { path, meta })
    };
    if path.join("meta.json").is_file() {
        return Ok(vec![read(path.to_owned())?]);
    }
    let mut blocks = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?.path();
        // A block that is being written or deleted has another name.
        let is_block = entry.file_name().is_some_and(|name| name.len() == 26) && entry.join("meta.json").is_file();
        if is_block {
            blocks.push(read(entry)?);
        }
    }
    if blocks.is_empty() {
        bail!("there are no blocks: name Prometheus' data directory (--storage.tsdb.path), a snapshot, or a block");
    }
    // Prometheus deletes the blocks that a compaction has replaced some time after; both may be there.
    let parents = blocks.iter().flat_map(|block| &block.meta.compaction.parents);
    let replaced: HashSet<String> = parents.map(|parent| parent.ulid.clone()).collect();
    blocks.retain(|block| !replaced.contains(&block.meta.ulid) && !block.meta.compaction.deletable);
    blocks.sort_by(|a, b| (a.meta.min_time, &a.meta.ulid).cmp(&(b.meta.min_time, &b.meta.ulid)));
    Ok(blocks)
}

/// Says that the newest samples are in no block.
#[allow(clippy::print_stderr)]
fn warn_of_head(path: &Path) {
    if path.join("wal").is_dir() {
        eprintln!(
            "parapet: the newest hours of {0} are in its write-ahead log, in no block yet, and are not imported; import a \
             snapshot to have them (POST /api/v1/admin/tsdb/snapshot, with --web.enable-admin-api)",
            path.display()
        );
    }
}

/// No block is longer: a tenth of a retention of a century.
const MAX_DAYS: i64 = 3660;

/// Imports a block day by day, for a file of the store is of one day; within a day by series, so that a file has all
/// of a series' samples. Memory is the index' symbols and one batch.
fn import_block(block: &Block, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    let Meta { min_time, max_time, .. } = block.meta;
    if max_time <= min_time || max_time.saturating_sub(min_time) / DAY_MS > MAX_DAYS {
        bail!("meta.json: minTime {min_time} and maxTime {max_time} are no times of a block");
    }
    let index = Index::open(BlockFile(File::open(block.path.join("index")).context("index")?))?;
    let mut files = ChunkFiles::new(chunk_files(&block.path)?);
    let tombstones = match std::fs::read(block.path.join("tombstones")) {
        Ok(bytes) => Tombstones::parse(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Tombstones::default(),
        Err(error) => return Err(error).context("tombstones"),
    };
    let asked = sink.window();
    // The end of a block is not in it.
    let (first_ms, last_ms) = (min_time.max(asked.start_ms), (max_time - 1).min(asked.end_ms));
    let mut day = Day::of_ms(first_ms);
    while day.start_ms() <= last_ms {
        let window = Window {
            start_ms: day.start_ms().max(first_ms),
            end_ms: day.last_ms().min(last_ms),
        };
        for series in index.series() {
            let series = series?;
            let samples =
                read(&series, window, &tombstones, &mut files).with_context(|| format!("series {}", series.labels))?;
            if !samples.is_empty() {
                sink.progress.inc(samples.len() as u64);
                sink.push(day, &series.labels, samples)?;
            }
        }
        sink.flush()?;
        day = day.next();
    }
    Ok(())
}

/// `000001`, `000002`, …
fn chunk_files(block: &Path) -> anyhow::Result<Vec<BlockFile>> {
    let mut files = Vec::new();
    for number in 1.. {
        let path = block.join("chunks").join(file_name(number));
        match File::open(&path) {
            Ok(file) => files.push(BlockFile(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(files)
}

/// The samples of a series in the window that are not deleted.
fn read<R: ReadAt>(
    series: &IndexedSeries,
    window: Window,
    tombstones: &Tombstones,
    files: &mut ChunkFiles<R>,
) -> anyhow::Result<Vec<Sample>> {
    let is_touched = tombstones.touches(series.reference);
    let keep = |at: i64| window.holds(at) && !(is_touched && tombstones.hides(series.reference, at));
    let mut samples = Vec::new();
    let chunks = series.chunks.iter();
    for chunk in chunks.filter(|chunk| chunk.min_ms <= window.end_ms && chunk.max_ms >= window.start_ms) {
        match files.read(chunk.reference)? {
            Samples::Floats { timestamps, values } => {
                let floats = timestamps.into_iter().zip(values);
                samples.extend(
                    floats
                        .filter(|(at, _)| keep(*at))
                        .map(|(at, value)| Sample::float(at, value)),
                );
            }
            Samples::Histograms(histograms) => {
                let kept = histograms.into_iter().filter(|(at, _)| keep(*at));
                samples.extend(kept.map(|(timestamp_ms, histogram)| Sample {
                    timestamp_ms,
                    value: Value::Histogram(histogram),
                }));
            }
        }
    }
    Ok(samples)
}
