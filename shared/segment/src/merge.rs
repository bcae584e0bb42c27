//! Merging segments: many files in, few larger ones out, in one pass with bounded memory.

use crate::chunk::{Chunk, Part};
use crate::decode::{LabelColumns, MergeReader, RowSamples, SampleColumns, exemplars_of};
use crate::encode::{EncodeOptions, Segment, SegmentWriter};
use crate::error::contained;
use crate::{Error, SeriesMerger, Source};
use arrow_array::RecordBatch;
use parapet_model::{Exemplar, Labels, MetricType};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The samples of one series that have come together so far.
#[derive(Default)]
struct Gathered {
    labels: Labels,
    kind: (i64, MetricType),
    samples: SeriesMerger,
    exemplars: Vec<Exemplar>,
}

impl Gathered {
    /// The row tells the kind if it is known and the row is the newest that tells one.
    fn see_kind(&mut self, max_ts: i64, kind: MetricType) {
        if kind != MetricType::Unknown {
            self.kind = self.kind.max((max_ts, kind));
        }
    }

    fn into_chunks(self) -> Vec<Chunk> {
        Chunk::of_series(self.samples.finish(self.labels), self.kind.1, self.exemplars)
    }
}

/// An input, at one of its rows.
struct Cursor {
    reader: MergeReader,
    batch: RecordBatch,
    row: usize,
}

impl Cursor {
    fn open(source: &Source) -> Result<Option<Self>, Error> {
        let mut reader = MergeReader::open(source)?;
        let Some(batch) = reader.next_batch()? else {
            return Ok(None);
        };
        Ok(Some(Self { reader, batch, row: 0 }))
    }

    /// The next row; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        self.row += 1;
        while self.row >= self.batch.num_rows() {
            let Some(batch) = self.reader.next_batch()? else {
                return Ok(false);
            };
            (self.batch, self.row) = (batch, 0);
        }
        Ok(true)
    }
}

