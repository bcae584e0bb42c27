//! The `Histogram` message: classic buckets, native ones, or both.

use super::metric::{RawExemplar, timestamp_ms};
use crate::error::ParseError;
use crate::nhcb::ClassicHistogram;
use crate::parser::{FoundExemplar, Limits};
use parapet_model::{Histogram, Span};
use parapet_protobuf::{Reader, Wire, zigzag};

/// A histogram as it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct RawHistogram<'a> {
    count: u64,
    count_float: f64,
    pub(super) sum: f64,
    pub(super) buckets: Vec<Bucket<'a>>,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
    positive: Side,
    negative: Side,
    /// Read already: all of them are asked for.
    exemplars: Vec<FoundExemplar<'a>>,
    /// Those of the classic buckets that have a time, for a native histogram without its own.
    bucket_exemplars: Vec<FoundExemplar<'a>>,
}

/// A classic bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket<'a> {
    count: u64,
    count_float: f64,
    pub(super) upper_bound: f64,
    pub(super) exemplar: Option<RawExemplar<'a>>,
}

/// The native buckets of one sign.
#[derive(Clone, Debug, Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl Bucket<'_> {
    /// Observations up to the bound.
    pub(super) fn count(&self) -> f64 {
        if self.count_float == 0.0 {
            self.count as f64
        } else {
            self.count_float
        }
    }
}

impl<'a> RawHistogram<'a> {
    /// Reads the message into this one; the start time that it has.
    pub(super) fn read(&mut self, mut reader: Reader<'a>, limits: &Limits) -> Result<Option<i64>, ParseError> {
        let mut start_ms = None;
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Wire::Varint(count)) => self.count = count,
                (2, Wire::Fixed64(bits)) => self.sum = f64::from_bits(bits),
                (3, Wire::Bytes(message)) => {
                    let bucket = Bucket::read(reader.nested(message))?;
                    if let Some(exemplar) = bucket.exemplar {
                        let found = exemplar.read(limits)?;
                        self.bucket_exemplars
                            .extend(found.timestamp_ms.is_some().then_some(found));
                    }
                    self.buckets.push(bucket);
                }
                (4, Wire::Fixed64(bits)) => self.count_float = f64::from_bits(bits),
                // The wire has a zigzag of 32 bits.
                (5, Wire::Varint(number)) => self.schema = zigzag(number) as i32,
                (6, Wire::Fixed64(bits)) => self.zero_threshold = f64::from_bits(bits),
                (7, Wire::Varint(count)) => self.zero_count = count,
                (8, Wire::Fixed64(bits)) => self.zero_count_float = f64::from_bits(bits),
                (9 | 12, Wire::Bytes(message)) => {
                    let span = span(reader.nested(message))?;
                    self.side(field).spans.push(span);
                }
                (10 | 13, Wire::Varint(delta)) => self.side(field).deltas.push(zigzag(delta)),
                (10 | 13, Wire::Bytes(packed)) => {
                    let mut packed = reader.nested(packed);
                    while !packed.is_empty() {
                        let delta = packed.varint()?;
                        self.side(field).deltas.push(zigzag(delta));
                        self.check(&packed, limits)?;
                    }
                }
                (11 | 14, Wire::Fixed64(bits)) => self.side(field).counts.push(f64::from_bits(bits)),
                (11 | 14, Wire::Bytes(packed)) => {
                    let (counts, rest) = packed.as_chunks::<8>();
                    if !rest.is_empty() {
                        return Err(reader.error("packed doubles are cut off").into());
                    }
                    let counts = counts.iter().map(|bytes| f64::from_le_bytes(*bytes));
                    self.side(field).counts.extend(counts);
                }
                (15, Wire::Bytes(message)) => start_ms = Some(timestamp_ms(reader.nested(message))?),
                (16, Wire::Bytes(message)) => {
                    let exemplar = RawExemplar(reader.nested(message)).read(limits)?;
                    self.exemplars.push(exemplar);
                }
                (1..=16, _) => return Err(reader.error("wrong type of a field of Histogram").into()),
                _ => {}
            }
            self.check(&reader, limits)?;
        }
        Ok(start_ms)
    }

    fn side(&mut self, field: u32) -> &mut Side {
        if field < 12 {
            &mut self.negative
        } else {
            &mut self.positive
        }
    }

    /// Whether all of it is within the limit, so that a small hostile message does not grow.
    fn check(&self, reader: &Reader<'_>, limits: &Limits) -> Result<(), ParseError> {
        let longest = [&self.positive, &self.negative]
            .into_iter()
            .flat_map(|side| [side.spans.len(), side.deltas.len(), side.counts.len()])
            .chain([self.buckets.len(), self.exemplars.len()])
            .max();
        if longest.is_some_and(|longest| longest > limits.buckets_per_histogram) {
            return Err(ParseError::at(reader, limits.too_many_buckets()));
        }
        Ok(())
    }

    /// Observations in all.
    pub(super) fn count(&self) -> f64 {
        if self.count_float == 0.0 {
            self.count as f64
        } else {
            self.count_float
        }
    }

    /// Whether there is anything native in it. A native histogram without observations and without a zero bucket says
    /// so by an empty span (`isNativeHistogram` of Prometheus).
    pub(super) fn is_native(&self) -> bool {
        !self.positive.spans.is_empty()
            || !self.negative.spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero_count > 0
    }

    fn is_float(&self) -> bool {
        self.count_float > 0.0 || self.zero_count_float > 0.0
    }

    /// The native histogram, without empty buckets.
    pub(super) fn to_native(&self) -> Result<Histogram, String> {
        let float = self.is_float();
        let mut histogram = Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: if float {
                self.zero_count_float
            } else {
                self.zero_count as f64
            },
            count: if float { self.count_float } else { self.count as f64 },
            sum: self.sum,
            positive_buckets: self.positive.counts("positive", float)?,
            positive_spans: self.positive.spans.clone(),
            negative_buckets: self.negative.counts("negative", float)?,
            negative_spans: self.negative.spans.clone(),
            ..Histogram::default()
        };
        histogram.compact(0);
        Ok(histogram)
    }

    /// The classic histogram as a native one.
    pub(super) fn to_custom_buckets(&self) -> Result<Histogram, String> {
        let mut classic = ClassicHistogram::default();
        classic.set_count(self.count())?;
        classic.set_sum(self.sum);
        for bucket in &self.buckets {
            classic.set_bucket(bucket.upper_bound, bucket.count())?;
        }
        classic.convert()
    }

    /// What is told with a native histogram: its own exemplars, or those of the classic buckets; none without a time.
    pub(super) fn exemplars_with_time(&self) -> Vec<FoundExemplar<'a>> {
        if self.exemplars.is_empty() {
            return self.bucket_exemplars.clone();
        }
        let timed = self.exemplars.iter().filter(|found| found.timestamp_ms.is_some());
        timed.cloned().collect()
    }
}

