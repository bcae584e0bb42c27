//! Native histograms (`histogram.go` and `float_histogram.go` of Prometheus).

use super::layout::Layout;
use super::{EncodedChunk, Encoding, MAX_CHUNK_SAMPLES, Samples, count_bytes, ends_early, sample_count};
use crate::Error;
use crate::bits::{BitReader, BitWriter, Xor};
use parapet_model::{CounterReset, Histogram, is_stale_nan};
use std::sync::Arc;

/// What the counts of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    Whole,
    Float,
}

/// The two bits after the number of samples.
const RESET: u8 = 0b1000_0000;
const GAUGE: u8 = 0b1100_0000;
const UNKNOWN: u8 = 0;

pub(super) fn decode(bytes: &[u8], counts: Counts) -> Result<Samples, Error> {
    let (count, rest) = sample_count(bytes)?;
    let (header, bits) = rest.split_first().ok_or_else(ends_early)?;
    let is_gauge = header & GAUGE == GAUGE;
    let mut reader = BitReader::new(bits);
    let mut samples = Vec::new();
    if count > 0 {
        let layout = Layout::read(&mut reader)?;
        let mut state = State::new(counts, &layout);
        for number in 0..count {
            let (at, values) = state.next(&mut reader, number == 0).ok_or_else(ends_early)?;
            let reset = match (is_gauge, number) {
                (true, _) => CounterReset::Gauge,
                (false, 0) => CounterReset::Unknown,
                (false, _) => CounterReset::NotReset,
            };
            samples.push((at, Arc::new(histogram(&layout, reset, values))));
        }
    }
    Ok(Samples::Histograms(samples))
}

/// What changes from one histogram of a chunk to the next.
struct Values {
    count: f64,
    zero_count: f64,
    sum: f64,
    positive: Vec<f64>,
    negative: Vec<f64>,
}

fn histogram(layout: &Layout, counter_reset: CounterReset, values: Values) -> Histogram {
    if is_stale_nan(values.sum) {
        return Histogram {
            sum: values.sum,
            ..Histogram::default()
        };
    }
    Histogram {
        counter_reset,
        schema: layout.schema,
        zero_threshold: layout.zero_threshold,
        zero_count: values.zero_count,
        count: values.count,
        sum: values.sum,
        positive_spans: layout.positive_spans.clone(),
        positive_buckets: values.positive,
        negative_spans: layout.negative_spans.clone(),
        negative_buckets: values.negative,
        custom_values: layout.custom_values.clone(),
    }
}

/// A whole number that is stored as the difference of differences.
#[derive(Clone, Copy, Default)]
struct Whole {
    value: i64,
    delta: i64,
}

impl Whole {
    fn next(&mut self, reader: &mut BitReader<'_>) -> Option<i64> {
        self.delta = self.delta.wrapping_add(reader.varbit()?);
        self.value = self.value.wrapping_add(self.delta);
        Some(self.value)
    }
}

/// One of the counts of a chunk.
#[derive(Clone, Copy)]
enum Number {
    Whole(Whole),
    Float(Xor),
}

impl Number {
    fn new(counts: Counts) -> Self {
        match counts {
            Counts::Whole => Self::Whole(Whole::default()),
            Counts::Float => Self::Float(Xor::new(0.0)),
        }
    }

    /// The first number stands as it is; `is_signed` says how, where it is whole.
    fn first(&mut self, reader: &mut BitReader<'_>, is_signed: bool) -> Option<()> {
        match self {
            Self::Whole(whole) if is_signed => whole.value = reader.varbit()?,
            Self::Whole(whole) => whole.value = reader.varbit_unsigned()?.cast_signed(),
            Self::Float(xor) => *xor = Xor::new(reader.double()?),
        }
        Some(())
    }

    fn next(&mut self, reader: &mut BitReader<'_>) -> Option<()> {
        match self {
            Self::Whole(whole) => whole.next(reader).map(drop),
            Self::Float(xor) => reader.xor(xor).map(drop),
        }
    }

    fn count(&self) -> f64 {
        match self {
            Self::Whole(whole) => whole.value.cast_unsigned() as f64,
            Self::Float(xor) => xor.value,
        }
    }
}

/// The counts of buckets: whole ones are the difference to the bucket before.
fn bucket_counts(buckets: &[Number]) -> Vec<f64> {
    let mut before = 0i64;
    let count = |bucket: &Number| match bucket {
        Number::Whole(whole) => {
            before = before.wrapping_add(whole.value);
            before as f64
        }
        Number::Float(xor) => xor.value,
    };
    buckets.iter().map(count).collect()
}

struct State {
    at: Whole,
    sum: Xor,
    count: Number,
    zero_count: Number,
    positive: Vec<Number>,
    negative: Vec<Number>,
}

