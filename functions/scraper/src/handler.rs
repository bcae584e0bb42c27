//! Ticks become tasks, tasks become samples.

use crate::client::Clients;
use crate::counters::{Counters, add};
use crate::discovery::{Asking, Discoveries, Roles};
use crate::known::KnownBodies;
use crate::outcome::Context;
use crate::plan::{Limits, Measured, Plan, ScrapeTask};
use crate::series_set::SeriesSets;
use crate::settings::Settings;
use crate::state::{ShardState, read_all};
use crate::{task, tidy};
use parapet_config::Config;
use parapet_ports::queue::MAX_DELAY_SECONDS;
use parapet_ports::{
    BodyMemory, Disposition, Dns, Error, Files, Function, Identity, Kind, Message, NoDns, NoFiles, NoIdentity,
    NoSecrets, Outgoing, Ports, Queue, Secrets,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// How much before its time a task may run: the clocks of two hosts differ.
const MAX_EARLY_MS: i64 = 5_000;

const MINUTE_MS: i64 = 60_000;

/// The scraper function.
#[derive(Debug)]
pub struct Scraper {
    context: Context,
    discoveries: Discoveries,
    files: Arc<dyn Files>,
    dns: Arc<dyn Dns>,
    identity: Arc<dyn Identity>,
    roles: Roles,
    parsed: Mutex<Option<Parsed>>,
}

/// A configuration as it was parsed.
#[derive(Clone, Debug)]
struct Parsed {
    version: String,
    /// As it is written, without what discovery finds.
    written: Arc<Config>,
    /// Of what was found.
    found: u64,
    config: Arc<Config>,
}

impl Scraper {
    /// A scraper over ports.
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        Self::with_secrets(ports, Arc::new(NoSecrets), settings)
    }

    /// A scraper that reads the secrets to which the configuration refers.
    #[must_use]
    pub fn with_secrets(ports: Ports, secrets: Arc<dyn Secrets>, settings: Settings) -> Self {
        let proxies = settings.proxies.clone();
        Self {
            context: Context {
                clients: Clients::new(ports.http.clone(), ports.clock.clone(), secrets, proxies),
                sets: SeriesSets::new(ports.objects.clone(), settings.cached_series),
                known: KnownBodies::new(settings.known_series),
                in_flight: Semaphore::new(settings.max_in_flight.clamp(1, Semaphore::MAX_PERMITS)),
                ports,
                settings,
                counters: Counters::default(),
                done: Mutex::default(),
                memory: BodyMemory::default(),
            },
            discoveries: Discoveries::default(),
            files: Arc::new(NoFiles),
            dns: Arc::new(NoDns),
            identity: Arc::new(NoIdentity),
            roles: Roles::default(),
            parsed: Mutex::default(),
        }
    }

    /// What the memory for bodies is drawn from, where other functions of the process draw from it too.
    #[must_use]
    pub fn with_body_memory(mut self, memory: BodyMemory) -> Self {
        self.context.memory = memory;
        self
    }

    /// Where the files of `file_sd_configs` and `kubeconfig_file` are.
    #[must_use]
    pub fn with_files(self, files: Arc<dyn Files>) -> Self {
        Self { files, ..self }
    }

    /// Who asks name servers for `dns_sd_configs`.
    #[must_use]
    pub fn with_dns(self, dns: Arc<dyn Dns>) -> Self {
        Self { dns, ..self }
    }

    /// Who asks AWS for the discoveries in its services that name no key of their own.
    #[must_use]
    pub fn with_identity(self, identity: Arc<dyn Identity>) -> Self {
        Self { identity, ..self }
    }

    /// What it did since the process began.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.context.counters
    }

    /// Sends a task for each slot of the minute that is not over, then tidies state. `at_ms` is the minute that the
    /// tick is meant for; the same minute twice gives the same tasks, unless targets have changed their shards between.
    ///
    /// # Errors
    /// Where the configuration or the state does not read or the queue takes no tasks. Trouble with tidying is logged: the next
    /// tick does it.
    pub async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        let minute_ms = at_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let written = self.parsed().await?.written;
        let kubernetes = self.context.settings.kubernetes.as_ref();
        let asking = Asking {
            ports: &self.context.ports,
            clients: &self.context.clients,
            files: self.files.as_ref(),
            dns: self.dns.as_ref(),
            identity: self.identity.as_ref(),
            roles: &self.roles,
            cluster: kubernetes.map(|(host, port)| (host.as_str(), port.as_str())),
        };
        self.discoveries.refresh(asking, &written).await;
        let parsed = self.parsed().await?;
        let items = read_all(self.context.ports.table.as_ref()).await?;
        let settings = &self.context.settings;
        let limits = Limits {
            targets: settings.targets_per_shard,
            samples: settings.samples_per_shard,
        };
        let known = items
            .iter()
            .filter_map(|(item, state)| Some((ShardState::home(&item.key)?, state)));
        let plan = Plan::new(&parsed.config, &limits, &Measured::of(known));
        let now_ms = self.context.ports.clock.now_ms();
        let mut messages = Vec::new();
        for task in plan.tasks(minute_ms) {
            let ahead_ms = task.scheduled_ms() - now_ms;
            if ahead_ms < -task.interval_ms {
                add(&self.context.counters.slots_skipped, 1);
                continue;
            }
            let body = serde_json::to_string(&task)
                .map_err(|error| Error::new(Kind::Internal, "scrape task does not encode").with_source(error))?;
            // Rounded up: a task is never early.
            let delay_seconds = u32::try_from((ahead_ms.max(0) + 999) / 1000).unwrap_or(u32::MAX);
            messages.push(Outgoing {
                body,
                delay_seconds: delay_seconds.min(MAX_DELAY_SECONDS),
            });
        }
        let count = messages.len();
        if count > 0 {
            self.context
                .ports
                .queues
                .send_batch(Queue::ScrapeTasks, messages)
                .await?;
        }
        add(&self.context.counters.tasks_sent, count);
        if let Err(error) = tidy::run(&self.context, &plan, items, minute_ms).await {
            tracing::warn!(error = error.chain(), "scrape state not tidied");
        }
        Ok(())
    }

    /// Runs tasks; one answer for each, in order.
    pub async fn handle_batch(&self, messages: Vec<Message>) -> Vec<Disposition> {
        let tasks: Vec<_> = messages
            .into_iter()
            .map(|message| self.handle_message(message))
            .collect();
        futures::future::join_all(tasks).await
    }

    async fn handle_message(&self, message: Message) -> Disposition {
        let task: ScrapeTask = match serde_json::from_str(&message.body) {
            Ok(task) => task,
            Err(error) => {
                return Disposition::Reject {
                    reason: format!("not a scrape task: {error}"),
                };
            }
        };
        if !task.is_valid() {
            return Disposition::Reject {
                reason: format!("not a scrape task: impossible numbers in {task:?}"),
            };
        }
        if self.context.ports.clock.now_ms() < task.scheduled_ms() - MAX_EARLY_MS {
            return Disposition::Retry {
                reason: "the slot has not come yet".to_owned(),
            };
        }
        let result = match self.parsed().await {
            Ok(parsed) => {
                let rerun = message.receive_count > 1;
                task::run(&self.context, &parsed.written, &parsed.config, &task, rerun).await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => Disposition::Done,
            // Whatever it is: in an interval's time the task is too late and done with.
            Err(error) => Disposition::Retry { reason: error.chain() },
        }
    }

    /// The configuration as it is now with the targets that were found, made once for each version of both.
    async fn parsed(&self) -> Result<Parsed, Error> {
        let files = self.context.ports.config.current().await?;
        let lock = || self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone().filter(|parsed| parsed.version == files.version);
        let written = match &known {
            Some(parsed) => parsed.written.clone(),
            None => {
                let config = parapet_store::configuration::prometheus(&files)
                    .map_err(|error| Error::new(Kind::Invalid, "configuration does not read").with_source(error))?;
                Arc::new(config)
            }
        };
        let found = self.discoveries.version(&self.context.ports, &written).await?;
        if let Some(parsed) = known.filter(|parsed| parsed.found == found) {
            return Ok(parsed);
        }
        let (config, found) = self.discoveries.apply(&self.context.ports, &written).await?;
        let parsed = Parsed {
            version: files.version.clone(),
            written,
            found,
            config: Arc::new(config),
        };
        *lock() = Some(parsed.clone());
        Ok(parsed)
    }
}

#[async_trait::async_trait]
impl Function for Scraper {
    async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        let outcome = Self::handle_tick(self, at_ms).await;
        self.context.counters.publish();
        outcome
    }

    async fn handle_batch(&self, queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        if queue == Queue::ScrapeTasks {
            let answers = Self::handle_batch(self, messages).await;
            self.context.counters.publish();
            return answers;
        }
        let reason = format!("the scraper takes no messages of {}", queue.as_str());
        messages
            .iter()
            .map(|_| Disposition::Reject { reason: reason.clone() })
            .collect()
    }
}
