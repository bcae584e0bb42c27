//! Native histograms between the wire and the model.

use crate::proto::{self, Count, ZeroCount};
use parapet_model::{CounterReset, Histogram, Span, is_stale_nan};

/// Reads a histogram message, integer or float, to the float form (`Histogram.ToFloat` of Prometheus).
pub(crate) fn from_proto(message: proto::Histogram) -> Result<Histogram, String> {
    // An integer histogram says so by its count; without any count there are no observations.
    let integer = matches!(message.count, Some(Count::Int(_)));
    let buckets = |deltas: Vec<i64>, counts: Vec<f64>| if integer { from_deltas(&deltas) } else { Ok(counts) };
    let histogram = Histogram {
        counter_reset: match message.reset_hint {
            1 => CounterReset::Reset,
            2 => CounterReset::NotReset,
            3 => CounterReset::Gauge,
            _ => CounterReset::Unknown,
        },
        schema: message.schema,
        zero_threshold: message.zero_threshold,
        zero_count: match message.zero_count {
            Some(ZeroCount::Int(count)) => count as f64,
            Some(ZeroCount::Float(count)) => count,
            None => 0.0,
        },
        count: match message.count {
            Some(Count::Int(count)) => count as f64,
            Some(Count::Float(count)) => count,
            None => 0.0,
        },
        sum: message.sum,
        positive_spans: spans(&message.positive_spans),
        positive_buckets: buckets(message.positive_deltas, message.positive_counts)?,
        negative_spans: spans(&message.negative_spans),
        negative_buckets: buckets(message.negative_deltas, message.negative_counts)?,
        custom_values: message.custom_values,
    };
    if !is_stale_nan(histogram.sum) {
        histogram.validate()?;
        if integer {
            histogram.check_count()?;
        }
    }
    Ok(histogram)
}

/// Writes the float form.
pub(crate) fn to_proto(histogram: &Histogram, timestamp_ms: i64) -> proto::Histogram {
    let spans = |spans: &[Span]| {
        spans
            .iter()
            .map(|span| proto::BucketSpan {
                offset: span.offset,
                length: span.length,
            })
            .collect()
    };
    proto::Histogram {
        count: Some(Count::Float(histogram.count)),
        sum: histogram.sum,
        schema: histogram.schema,
        zero_threshold: histogram.zero_threshold,
        zero_count: Some(ZeroCount::Float(histogram.zero_count)),
        negative_spans: spans(&histogram.negative_spans),
        negative_deltas: Vec::new(),
        negative_counts: histogram.negative_buckets.clone(),
        positive_spans: spans(&histogram.positive_spans),
        positive_deltas: Vec::new(),
        positive_counts: histogram.positive_buckets.clone(),
        reset_hint: match histogram.counter_reset {
            CounterReset::Unknown => 0,
            CounterReset::Reset => 1,
            CounterReset::NotReset => 2,
            CounterReset::Gauge => 3,
        },
        timestamp: timestamp_ms,
        custom_values: histogram.custom_values.clone(),
        start_timestamp: 0,
    }
}

fn from_deltas(deltas: &[i64]) -> Result<Vec<f64>, String> {
    let mut count = 0i64;
    deltas
        .iter()
        .map(|delta| {
            count = count.checked_add(*delta).ok_or("bucket count out of range")?;
            Ok(count as f64)
        })
        .collect()
}

fn spans(spans: &[proto::BucketSpan]) -> Vec<Span> {
    spans
        .iter()
        .map(|span| Span {
            offset: span.offset,
            length: span.length,
        })
        .collect()
}
