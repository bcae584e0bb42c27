//! Batches become the files of a commit: what they have of a series on a day comes together, in the order of rows.

use super::WriterSettings;
use super::templates::{Group, Templates};
use crate::batch::{Batch, Samples};
use crate::day::Day;
use crate::limits::{Limits, Refusal, Refusals};
use crate::manifest::NewFile;
use crate::readings::Readings;
use parapet_model::{BatchSeries, Exemplar, Labels, MetricType, Sample, Value};
use parapet_ports::{Error, Kind};
use parapet_segment::{Chunk, Segment, SegmentWriter, SeriesMerger};
use std::collections::HashMap;

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
    labels: &'b Labels,
    kind: MetricType,
    has: Has<'b>,
}

enum Has<'b> {
    Samples(&'b [Sample]),
    /// The time and value of one of all series of all batches, by its number.
    Reading(i64, f64, usize),
    Exemplar(&'b Exemplar),
}

/// Sorts samples into days and series, and encodes the files of each day.
pub(super) fn prepare(
    batches: &[Batch],
    settings: &WriterSettings,
    templates: &Templates,
    now_ms: i64,
) -> Result<Prepared, Error> {
    let failed = |error| Error::new(Kind::Internal, "samples do not encode").with_source(error);
    let group = Group::of(batches);
    if let Some(group) = &group
        && let Some((day, segment)) = templates.fill(group, &settings.limits, now_ms).map_err(failed)?
    {
        return Ok(Prepared {
            files: vec![(day, segment.into())],
            refused: Refusals::new(),
        });
    }
    let mut prepared = Prepared::default();
    let mut sorting = Sorting::new(&settings.limits, now_ms);
    match &group {
        Some(group) => group.readings().for_each(|readings| sorting.add_readings(readings)),
        None => batches.iter().for_each(|batch| match &batch.samples {
            Samples::Series(series) => sorting.add_series(series),
            Samples::Readings(readings) => sorting.add_readings(readings),
        }),
    }
    let mut pieces = sorting.finish(&mut prepared.refused);
    let mut files = Vec::new();
    for of_day in pieces.chunk_by_mut(|a, b| a.day == b.day) {
        let day = of_day[0].day;
        let segments = segments(of_day, settings).map_err(failed)?;
        files.extend(segments.into_iter().map(|segment| (day, segment)));
    }
    if let (Some(group), [(_, segment)]) = (group, &*files)
        && prepared.refused.is_empty()
    {
        let numbers = pieces.iter().filter_map(|piece| match piece.has {
            Has::Reading(_, _, number) => Some(number),
            _ => None,
        });
        templates
            .learn(&group, segment, &settings.encode, numbers.collect())
            .map_err(failed)?;
    }
    prepared.files = files.into_iter().map(|(day, segment)| (day, segment.into())).collect();
    Ok(prepared)
}

/// Gathers what is not refused, each series cut where a day ends.
struct Sorting<'b> {
    limits: &'b Limits,
    now_ms: i64,
    names: HashMap<&'b str, usize>,
    pieces: Vec<Piece<'b>>,
    refused: Refusals,
    readings: usize,
}

impl<'b> Sorting<'b> {
    fn new(limits: &'b Limits, now_ms: i64) -> Self {
        Self {
            limits,
            now_ms,
            names: HashMap::new(),
            pieces: Vec::new(),
            refused: Refusals::new(),
            readings: 0,
        }
    }

    fn refuse(&mut self, reason: Refusal, count: usize) {
        *self.refused.entry(reason).or_default() += count as u64;
    }

    /// The number of a metric's name.
    fn metric(&mut self, labels: &'b Labels) -> usize {
        let next = self.names.len();
        *self
            .names
            .entry(labels.metric_name().unwrap_or_default())
            .or_insert(next)
    }

    fn add_series(&mut self, all: &'b [BatchSeries]) {
        for series in all {
            if let Some(reason) = self.limits.refuse_labels(&series.labels) {
                self.refuse(reason, series.samples.len());
                continue;
            }
            let (metric, series_id) = (self.metric(&series.labels), series.labels.series_id());
            let piece = |day, has| Piece {
                day,
                metric,
                series_id,
                labels: &series.labels,
                kind: series.kind,
                has,
            };
            let (limits, now_ms) = (self.limits, self.now_ms);
            let day_of = |sample: &Sample| match limits.refuse_sample(sample, now_ms) {
                None => Ok(Day::of_ms(sample.timestamp_ms)),
                Some(reason) => Err(reason),
            };
            let mut rest = &*series.samples;
            while let Some(first) = rest.first() {
                let of_first = day_of(first);
                let alike = rest.iter().take_while(|sample| day_of(sample) == of_first).count();
                let (run, after) = rest.split_at(alike);
                rest = after;
                match of_first {
                    Ok(day) => self.pieces.push(piece(day, Has::Samples(run))),
                    Err(reason) => self.refuse(reason, run.len()),
                }
            }
            for exemplar in &series.exemplars {
                match limits.refuse_exemplar(exemplar, now_ms) {
                    Some(reason) => self.refuse(reason, 1),
                    None => self
                        .pieces
                        .push(piece(Day::of_ms(exemplar.timestamp_ms), Has::Exemplar(exemplar))),
                }
            }
        }
    }