impl State {
    fn new(counts: Counts, layout: &Layout) -> Self {
        let (positive, negative) = layout.bucket_counts();
        Self {
            at: Whole::default(),
            sum: Xor::new(0.0),
            count: Number::new(counts),
            zero_count: Number::new(counts),
            positive: vec![Number::new(counts); positive],
            negative: vec![Number::new(counts); negative],
        }
    }

    fn next(&mut self, reader: &mut BitReader<'_>, is_first: bool) -> Option<(i64, Values)> {
        let buckets = self.positive.iter_mut().chain(&mut self.negative);
        if is_first {
            self.at.value = reader.varbit()?;
            self.count.first(reader, false)?;
            self.zero_count.first(reader, false)?;
            self.sum = Xor::new(reader.double()?);
            for bucket in buckets {
                bucket.first(reader, true)?;
            }
        } else {
            self.at.next(reader)?;
            self.count.next(reader)?;
            self.zero_count.next(reader)?;
            reader.xor(&mut self.sum)?;
            // A staleness marker has no buckets.
            if !is_stale_nan(self.sum.value) {
                for bucket in buckets {
                    bucket.next(reader)?;
                }
            }
        }
        let values = Values {
            count: self.count.count(),
            zero_count: self.zero_count.count(),
            sum: self.sum.value,
            positive: bucket_counts(&self.positive),
            negative: bucket_counts(&self.negative),
        };
        Some((self.at.value, values))
    }
}

type Sample = (i64, Arc<Histogram>);

/// Samples that may stand in one chunk: of one layout, without a counter reset among them, staleness markers last.
pub(super) fn runs(samples: &[Sample]) -> Vec<&[Sample]> {
    let mut runs: Vec<&[Sample]> = samples.chunk_by(|(_, a), (_, b)| continues(a, b)).collect();
    runs = runs.into_iter().flat_map(|run| run.chunks(MAX_CHUNK_SAMPLES)).collect();
    runs
}

/// Whether a histogram may stand after another in one chunk (`appendable` of Prometheus' appender, but that a change of
/// buckets begins another chunk here instead of writing the chunk anew).
fn continues(before: &Histogram, histogram: &Histogram) -> bool {
    if histogram.counter_reset == CounterReset::Reset {
        return false;
    }
    if is_stale_nan(histogram.sum) {
        // Of gauges there is no marker: it would be read as the end of a gauge's chunk all the same.
        return true;
    }
    let is_gauge = |histogram: &Histogram| histogram.counter_reset == CounterReset::Gauge;
    if is_stale_nan(before.sum)
        || Layout::of(before) != Layout::of(histogram)
        || is_gauge(before) != is_gauge(histogram)
    {
        return false;
    }
    let rises = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a <= b);
    is_gauge(histogram)
        || before.count <= histogram.count
            && before.zero_count <= histogram.zero_count
            && rises(&before.positive_buckets, &histogram.positive_buckets)
            && rises(&before.negative_buckets, &histogram.negative_buckets)
}

/// Packs a run of [`runs`] with float counts.
pub(super) fn encode(run: &[Sample]) -> EncodedChunk {
    let first = run.first().map(|(_, histogram)| &**histogram);
    let header = match first.map(|histogram| histogram.counter_reset) {
        Some(CounterReset::Gauge) => GAUGE,
        Some(CounterReset::Reset) => RESET,
        _ => UNKNOWN,
    };
    // A marker has no layout.
    let layout = match first {
        Some(histogram) if !is_stale_nan(histogram.sum) => Layout::of(histogram),
        _ => Layout::default(),
    };
    let mut bytes = count_bytes(run.len()).to_vec();
    bytes.push(header);
    let mut writer = BitWriter::after(bytes);
    layout.write(&mut writer);
    let mut state: Option<(Whole, Vec<Xor>)> = None;
    for (at, histogram) in run {
        let is_stale = is_stale_nan(histogram.sum);
        let head = match is_stale {
            true => [0.0, 0.0, histogram.sum],
            false => [histogram.count, histogram.zero_count, histogram.sum],
        };
        let buckets = histogram.positive_buckets.iter().chain(&histogram.negative_buckets);
        let values = head.into_iter().chain(buckets.copied().filter(|_| !is_stale));
        match &mut state {
            None => {
                writer.varbit(*at);
                let values: Vec<Xor> = values.map(Xor::new).collect();
                for value in &values {
                    writer.double(value.value);
                }
                state = Some((Whole { value: *at, delta: 0 }, values));
            }
            Some((time, numbers)) => {
                let delta = at.wrapping_sub(time.value);
                writer.varbit(delta.wrapping_sub(time.delta));
                *time = Whole { value: *at, delta };
                for (number, value) in numbers.iter_mut().zip(values) {
                    writer.xor(number, value);
                }
            }
        }
    }
    EncodedChunk {
        encoding: Encoding::FloatHistogram,
        min_ms: run.first().map_or(0, |sample| sample.0),
        max_ms: run.last().map_or(0, |sample| sample.0),
        samples: run.len(),
        bytes: writer.finish(),
    }
}

#[cfg(test)]
mod tests;
