//! OpenMetrics, CSV and JSON.

mod openmetrics;
mod rows;

use super::source::Source;
use super::{Count, Output};
use parapet_model::{Series, is_stale_nan};
use parapet_store::day::DAY_MS;
use std::io::Write;

/// Writes everything: metric by metric, each in order of time.
pub(super) fn write(source: &Source, form: Output, out: &mut dyn Write) -> anyhow::Result<Count> {
    match form {
        Output::Openmetrics => openmetrics::write(source, out),
        Output::Csv => rows::write_csv(source, out),
        Output::Json | Output::Blocks => rows::write_json(source, out),
    }
}

/// Goes through the series of a metric with their samples, a day at a time where there are many.
fn each_window(
    source: &Source,
    metric: &str,
    mut visit: impl FnMut((i64, i64), Vec<Series>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for window in source.windows((source.start_ms, source.end_ms), DAY_MS) {
        visit(window, source.select(Some(metric), window)?)?;
    }
    Ok(())
}

/// Counts series that come again with every window once.
#[derive(Default)]
struct SeriesCount(std::collections::HashSet<i64>);

impl SeriesCount {
    fn note(&mut self, series: &Series) {
        self.0.insert(series.labels.series_id());
    }

    fn finish(self) -> u64 {
        self.0.len() as u64
    }
}

/// The float samples of a series that text can hold; the others are counted.
fn floats<'s>(series: &'s Series, count: &mut Count) -> impl Iterator<Item = (i64, f64)> + use<'s> {
    let stale = series.values.iter().filter(|value| is_stale_nan(**value)).count() as u64;
    count.stale += stale;
    count.samples += series.values.len() as u64 - stale;
    let samples = series.timestamps.iter().copied().zip(series.values.iter().copied());
    samples.filter(|(_, value)| !is_stale_nan(*value))
}

/// A float as short as it reads back.
fn float(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() || (1e-5..1e21).contains(&magnitude) {
        parapet_model::format_float(value)
    } else {
        format!("{value:e}")
    }
}
