//! Answers of the search, in the envelope of Prometheus' API.

use super::summary::Summary;
use crate::endpoints::logs::ask::Cost;
use crate::endpoints::logs::mining::Pattern;
use crate::json::{Object, write_array};
use crate::respond::success;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat};
use parapet_logs::LogRecord;
use std::collections::BTreeMap;

/// Lines, and what was found over all of them.
pub(super) fn found(
    records: &[LogRecord],
    summary: Option<&Summary>,
    top_limit: usize,
    patterns: Option<usize>,
    cost: &Cost,
) -> Response {
    success(|out| {
        Object::write(out, |object| {
            object.array("records", records, write_record);
            if let Some(summary) = summary {
                object.integer("total", summary.total);
                write_histogram(object, summary);
                object.object("top", |object| {
                    for (field, values) in summary.top(top_limit) {
                        write_array(object.escaped_field(field), values, |out, (value, count)| {
                            Object::write(out, |object| {
                                object.string("value", value);
                                object.integer("count", count);
                            });
                        });
                    }
                });
                if let Some(limit) = patterns {
                    write_patterns(object, &summary.patterns, limit, false);
                }
            }
            write_cost(object, cost);
        });
    })
}

/// A record with everything that is known of it.
pub(super) fn write_record(out: &mut Vec<u8>, record: &LogRecord) {
    Object::write(out, |object| {
        object.string("timestamp", &rfc3339(record.timestamp_ns));
        object.string("timestamp_ns", &record.timestamp_ns.to_string());
        let level = record.level.map_or("", parapet_logs::Level::as_str);
        for (name, value) in [
            ("level", level),
            ("service", &record.service),
            ("host", &record.host),
            ("trace_id", &record.trace_id),
            ("message", &record.message),
            ("route", &record.route),
        ] {
            if !value.is_empty() {
                object.string(name, value);
            }
        }
        object.string("line", &record.line());
        object.labels("stream", &record.stream);
        object.labels("fields", &record.attributes);
    });
}

/// A time to the nanosecond.
pub(super) fn rfc3339(time_ns: i64) -> String {
    DateTime::from_timestamp_nanos(time_ns).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn write_histogram(object: &mut Object<'_>, summary: &Summary) {
    let histogram = &summary.histogram;
    object.object("histogram", |object| {
        #[allow(clippy::cast_precision_loss)]
        object.number("step_seconds", histogram.step_ns as f64 / 1e9);
        object.array("buckets", histogram.pieces(), |out, (begin_ns, counts)| {
            Object::write(out, |object| {
                object.string("time", &rfc3339(begin_ns));
                object.integer("count", counts.iter().map(|(_, count)| count).sum::<u64>());
                object.object("levels", |object| {
                    for (level, count) in counts {
                        object.integer(if level.is_empty() { "UNKNOWN" } else { level }, count);
                    }
                });
            });
        });
    });
}

/// Templates with how often they were met, and when where that is asked for.
pub(super) fn write_patterns(object: &mut Object<'_>, patterns: &[Pattern], limit: usize, timed: bool) {
    object.array("patterns", patterns.iter().take(limit), |out, pattern| {
        Object::write(out, |object| {
            object.string("pattern", &pattern.text);
            object.integer("count", pattern.count);
            if timed {
                write_times(object, &pattern.counts);
            }
        });
    });
}

fn write_times(object: &mut Object<'_>, counts: &BTreeMap<i64, u64>) {
    object.array("samples", counts, |out, (time_ns, count)| {
        Object::write(out, |object| {
            object.string("time", &rfc3339(*time_ns));
            object.integer("count", *count);
        });
    });
}

pub(super) fn write_cost(object: &mut Object<'_>, cost: &Cost) {
    object.object("stats", |object| {
        let read = &cost.read;
        object.number("seconds", cost.spent.as_secs_f64());
        for (name, count) in [
            ("files", read.files),
            ("blocks", read.blocks),
            ("blocks_read", read.blocks_read),
            ("bytes_read", read.bytes_read),
            ("rows_read", read.rows_read),
        ] {
            object.integer(name, count);
        }
    });
}

/// Lines around one.
pub(super) fn around(before: &[LogRecord], at: &[LogRecord], after: &[LogRecord], cost: &Cost) -> Response {
    success(|out| {
        Object::write(out, |object| {
            object.array("before", before, write_record);
            object.array("at", at, write_record);
            object.array("after", after, write_record);
            write_cost(object, cost);
        });
    })
}

/// Patterns alone.
pub(super) fn patterns(patterns: &[Pattern], limit: usize, cost: &Cost) -> Response {
    success(|out| {
        Object::write(out, |object| {
            write_patterns(object, patterns, limit, true);
            object.integer("total", patterns.iter().map(|pattern| pattern.count).sum::<u64>());
            write_cost(object, cost);
        });
    })
}
