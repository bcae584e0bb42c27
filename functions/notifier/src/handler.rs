//! Messages and ticks to the work they ask for.

use crate::configuration::Configuration;
use crate::store::Store;
use crate::suppression::SharedSuppressor;
use crate::{Outlets, Settings};
use futures::StreamExt as _;
use parapet_ports::{Disposition, Error, Function, Kind, Message, Ports, Queue};
use std::future::Future;

/// The notifier.
#[derive(Debug)]
pub struct Notifier {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) outlets: Outlets,
    pub(crate) configuration: Configuration,
    pub(crate) suppressor: SharedSuppressor,
}

impl Notifier {
    /// A notifier on these ports.
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        Self {
            configuration: Configuration::new(settings.grammar),
            ports,
            settings,
            outlets: Outlets::default(),
            suppressor: SharedSuppressor::default(),
        }
    }

    /// The same with mail, secrets and credentials.
    #[must_use]
    pub fn with_outlets(self, outlets: Outlets) -> Self {
        Self { outlets, ..self }
    }

    pub(crate) fn store(&self) -> Store<'_> {
        Store {
            ports: &self.ports,
            settings: &self.settings,
        }
    }

    /// Does several things at once; answers stand in order.
    pub(crate) async fn several<F: Future>(&self, work: Vec<F>) -> Vec<F::Output> {
        futures::stream::iter(work)
            .buffered(self.settings.concurrency.max(1))
            .collect()
            .await
    }

    /// Tries a compare-and-set until nobody was faster.
    pub(crate) async fn until_agreed<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut conflicts = 0;
        loop {
            match attempt().await {
                Err(error) if error.kind() == Kind::Conflict && conflicts < self.settings.max_conflicts => {
                    conflicts += 1
                }
                result => return result,
            }
        }
    }
}

/// What a failed port means for the message that needed it.
pub(crate) fn disposition(result: Result<Disposition, Error>) -> Disposition {
    match result {
        Ok(disposition) => disposition,
        Err(error) if error.kind() == Kind::Corrupt => Disposition::Reject { reason: error.chain() },
        Err(error) => Disposition::Retry { reason: error.chain() },
    }
}

#[async_trait::async_trait]
impl Function for Notifier {
    async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        let noticed = self.notice_reload().await;
        self.wake_due(at_ms).await?;
        self.tell_of_ending_silences(at_ms).await?;
        // Last: pages come before their story.
        noticed.and(self.keep_ledger(at_ms).await)
    }

    async fn handle_batch(&self, queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        match queue {
            Queue::Alerts => self.take_alerts(&messages).await,
            Queue::Timers => {
                self.several(messages.iter().map(|message| self.take_timer(message)).collect())
                    .await
            }
            Queue::Deliveries => {
                self.several(messages.iter().map(|message| self.take_delivery(message)).collect())
                    .await
            }
            other => {
                let reason = format!("the notifier has no business with queue {}", other.as_str());
                messages
                    .iter()
                    .map(|_| Disposition::Reject { reason: reason.clone() })
                    .collect()
            }
        }
    }
}
