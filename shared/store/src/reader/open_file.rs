//! A file that is open: its index in memory, its samples in memory or one request away.

use super::again::ReadError;
use super::series_labels::SeriesLabels;
use crate::manifest::FileEntry;
use crate::{blocking, objects};
use object_store::ObjectStore;
use parapet_model::{Exemplar, Histogram, Labels, Matcher};
use parapet_ports::{Error, Kind, Objects};
use parapet_segment::{Footer, Index, RollupColumn, RowRun, RowSamples, SeriesMerger, Source, coalesce};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Ranges closer than this are fetched as one: a request costs more than the bytes in between.
const COALESCE_BYTES: u64 = 16 * 1024;

fn corrupt(key: &str, error: parapet_segment::Error) -> Error {
    Error::new(Kind::Corrupt, format!("file {key} does not read")).with_source(error)
}

#[derive(Debug)]
pub(super) struct OpenFile {
    key: String,
    index: Index,
    body: Body,
    /// Its rows have no samples: the first and the last one, which their rollups tell, stand for them.
    is_rollup: bool,
}

/// Where samples are.
#[derive(Debug)]
enum Body {
    /// A small file is decoded when it is opened: queries of the newest data meet many of them.
    Decoded(Rows, RowExemplars),
    /// The file's bytes.
    Whole(Footer, Source),
    /// In the object store.
    Remote(Footer, u64),
}

/// The series that are wanted of those that pass; `None` for all.
pub(super) type Only<'a> = Option<&'a HashSet<Labels>>;

/// The exemplars of rows that have some, by number of row, in order.
type RowExemplars = Vec<(usize, Vec<Exemplar>)>;

/// Samples of rows, row after row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    timestamps: Vec<i64>,
    values: Vec<f64>,
    histograms: Vec<(i64, Arc<Histogram>)>,
}

#[derive(Debug)]
struct Row {
    number: usize,
    floats: Range<usize>,
    histograms: Range<usize>,
}

/// A row as the reader takes it: labels and samples within the range.
pub(super) struct RowView<'a> {
    pub(super) labels: &'a Labels,
    timestamps: &'a [i64],
    values: &'a [f64],
    histograms: &'a [(i64, Arc<Histogram>)],
}

impl RowView<'_> {
    /// How many samples there are.
    pub(super) fn len(&self) -> usize {
        self.timestamps.len() + self.histograms.len()
    }

    pub(super) fn push_to(&self, series: &mut SeriesMerger) {
        series.push_floats(self.timestamps, self.values);
        for (at, histogram) in self.histograms {
            series.push_histogram(*at, histogram.clone());
        }
    }
}

impl Rows {
    fn push(&mut self, number: usize, samples: RowSamples<'_>, start_ms: i64, end_ms: i64) {
        let (floats, histograms) = (self.timestamps.len(), self.histograms.len());
        let within = |timestamps: &[i64]| {
            timestamps.partition_point(|at| *at < start_ms)..timestamps.partition_point(|at| *at <= end_ms)
        };
        match samples {
            RowSamples::Floats { timestamps, values } => {
                let within = within(timestamps);
                self.timestamps.extend_from_slice(&timestamps[within.clone()]);
                self.values.extend_from_slice(&values[within]);
            }
            RowSamples::Histograms { timestamps, histograms } => {
                let samples = timestamps.iter().copied().zip(histograms.into_iter().map(Arc::new));
                self.histograms
                    .extend(samples.filter(|(at, _)| (start_ms..=end_ms).contains(at)));
            }
        }
        let (floats, histograms) = (floats..self.timestamps.len(), histograms..self.histograms.len());
        self.rows.push(Row {
            number,
            floats,
            histograms,
        });
    }

    fn view<'a>(&'a self, row: &'a Row, index: &'a Index, start_ms: i64, end_ms: i64) -> RowView<'a> {
        let timestamps = &self.timestamps[row.floats.clone()];
        let first = timestamps.partition_point(|at| *at < start_ms);
        let end = timestamps.partition_point(|at| *at <= end_ms).max(first);
        let histograms = &self.histograms[row.histograms.clone()];
        let first_histogram = histograms.partition_point(|(at, _)| *at < start_ms);
        let end_histogram = histograms.partition_point(|(at, _)| *at <= end_ms).max(first_histogram);
        RowView {
            labels: index.labels(row.number),
            timestamps: &timestamps[first..end],
            values: &self.values[row.floats.clone()][first..end],
            histograms: &histograms[first_histogram..end_histogram],
        }
    }

    fn size_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.timestamps.capacity() * 16
            + self
                .histograms
                .iter()
                .map(|(_, h)| 200 + 8 * h.positive_buckets.len())
                .sum::<usize>()
    }
}

