//! One `Metric` message.

use super::histogram::RawHistogram;
use crate::error::ParseError;
use crate::parser::{FoundExemplar, Limits};
use parapet_model::MetricType;
use parapet_protobuf::{Reader, Wire};
use std::borrow::Cow;

/// A metric as it is written; what its family's kind has no use for is left at its default.
#[derive(Clone, Debug, Default)]
pub(super) struct Metric<'a> {
    pub(super) labels: Vec<(&'a str, &'a str)>,
    /// Of a counter, gauge or untyped metric.
    pub(super) value: f64,
    pub(super) exemplar: Option<RawExemplar<'a>>,
    pub(super) summary_count: f64,
    pub(super) summary_sum: f64,
    /// Quantile and value.
    pub(super) quantiles: Vec<(f64, f64)>,
    pub(super) histogram: RawHistogram<'a>,
    /// 0 is none.
    pub(super) timestamp_ms: i64,
    pub(super) start_timestamp_ms: Option<i64>,
}

impl<'a> Metric<'a> {
    pub(super) fn read(mut reader: Reader<'a>, kind: MetricType, limits: &Limits) -> Result<Self, ParseError> {
        use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Summary, Unknown};
        let mut metric = Self::default();
        while let Some((field, value)) = reader.field()? {
            match (field, value, kind) {
                (1, Wire::Bytes(message), _) => {
                    if metric.labels.len() >= limits.labels_per_series {
                        return Err(ParseError::at(&reader, limits.too_many_labels()));
                    }
                    metric.labels.push(label(reader.nested(message))?);
                }
                (2, Wire::Bytes(message), Gauge)
                | (3, Wire::Bytes(message), Counter)
                | (5, Wire::Bytes(message), Unknown) => metric.simple(reader.nested(message))?,
                (4, Wire::Bytes(message), Summary) => metric.summary(reader.nested(message), limits)?,
                (6, Wire::Varint(number), _) => metric.timestamp_ms = number.cast_signed(),
                (7, Wire::Bytes(message), Histogram | GaugeHistogram) => {
                    metric.start_timestamp_ms = metric
                        .histogram
                        .read(reader.nested(message), limits)?
                        .or(metric.start_timestamp_ms);
                }
                (1..=5 | 7, Wire::Bytes(_), _) => {}
                (1..=7, _, _) => return Err(reader.error("wrong type of a field of Metric").into()),
                _ => {}
            }
        }
        Ok(metric)
    }

    /// A counter; a gauge and an untyped metric have its first field alone.
    fn simple(&mut self, mut reader: Reader<'a>) -> Result<(), ParseError> {
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Wire::Fixed64(bits)) => self.value = f64::from_bits(bits),
                (2, Wire::Bytes(message)) => self.exemplar = Some(RawExemplar(reader.nested(message))),
                (3, Wire::Bytes(message)) => self.start_timestamp_ms = Some(timestamp_ms(reader.nested(message))?),
                (1..=3, _) => return Err(reader.error("wrong type of a field of Counter").into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn summary(&mut self, mut reader: Reader<'a>, limits: &Limits) -> Result<(), ParseError> {
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Wire::Varint(count)) => self.summary_count = count as f64,
                (2, Wire::Fixed64(bits)) => self.summary_sum = f64::from_bits(bits),
                (3, Wire::Bytes(message)) => {
                    if self.quantiles.len() >= limits.buckets_per_histogram {
                        return Err(ParseError::at(&reader, limits.too_many_buckets()));
                    }
                    let mut quantile = reader.nested(message);
                    let mut pair = (0.0, 0.0);
                    while let Some((field, value)) = quantile.field()? {
                        match (field, value) {
                            (1, Wire::Fixed64(bits)) => pair.0 = f64::from_bits(bits),
                            (2, Wire::Fixed64(bits)) => pair.1 = f64::from_bits(bits),
                            (1 | 2, _) => return Err(quantile.error("wrong type of a field of Quantile").into()),
                            _ => {}
                        }
                    }
                    self.quantiles.push(pair);
                }
                (4, Wire::Bytes(message)) => self.start_timestamp_ms = Some(timestamp_ms(reader.nested(message))?),
                (1..=4, _) => return Err(reader.error("wrong type of a field of Summary").into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A `LabelPair`.
fn label<'a>(mut reader: Reader<'a>) -> Result<(&'a str, &'a str), ParseError> {
    let (mut name, mut text) = ("", "");
    while let Some((field, value)) = reader.field()? {
        let read = |bytes: &'a [u8], what: &str| {
            std::str::from_utf8(bytes).map_err(|_| {
                let shown = String::from_utf8_lossy(bytes);
                ParseError::at(&reader, format!("invalid label {what}: {shown}"))
            })
        };
        match (field, value) {
            (1, Wire::Bytes(bytes)) => {
                name = read(bytes, "name")?;
                if name.is_empty() {
                    return Err(ParseError::at(&reader, "invalid label name: ".to_owned()));
                }
            }
            (2, Wire::Bytes(bytes)) => text = read(bytes, "value")?,
            (1 | 2, _) => return Err(reader.error("wrong type of a field of LabelPair").into()),
            _ => {}
        }
    }
    Ok((name, text))
}

/// A `google.protobuf.Timestamp`, milliseconds.
pub(super) fn timestamp_ms(mut reader: Reader<'_>) -> Result<i64, ParseError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Wire::Varint(number)) => seconds = number.cast_signed(),
            (2, Wire::Varint(number)) => nanos = number.cast_signed(),
            (1 | 2, _) => return Err(reader.error("wrong type of a field of Timestamp").into()),
            _ => {}
        }
    }
    Ok(seconds.wrapping_mul(1000).wrapping_add(nanos / 1_000_000))
}

/// An `Exemplar` that was not read yet: most are never asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawExemplar<'a>(pub(super) Reader<'a>);

impl<'a> RawExemplar<'a> {
    pub(super) fn read(self, limits: &Limits) -> Result<FoundExemplar<'a>, ParseError> {
        let mut reader = self.0;
        let mut found = FoundExemplar::default();
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Wire::Bytes(message)) => {
                    if found.labels.len() >= limits.labels_per_series {
                        return Err(ParseError::at(&reader, limits.too_many_labels()));
                    }
                    let (name, text) = label(reader.nested(message))?;
                    found.labels.push((Cow::Borrowed(name), Cow::Borrowed(text)));
                }
                (2, Wire::Fixed64(bits)) => found.value = f64::from_bits(bits),
                (3, Wire::Bytes(message)) => found.timestamp_ms = Some(timestamp_ms(reader.nested(message))?),
                (1..=3, _) => return Err(reader.error("wrong type of a field of Exemplar").into()),
                _ => {}
            }
        }
        Ok(found)
    }
}
