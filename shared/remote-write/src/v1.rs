//! Version 1.0: every series spells its labels out; metadata stands beside the series.

use crate::receive::{Faults, Received, has_data};
use crate::v2::{fill_exemplar_times, kind_of, push_histograms, read_sample, sorted_labels};
use crate::{Error, MAX_LABEL_BYTES};
use parapet_model::{BatchSeries, Exemplar, MetricType};
use parapet_protobuf::{Reader, Wire};
use std::collections::HashMap;

/// Reads a `prometheus.WriteRequest`, uncompressed, to its series in order, as [`crate::decode_v2`] does. The kind
/// of a series is taken from the metadata of the same request, where there is any.
///
/// # Errors
/// [`Error`] when the encoding or a histogram is broken; nothing of the request is returned then.
pub fn decode_v1(bytes: &[u8]) -> Result<Vec<BatchSeries>, Error> {
    let mut series = read(bytes, &mut Faults::Fatal)?;
    series.retain(has_data);
    Ok(series)
}

/// As [`decode_v1`], but a series or a sample with a fault of its own is left out alone.
///
/// # Errors
/// [`Error`] when the encoding as such is broken.
pub fn receive_v1(bytes: &[u8]) -> Result<Received, Error> {
    let mut faults = Faults::noted();
    let series = read(bytes, &mut faults)?;
    Ok(faults.into_received(series))
}

fn read(bytes: &[u8], faults: &mut Faults) -> Result<Vec<BatchSeries>, Error> {
    let mut out = Vec::new();
    let mut kinds: HashMap<&str, MetricType> = HashMap::new();
    let mut histograms_left = bytes.len() / 8 + 1;
    let mut label_bytes = 0usize;
    let mut reader = Reader::new(bytes);
    let mut index = 0;
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Wire::Bytes(message)) => {
                index += 1;
                let series = timeseries(reader.nested(message), index - 1, &mut histograms_left, faults)?;
                let Some(series) = series else { continue };
                let exemplars = series.exemplars.iter().map(|exemplar| exemplar.labels.size_bytes());
                label_bytes += series.labels.size_bytes() + exemplars.sum::<usize>();
                if label_bytes > MAX_LABEL_BYTES {
                    return Err(Error::LabelsTooLong { limit: MAX_LABEL_BYTES });
                }
                out.push(series);
            }
            (3, Wire::Bytes(message)) => {
                let (family, kind) = metadata(reader.nested(message))?;
                kinds.insert(family, kind);
            }
            _ => {}
        }
    }
    if !kinds.is_empty() {
        for series in &mut out {
            series.kind = series
                .labels
                .metric_name()
                .map(|name| kind_of_metric(name, &kinds))
                .unwrap_or_default();
        }
    }
    Ok(out)
}

/// One series; none where a fault of its own was taken.
fn timeseries(
    mut reader: Reader<'_>,
    index: usize,
    histograms_left: &mut usize,
    faults: &mut Faults,
) -> Result<Option<BatchSeries>, Error> {
    let mut labels = Vec::with_capacity(16);
    let mut series = BatchSeries::default();
    let mut histograms = Vec::new();
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Wire::Bytes(message)) => {
                let [name, value] = texts(reader.nested(message), [1, 2])?;
                labels.push((name, value));
            }
            (2, Wire::Bytes(message)) => series.samples.push(read_sample(reader.nested(message))?),
            (3, Wire::Bytes(message)) => match exemplar(reader.nested(message), index) {
                Ok(exemplar) => series.exemplars.push(exemplar),
                Err(error) if error.is_of_one_series() => faults.take(error, 0)?,
                Err(error) => return Err(error),
            },
            (4, Wire::Bytes(message)) => {
                *histograms_left = histograms_left
                    .checked_sub(1)
                    .ok_or_else(|| reader.error("too many empty histograms"))?;
                histograms.push(message);
            }
            _ => {}
        }
    }
    series.labels = match sorted_labels(&mut labels, index) {
        Ok(labels) => labels,
        Err(error) if error.is_of_one_series() => {
            faults.take(error, (series.samples.len() + histograms.len()) as u64)?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    push_histograms(&mut series, &histograms, faults)?;
    fill_exemplar_times(&mut series);
    Ok(Some(series))
}

fn exemplar(mut reader: Reader<'_>, index: usize) -> Result<Exemplar, Error> {
    let (mut labels, mut exemplar) = (Vec::new(), Exemplar::default());
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Wire::Bytes(message)) => {
                let [name, value] = texts(reader.nested(message), [1, 2])?;
                labels.push((name, value));
            }
            (2, Wire::Fixed64(bits)) => exemplar.value = f64::from_bits(bits),
            (3, Wire::Varint(ms)) => exemplar.timestamp_ms = ms.cast_signed(),
            _ => {}
        }
    }
    exemplar.has_timestamp = exemplar.timestamp_ms != 0;
    exemplar.labels = sorted_labels(&mut labels, index)?;
    Ok(exemplar)
}

fn metadata<'a>(reader: Reader<'a>) -> Result<(&'a str, MetricType), Error> {
    let mut kind = MetricType::Unknown;
    let mut fields = reader;
    while let Some((field, value)) = fields.field()? {
        if let (1, Wire::Varint(number)) = (field, value) {
            kind = kind_of(number);
        }
    }
    let [family] = texts(reader, [2])?;
    Ok((family, kind))
}

/// The text fields of a message by their numbers; empty where absent.
fn texts<'a, const N: usize>(mut reader: Reader<'a>, numbers: [u32; N]) -> Result<[&'a str; N], Error> {
    let mut out = [""; N];
    while let Some((field, value)) = reader.field()? {
        if let (Some(at), Wire::Bytes(text)) = (numbers.iter().position(|n| *n == field), value) {
            out[at] = std::str::from_utf8(text).map_err(|_| reader.error("text is not UTF-8"))?;
        }
    }
    Ok(out)
}

/// Metadata names the family; a series may add a suffix to it.
fn kind_of_metric(name: &str, kinds: &HashMap<&str, MetricType>) -> MetricType {
    let suffixes = ["_bucket", "_count", "_sum", "_total"];
    kinds
        .get(name)
        .or_else(|| suffixes.iter().find_map(|suffix| kinds.get(name.strip_suffix(suffix)?)))
        .copied()
        .unwrap_or_default()
}
