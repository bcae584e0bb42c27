//! Functions of windows in which a store has summed up samples.

use super::{Answer, Context, Window, float, rate, time_value};
use crate::engine::failure;
use parapet_model::Run;

/// The functions for which runs of samples ([`parapet_model::Run`]) are as good as the samples.
pub const FUNCTIONS_OF_RUNS: [&str; 16] = [
    "absent_over_time",
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "first_over_time",
    "increase",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "rate",
    "resets",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
];

/// The function of this name, where it is one of [`FUNCTIONS_OF_RUNS`].
pub(crate) fn of_runs(name: &str) -> Option<&'static str> {
    FUNCTIONS_OF_RUNS.into_iter().find(|function| *function == name)
}

pub(super) fn evaluate(context: &Context<'_>, window: &Window<'_>) -> Answer {
    let Some(all) = whole(window) else { return Ok(None) };
    #[allow(clippy::cast_precision_loss)]
    let count = all.samples as f64;
    let rollup = &all.rollup;
    match context.function {
        "rate" => rate::of_run(context, window, &all, true, true),
        "increase" => rate::of_run(context, window, &all, true, false),
        "delta" => rate::of_run(context, window, &all, false, false),
        "absent_over_time" | "present_over_time" => float(1.0),
        "avg_over_time" => float(rollup.sum / count),
        "changes" => float(rollup.changes),
        "count_over_time" => float(count),
        "first_over_time" => float(rollup.first),
        "last_over_time" => float(rollup.last),
        "max_over_time" => float(rollup.max),
        "min_over_time" => float(rollup.min),
        "resets" => float(rollup.resets),
        "sum_over_time" => float(rollup.sum),
        "ts_of_first_over_time" => time(all.start_ms),
        "ts_of_last_over_time" => time(all.end_ms),
        other => failure(format!("{other} needs the samples themselves")),
    }
}

#[allow(clippy::unnecessary_wraps)] // The shape of every function's answer.
fn time(at_ms: i64) -> Answer {
    Ok(Some(time_value(at_ms)))
}

/// Everything in the window as one run.
fn whole(window: &Window<'_>) -> Option<Run> {
    let mut samples = window
        .times
        .iter()
        .zip(window.values)
        .map(|(time, value)| Run::sample(*time, *value))
        .peekable();
    let mut runs = window.runs.iter().copied().peekable();
    let mut next = || match (samples.peek(), runs.peek()) {
        (Some(sample), Some(run)) if sample.start_ms < run.start_ms => samples.next(),
        (_, Some(_)) => runs.next(),
        (_, None) => samples.next(),
    };
    let mut all = next()?;
    while let Some(run) = next() {
        all.join(&run);
    }
    Some(all)
}