impl Side {
    /// Absolute counts, as many as the spans ask for.
    fn counts(&self, side: &str, float: bool) -> Result<Vec<f64>, String> {
        let counts = if float {
            self.counts.clone()
        } else {
            let mut count = 0i64;
            let add = |delta: &i64| {
                count = count.checked_add(*delta).ok_or("bucket count out of range")?;
                Ok(count as f64)
            };
            self.deltas.iter().map(add).collect::<Result<_, &str>>()?
        };
        let wanted: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        if wanted != counts.len() as u64 {
            return Err(format!(
                "{side} side: spans require {wanted} buckets, have {}",
                counts.len()
            ));
        }
        Ok(counts)
    }
}

impl<'a> Bucket<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, ParseError> {
        let mut bucket = Self::default();
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Wire::Varint(count)) => bucket.count = count,
                (2, Wire::Fixed64(bits)) => bucket.upper_bound = f64::from_bits(bits),
                (3, Wire::Bytes(message)) => bucket.exemplar = Some(RawExemplar(reader.nested(message))),
                (4, Wire::Fixed64(bits)) => bucket.count_float = f64::from_bits(bits),
                (1..=4, _) => return Err(reader.error("wrong type of a field of Bucket").into()),
                _ => {}
            }
        }
        Ok(bucket)
    }
}

fn span(mut reader: Reader<'_>) -> Result<Span, ParseError> {
    let mut span = Span { offset: 0, length: 0 };
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Wire::Varint(number)) => span.offset = zigzag(number) as i32,
            (2, Wire::Varint(number)) => span.length = number as u32,
            (1 | 2, _) => return Err(reader.error("wrong type of a field of BucketSpan").into()),
            _ => {}
        }
    }
    Ok(span)
}
