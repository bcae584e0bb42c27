//! The process's own metrics, on `/metrics`.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parapet_ports::{Queue, QueueReader};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Seconds: from a cached read to a slow receiver.
const DURATION_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// How often queue depths are measured.
const DEPTH_INTERVAL: Duration = Duration::from_secs(5);

/// Renders the metrics that all parts of the process count.
#[derive(Clone)]
pub(crate) struct SelfMetrics {
    handle: PrometheusHandle,
    process: metrics_process::Collector,
}

/// Makes this process count. Once per process.
pub(crate) fn install() -> anyhow::Result<SelfMetrics> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &DURATION_BUCKETS)?
        .install_recorder()?;
    let process = metrics_process::Collector::default();
    process.describe();
    metrics::describe_gauge!(
        "parapet_queue_depth",
        "Messages that wait in a queue: visible, delayed and in flight."
    );
    metrics::describe_counter!(
        "parapet_messages_handled_total",
        "Messages that a function has handled."
    );
    metrics::describe_counter!(
        "parapet_messages_retried_total",
        "Messages that a function has asked to see again."
    );
    metrics::describe_counter!("parapet_ticks_failed_total", "Minute ticks that a function has failed.");
    metrics::gauge!("parapet_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(SelfMetrics { handle, process })
}

impl SelfMetrics {
    /// The metrics in the Prometheus text format.
    pub(crate) fn render(&self) -> String {
        self.process.collect();
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Measures the queues' depth until told to stop.
    pub(crate) async fn watch_queues(self, reader: Arc<dyn QueueReader>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            for queue in Queue::ALL {
                if let Ok(depth) = reader.depth(queue).await {
                    metrics::gauge!("parapet_queue_depth", "queue" => queue.as_str()).set(depth as f64);
                }
            }
            tokio::select! {
                () = super::pump::pause(DEPTH_INTERVAL) => {}
                _ = stop.changed() => {}
            }
        }
    }
}
