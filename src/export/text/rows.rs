//! CSV and JSON.

use super::{Count, SeriesCount, each_window, float, floats};
use crate::export::source::Source;
use crate::query::times;
use parapet_model::{Histogram, METRIC_NAME, format_timestamp_seconds, is_stale_nan};
use serde_json::{Value, json};
use std::io::Write;

/// `metric,labels,time,value`: labels as a JSON object, the time as query -o csv has it.
pub(super) fn write_csv(source: &Source, out: &mut dyn Write) -> anyhow::Result<Count> {
    let (mut count, mut seen) = (Count::default(), SeriesCount::default());
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["metric", "labels", "time", "value"])?;
    for metric in source.metrics()?.into_keys() {
        each_window(source, &metric, |_, all| {
            for series in &all {
                seen.note(series);
                count.histograms += series.histograms.len() as u64;
                let labels = serde_json::to_string(&series.labels.without(|name| name == METRIC_NAME))?;
                for (at, value) in floats(series, &mut count) {
                    let time = times::format_time(at, "%Y-%m-%dT%H:%M:%S%.3fZ");
                    writer.write_record([&metric, &labels, &time, &float(value)])?;
                }
            }
            Ok(())
        })?;
    }
    writer.flush()?;
    count.series = seen.finish();
    Ok(count)
}

/// `{"metric":{…},"values":[[1795219200.015,"1"],…]}`, as the API's matrices, a line for each; native histograms with
/// spans and buckets as they are stored, under `histograms`.
pub(super) fn write_json(source: &Source, out: &mut dyn Write) -> anyhow::Result<Count> {
    let (mut count, mut seen) = (Count::default(), SeriesCount::default());
    for metric in source.metrics()?.into_keys() {
        each_window(source, &metric, |_, all| {
            for series in &all {
                seen.note(series);
                let values: Vec<Value> = floats(series, &mut count)
                    .map(|(at, value)| json!([seconds(at), float(value)]))
                    .collect();
                let live = series
                    .histograms
                    .iter()
                    .filter(|(_, histogram)| !is_stale_nan(histogram.sum));
                let histograms: Vec<Value> = live
                    .map(|(at, histogram)| json!([seconds(*at), histogram_json(histogram)]))
                    .collect();
                count.samples += histograms.len() as u64;
                count.stale += (series.histograms.len() - histograms.len()) as u64;
                let mut line = json!({ "metric": series.labels });
                for (name, samples) in [("values", values), ("histograms", histograms)] {
                    if !samples.is_empty() {
                        line[name] = Value::Array(samples);
                    }
                }
                writeln!(out, "{line}")?;
            }
            Ok(())
        })?;
    }
    count.series = seen.finish();
    Ok(count)
}

fn seconds(timestamp_ms: i64) -> Value {
    let text = format_timestamp_seconds(timestamp_ms);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn histogram_json(histogram: &Histogram) -> Value {
    let texts = |values: &[f64]| values.iter().map(|value| float(*value)).collect::<Vec<_>>();
    let spans = |spans: &[parapet_model::Span]| {
        spans
            .iter()
            .map(|span| [i64::from(span.offset), i64::from(span.length)])
            .collect::<Vec<_>>()
    };
    json!({
        "schema": histogram.schema,
        "count": float(histogram.count),
        "sum": float(histogram.sum),
        "zero_threshold": float(histogram.zero_threshold),
        "zero_count": float(histogram.zero_count),
        "positive_spans": spans(&histogram.positive_spans),
        "positive_buckets": texts(&histogram.positive_buckets),
        "negative_spans": spans(&histogram.negative_spans),
        "negative_buckets": texts(&histogram.negative_buckets),
        "custom_values": texts(&histogram.custom_values),
    })
}
