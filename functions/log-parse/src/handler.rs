//! Messages in, a disposition for each out.

use crate::Settings;
use parapet_ports::function::Function;
use parapet_ports::{Disposition, Message, Ports, Queue};

/// The log-parse function.
#[derive(Clone, Debug)]
pub struct LogParse {
    ports: Ports,
    settings: Settings,
}

impl LogParse {
    /// The function over its ports.
    #[must_use]
    pub fn new(ports: &Ports, settings: Settings) -> Self {
        Self {
            ports: ports.clone(),
            settings,
        }
    }
}

#[async_trait::async_trait]
impl Function for LogParse {
    async fn handle_batch(&self, _queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        let _ = (&self.ports, &self.settings);
        let wait = |_| Disposition::Retry {
            reason: "not yet".to_owned(),
        };
        messages.into_iter().map(wait).collect()
    }
}
