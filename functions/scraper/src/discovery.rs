//! Discovery: asks where targets are, keeps the answers, and makes the configuration's targets of them.
//!
//! Each discovery has an object in the bucket with the groups that it found last. The tick refreshes those that are due,
//! and writes what changed; every task reads them, kept for a while. Where an answer does not come, what was found last
//! stands.

mod ask;
mod aws;
mod dns;

pub(crate) use ask::Asking;
pub(crate) use aws::Roles;

use ask::Answered;
use bytes::Bytes;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parapet_config::{Config, Discovery, TargetGroup};
use parapet_model::Labels;
use parapet_ports::{Error, Kind, Objects, Ports};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// For how long the groups that were read from the bucket are used before they are read anew.
const FRESH_MS: i64 = 20_000;

/// What a discovery found last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    groups: Vec<StoredGroup>,
}

/// A group as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredGroup {
    source: String,
    targets: Vec<Labels>,
    labels: Labels,
}

/// What this process knows of a discovery.
#[derive(Clone, Debug)]
struct Known {
    groups: Arc<Vec<TargetGroup>>,
    /// The hash of what is stored.
    version: u64,
    read_ms: i64,
    /// When this process asked last; 0 for never.
    refreshed_ms: i64,
}

/// The discoveries of a process.
#[derive(Debug, Default)]
pub(crate) struct Discoveries {
    known: Mutex<HashMap<String, Known>>,
}

impl Discoveries {
    /// Asks every discovery that is due, and stores what is found. One that fails keeps what it found before.
    pub(crate) async fn refresh(&self, asking: Asking<'_>, config: &Config) {
        let now_ms = asking.ports.clock.now_ms();
        let is_due = |discovery: &&Discovery| {
            let known = self.known(&discovery.id);
            // A tick a little early is on time.
            known.is_none_or(|known| now_ms >= known.refreshed_ms + discovery.refresh_interval_ms - 5_000)
        };
        let all = config
            .jobs
            .iter()
            .flat_map(|job| job.discoveries.iter().map(move |one| (job, one)));
        let due: Vec<_> = all
            .filter(|(_, discovery)| is_due(discovery))
            .map(|(job, discovery)| async move {
                let (mechanism, id) = (discovery.mechanism.name(), discovery.id.as_str());
                let labels = [("mechanism", mechanism.to_owned()), ("config", job.name.clone())];
                metrics::counter!("prometheus_sd_refresh_total", &labels[..1]).increment(1);
                let outcome = match asking.ask(discovery).await {
                    Ok(answered) => self.store(asking.ports, id, answered, now_ms).await,
                    Err(error) => Err(error),
                };
                metrics::gauge!("prometheus_sd_failed_configs", &labels).set(f64::from(u8::from(outcome.is_err())));
                if let Err(error) = outcome {
                    metrics::counter!("prometheus_sd_refresh_failures_total", &labels).increment(1);
                    tracing::warn!(
                        job = job.name,
                        mechanism,
                        error = error.chain(),
                        "discovery failed: what it found before stands"
                    );
                    self.touch(id, now_ms);
                }
            })
            .collect();
        futures::future::join_all(due).await;
    }

    /// A version of what was found.
    ///
    /// # Errors
    /// Where the bucket cannot be read.
    pub(crate) async fn version(&self, ports: &Ports, config: &Config) -> Result<u64, Error> {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for discovery in config.jobs.iter().flat_map(|job| &job.discoveries) {
            hasher.update(&self.current(ports, &discovery.id).await?.version.to_le_bytes());
        }
        Ok(hasher.digest())
    }