/// What decides which input is read next: by metric, then series id, as rows are sorted.
#[derive(PartialEq, Eq)]
struct Head {
    metric: Arc<str>,
    series_id: i64,
    input: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |head: &Self| (head.series_id, head.input);
        self.metric.cmp(&other.metric).then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Merges segments into segments of about `target_bytes`, cut between series, and at the times `cuts` (milliseconds,
/// rising): samples at or after a cut stand in another segment than those before it.
///
/// Samples of a series are brought together over all inputs, put in order of time, duplicates resolved
/// ([`SeriesMerger`]), and cut into chunks anew. In memory are: the inputs' compressed bytes as `sources` hold
/// them, a batch of rows of each, the samples of one series, and the output's compressed bytes.
///
/// # Errors
/// [`Error`] where an input does not read or the output cannot be written.
pub fn merge(
    sources: &[Source],
    options: &EncodeOptions,
    target_bytes: usize,
    cuts: &[i64],
) -> Result<Vec<Segment>, Error> {
    merge_kept(sources, options, target_bytes, cuts, &|_| true)
}

/// As [`merge`], of the series that `keep` tells to keep.
///
/// # Errors
/// As [`merge`].
pub fn merge_kept(
    sources: &[Source],
    options: &EncodeOptions,
    target_bytes: usize,
    cuts: &[i64],
    keep: &dyn Fn(&Labels) -> bool,
) -> Result<Vec<Segment>, Error> {
    contained(|| merge_contained(sources, options, target_bytes, cuts, keep))
}

fn merge_contained(
    sources: &[Source],
    options: &EncodeOptions,
    target_bytes: usize,
    cuts: &[i64],
    keep: &dyn Fn(&Labels) -> bool,
) -> Result<Vec<Segment>, Error> {
    let mut cursors = Vec::with_capacity(sources.len());
    for source in sources {
        cursors.extend(Cursor::open(source)?);
    }
    let mut heads = BinaryHeap::with_capacity(cursors.len());
    for (input, cursor) in cursors.iter().enumerate() {
        heads.push(Reverse(head(cursor, input, None)?));
    }
    let mut output = Output {
        options,
        target_bytes,
        cuts,
        keep,
        writers: cuts.iter().map(|_| None).chain([None]).collect(),
        segments: Vec::new(),
    };
    let mut gathered: Vec<Gathered> = Vec::new();
    let mut current: Option<(Arc<str>, i64)> = None;
    while let Some(Reverse(next)) = heads.pop() {
        if current
            .as_ref()
            .is_none_or(|(metric, id)| *id != next.series_id || **metric != *next.metric)
        {
            output.write(std::mem::take(&mut gathered))?;
            current = Some((next.metric.clone(), next.series_id));
        }
        let cursor = &mut cursors[next.input];
        gather(&mut gathered, cursor)?;
        if cursor.advance()? {
            heads.push(Reverse(head(cursor, next.input, Some(&next.metric))?));
        }
    }
    output.write(gathered)?;
    for place in 0..output.writers.len() {
        output.close(place)?;
    }
    Ok(output.segments)
}

fn head(cursor: &Cursor, input: usize, previous: Option<&Arc<str>>) -> Result<Head, Error> {
    let metric = LabelColumns::metric_of(&cursor.batch, cursor.row)?;
    let metric = match previous {
        Some(previous) if **previous == *metric => previous.clone(),
        _ => Arc::from(metric),
    };
    Ok(Head {
        metric,
        series_id: crate::decode::series_id_of(&cursor.batch, cursor.row)?,
        input,
    })
}

/// Adds the cursor's row to its series. There is one, unless two series share an id.
fn gather(gathered: &mut Vec<Gathered>, cursor: &Cursor) -> Result<(), Error> {
    let (batch, row) = (&cursor.batch, cursor.row);
    let columns = LabelColumns::of(batch)?;
    let place = match gathered.iter().position(|series| columns.equal(row, &series.labels)) {
        Some(place) => place,
        None => {
            gathered.push(Gathered {
                labels: columns.labels(row)?,
                kind: (i64::MIN, MetricType::Unknown),
                ..Gathered::default()
            });
            gathered.len() - 1
        }
    };
    let series = &mut gathered[place];
    series.exemplars.extend(exemplars_of(batch, row)?);
    let kind = crate::decode::kind_of(batch, row)?;
    match SampleColumns::of(batch)?.row(row)? {
        RowSamples::Floats { timestamps, values } => {
            series.see_kind(timestamps.last().copied().unwrap_or(i64::MIN), kind);
            series.samples.push_floats(timestamps, values);
        }
        RowSamples::Histograms { timestamps, histograms } => {
            series.see_kind(timestamps.last().copied().unwrap_or(i64::MIN), kind);
            for (at, histogram) in timestamps.iter().zip(histograms) {
                series.samples.push_histogram(*at, Arc::new(histogram));
            }
        }
    }
    Ok(())
}

struct Output<'a> {
    options: &'a EncodeOptions,
    target_bytes: usize,
    cuts: &'a [i64],
    keep: &'a dyn Fn(&Labels) -> bool,
    /// One for the samples before the first cut, one for those after each.
    writers: Vec<Option<SegmentWriter>>,
    segments: Vec<Segment>,
}

impl Output<'_> {
    fn write(&mut self, mut series: Vec<Gathered>) -> Result<(), Error> {
        series.retain(|series| (self.keep)(&series.labels));
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        for series in series {
            self.push(&series.into_chunks())?;
        }
        for place in 0..self.writers.len() {
            let size = self.writers[place].as_ref().map_or(0, SegmentWriter::size_bytes);
            if size >= self.target_bytes {
                self.close(place)?;
            }
        }
        Ok(())
    }

    /// Adds a series, each part of time to its writer.
    fn push(&mut self, chunks: &[Chunk]) -> Result<(), Error> {
        let mut rest: Vec<(MetricType, Part<'_>)> =
            chunks.iter().map(|chunk| (chunk.kind, chunk.samples.part())).collect();
        let Some(Chunk { labels, .. }) = chunks.first() else {
            return Ok(());
        };
        let id = labels.series_id();
        for place in 0..self.writers.len() {
            let (before, after) = match self.cuts.get(place) {
                Some(cut) => {
                    let split = |(kind, part)| {
                        let (before, after) = Part::split_at(part, *cut);
                        ((kind, before), (kind, after))
                    };
                    rest.into_iter().map(split).unzip()
                }
                None => (rest, Vec::new()),
            };
            rest = after;
            if before.iter().any(|(_, part)| part.len() > 0) {
                let options = self.options;
                self.writers[place]
                    .get_or_insert_with(|| SegmentWriter::new(options.clone()))
                    .push_parts(labels, id, before.into_iter())?;
            }
        }
        Ok(())
    }

    fn close(&mut self, place: usize) -> Result<(), Error> {
        if let Some(writer) = self.writers[place].take() {
            self.segments.extend(writer.finish()?);
        }
        Ok(())
    }
}
