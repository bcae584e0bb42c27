//! The tick.

use crate::drift::{self, Known};
use crate::problems::Problems;
use crate::registry::Registry;
use crate::settings::invalid;
use crate::{Settings, stale};
use parapet_ml::{Config, Snapshot};
use parapet_model::SampleBatch;
use parapet_ports::{Disposition, Error, Function, Message, Ports, Queue, SourceFile};
use parapet_store::Reader;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A tick that is later is left to those after it: it would tell of now as of then.
const MAX_LATE_MS: i64 = 5 * 60_000;

/// The ml-exporter function.
#[derive(Debug)]
pub struct MlExporter {
    ports: Ports,
    reader: Arc<Reader>,
    settings: Settings,
    /// What can be had anew, and was read or computed already. Ticks go one after another.
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    registry: Registry,
    drift: Known,
    problems: Problems,
}

impl MlExporter {
    /// The function over its ports; `reader` answers queries, and knows what was sent before.
    #[must_use]
    pub fn new(ports: Ports, reader: Arc<Reader>, settings: Settings) -> Self {
        Self {
            ports,
            reader,
            settings,
            memory: Mutex::default(),
        }
    }

    /// Tells of everything as of `at_ms`; nothing where there is no `ml.yml`.
    ///
    /// # Errors
    /// Where `ml.yml` has faults, or the bucket, the store or the queue cannot be reached.
    pub async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        let files = self.ports.config.current().await?;
        let Some(file) = &files.ml else { return Ok(()) };
        let config = configuration(file)?;
        let mut memory = self.memory.lock().await;
        let late_ms = self.ports.clock.now_ms() - at_ms;
        if late_ms > MAX_LATE_MS {
            tracing::warn!(at_ms, late_ms, "the tick is too late and is left out");
            return Ok(());
        }
        let mut problems = Problems::default();
        let registry = &mut memory.registry;
        let models = registry
            .read(
                &self.ports.objects,
                &config.prefix,
                &self.settings,
                at_ms,
                &mut problems,
            )
            .await?;
        let windows = drift::Windows {
            ports: &self.ports,
            reader: &self.reader,
            settings: &self.settings,
        };
        let drift = memory
            .drift
            .of(&windows, file, &config, &models, at_ms, &mut problems)
            .await?;
        problems.log_new(&memory.problems);
        let snapshot = Snapshot {
            models,
            drift,
            errors: problems.counts(),
        };
        memory.problems = problems;
        let mut series = snapshot.series(at_ms);
        let mut ended = stale::markers(&self.reader, &self.settings.tenant, &series, at_ms).await?;
        metrics::counter!("parapet_ml_exporter_samples_total").increment(series.len() as u64);
        metrics::counter!("parapet_ml_exporter_series_ended_total").increment(ended.len() as u64);
        series.append(&mut ended);
        let batch = SampleBatch {
            id: format!("ml-exporter/{at_ms}"),
            tenant: self.settings.tenant.clone(),
            series,
        };
        parapet_store::outbox::send_samples(&self.ports, vec![batch]).await
    }
}

/// Reads `ml.yml`.
///
/// # Errors
/// Every fault with its place.
pub fn configuration(file: &SourceFile) -> Result<Config, Error> {
    Config::parse(&file.path, &file.text).map_err(invalid)
}

#[async_trait::async_trait]
impl Function for MlExporter {
    async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        Self::handle_tick(self, at_ms).await
    }

    async fn handle_batch(&self, queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        let reason = format!("the ml-exporter takes no messages, least of all of {}", queue.as_str());
        vec![Disposition::Reject { reason }; messages.len()]
    }
}
