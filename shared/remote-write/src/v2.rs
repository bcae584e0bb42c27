//! Version 2.0: label names and values stand once in a table of symbols.

use crate::receive::{Faults, Received, has_data};
use crate::{Error, MAX_LABEL_BYTES, histogram, proto};
use parapet_model::{BatchSeries, Exemplar, Labels, MetricType, Sample, Value};
use parapet_protobuf::{self as wire, Reader, Wire, put_bytes, put_key, put_varint};
use prost::Message as _;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Writes series as a `io.prometheus.write.v2.Request`, uncompressed. Help and unit are not written. An exemplar
/// without a time of its own is written without one.
#[must_use]
pub fn encode_v2(series: &[BatchSeries]) -> Vec<u8> {
    let mut symbols = Symbols::default();
    // Symbols come first, so the series wait in a buffer of their own.
    let mut timeseries = Vec::with_capacity(series.len() * 64);
    let (mut body, mut refs) = (Vec::with_capacity(256), Vec::with_capacity(64));
    for series in series {
        body.clear();
        refs.clear();
        for (place, (name, value)) in series.labels.iter_bytes().enumerate() {
            put_varint(&mut refs, u64::from(symbols.intern_at(2 * place, name)));
            put_varint(&mut refs, u64::from(symbols.intern_at(2 * place + 1, value)));
        }
        put_bytes(&mut body, 1, &refs);
        for sample in &series.samples {
            if let Value::Float(value) = sample.value {
                put_sample(&mut body, sample.timestamp_ms, value);
            }
        }
        for sample in &series.samples {
            if let Value::Histogram(value) = &sample.value {
                put_bytes(
                    &mut body,
                    3,
                    &histogram::to_proto(value, sample.timestamp_ms).encode_to_vec(),
                );
            }
        }
        for exemplar in &series.exemplars {
            put_exemplar(&mut body, exemplar, &mut symbols);
        }
        let kind = kind_number(series.kind);
        if kind != 0 {
            put_bytes(&mut body, 5, &[1 << 3, kind]);
        }
        put_bytes(&mut timeseries, 5, &body);
    }
    let mut out = Vec::with_capacity(symbols.encoded.len() + timeseries.len());
    out.append(&mut symbols.encoded);
    out.append(&mut timeseries);
    out
}

fn put_exemplar<'a>(out: &mut Vec<u8>, exemplar: &'a Exemplar, symbols: &mut Symbols<'a>) {
    let (mut body, mut refs) = (Vec::with_capacity(32), Vec::with_capacity(8));
    for (name, value) in exemplar.labels.iter_bytes() {
        put_varint(&mut refs, u64::from(symbols.intern(name)));
        put_varint(&mut refs, u64::from(symbols.intern(value)));
    }
    put_bytes(&mut body, 1, &refs);
    put_key(&mut body, 2, wire::FIXED64);
    body.extend_from_slice(&exemplar.value.to_le_bytes());
    if exemplar.has_timestamp {
        put_key(&mut body, 3, wire::VARINT);
        put_varint(&mut body, exemplar.timestamp_ms.cast_unsigned());
    }
    put_bytes(out, 4, &body);
}

/// A sample is at most 9 bytes of value and 11 of timestamp: its length always fits one byte.
fn put_sample(out: &mut Vec<u8>, timestamp_ms: i64, value: f64) {
    put_key(out, 2, wire::BYTES);
    let at = out.len();
    out.push(0);
    if value.to_bits() != 0 {
        put_key(out, 1, wire::FIXED64);
        out.extend_from_slice(&value.to_le_bytes());
    }
    if timestamp_ms != 0 {
        put_key(out, 2, wire::VARINT);
        put_varint(out, timestamp_ms.cast_unsigned());
    }
    let length = out.len() - at - 1;
    out[at] = length.to_le_bytes()[0];
}

fn kind_number(kind: MetricType) -> u8 {
    match kind {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}

/// The kind that a number of either version's metadata names.
pub(crate) fn kind_of(number: u64) -> MetricType {
    usize::try_from(number)
        .ok()
        .and_then(|number| MetricType::ALL.get(number).copied())
        .unwrap_or_default()
}

/// The table of symbols while writing; symbol 0 is the empty text, as the specification demands.
struct Symbols<'a> {
    numbers: HashMap<&'a [u8], u32, BuildHasherDefault<TextHasher>>,
    /// The last symbol at each place of a series: most labels are those of the series before.
    last: Vec<(&'a [u8], u32)>,
    encoded: Vec<u8>,
}

impl Default for Symbols<'_> {
    fn default() -> Self {
        let mut symbols = Self {
            numbers: HashMap::default(),
            last: Vec::new(),
            encoded: Vec::with_capacity(4096),
        };
        symbols.intern(b"");
        symbols
    }
}

