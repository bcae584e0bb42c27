//! Sums and means of histograms over a window, and the messages of histogram arithmetic.

use super::{Context, Window};
use crate::histogram::{self, Folded};
use parapet_model::{CounterReset, Histogram, quote};
use std::sync::Arc;

pub(crate) use crate::histogram::HistogramError;

/// Subtracts; whether custom bounds had to be reconciled.
pub(super) fn subtract(from: &mut Histogram, other: &Histogram) -> Result<bool, HistogramError> {
    histogram::subtract(from, other).map(|outcome| outcome.reconciled)
}

pub(super) fn note_reconciled(context: &Context<'_>, reconciled: bool, operation: &str) {
    if reconciled {
        context.note(reconciled_text(operation));
    }
}

/// The remark about custom bounds that differ.
pub(crate) fn reconciled_text(operation: &str) -> String {
    format!("mismatched custom buckets were reconciled during {operation}")
}

/// The warning about exponential and custom buckets together.
pub(crate) fn incompatible_text(metric: &str) -> String {
    format!(
        "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
        quote(metric)
    )
}

pub(super) fn warn_incompatible(context: &Context<'_>) {
    context.warn(incompatible_text(&context.metric));
}

/// Adds; false, with a warning, where that is not possible.
pub(super) fn add_or_warn(context: &Context<'_>, to: &mut Histogram, other: &Histogram) -> bool {
    match histogram::add(to, other) {
        Ok(outcome) => {
            note_reconciled(context, outcome.reconciled, "addition");
            true
        }
        Err(HistogramError::Incompatible) => {
            warn_incompatible(context);
            false
        }
    }
}

/// Tells of hints that contradict each other.
fn warn_collision(context: &Context<'_>, window: &Window<'_>) {
    let seen = |hint| {
        window
            .histograms
            .iter()
            .any(|(_, histogram)| histogram.counter_reset == hint)
    };
    if seen(CounterReset::Reset) && seen(CounterReset::NotReset) {
        context.warn("conflicting counter resets during histogram aggregation");
    }
}

pub(super) fn sum(context: &Context<'_>, window: &Window<'_>) -> Option<Arc<Histogram>> {
    told(context, window, histogram::sum(until_interrupted(context, window)))
}

pub(super) fn mean(context: &Context<'_>, window: &Window<'_>) -> Option<Arc<Histogram>> {
    told(context, window, histogram::mean(until_interrupted(context, window)))
}

/// The window's histograms: adding up a month of them takes long. The evaluation fails at its next check.
fn until_interrupted<'a>(context: &Context<'_>, window: &Window<'a>) -> impl Iterator<Item = &'a Histogram> + Clone {
    let histograms = window.histograms.iter().map(|(_, histogram)| &**histogram);
    histograms.take_while(|_| !context.evaluator.is_interrupted())
}

fn told(context: &Context<'_>, window: &Window<'_>, folded: Result<Folded, usize>) -> Option<Arc<Histogram>> {
    let Ok(folded) = folded else {
        warn_incompatible(context);
        return None;
    };
    warn_collision(context, window);
    note_reconciled(context, folded.reconciled, "aggregation");
    Some(Arc::new(folded.histogram))
}