/// The rows of a file that a query wants, with what is needed to read them.
pub(super) struct Chosen {
    file: Arc<OpenFile>,
    rows: Vec<Range<usize>>,
    read: Option<Rows>,
}

impl OpenFile {
    /// Opens a file, and says how much memory it takes.
    pub(super) async fn open(
        store: &Objects,
        entry: &FileEntry,
        labels: SeriesLabels,
        whole_file_bytes: u64,
        decoded_file_samples: u64,
    ) -> Result<(Arc<Self>, usize), ReadError> {
        let key = entry.key.clone();
        let is_small = entry.bytes <= whole_file_bytes;
        let source = if is_small {
            Source::whole(
                objects::get(store.as_ref(), &key)
                    .await?
                    .ok_or_else(|| ReadError::Gone(key.clone()))?,
            )
        } else {
            let tail = entry.bytes.saturating_sub(entry.footer_bytes)..entry.bytes;
            fetch(store.as_ref(), &key, entry.bytes, vec![tail]).await?
        };
        let footer = Footer::read(&source).map_err(|error| corrupt(&key, error))?;
        let source = match is_small {
            true => source,
            false => fetch(store.as_ref(), &key, entry.bytes, footer.index_ranges()).await?,
        };
        let is_rollup = entry.is_rollup();
        let decode = is_small && !is_rollup && entry.samples <= decoded_file_samples;
        let size = entry.bytes;
        Ok(blocking(move || {
            let index = footer
                .read_index(&source, &mut labels.clone())
                .map_err(|error| corrupt(&key, error))?;
            let body = if decode {
                let mut rows = Rows::default();
                let all = 0..footer.rows();
                let all = std::slice::from_ref(&all);
                footer
                    .read_rows(&source, all, |row, samples| rows.push(row, samples, i64::MIN, i64::MAX))
                    .map_err(|error| corrupt(&key, error))?;
                let exemplars = read_exemplars(&footer, &source, all).map_err(|error| corrupt(&key, error))?;
                Body::Decoded(rows, exemplars)
            } else if is_small {
                Body::Whole(footer, source)
            } else {
                Body::Remote(footer, size)
            };
            let file = Self {
                key,
                index,
                body,
                is_rollup,
            };
            let size_bytes = file.size_bytes();
            Ok((Arc::new(file), size_bytes))
        })
        .await?)
    }

    fn size_bytes(&self) -> usize {
        self.index.size_bytes()
            + match &self.body {
                Body::Decoded(rows, exemplars) => rows.size_bytes() + exemplars.len() * 200,
                Body::Whole(footer, source) => footer.size_bytes() + source.size_bytes(),
                Body::Remote(footer, _) => footer.size_bytes(),
            }
    }