impl<'a> Symbols<'a> {
    fn intern(&mut self, text: &'a [u8]) -> u32 {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(text).or_insert_with(|| {
            put_bytes(&mut self.encoded, 4, text);
            next
        })
    }

    /// The number of a text at a place of its series.
    fn intern_at(&mut self, place: usize, text: &'a [u8]) -> u32 {
        if let Some((last, number)) = self.last.get(place)
            && *last == text
        {
            return *number;
        }
        let number = self.intern(text);
        if place >= self.last.len() {
            self.last.resize(place + 1, (b"", 0));
        }
        self.last[place] = (text, number);
        number
    }
}

/// A quick hash for texts, several times quicker than the standard one at the length of labels.
#[derive(Default)]
struct TextHasher(u64);

impl Hasher for TextHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }
    /// The length of a text says nothing that its bytes do not.
    fn write_usize(&mut self, _: usize) {}
}

/// Reads a `io.prometheus.write.v2.Request`, uncompressed, to its series in order. Labels come out sorted, empty
/// values dropped, integer histograms in float form; a series without samples and exemplars is left out. An exemplar
/// without a time takes that of the series' last sample. Help and unit are skipped. Names are not checked: what a receiver refuses beyond the encoding is its own business.
///
/// # Errors
/// [`Error`] when the encoding, a label reference or a histogram is broken; nothing of the request is returned then.
pub fn decode_v2(bytes: &[u8]) -> Result<Vec<BatchSeries>, Error> {
    let mut series = read(bytes, &mut Faults::Fatal)?;
    series.retain(has_data);
    Ok(series)
}

/// As [`decode_v2`], but a series or a sample with a fault of its own is left out alone.
///
/// # Errors
/// [`Error`] when the encoding as such is broken.
pub fn receive_v2(bytes: &[u8]) -> Result<Received, Error> {
    let mut faults = Faults::noted();
    let series = read(bytes, &mut faults)?;
    Ok(faults.into_received(series))
}

fn read(bytes: &[u8], faults: &mut Faults) -> Result<Vec<BatchSeries>, Error> {
    let symbols = read_symbols(bytes)?;
    let mut decoder = Decoder {
        symbols: &symbols,
        refs: Vec::with_capacity(64),
        pairs: Vec::with_capacity(32),
        label_bytes: 0,
        // A histogram takes far more memory than the shortest message of one: see that they have some substance.
        histograms_left: bytes.len() / 8 + 1,
    };
    let mut out = Vec::new();
    let mut reader = Reader::new(bytes);
    let mut index = 0;
    while let Some((field, value)) = reader.field()? {
        if let (5, Wire::Bytes(message)) = (field, value) {
            out.extend(decoder.timeseries(reader.nested(message), index, faults)?);
            index += 1;
        }
    }
    Ok(out)
}

/// Symbols may stand after the series: they are read first, in a pass of their own.
fn read_symbols(bytes: &[u8]) -> Result<Vec<&str>, Error> {
    let mut symbols = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((field, value)) = reader.field()? {
        if let (4, Wire::Bytes(text)) = (field, value) {
            symbols.push(std::str::from_utf8(text).map_err(|_| reader.error("symbol is not UTF-8"))?);
        }
    }
    Ok(symbols)
}

struct Decoder<'a> {
    symbols: &'a [&'a str],
    /// Kept from series to series for their memory alone.
    refs: Vec<u32>,
    pairs: Vec<(&'a str, &'a str)>,
    label_bytes: usize,
    histograms_left: usize,
}