    /// The configuration with the targets that were found, and the version of that.
    ///
    /// # Errors
    /// Where the bucket cannot be read.
    pub(crate) async fn apply(&self, ports: &Ports, config: &Config) -> Result<(Config, u64), Error> {
        let mut config = config.clone();
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for job in config.jobs.iter_mut().filter(|job| !job.discoveries.is_empty()) {
            let mut found = Vec::new();
            for discovery in &job.discoveries {
                let known = self.current(ports, &discovery.id).await?;
                hasher.update(&known.version.to_le_bytes());
                found.push(known.groups);
            }
            let groups = std::mem::take(&mut job.static_groups);
            job.set_targets(groups.iter().chain(found.iter().flat_map(|groups| groups.iter())));
            job.static_groups = groups;
            for (labels, what) in &job.faulty_targets {
                tracing::warn!(job = job.name, %labels, what, "target is left out");
            }
        }
        Ok((config, hasher.digest()))
    }

    fn known(&self, id: &str) -> Option<Known> {
        self.lock().get(id).cloned()
    }

    fn touch(&self, id: &str, now_ms: i64) {
        if let Some(known) = self.lock().get_mut(id) {
            known.refreshed_ms = now_ms;
        }
    }

    async fn current(&self, ports: &Ports, id: &str) -> Result<Known, Error> {
        let now_ms = ports.clock.now_ms();
        let known = self.known(id);
        if let Some(known) = known.clone().filter(|known| now_ms < known.read_ms + FRESH_MS) {
            return Ok(known);
        }
        let (found, version) = read(&ports.objects, id).await?;
        let fresh = Known {
            groups: match &known {
                Some(known) if known.version == version => known.groups.clone(),
                _ => Arc::new(found.groups.into_iter().map(TargetGroup::from).collect()),
            },
            version,
            read_ms: now_ms,
            refreshed_ms: known.map_or(0, |known| known.refreshed_ms),
        };
        self.lock().insert(id.to_owned(), fresh.clone());
        Ok(fresh)
    }

    async fn store(&self, ports: &Ports, id: &str, answered: Answered, now_ms: i64) -> Result<(), Error> {
        let before = self.current(ports, id).await?;
        let mut groups = answered.groups;
        let unanswered = before.groups.iter();
        groups.extend(
            unanswered
                .filter(|group| answered.unanswered.contains(&group.source))
                .cloned(),
        );
        groups.sort_by(|a, b| a.source.cmp(&b.source));
        let found = Found {
            groups: groups.iter().map(StoredGroup::from).collect(),
        };
        let bytes = serde_json::to_vec(&found)
            .map_err(|error| Error::new(Kind::Internal, "target groups do not encode").with_source(error))?;
        let version = xxhash_rust::xxh3::xxh3_64(&bytes);
        if version != before.version {
            ports.objects.put(&path(id), Bytes::from(bytes).into()).await?;
        }
        let known = Known {
            groups: Arc::new(groups),
            version,
            read_ms: now_ms,
            refreshed_ms: now_ms,
        };
        self.lock().insert(id.to_owned(), known);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The configuration with the targets that were found, for whoever shows them.
///
/// # Errors
/// Where the bucket cannot be read.
pub async fn with_discovered_targets(ports: &Ports, config: &Config) -> Result<Config, Error> {
    let (config, _) = Discoveries::default().apply(ports, config).await?;
    Ok(config)
}

impl From<StoredGroup> for TargetGroup {
    fn from(stored: StoredGroup) -> Self {
        Self {
            source: stored.source,
            targets: stored.targets,
            labels: stored.labels,
        }
    }
}

impl From<&TargetGroup> for StoredGroup {
    fn from(group: &TargetGroup) -> Self {
        Self {
            source: group.source.clone(),
            targets: group.targets.clone(),
            labels: group.labels.clone(),
        }
    }
}

fn path(id: &str) -> Path {
    Path::from(format!("state/discovery/{id}"))
}

/// What was stored, and its hash; nothing where nothing was found yet.
async fn read(objects: &Objects, id: &str) -> Result<(Found, u64), Error> {
    let bytes = match objects.get(&path(id)).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok((Found::default(), 0)),
        Err(error) => return Err(error.into()),
    };
    let found = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::error!(id, %error, "discovered targets are corrupt: none until the next refresh");
        Found::default()
    });
    Ok((found, xxhash_rust::xxh3::xxh3_64(&bytes)))
}
