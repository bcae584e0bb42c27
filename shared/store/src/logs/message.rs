//! Lines on their way to log-parse.

use crate::envelope::Payload;
use crate::outbox::{Batch, send_batches};
use bytes::Bytes;
use bytestring::ByteString;
use parapet_logs::{Level, LogRecord};
use parapet_model::Labels;
use parapet_ports::{Error, Ports, Queue};
use parapet_protobuf::{Reader, Wire, put_bytes, put_key, put_varint, zigzag};

/// A batch whose lines have more bytes than this is sent in pieces: one piece is worked on in memory.
pub const MAX_BATCH_BYTES: usize = 16 << 20;

/// Lines of one request, or of one piece of a file, as they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBatch {
    /// Batches of one tenant with the same id are stored once.
    pub id: String,
    /// Whose they are.
    pub tenant: String,
    /// The lines, before pipelines.
    pub lines: RawLogs,
}

/// Lines with where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawLogs {
    /// The path of the file that they were read from; empty where there is none.
    pub path: String,
    /// When they arrived, nanoseconds since the Unix epoch.
    pub received_ns: i64,
    /// The lines, those of one stream in their order. A time of 0 is none.
    pub records: Vec<LogRecord>,
}

impl LogBatch {
    /// A batch whose id is made of its content: a client that sends the same lines again, because it has not seen the
    /// answer, stores nothing twice. Lines without a time of their own may well be the same and meant to be: then the
    /// time of arrival counts too.
    #[must_use]
    pub fn of(tenant: &str, lines: RawLogs) -> Self {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let timeless = lines.records.iter().any(|record| record.timestamp_ns == 0);
        let content = RawLogs {
            received_ns: if timeless { lines.received_ns } else { 0 },
            ..lines
        };
        hasher.update(&content.encode());
        Self {
            id: format!("logs-{:032x}", hasher.digest128()),
            tenant: tenant.to_owned(),
            lines: RawLogs {
                received_ns: lines.received_ns,
                ..content
            },
        }
    }

    /// The batch in pieces of up to `bytes` bytes of lines; the same batch gives the same pieces.
    fn pieces(self, bytes: usize) -> Vec<Self> {
        let (mut pieces, mut open, mut open_bytes) = (Vec::new(), Vec::new(), 0);
        let Self { id, tenant, lines } = self;
        let mut close = |records: Vec<LogRecord>| {
            let number = pieces.len();
            pieces.push(Self {
                id: if number == 0 {
                    id.clone()
                } else {
                    format!("{id}/{number}")
                },
                tenant: tenant.clone(),
                lines: RawLogs {
                    path: lines.path.clone(),
                    received_ns: lines.received_ns,
                    records,
                },
            });
        };
        for record in lines.records {
            if open_bytes + record.raw.len() > bytes && !open.is_empty() {
                close(std::mem::take(&mut open));
                open_bytes = 0;
            }
            open_bytes += record.raw.len();
            open.push(record);
        }
        if !open.is_empty() {
            close(open);
        }
        pieces
    }
}

/// Sends lines to the logs queue. When this answers `Ok` they are durable and will be stored exactly once, however often
/// the same batch (by tenant and id) is sent. One of more than [`MAX_BATCH_BYTES`] goes in pieces.
///
/// # Errors
/// What the queue or the object store said; then all of it is to be sent again, under the same ids.
pub async fn send_logs(ports: &Ports, batches: Vec<LogBatch>) -> Result<(), Error> {
    let pieces = batches.into_iter().flat_map(|batch| batch.pieces(MAX_BATCH_BYTES));
    let outgoing = pieces.map(|batch| Batch {
        id: batch.id,
        tenant: batch.tenant,
        any_age: false,
        payload: batch.lines,
    });
    send_batches(ports, outgoing.collect()).await
}

/// Protobuf: `path = 1`, `received_ns = 2` (zigzag), streams `3 { name, value, … }`, records `4`:
/// `time = 1` (zigzag), `stream = 2` (number), `raw = 3`, `level = 4` (number from 1), `service = 5`, `host = 6`,
/// `trace_id = 7`, `message = 8`, `route = 9`, attributes `10 { name, value, … }`. A stream is written once, before the
/// first record that is of it.
impl Payload for RawLogs {
    const QUEUE: Queue = Queue::Logs;
    const NAME: &'static str = "lines";