    /// The labels of rows that pass, repeats included.
    pub(super) fn labels(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> impl Iterator<Item = &Labels> {
        self.index
            .select(matchers, start_ms, end_ms)
            .into_iter()
            .flatten()
            .map(|row| self.index.labels(row))
    }

    /// The rows that pass.
    pub(super) fn rows(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64, only: Only<'_>) -> Vec<Range<usize>> {
        let rows = self.index.select(matchers, start_ms, end_ms);
        let Some(only) = only else { return rows };
        ranges(
            rows.into_iter()
                .flatten()
                .filter(|row| only.contains(self.index.labels(*row))),
        )
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// What rows come to. Of a decoded file nothing: its samples are at hand.
    pub(super) async fn rollups(
        self: Arc<Self>,
        store: &Objects,
        columns: &'static [RollupColumn],
        rows: Vec<Range<usize>>,
    ) -> Result<Vec<(usize, RowRun)>, ReadError> {
        let (footer, source) = match &self.body {
            _ if rows.is_empty() => return Ok(Vec::new()),
            Body::Decoded(..) => return Ok(Vec::new()),
            Body::Whole(footer, source) => (footer.clone(), source.clone()),
            Body::Remote(footer, size) => {
                let ranges = footer.run_ranges(columns, &rows);
                (footer.clone(), fetch(store.as_ref(), &self.key, *size, ranges).await?)
            }
        };
        let key = self.key.clone();
        Ok(blocking(move || {
            let mut runs = Vec::new();
            footer
                .read_runs(&source, columns, &rows, |row, run| runs.push((row, run)))
                .map_err(|error| corrupt(&key, error))?;
            Ok(runs)
        })
        .await?)
    }

    /// The first and the last sample of each row.
    async fn ends_of_runs(
        self: Arc<Self>,
        store: &Objects,
        rows: Vec<Range<usize>>,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Rows, ReadError> {
        let mut ends = Rows::default();
        let runs = self
            .clone()
            .rollups(store, &[RollupColumn::First, RollupColumn::Last], rows)
            .await?;
        for (row, run) in runs {
            let ((first, last), Some(rollup)) = (self.index.times(row), run.rollup) else {
                continue;
            };
            let count = if first == last { 1 } else { 2 };
            let samples = RowSamples::Floats {
                timestamps: &[first, last][..count],
                values: &[rollup.first, rollup.last][..count],
            };
            ends.push(row, samples, start_ms, end_ms);
        }
        Ok(ends)
    }

    /// Reads the samples of rows.
    pub(super) async fn choose(
        self: Arc<Self>,
        store: &Objects,
        rows: Vec<Range<usize>>,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Option<Chosen>, ReadError> {
        if rows.is_empty() {
            return Ok(None);
        }
        if self.is_rollup {
            let read = self.clone().ends_of_runs(store, rows.clone(), start_ms, end_ms).await?;
            return Ok(Some(Chosen {
                file: self,
                rows,
                read: Some(read),
            }));
        }
        let (footer, source) = match &self.body {
            Body::Decoded(..) => {
                return Ok(Some(Chosen {
                    file: self,
                    rows,
                    read: None,
                }));
            }
            Body::Whole(footer, source) => (footer.clone(), source.clone()),
            Body::Remote(footer, size) => (
                footer.clone(),
                fetch(store.as_ref(), &self.key, *size, footer.row_ranges(&rows)).await?,
            ),
        };
        let key = self.key.clone();
        let (rows, read) = blocking(move || {
            let mut read = Rows::default();
            footer
                .read_rows(&source, &rows, |row, samples| read.push(row, samples, start_ms, end_ms))
                .map_err(|error| corrupt(&key, error))?;
            Ok((rows, read))
        })
        .await?;
        Ok(Some(Chosen {
            file: self,
            rows,
            read: Some(read),
        }))
    }
}

impl OpenFile {
    /// The exemplars of rows that pass, with the labels of each row. A row may have exemplars outside the range.
    pub(super) async fn exemplars(
        &self,
        store: &Objects,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError> {
        let rows = self.index.select(matchers, start_ms, end_ms);
        let chosen: RowExemplars = match &self.body {
            Body::Decoded(_, exemplars) => rows
                .iter()
                .flat_map(|range| {
                    let from = exemplars.partition_point(|(row, _)| *row < range.start);
                    exemplars[from..].iter().take_while(|(row, _)| *row < range.end)
                })
                .cloned()
                .collect(),
            Body::Whole(footer, source) => {
                read_exemplars(footer, source, &rows).map_err(|error| corrupt(&self.key, error))?
            }
            Body::Remote(footer, size) => {
                let ranges = footer.exemplar_ranges(&rows);
                if ranges.is_empty() {
                    return Ok(Vec::new());
                }
                let source = fetch(store.as_ref(), &self.key, *size, ranges).await?;
                read_exemplars(footer, &source, &rows).map_err(|error| corrupt(&self.key, error))?
            }
        };
        let with_labels = |(row, exemplars)| (self.index.labels(row).clone(), exemplars);
        Ok(chosen.into_iter().map(with_labels).collect())
    }
}

fn read_exemplars(
    footer: &Footer,
    source: &Source,
    rows: &[Range<usize>],
) -> Result<RowExemplars, parapet_segment::Error> {
    let mut read = Vec::new();
    footer.read_exemplars(source, rows, |row, exemplars| read.push((row, exemplars)))?;
    Ok(read)
}

impl Chosen {
    /// Hands every row to `visit`.
    pub(super) fn visit(&self, start_ms: i64, end_ms: i64, mut visit: impl FnMut(RowView<'_>)) {
        let index = &self.file.index;
        match (&self.read, &self.file.body) {
            (Some(read), _) => read
                .rows
                .iter()
                .for_each(|row| visit(read.view(row, index, start_ms, end_ms))),
            (None, Body::Decoded(decoded, _)) => {
                let rows = self.rows.iter().flat_map(|range| &decoded.rows[range.clone()]);
                rows.for_each(|row| visit(decoded.view(row, index, start_ms, end_ms)));
            }
            (None, _) => {}
        }
    }
}

/// Rising numbers as ranges.
pub(super) fn ranges(numbers: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => ranges.push(number..number + 1),
        }
    }
    ranges
}

/// Fetches ranges of a file.
pub(super) async fn fetch(
    store: &dyn ObjectStore,
    key: &str,
    size: u64,
    ranges: Vec<Range<u64>>,
) -> Result<Source, ReadError> {
    let ranges = coalesce(ranges, COALESCE_BYTES);
    let parts = objects::get_ranges(store, key, &ranges).await?;
    Ok(Source::parts(
        size,
        parts.ok_or_else(|| ReadError::Gone(key.to_owned()))?,
    ))
}
