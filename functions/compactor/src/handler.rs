//! The tick.

use crate::Settings;
use parapet_ports::function::Function;
use parapet_ports::{Clock, Disposition, Error, Message, Ports, Queue, Table};
use parapet_store::day::{DAY_MS, Day};
use parapet_store::{Compaction, CompactionReport, Dataset};
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;

/// The compactor function.
#[derive(Clone, Debug)]
pub struct Compactor {
    clock: Arc<dyn Clock>,
    table: Arc<dyn Table>,
    /// One for each kind of data.
    compactions: [(Dataset, Compaction); 2],
    days_each_minute: i64,
}

impl Compactor {
    /// The function over its ports.
    #[must_use]
    pub fn new(ports: &Ports, settings: Settings) -> Self {
        Self {
            clock: ports.clock.clone(),
            table: ports.table.clone(),
            compactions: [(Dataset::Metrics, settings.compaction), (Dataset::Logs, settings.logs)]
                .map(|(dataset, settings)| (dataset, Compaction::of(ports, dataset, settings))),
            days_each_minute: settings.days_each_minute.max(1),
        }
    }

    /// One round of work. What fails for one tenant is tried for the others; the first error is answered at the end.
    ///
    /// # Errors
    /// The first of what the table, the objects or a file that does not read gave.
    pub async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        let is_hourly = at_ms.rem_euclid(HOUR_MS) < 60_000;
        let mut round = Round::default();
        // What waits for its deletion, and claim checks, are of both kinds.
        let (_, any) = &self.compactions[0];
        round.note("delete", any.delete_due().await);
        for (dataset, compaction) in &self.compactions {
            self.handle_dataset(*dataset, compaction, is_hourly, &mut round).await?;
        }
        if is_hourly {
            round.note("collect claims", any.collect_claims().await);
        }
        round.finish()
    }

    async fn handle_dataset(
        &self,
        dataset: Dataset,
        compaction: &Compaction,
        is_hourly: bool,
        round: &mut Round,
    ) -> Result<(), Error> {
        for tenant in dataset.tenants(self.table.as_ref()).await? {
            let first = match is_hourly {
                true => Day::FIRST_NAMED,
                false => Day::of_ms(self.clock.now_ms() - (self.days_each_minute - 1) * DAY_MS),
            };
            if is_hourly {
                round.note("retain", compaction.retain(&tenant).await);
            }
            round.note("compact", compaction.compact(&tenant, first).await);
            if is_hourly {
                round.note("collect orphans", compaction.collect_orphans(&tenant).await);
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Function for Compactor {
    async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        Self::handle_tick(self, at_ms).await
    }

    async fn handle_batch(&self, queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        let reason = format!("the compactor takes no messages, least of all of {}", queue.as_str());
        messages
            .iter()
            .map(|_| Disposition::Reject { reason: reason.clone() })
            .collect()
    }
}

#[derive(Debug, Default)]
struct Round {
    report: CompactionReport,
    error: Option<Error>,
}

impl Round {
    fn note(&mut self, step: &'static str, outcome: Result<CompactionReport, Error>) {
        match outcome {
            Ok(report) => self.report.add(&report),
            Err(error) => {
                tracing::warn!(step, error = error.chain(), "compaction step failed");
                self.error.get_or_insert(error);
            }
        }
    }

    fn finish(self) -> Result<(), Error> {
        metrics::counter!("parapet_compaction_merges_total").increment(self.report.merges);
        metrics::counter!("parapet_compaction_merged_files_total").increment(self.report.inputs);
        metrics::counter!("parapet_compaction_conflicts_total").increment(self.report.conflicts);
        metrics::counter!("parapet_compaction_deleted_objects_total").increment(self.report.deleted);
        metrics::counter!("parapet_compaction_orphans_total").increment(self.report.orphans);
        if self.report != CompactionReport::default() {
            tracing::debug!(report = ?self.report, "compacted");
        }
        self.error.map_or(Ok(()), Err)
    }
}
