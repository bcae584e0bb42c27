//! The `stats` of a query: how long its parts took and how much it read.

use crate::json::Object;
use parapet_model::{Run, Series};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Measured while a query runs.
#[derive(Debug)]
pub(crate) struct QueryStats {
    started: Instant,
    queue: Duration,
    preparation: Duration,
    evaluation: Duration,
    samples: usize,
}

impl QueryStats {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            queue: Duration::ZERO,
            preparation: Duration::ZERO,
            evaluation: Duration::ZERO,
            samples: 0,
        }
    }

    /// The query has left the queue.
    pub(crate) fn queued(&mut self) {
        self.queue = self.started.elapsed();
    }

    /// These series were fetched, and these runs in place of samples; gives how many samples and runs are in memory.
    pub(crate) fn read(&mut self, fetched: &[Vec<Arc<Series>>], runs: &[Vec<Vec<Run>>]) -> usize {
        let counts = fetched
            .iter()
            .flatten()
            .map(|series| series.values.len() + series.histograms.len());
        let held: usize = counts.sum();
        let runs = runs.iter().flatten().flatten();
        let (count, summed_up) = runs.fold((0, 0), |(count, samples), run| (count + 1, samples + run.samples));
        self.samples = held.saturating_add(usize::try_from(summed_up).unwrap_or(usize::MAX));
        held + count
    }

    /// Everything is fetched.
    pub(crate) fn prepared(&mut self) {
        self.preparation = self.started.elapsed().saturating_sub(self.queue);
    }

    pub(crate) fn evaluated(&mut self, took: Duration) {
        self.evaluation = took;
    }

    /// Writes the field `stats` (`BuiltinStats` of Prometheus). Samples are those that the query looked at, in rollups
    /// too: a sample that several steps look at counts once.
    pub(crate) fn write(&self, object: &mut Object<'_>) {
        let total = self.started.elapsed();
        let samples = i128::try_from(self.samples).unwrap_or(i128::MAX);
        object.object("stats", |stats| {
            stats.object("timings", |timings| {
                for (name, took) in [
                    ("evalTotalTime", total.saturating_sub(self.queue)),
                    ("resultSortTime", Duration::ZERO),
                    ("queryPreparationTime", self.preparation),
                    ("innerEvalTime", self.evaluation),
                    ("execQueueTime", self.queue),
                    ("execTotalTime", total),
                ] {
                    timings.number(name, took.as_secs_f64());
                }
            });
            stats.object("samples", |object| {
                object.integer("totalQueryableSamples", samples);
                object.integer("samplesRead", samples);
                object.integer("peakSamples", samples);
            });
        });
    }
}
