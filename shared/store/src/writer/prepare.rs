//! Batches become the files of a commit: what they have of a series on a day comes together, in the order of rows.

use super::WriterSettings;
use crate::day::Day;
use crate::limits::{Limits, Refusal, Refusals};
use crate::manifest::NewFile;
use parapet_model::{BatchSeries, MetricType, SampleBatch, Value};
use parapet_ports::{Error, Kind};
use parapet_segment::{Chunk, Segment, SegmentWriter, SeriesMerger};
use std::collections::HashMap;
use std::ops::Range;

/// The files of one commit, and what stands in none of them.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) files: Vec<(Day, NewFile)>,
    pub(super) refused: Refusals,
}

/// What a series of a batch has for a day.
struct Piece<'b> {
    day: Day,
    /// Where the metric's name stands among all names.
    metric: usize,
    series_id: i64,
    series: &'b BatchSeries,
    has: Has,
}

enum Has {
    Samples(Range<usize>),
    Exemplar(usize),
}

/// Sorts samples into days and series, and encodes the files of each day.
pub(super) fn prepare(batches: &[SampleBatch], settings: &WriterSettings, now_ms: i64) -> Result<Prepared, Error> {
    let mut prepared = Prepared::default();
    let mut pieces = pieces(batches, &settings.limits, now_ms, &mut prepared.refused);
    pieces.sort_unstable_by_key(|piece| (piece.day, piece.metric, piece.series_id));
    for of_day in pieces.chunk_by_mut(|a, b| a.day == b.day) {
        let day = of_day[0].day;
        let segments = segments(of_day, settings)
            .map_err(|error| Error::new(Kind::Internal, "samples do not encode").with_source(error))?;
        prepared
            .files
            .extend(segments.into_iter().map(|segment| (day, segment.into())));
    }
    Ok(prepared)
}

/// What is not refused, each series cut where a day ends.
fn pieces<'b>(batches: &'b [SampleBatch], limits: &Limits, now_ms: i64, refused: &mut Refusals) -> Vec<Piece<'b>> {
    let mut refuse = |reason: Refusal, count: u64| *refused.entry(reason).or_default() += count;
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut pieces = Vec::with_capacity(batches.iter().map(|batch| batch.series.len()).sum());
    for series in batches.iter().flat_map(|batch| &batch.series) {
        if let Some(reason) = limits.refuse_series(series) {
            refuse(reason, series.samples.len() as u64);
            continue;
        }
        let next = names.len();
        let metric = *names
            .entry(series.labels.metric_name().unwrap_or_default())
            .or_insert(next);
        let piece = |day, has| Piece {
            day,
            metric,
            series_id: series.labels.series_id(),
            series,
            has,
        };
        let mut open: Option<(Day, Range<usize>)> = None;
        for (at, sample) in series.samples.iter().enumerate() {
            let day = match limits.refuse_sample(sample, now_ms) {
                None => Some(Day::of_ms(sample.timestamp_ms)),
                Some(reason) => {
                    refuse(reason, 1);
                    None
                }
            };
            match (&mut open, day) {
                (Some((same, range)), Some(day)) if *same == day => range.end = at + 1,
                _ => {
                    let done = std::mem::replace(&mut open, day.map(|day| (day, at..at + 1)));
                    pieces.extend(done.map(|(day, range)| piece(day, Has::Samples(range))));
                }
            }
        }
        pieces.extend(open.map(|(day, range)| piece(day, Has::Samples(range))));
        for (at, exemplar) in series.exemplars.iter().enumerate() {
            match limits.refuse_exemplar(exemplar, now_ms) {
                Some(reason) => refuse(reason, 1),
                None => pieces.push(piece(Day::of_ms(exemplar.timestamp_ms), Has::Exemplar(at))),
            }
        }
    }
    let mut sorted: Vec<(&str, usize)> = names.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    for (rank, (_, number)) in sorted.into_iter().enumerate() {
        ranks[number] = rank;
    }
    for piece in &mut pieces {
        piece.metric = ranks[piece.metric];
    }
    pieces
}

/// The files of a day, cut between series.
fn segments(pieces: &mut [Piece<'_>], settings: &WriterSettings) -> Result<Vec<Segment>, parapet_segment::Error> {
    let mut segments = Vec::new();
    let mut writer = SegmentWriter::new(settings.encode.clone());
    let mut scratch = (Vec::new(), Vec::new());
    for same_id in pieces.chunk_by_mut(|a, b| (a.metric, a.series_id) == (b.metric, b.series_id)) {
        // Two series may share an id.
        if same_id
            .windows(2)
            .any(|pair| pair[0].series.labels != pair[1].series.labels)
        {
            same_id.sort_by(|a, b| a.series.labels.cmp(&b.series.labels));
        }
        for series in same_id.chunk_by(|a, b| a.series.labels == b.series.labels) {
            push(&mut writer, series, &mut scratch)?;
        }
        if writer.size_bytes() >= settings.max_file_bytes {
            let full = std::mem::replace(&mut writer, SegmentWriter::new(settings.encode.clone()));
            segments.extend(full.finish()?);
        }
    }
    segments.extend(writer.finish()?);
    Ok(segments)
}

/// Adds all there is of a series.
fn push(
    writer: &mut SegmentWriter,
    pieces: &[Piece<'_>],
    (timestamps, values): &mut (Vec<i64>, Vec<f64>),
) -> Result<(), parapet_segment::Error> {
    let first = &pieces[0];
    let labels = &first.series.labels;
    // As nearly all are: floats of one batch, in order.
    if let [
        Piece {
            has: Has::Samples(range),
            ..
        },
    ] = pieces
    {
        timestamps.clear();
        values.clear();
        for sample in &first.series.samples[range.clone()] {
            match sample.value {
                Value::Float(value) if timestamps.last().is_none_or(|last| *last < sample.timestamp_ms) => {
                    timestamps.push(sample.timestamp_ms);
                    values.push(value);
                }
                _ => break,
            }
        }
        if timestamps.len() == range.len() {
            return writer.push_floats(labels, first.series_id, first.series.kind, timestamps, values);
        }
    }
    let (mut merger, mut exemplars, mut kind) = (SeriesMerger::default(), Vec::new(), MetricType::default());
    for piece in pieces {
        kind = kind.max(piece.series.kind);
        match &piece.has {
            Has::Exemplar(at) => exemplars.push(piece.series.exemplars[*at].clone()),
            Has::Samples(range) => {
                for sample in &piece.series.samples[range.clone()] {
                    match &sample.value {
                        Value::Float(value) => merger.push_float(sample.timestamp_ms, *value),
                        Value::Histogram(histogram) => merger.push_histogram(sample.timestamp_ms, histogram.clone()),
                    }
                }
            }
        }
    }
    writer.push_series(&Chunk::of_series(merger.finish(labels.clone()), kind, exemplars))
}