impl<'a> Decoder<'a> {
    /// One series; none where a fault of its own was taken.
    fn timeseries(
        &mut self,
        mut reader: Reader<'_>,
        index: usize,
        faults: &mut Faults,
    ) -> Result<Option<BatchSeries>, Error> {
        self.refs.clear();
        let mut series = BatchSeries::default();
        let (mut histograms, mut exemplars) = (Vec::new(), Vec::new());
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, value) => self.references(&reader, value, index)?,
                (2, Wire::Bytes(message)) => series.samples.push(read_sample(reader.nested(message))?),
                (3, Wire::Bytes(message)) => {
                    self.histograms_left = self
                        .histograms_left
                        .checked_sub(1)
                        .ok_or_else(|| reader.error("too many empty histograms"))?;
                    histograms.push(message);
                }
                (4, Wire::Bytes(message)) => exemplars.push(message),
                (5, Wire::Bytes(message)) => {
                    let mut metadata = reader.nested(message);
                    while let Some((field, value)) = metadata.field()? {
                        if let (1, Wire::Varint(number)) = (field, value) {
                            series.kind = kind_of(number);
                        }
                    }
                }
                _ => {}
            }
        }
        series.labels = match self.labels(index) {
            Ok(labels) => labels,
            Err(error) if error.is_of_one_series() => {
                faults.take(error, (series.samples.len() + histograms.len()) as u64)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        push_histograms(&mut series, &histograms, faults)?;
        for message in exemplars {
            match self.exemplar(reader.nested(message), index) {
                Ok(exemplar) => series.exemplars.push(exemplar),
                Err(error) if error.is_of_one_series() => faults.take(error, 0)?,
                Err(error) => return Err(error),
            }
        }
        fill_exemplar_times(&mut series);
        Ok(Some(series))
    }

    /// Adds label references, packed or one by one.
    fn references(&mut self, reader: &Reader<'_>, value: Wire<'_>, index: usize) -> Result<(), Error> {
        match value {
            Wire::Bytes(packed) => {
                let mut packed = reader.nested(packed);
                while !packed.is_empty() {
                    self.refs.push(reference(packed.varint()?, index)?);
                }
            }
            Wire::Varint(number) => self.refs.push(reference(number, index)?),
            _ => {}
        }
        Ok(())
    }

    fn exemplar(&mut self, mut reader: Reader<'_>, index: usize) -> Result<Exemplar, Error> {
        self.refs.clear();
        let mut exemplar = Exemplar::default();
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, value) => self.references(&reader, value, index)?,
                (2, Wire::Fixed64(bits)) => exemplar.value = f64::from_bits(bits),
                (3, Wire::Varint(ms)) => exemplar.timestamp_ms = ms.cast_signed(),
                _ => {}
            }
        }
        exemplar.has_timestamp = exemplar.timestamp_ms != 0;
        exemplar.labels = self.labels(index)?;
        Ok(exemplar)
    }

    fn labels(&mut self, index: usize) -> Result<Labels, Error> {
        let (references, []) = self.refs.as_chunks::<2>() else {
            return Err(Error::LabelReferences {
                index,
                reason: "names and values do not come in pairs",
            });
        };
        let text = |reference: u32| {
            self.symbols
                .get(reference as usize)
                .copied()
                .ok_or(Error::LabelReferences {
                    index,
                    reason: "reference past the end of the symbols",
                })
        };
        self.pairs.clear();
        for [name, value] in references {
            let (name, value) = (text(*name)?, text(*value)?);
            self.label_bytes = self.label_bytes.saturating_add(name.len() + value.len() + 8);
            self.pairs.push((name, value));
        }
        if self.label_bytes > MAX_LABEL_BYTES {
            return Err(Error::LabelsTooLong { limit: MAX_LABEL_BYTES });
        }
        sorted_labels(&mut self.pairs, index)
    }
}

fn reference(number: u64, index: usize) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::LabelReferences {
        index,
        reason: "reference past the end of the symbols",
    })
}

/// Labels from pairs in any order; a repeated name is an error, an empty value is no label.
pub(crate) fn sorted_labels(pairs: &mut Vec<(&str, &str)>, index: usize) -> Result<Labels, Error> {
    if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
        pairs.sort_unstable();
        if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::DuplicateLabel {
                index,
                name: pair[0].0.to_owned(),
            });
        }
    }
    pairs.retain(|(_, value)| !value.is_empty());
    Ok(Labels::from_sorted(pairs.iter().copied()))
}

pub(crate) fn read_sample(mut reader: Reader<'_>) -> Result<Sample, Error> {
    let (mut timestamp_ms, mut number) = (0, 0.0);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Wire::Fixed64(bits)) => number = f64::from_bits(bits),
            (2, Wire::Varint(ms)) => timestamp_ms = ms.cast_signed(),
            _ => {}
        }
    }
    Ok(Sample::float(timestamp_ms, number))
}

/// An exemplar without a time is one of the last sample.
pub(crate) fn fill_exemplar_times(series: &mut BatchSeries) {
    let last = series.samples.last().map_or(0, |sample| sample.timestamp_ms);
    for exemplar in series.exemplars.iter_mut().filter(|exemplar| !exemplar.has_timestamp) {
        exemplar.timestamp_ms = last;
    }
}

/// Adds histogram samples and restores the order of time where both kinds of sample are there.
pub(crate) fn push_histograms(series: &mut BatchSeries, messages: &[&[u8]], faults: &mut Faults) -> Result<(), Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let both = !series.samples.is_empty();
    for message in messages {
        let broken = |reason: String| Error::Histogram {
            series: series.labels.to_string(),
            reason,
        };
        let message = proto::Histogram::decode(*message).map_err(|error| broken(error.to_string()))?;
        let timestamp_ms = message.timestamp;
        match histogram::from_proto(message) {
            Ok(histogram) => series.samples.push(Sample {
                timestamp_ms,
                value: Value::Histogram(Arc::new(histogram)),
            }),
            Err(reason) => faults.take(broken(reason), 1)?,
        }
    }
    if both {
        series.samples.sort_by_key(|sample| sample.timestamp_ms);
    }
    Ok(())
}
