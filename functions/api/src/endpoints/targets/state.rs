//! What is known of targets: the configuration names them, the scraper's state and samples say how they are.

use crate::error::ApiError;
use crate::handler::Api;
use futures::{StreamExt as _, TryStreamExt as _};
use parapet_config::{Config, ScrapeJob, Target};
use parapet_exposition::Metadata;
use parapet_model::{Labels, METRIC_NAME, Matcher};
use parapet_scraper::{Health, TargetState, load_metadata, read_targets, with_discovered_targets};
use parapet_store::tenant;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Scrapes are looked for this far back, or two intervals where those are longer.
const LOOKBACK_MS: i64 = 5 * 60 * 1000;
/// Objects of metadata read at a time.
const PARALLEL_READS: usize = 16;

/// A scrape as its own samples tell of it.
#[derive(Clone, Copy, Debug)]
struct LastScrape {
    at_ms: i64,
    seconds: f64,
}

/// The targets of a tenant. Only the default tenant has any: scraped samples are its own.
#[derive(Debug)]
pub(super) struct Targets {
    config: Option<Arc<Config>>,
    states: BTreeMap<u64, TargetState>,
    scrapes: HashMap<Labels, LastScrape>,
}

/// One target that is scraped.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActiveTarget<'a> {
    pub(super) job: &'a ScrapeJob,
    pub(super) target: &'a Target,
    state: Option<&'a TargetState>,
    scrape: Option<LastScrape>,
}

impl Targets {
    /// Reads how every target is.
    pub(super) async fn read(api: &Api, tenant: &str) -> Result<Self, ApiError> {
        let mut targets = Self::read_states(api, tenant).await?;
        let Some(config) = &targets.config else {
            return Ok(targets);
        };
        let longest_ms = config
            .jobs
            .iter()
            .flat_map(|job| &job.targets)
            .map(|target| target.interval_ms)
            .max()
            .unwrap_or(0);
        let now_ms = api.ports.clock.now_ms();
        let start_ms = now_ms.saturating_sub(LOOKBACK_MS.max(longest_ms.saturating_mul(2)));
        let matchers = [Matcher::equal(METRIC_NAME, "scrape_duration_seconds")];
        // The states alone are better than no answer.
        let series = api
            .reader
            .select(tenant, &matchers, start_ms, now_ms)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(error = %error.chain(), "the last scrapes of targets do not read");
                Vec::new()
            });
        targets.scrapes = series
            .into_iter()
            .filter_map(|series| {
                // The last that is no staleness marker: that of a target which came back.
                let points = series.timestamps.iter().zip(&series.values).rev();
                let (at_ms, seconds) = points.into_iter().find(|(_, value)| value.is_finite())?;
                let scrape = LastScrape {
                    at_ms: *at_ms,
                    seconds: *seconds,
                };
                Some((series.labels.without(|name| name == METRIC_NAME), scrape))
            })
            .collect();
        Ok(targets)
    }

    async fn read_states(api: &Api, tenant: &str) -> Result<Self, ApiError> {
        let mut targets = Self {
            config: None,
            states: BTreeMap::new(),
            scrapes: HashMap::new(),
        };
        if tenant == tenant::DEFAULT {
            let written = api.configuration.current(&api.ports).await?;
            targets.config = Some(Arc::new(with_discovered_targets(&api.ports, &written).await?));
            targets.states = read_targets(api.ports.table.as_ref()).await?;
        }
        Ok(targets)
    }

    /// What each target says of its metrics, with the target's labels.
    pub(super) async fn read_metadata(
        api: &Api,
        tenant: &str,
    ) -> Result<Vec<(Labels, BTreeMap<String, Metadata>)>, ApiError> {
        let targets = Self::read_states(api, tenant).await?;
        let named: Vec<(Labels, String)> = targets
            .active()
            .filter_map(|active| Some((active.target.labels.clone(), active.state?.metadata.clone()?)))
            .collect();
        let reads = named.into_iter().map(|(labels, name)| async move {
            let metadata = load_metadata(&api.ports.objects, &name).await?;
            Ok::<_, ApiError>((labels, metadata))
        });
        // Collected, for the compiler cannot see that a lazy `map` of futures is `Send`.
        let reads: Vec<_> = reads.collect();
        futures::stream::iter(reads)
            .buffered(PARALLEL_READS)
            .try_collect()
            .await
    }

    /// The jobs by name.
    pub(super) fn jobs(&self) -> Vec<&ScrapeJob> {
        let mut jobs: Vec<&ScrapeJob> = self.config.iter().flat_map(|config| &config.jobs).collect();
        jobs.sort_by(|a, b| a.name.cmp(&b.name));
        jobs
    }

    /// Every target that is scraped, by job.
    pub(super) fn active(&self) -> impl Iterator<Item = ActiveTarget<'_>> {
        self.jobs().into_iter().flat_map(move |job| {
            job.targets.iter().map(move |target| ActiveTarget {
                job,
                target,
                state: self.states.get(&target.identity),
                scrape: self.scrapes.get(&target.labels).copied(),
            })
        })
    }
}

impl ActiveTarget<'_> {
    /// `up`, `down`, or `unknown` before the first scrape.
    pub(super) fn health(&self) -> &'static str {
        match self.state.map(|state| state.health) {
            Some(Health::Up) => "up",
            Some(Health::Down) => "down",
            None => "unknown",
        }
    }

    pub(super) fn last_error(&self) -> &str {
        self.state.map_or("", |state| &state.last_error)
    }

    /// From the samples of the last scrape; where those are not stored yet, from the state, which is older as a rule.
    pub(super) fn last_scrape_ms(&self) -> Option<i64> {
        let stored = self.scrape.map(|scrape| scrape.at_ms);
        stored.max(self.state.map(|state| state.changed_ms))
    }

    pub(super) fn last_scrape_seconds(&self) -> f64 {
        match (self.scrape, self.state) {
            (Some(scrape), _) => scrape.seconds,
            #[allow(clippy::cast_precision_loss)] // milliseconds of one scrape
            (None, Some(state)) => state.duration_ms as f64 / 1000.0,
            (None, None) => 0.0,
        }
    }
}