    fn add_readings(&mut self, readings: &'b Readings) {
        for (place, series) in readings.layout.series().iter().enumerate() {
            let (number, at) = (self.readings, readings.timestamp_ms(place));
            self.readings += 1;
            let refused = self.limits.refuse_labels(&series.labels);
            if let Some(reason) = refused.or_else(|| self.limits.refuse_time(at, self.now_ms)) {
                self.refuse(reason, 1);
                continue;
            }
            let piece = Piece {
                day: Day::of_ms(at),
                metric: self.metric(&series.labels),
                series_id: series.series_id,
                labels: &series.labels,
                kind: series.kind,
                has: Has::Reading(at, readings.values[place], number),
            };
            self.pieces.push(piece);
        }
    }

    /// The pieces in the order of rows; series that share an id are not told apart yet.
    fn finish(self, refused: &mut Refusals) -> Vec<Piece<'b>> {
        let mut sorted: Vec<(&str, usize)> = self.names.into_iter().collect();
        sorted.sort_unstable();
        let mut ranks = vec![0; sorted.len()];
        for (rank, (_, number)) in sorted.into_iter().enumerate() {
            ranks[number] = rank;
        }
        let mut pieces = self.pieces;
        for piece in &mut pieces {
            piece.metric = ranks[piece.metric];
        }
        pieces.sort_unstable_by_key(|piece| (piece.day, piece.metric, piece.series_id));
        *refused = self.refused;
        pieces
    }
}

/// The files of a day, cut between series.
fn segments(pieces: &mut [Piece<'_>], settings: &WriterSettings) -> Result<Vec<Segment>, parapet_segment::Error> {
    let mut segments = Vec::new();
    let mut writer = SegmentWriter::new(settings.encode.clone());
    let mut scratch = (Vec::new(), Vec::new());
    for same_id in pieces.chunk_by_mut(|a, b| (a.metric, a.series_id) == (b.metric, b.series_id)) {
        // Two series may share an id.
        if same_id.windows(2).any(|pair| pair[0].labels != pair[1].labels) {
            same_id.sort_by(|a, b| a.labels.cmp(b.labels));
        }
        for series in same_id.chunk_by(|a, b| a.labels == b.labels) {
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
    let mut push_floats = |timestamps: &[i64], values: &[f64]| {
        writer.push_floats(first.labels, first.series_id, first.kind, timestamps, values)
    };
    // As nearly all are: floats of one batch, in order.
    match pieces {
        [
            Piece {
                has: Has::Reading(at, value, _),
                ..
            },
        ] => return push_floats(&[*at], &[*value]),
        [
            Piece {
                has: Has::Samples(samples),
                ..
            },
        ] => {
            timestamps.clear();
            values.clear();
            for sample in *samples {
                match sample.value {
                    Value::Float(value) if timestamps.last().is_none_or(|last| *last < sample.timestamp_ms) => {
                        timestamps.push(sample.timestamp_ms);
                        values.push(value);
                    }
                    _ => break,
                }
            }
            if timestamps.len() == samples.len() {
                return push_floats(timestamps, values);
            }
        }
        _ => {}
    }
    let (mut merger, mut exemplars, mut kind) = (SeriesMerger::default(), Vec::new(), MetricType::default());
    for piece in pieces {
        kind = kind.max(piece.kind);
        match piece.has {
            Has::Exemplar(exemplar) => exemplars.push(exemplar.clone()),
            Has::Reading(at, value, _) => merger.push_float(at, value),
            Has::Samples(samples) => {
                for sample in samples {
                    match &sample.value {
                        Value::Float(value) => merger.push_float(sample.timestamp_ms, *value),
                        Value::Histogram(histogram) => merger.push_histogram(sample.timestamp_ms, histogram.clone()),
                    }
                }
            }
        }
    }
    writer.push_series(&Chunk::of_series(merger.finish(first.labels.clone()), kind, exemplars))
}
