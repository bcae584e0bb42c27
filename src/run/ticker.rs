//! The minute tick, as the schedules of template.yaml give it in the cloud.

use parapet_ports::{Clock, Function};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const MINUTE_MS: i64 = 60_000;

/// Ticks every function at the start, for the minute that runs, then at every full minute, until told to stop.
/// A tick that fails is logged and not repeated: the next one finds the same work.
pub(crate) async fn run(
    functions: Vec<(&'static str, Arc<dyn Function>)>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    let mut under_way = JoinSet::new();
    let mut minute = clock.now_ms().div_euclid(MINUTE_MS);
    while !*stop.borrow() {
        let at_ms = minute * MINUTE_MS;
        for (name, function) in &functions {
            let (name, function) = (*name, function.clone());
            under_way.spawn(async move {
                if let Err(error) = function.handle_tick(at_ms).await {
                    tracing::warn!(function = name, at_ms, error = error.chain(), "the tick failed");
                    metrics::counter!("parapet_ticks_failed_total", "function" => name).increment(1);
                }
            });
        }
        // A minute that was slept through is not made up for: its work would be in the past.
        minute = (minute + 1).max(clock.now_ms().div_euclid(MINUTE_MS));
        let wait_ms = u64::try_from(minute * MINUTE_MS - clock.now_ms()).unwrap_or(0);
        tokio::select! {
            () = super::pump::pause(Duration::from_millis(wait_ms)) => {}
            _ = stop.changed() => break,
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}
