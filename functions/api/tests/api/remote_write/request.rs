//! Requests of remote write 2.0, put together.

use super::NOW_MS;
use parapet_remote_write::proto::v2::{Exemplar, Metadata, Request as WriteRequest, Sample, TimeSeries};
use parapet_remote_write::proto::{BucketSpan, Count, Histogram, ZeroCount};

/// A request of version 2.0 under construction.
pub(super) struct Builder(pub(super) WriteRequest);

impl Builder {
    pub(super) fn new() -> Self {
        Self(WriteRequest {
            symbols: vec![String::new()],
            timeseries: Vec::new(),
        })
    }

    fn text(&mut self, text: &str) -> u32 {
        let known = self.0.symbols.iter().position(|symbol| symbol == text);
        let at = known.unwrap_or_else(|| {
            self.0.symbols.push(text.to_owned());
            self.0.symbols.len() - 1
        });
        u32::try_from(at).unwrap()
    }

    fn labels(&mut self, labels: &[(&str, &str)]) -> Vec<u32> {
        labels
            .iter()
            .flat_map(|(name, value)| [*name, *value])
            .map(|text| self.text(text))
            .collect()
    }

    pub(super) fn series(&mut self, labels: &[(&str, &str)]) -> &mut TimeSeries {
        let labels_refs = self.labels(labels);
        self.0.timeseries.push(TimeSeries {
            labels_refs,
            ..TimeSeries::default()
        });
        self.0.timeseries.last_mut().unwrap()
    }

    pub(super) fn exemplar(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels_refs = self.labels(labels);
        let series = self.0.timeseries.last_mut().unwrap();
        series.exemplars.push(Exemplar {
            labels_refs,
            value,
            timestamp: NOW_MS - 1,
        });
    }

    pub(super) fn metadata(&mut self, kind: i32, help: &str, unit: &str) {
        let (help_ref, unit_ref) = (self.text(help), self.text(unit));
        self.0.timeseries.last_mut().unwrap().metadata = Some(Metadata {
            r#type: kind,
            help_ref,
            unit_ref,
        });
    }
}

pub(super) fn sample(value: f64) -> Sample {
    Sample {
        value,
        timestamp: NOW_MS,
        start_timestamp: 0,
    }
}

fn span(offset: i32, length: u32) -> BucketSpan {
    BucketSpan { offset, length }
}

pub(super) fn histogram() -> Histogram {
    Histogram {
        count: Some(Count::Int(10)),
        sum: 18.4,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: Some(ZeroCount::Int(2)),
        positive_spans: vec![span(0, 2), span(1, 2)],
        positive_deltas: vec![1, 1, -1, 0],
        negative_spans: vec![span(0, 2)],
        negative_deltas: vec![1, 1],
        timestamp: NOW_MS,
        ..Histogram::default()
    }
}

pub(super) fn custom() -> Histogram {
    Histogram {
        count: Some(Count::Int(6)),
        schema: -53,
        positive_spans: vec![span(0, 3)],
        positive_deltas: vec![1, 1, 1],
        custom_values: vec![1.0, 5.0],
        timestamp: NOW_MS,
        ..Histogram::default()
    }
}

pub(super) fn histogram_case(case: &str) -> Histogram {
    let whole = histogram();
    match case {
        "custom_buckets_histogram" => custom(),
        "positive_only_histogram" => Histogram {
            count: Some(Count::Int(7)),
            negative_spans: Vec::new(),
            negative_deltas: Vec::new(),
            ..whole
        },
        "negative_only_histogram" => Histogram {
            count: Some(Count::Int(3)),
            zero_count: Some(ZeroCount::Int(0)),
            positive_spans: Vec::new(),
            positive_deltas: Vec::new(),
            ..whole
        },
        "minimal_histogram" => Histogram {
            count: Some(Count::Int(2)),
            zero_count: Some(ZeroCount::Int(2)),
            timestamp: NOW_MS,
            ..Histogram::default()
        },
        "bad_count_histogram" => Histogram {
            count: Some(Count::Int(11)),
            ..whole
        },
        _ => whole,
    }
}
