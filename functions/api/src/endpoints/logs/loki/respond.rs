//! Answers in Loki's forms.

use super::parameters;
use crate::endpoints::logs::ask::{Cost, Fault};
use crate::json::{Object, write_float, write_labels, write_string, write_timestamp};
use crate::respond::json;
use axum::response::{IntoResponse, Response};
use http::header;
use parapet_logs::logql::{Answer, Entry};

/// Errors are plain text.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (self.status, content_type, self.reason + "\n").into_response()
    }
}

/// `{"status":"success","data":…}`
pub(super) fn success(data: impl FnOnce(&mut Vec<u8>)) -> Response {
    crate::respond::success(data)
}

/// An object without an envelope.
pub(super) fn bare(fields: impl FnOnce(&mut Object<'_>)) -> Response {
    let mut out = Vec::new();
    Object::write(&mut out, fields);
    json(out)
}

/// The answer to a query, with what it has cost.
pub(super) fn answer(answer: &Answer, at_ns: i64, cost: &Cost, categorize: bool) -> Response {
    success(|out| {
        Object::write(out, |object| {
            write_result(object, answer, at_ns, categorize);
            write_stats(object, answer, cost);
        });
    })
}

fn write_result(object: &mut Object<'_>, answer: &Answer, at_ns: i64, categorize: bool) {
    let kind = match answer {
        Answer::Streams(_) => "streams",
        Answer::Vector(_) => "vector",
        Answer::Matrix(_) => "matrix",
        Answer::Scalar(_) => "scalar",
    };
    object.string("resultType", kind);
    if categorize {
        write_flags(object);
    }
    match answer {
        Answer::Streams(streams) => object.array("result", streams, |out, stream| {
            Object::write(out, |object| {
                object.labels("stream", &stream.labels);
                object.array("values", &stream.entries, |out, entry| {
                    write_entry(out, entry, categorize)
                });
            });
        }),
        Answer::Vector(samples) => object.array("result", samples, |out, sample| {
            Object::write(out, |object| {
                write_labels(object.field("metric"), &sample.labels);
                write_point(object.field("value"), at_ns, sample.value);
            });
        }),
        Answer::Matrix(series) => object.array("result", series, |out, series| {
            Object::write(out, |object| {
                write_labels(object.field("metric"), &series.labels);
                object.array("values", &series.points, |out, (time_ns, value)| {
                    write_point(out, *time_ns, *value);
                });
            });
        }),
        Answer::Scalar(value) => write_point(object.field("result"), at_ns, *value),
    }
}

/// In which form the answer is, where it was asked for another one.
pub(super) fn write_flags(object: &mut Object<'_>) {
    object.array("encodingFlags", [parameters::CATEGORIZE_LABELS], write_string);
}

/// `["nanoseconds","line"]`, and an object with the labels that are not the stream's where they are told apart.
pub(super) fn write_entry(out: &mut Vec<u8>, entry: &Entry, categorize: bool) {
    out.push(b'[');
    write_string(out, &entry.timestamp_ns.to_string());
    out.push(b',');
    write_string(out, &entry.line);
    if categorize {
        out.push(b',');
        Object::write(out, |object| {
            for (name, labels) in [("structuredMetadata", &entry.metadata), ("parsed", &entry.parsed)] {
                if !labels.is_empty() {
                    object.labels(name, labels);
                }
            }
        });
    }
    out.push(b']');
}

/// `[seconds,"value"]`
pub(super) fn write_point(out: &mut Vec<u8>, time_ns: i64, value: f64) {
    out.push(b'[');
    write_timestamp(out, time_ns.div_euclid(1_000_000));
    out.push(b',');
    write_float(out, value);
    out.push(b']');
}

/// What Loki tells in `summary`, and of the store what is there.
#[allow(clippy::cast_precision_loss)]
fn write_stats(object: &mut Object<'_>, answer: &Answer, cost: &Cost) {
    let entries = match answer {
        Answer::Streams(streams) => streams.iter().map(|stream| stream.entries.len()).sum(),
        Answer::Vector(samples) => samples.len(),
        Answer::Matrix(series) => series.len(),
        Answer::Scalar(_) => 1,
    };
    let seconds = cost.spent.as_secs_f64().max(1e-9);
    let read = &cost.read;
    object.object("stats", |object| {
        object.object("summary", |object| {
            object.number("bytesProcessedPerSecond", (read.line_bytes as f64 / seconds).floor());
            object.number("linesProcessedPerSecond", (read.records as f64 / seconds).floor());
            object.integer("totalBytesProcessed", read.line_bytes);
            object.integer("totalLinesProcessed", read.records);
            object.number("execTime", cost.spent.as_secs_f64());
            object.number("queueTime", cost.queued.as_secs_f64());
            object.integer("subqueries", 0);
            object.integer("totalEntriesReturned", entries as u64);
            object.integer("splits", 0);
            object.integer("shards", 0);
        });
        object.object("querier", |object| {
            object.object("store", |object| {
                object.integer("totalChunksRef", read.blocks);
                object.integer("totalChunksDownloaded", read.blocks_read);
                object.object("chunk", |object| {
                    object.integer("compressedBytes", read.bytes_read);
                    object.integer("decompressedBytes", read.line_bytes);
                    object.integer("decompressedLines", read.rows_read);
                });
            });
        });
    });
}