    fn encode(&self) -> Vec<u8> {
        let lines: usize = self.records.iter().map(|record| record.raw.len() + 24).sum();
        let mut out = Vec::with_capacity(lines + 256);
        put_bytes(&mut out, 1, self.path.as_bytes());
        put_signed(&mut out, 2, self.received_ns);
        let mut streams: Vec<&Labels> = Vec::new();
        let mut body = Vec::with_capacity(256);
        for record in &self.records {
            // Lines of one stream follow one another mostly.
            let known = streams.iter().rposition(|stream| **stream == record.stream);
            let stream = known.unwrap_or_else(|| {
                put_bytes(&mut out, 3, &labels(&record.stream));
                streams.push(&record.stream);
                streams.len() - 1
            });
            body.clear();
            put_signed(&mut body, 1, record.timestamp_ns);
            put_number(&mut body, 2, stream as u64);
            put_bytes(&mut body, 3, &record.raw);
            if let Some(level) = record.level {
                put_number(&mut body, 4, level as u64 + 1);
            }
            for (field, text) in [
                (5, &record.service),
                (6, &record.host),
                (7, &record.trace_id),
                (8, &record.message),
                (9, &record.route),
            ] {
                if !text.is_empty() {
                    put_bytes(&mut body, field, text.as_bytes());
                }
            }
            if !record.attributes.is_empty() {
                put_bytes(&mut body, 10, &labels(&record.attributes));
            }
            put_bytes(&mut out, 4, &body);
        }
        out
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        decode(&bytes).map_err(|error| error.to_string())
    }
}

fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    put_key(out, field, 0);
    put_varint(out, value);
}

