//! Limits and tunables of the scraper.

use parapet_http_client::EnvironmentProxies;
use parapet_ports::{Error, VarReader, Vars};

/// Limits and tunables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many targets one task scrapes at most.
    pub targets_per_shard: usize,
    /// About how many samples the targets of one task bring, by their last scrapes; a target that brings more is alone.
    pub samples_per_shard: usize,
    /// A scrape that takes longer is slow, milliseconds: what others brought is stored meanwhile, and a target that
    /// stays slow is scraped with its like.
    pub slow_ms: u64,
    /// The most requests at one time in this process.
    pub max_in_flight: usize,
    /// The longest decompressed body where the configuration sets no `body_size_limit`, bytes.
    pub max_body_bytes: u64,
    /// The most samples of one scrape where the configuration sets no `sample_limit`.
    pub max_samples: u64,
    /// The most labels of one series in a body, before `label_limit`.
    pub max_labels_per_series: usize,
    /// The most buckets of one histogram in the protobuf format, before `native_histogram_bucket_limit`.
    pub max_buckets_per_histogram: usize,
    /// Whether start times are stored as zero samples (`--enable-feature=created-timestamp-zero-ingestion`).
    pub start_timestamps: bool,
    /// Whether series get `__type__` and `__unit__` (`--enable-feature=type-and-unit-labels`).
    pub type_and_unit_labels: bool,
    /// How many series of earlier scrapes are remembered in this process, to save reading them from the bucket.
    pub cached_series: usize,
    /// How many series' bodies are remembered in this process, to know the next ones again.
    pub known_series: usize,
    /// The proxies for jobs that ask for the environment's (`proxy_from_environment`).
    pub proxies: EnvironmentProxies,
    /// The address and port of the Kubernetes API server, which a pod's variables name.
    pub kubernetes: Option<(String, String)>,
    /// How many objects are read or written at one time.
    pub object_concurrency: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            targets_per_shard: 32,
            samples_per_shard: 50_000,
            slow_ms: 1_000,
            max_in_flight: 8_192,
            max_body_bytes: 256 * 1024 * 1024,
            max_samples: 1_000_000,
            max_labels_per_series: 1_000,
            max_buckets_per_histogram: 65_536,
            start_timestamps: false,
            type_and_unit_labels: false,
            cached_series: 250_000,
            known_series: 500_000,
            proxies: EnvironmentProxies::default(),
            kubernetes: None,
            object_concurrency: 16,
        }
    }
}

impl Settings {
    /// Reads `PARAPET_SCRAPE_*` variables.
    ///
    /// # Errors
    /// Every variable that does not read, in one error.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let mut reader = VarReader::new(vars);
        let default = Self::default();
        let settings = Self {
            targets_per_shard: reader.parsed("PARAPET_SCRAPE_TARGETS_PER_SHARD", default.targets_per_shard),
            samples_per_shard: reader.parsed("PARAPET_SCRAPE_SAMPLES_PER_SHARD", default.samples_per_shard),
            slow_ms: reader.parsed("PARAPET_SCRAPE_SLOW_MS", default.slow_ms),
            max_in_flight: reader.parsed("PARAPET_SCRAPE_MAX_IN_FLIGHT", default.max_in_flight),
            max_body_bytes: reader.parsed("PARAPET_SCRAPE_MAX_BODY_BYTES", default.max_body_bytes),
            max_samples: reader.parsed("PARAPET_SCRAPE_MAX_SAMPLES", default.max_samples),
            max_labels_per_series: reader.parsed("PARAPET_SCRAPE_MAX_LABELS_PER_SERIES", default.max_labels_per_series),
            max_buckets_per_histogram: reader.parsed(
                "PARAPET_SCRAPE_MAX_BUCKETS_PER_HISTOGRAM",
                default.max_buckets_per_histogram,
            ),
            start_timestamps: reader.parsed("PARAPET_SCRAPE_START_TIMESTAMPS", default.start_timestamps),
            type_and_unit_labels: reader.parsed("PARAPET_SCRAPE_TYPE_AND_UNIT_LABELS", default.type_and_unit_labels),
            cached_series: reader.parsed("PARAPET_SCRAPE_CACHED_SERIES", default.cached_series),
            known_series: reader.parsed("PARAPET_SCRAPE_KNOWN_SERIES", default.known_series),
            proxies: EnvironmentProxies::from_vars(|name| vars.get(name)),
            kubernetes: vars
                .get("KUBERNETES_SERVICE_HOST")
                .zip(vars.get("KUBERNETES_SERVICE_PORT")),
            object_concurrency: reader.parsed("PARAPET_SCRAPE_OBJECT_CONCURRENCY", default.object_concurrency),
        };
        for (name, value) in [
            ("PARAPET_SCRAPE_TARGETS_PER_SHARD", settings.targets_per_shard),
            ("PARAPET_SCRAPE_SAMPLES_PER_SHARD", settings.samples_per_shard),
            ("PARAPET_SCRAPE_MAX_IN_FLIGHT", settings.max_in_flight),
            ("PARAPET_SCRAPE_OBJECT_CONCURRENCY", settings.object_concurrency),
        ] {
            if value == 0 {
                reader.fault(format!("{name}=0 would scrape nothing"));
            }
        }
        reader.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn tells_every_fault() {
        let vars = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        assert_eq!(Settings::from_vars(&vars(&[])).unwrap(), Settings::default());
        let error = Settings::from_vars(&vars(&[
            ("PARAPET_SCRAPE_MAX_IN_FLIGHT", "0"),
            ("PARAPET_SCRAPE_MAX_SAMPLES", "many"),
        ]));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("PARAPET_SCRAPE_MAX_IN_FLIGHT") && error.contains("PARAPET_SCRAPE_MAX_SAMPLES"),
            "{error}"
        );
    }
}
