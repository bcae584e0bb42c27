//! Functions on the embedded storage, with a driven clock.

use parapet_adapter_local::Local;
use parapet_ports::{Disposition, Function, Queue, QueueReader as _};

/// Hands all messages that wait to the function; every one must be done. Gives their number.
pub async fn pump(local: &Local, function: &dyn Function, queue: Queue, batch: usize) -> anyhow::Result<u64> {
    let mut handled = 0;
    loop {
        let received = local.queues.receive(queue, batch, 0).await?;
        if received.is_empty() {
            return Ok(handled);
        }
        handled += received.len() as u64;
        let messages = received.iter().map(|received| received.message.clone()).collect();
        let answers = function.handle_batch(queue, messages).await;
        anyhow::ensure!(
            answers.iter().all(|answer| *answer == Disposition::Done),
            "{queue:?}: {answers:?}"
        );
        let receipts = received.into_iter().map(|received| received.receipt).collect();
        local.queues.delete(queue, receipts).await?;
    }
}