/// Zigzag, as `sint64` has it.
fn put_signed(out: &mut Vec<u8>, field: u32, value: i64) {
    put_number(out, field, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

fn labels(labels: &Labels) -> Vec<u8> {
    let mut out = Vec::with_capacity(labels.size_bytes() + labels.len() * 4);
    for (name, value) in labels.iter() {
        put_bytes(&mut out, 1, name.as_bytes());
        put_bytes(&mut out, 2, value.as_bytes());
    }
    out
}

/// Room is made for so many records at once, whatever their bytes promise.
const MOST_RESERVED: usize = 8 * 1024;

/// Lines stay where they are: they are parts of `bytes`.
fn decode(bytes: &Bytes) -> Result<RawLogs, parapet_protobuf::Error> {
    let (mut logs, mut streams) = (RawLogs::default(), Vec::new());
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.field()? {
        match field {
            (1, Wire::Bytes(path)) => logs.path = text(&reader, path)?,
            (2, Wire::Varint(time)) => logs.received_ns = zigzag(time),
            (3, Wire::Bytes(stream)) => streams.push(read_labels(reader.nested(stream))?),
            (4, Wire::Bytes(body)) => {
                if logs.records.len() == logs.records.capacity() {
                    // Lines are about as long as their neighbours.
                    let like_it = bytes.len().saturating_sub(reader.offset()) / (body.len() + 3);
                    logs.records.reserve(like_it.clamp(1, MOST_RESERVED));
                }
                logs.records.push(record(bytes, reader.nested(body), &streams)?);
            }
            _ => {}
        }
    }
    Ok(logs)
}

fn text(reader: &Reader<'_>, bytes: &[u8]) -> Result<String, parapet_protobuf::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(reader.error("not UTF-8")),
    }
}

/// A text that stays where it is.
fn shared(all: &Bytes, reader: &Reader<'_>, bytes: &[u8]) -> Result<ByteString, parapet_protobuf::Error> {
    ByteString::try_from(all.slice_ref(bytes)).map_err(|_| reader.error("not UTF-8"))
}

fn read_labels(mut reader: Reader<'_>) -> Result<Labels, parapet_protobuf::Error> {
    let (mut pairs, mut name) = (Vec::new(), String::new());
    while let Some(field) = reader.field()? {
        match field {
            (1, Wire::Bytes(bytes)) => name = text(&reader, bytes)?,
            (2, Wire::Bytes(bytes)) => pairs.push((std::mem::take(&mut name), text(&reader, bytes)?)),
            _ => {}
        }
    }
    Ok(Labels::from_pairs(pairs))
}

fn record(all: &Bytes, mut reader: Reader<'_>, streams: &[Labels]) -> Result<LogRecord, parapet_protobuf::Error> {
    let mut record = LogRecord::default();
    while let Some(field) = reader.field()? {
        match field {
            (1, Wire::Varint(time)) => record.timestamp_ns = zigzag(time),
            (2, Wire::Varint(number)) => {
                let stream = usize::try_from(number).ok().and_then(|number| streams.get(number));
                record.stream = stream
                    .ok_or_else(|| reader.error("a stream that is not there"))?
                    .clone();
            }
            (3, Wire::Bytes(raw)) => record.raw = all.slice_ref(raw),
            (4, Wire::Varint(number)) => {
                let level = usize::try_from(number.wrapping_sub(1)).unwrap_or(usize::MAX);
                record.level = Some(*Level::ALL.get(level).ok_or_else(|| reader.error("no such level"))?);
            }
            (5, Wire::Bytes(bytes)) => record.service = shared(all, &reader, bytes)?,
            (6, Wire::Bytes(bytes)) => record.host = shared(all, &reader, bytes)?,
            (7, Wire::Bytes(bytes)) => record.trace_id = shared(all, &reader, bytes)?,
            (8, Wire::Bytes(bytes)) => record.message = shared(all, &reader, bytes)?,
            (9, Wire::Bytes(bytes)) => record.route = shared(all, &reader, bytes)?,
            (10, Wire::Bytes(bytes)) => record.attributes = read_labels(reader.nested(bytes))?,
            _ => {}
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = LogRecord> {
        let texts = prop::collection::vec("[a-c]{0,3}", 5);
        let pairs = || prop::collection::btree_map("[a-c]{1,2}", "[a-z]{1,3}", 0..3);
        let raw = prop::collection::vec(any::<u8>(), 0..20);
        (any::<i64>(), prop::option::of(0..5_usize), texts, raw, pairs(), pairs()).prop_map(
            |(timestamp_ns, level, texts, raw, stream, attributes)| LogRecord {
                timestamp_ns,
                level: level.map(|level| Level::ALL[level]),
                service: texts[0].as_str().into(),
                host: texts[1].as_str().into(),
                trace_id: texts[2].as_str().into(),
                message: texts[3].as_str().into(),
                route: texts[4].as_str().into(),
                raw: raw.into(),
                stream: Labels::from_pairs(stream),
                attributes: Labels::from_pairs(attributes),
            },
        )
    }

    proptest! {
        #[test]
        fn every_line_comes_back(records in prop::collection::vec(record(), 0..9), received_ns in any::<i64>()) {
            let logs = RawLogs { path: "a/b".to_owned(), received_ns, records };
            prop_assert_eq!(RawLogs::decode(logs.encode().into()), Ok(logs));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = RawLogs::decode(bytes.into());
        }
    }

    #[test]
    fn ids_and_pieces() {
        let line = |time, text: &str| LogRecord {
            timestamp_ns: time,
            raw: text.as_bytes().to_vec().into(),
            ..LogRecord::default()
        };
        let of = |received_ns, records: &[LogRecord]| {
            let lines = RawLogs {
                received_ns,
                records: records.to_vec(),
                ..RawLogs::default()
            };
            LogBatch::of("t", lines)
        };
        let timed = [line(1, "a"), line(2, "b")];
        assert_eq!(of(1, &timed).id, of(2, &timed).id, "the same request again");
        assert_ne!(of(1, &timed).id, of(1, &timed[..1]).id);
        let timeless = [line(1, "a"), line(0, "b")];
        assert_ne!(of(1, &timeless).id, of(2, &timeless).id, "the same line, later");
        let batch = of(1, &[line(1, "aa"), line(2, "b"), line(3, "cccc"), line(4, "d")]);
        let pieces = batch.clone().pieces(3);
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.lines.records.len()).collect();
        assert_eq!(sizes, [2, 1, 1], "a line that is too long goes alone");
        assert_eq!(pieces[0].id, batch.id);
        assert_eq!(pieces[2].id, format!("{}/2", batch.id));
    }
}
