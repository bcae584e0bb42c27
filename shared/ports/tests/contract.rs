//! The in-memory ports keep the contracts that they stand in for.

use parapet_ports::contract::{QueueLimits, queue_contract, table_contract};
use parapet_ports::memory::{MemoryQueues, MemoryTable};
use parapet_ports::{Clock, FixedClock};
use std::sync::Arc;
use std::time::Duration;

const NOW_MS: i64 = 1_760_000_000_000;

#[tokio::test]
async fn memory_table_keeps_the_contract() {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(NOW_MS));
    table_contract(&MemoryTable::new(clock)).await;
}

#[tokio::test]
async fn memory_queues_keep_the_contract() {
    let clock = Arc::new(FixedClock::new(NOW_MS));
    let queues = MemoryQueues::new(clock.clone());
    let limits = QueueLimits {
        visibility_seconds: 30,
        max_receives: 5,
    };
    let pass = async |by: Duration| clock.advance_ms(i64::try_from(by.as_millis()).unwrap());
    queue_contract(&queues, &queues, limits, pass).await;
}
