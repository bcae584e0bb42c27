//! What can be set, with Prometheus' defaults.

mod logs;

pub use logs::{LogLimits, max_log_age_ms};

use crate::cors::Origins;
use parapet_otlp::DeltaLimits;
use parapet_ports::{Error, VarReader, Vars};
use parapet_routing::Grammar;
use parapet_store::Limits;
use std::collections::BTreeMap;

/// Limits and facts that the API is given.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most samples that one query may hold in memory at a time (`--query.max-samples`).
    pub max_samples: usize,
    /// The longest that one query may take, milliseconds (`--query.timeout`); a request may ask for less.
    pub query_timeout_ms: u64,
    /// How many queries are answered at a time (`--query.max-concurrency`); others wait.
    pub max_concurrent_queries: usize,
    /// How many threads evaluate one query's series side by side; as many as there are cores, by default.
    pub query_threads: usize,
    /// Whether metric names are dropped at the end of a query (`--enable-feature=promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Whether `__type__` tells of counters (`--enable-feature=type-and-unit-labels`).
    pub type_and_unit_labels: bool,
    /// How far back an instant selector looks, milliseconds (`--query.lookback-delta`).
    pub lookback_delta_ms: i64,
    /// The longest form body of a request, bytes.
    pub max_form_bytes: usize,
    /// The longest body of a remote write request as sent, bytes.
    pub max_write_bytes: usize,
    /// The longest body of a remote write request decompressed, bytes.
    pub max_decompressed_write_bytes: usize,
    /// How many pushes are in work at one time; others wait.
    pub max_concurrent_writes: usize,
    /// The longest that a push waits for others, milliseconds; then it is told to come again.
    pub write_wait_ms: u64,
    /// What remote write refuses. Samples are refused earlier than the store would, by as long as queues keep
    /// messages: what was accepted is stored, however long it waits.
    pub limits: Limits,
    /// What the ways in of logs take and refuse. Lengths of bodies are those of remote write.
    pub logs: LogLimits,
    /// The version of Elasticsearch that shippers are told: some refuse to talk to one older than themselves.
    pub elasticsearch_version: String,
    /// Whether deltas of OTLP are stored as they are (`--enable-feature=otlp-native-delta-ingestion`) instead of being
    /// added up to cumulative series.
    pub otlp_native_deltas: bool,
    /// What is kept of deltas of OTLP that are added up.
    pub otlp_deltas: DeltaLimits,
    /// Whether pushed groups are not checked against each other (`--push.disable-consistency-check`).
    pub push_unchecked: bool,
    /// The most pushed groups of a tenant.
    pub max_push_groups: usize,
    /// Which other pages' scripts may read answers.
    pub cors_origins: Origins,
    /// How `alertmanager.yml` and matchers are read.
    pub grammar: Grammar,
    /// Where people reach this server, for links; empty where that is not known.
    pub external_url: String,
    /// When the process started, milliseconds since the Unix epoch; `None` where that says nothing.
    pub started_at_ms: Option<i64>,
    /// The commit that the program was built from.
    pub revision: String,
    /// Where it runs, for `status/runtimeinfo`.
    pub hostname: String,
    /// How long raw samples are kept, as `status/runtimeinfo` tells it.
    pub retention: String,
    /// What `status/flags` answers: the host's command line.
    pub flags: BTreeMap<String, String>,
}

/// How long queues keep messages, milliseconds.
const QUEUE_RETENTION_MS: i64 = 4 * 24 * 3600 * 1000;

/// The store's limits, as they are applied before the queue.
fn at_the_door(limits: Limits) -> Limits {
    Limits {
        max_age_ms: limits.max_age_ms.saturating_sub(QUEUE_RETENTION_MS),
        ..limits
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_samples: 50_000_000,
            query_timeout_ms: 120_000,
            max_concurrent_queries: 20,
            query_threads: std::thread::available_parallelism().map_or(1, usize::from),
            delayed_name_removal: false,
            type_and_unit_labels: false,
            lookback_delta_ms: 300_000,
            max_form_bytes: 10 * 1024 * 1024,
            max_write_bytes: 16 * 1024 * 1024,
            max_decompressed_write_bytes: 64 * 1024 * 1024,
            max_concurrent_writes: 64,
            write_wait_ms: 10_000,
            limits: at_the_door(Limits::default()),
            logs: LogLimits::default(),
            elasticsearch_version: "8.19.0".to_owned(),
            otlp_native_deltas: false,
            otlp_deltas: DeltaLimits {
                max_stale_ms: 3_600_000,
                max_streams: 1_000,
            },
            push_unchecked: false,
            max_push_groups: 10_000,
            cors_origins: Origins::default(),
            grammar: Grammar::default(),
            external_url: String::new(),
            started_at_ms: None,
            revision: String::new(),
            hostname: String::new(),
            retention: "30d".to_owned(),
            flags: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Reads settings from variables.
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] naming every variable that does not read.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let mut reader = VarReader::new(vars);
        let default = Self::default();
        let pattern = reader
            .optional("PARAPET_CORS_ORIGIN")
            .unwrap_or_else(|| ".*".to_owned());
        let cors_origins = Origins::matching(&pattern).unwrap_or_else(|error| {
            reader.fault(format!("PARAPET_CORS_ORIGIN: {error}"));
            Origins::default()
        });
        let features = reader.optional("PARAPET_ALERTMANAGER_FEATURES").unwrap_or_default();
        let grammar = Grammar::from_features(&features).unwrap_or_else(|error| {
            reader.fault(format!("PARAPET_ALERTMANAGER_FEATURES: {error}"));
            Grammar::default()
        });
        let settings = Self {
            grammar,
            max_samples: reader.parsed("PARAPET_QUERY_MAX_SAMPLES", default.max_samples),
            query_timeout_ms: reader.parsed("PARAPET_QUERY_TIMEOUT_MS", default.query_timeout_ms),
            max_concurrent_queries: reader.parsed("PARAPET_QUERY_MAX_CONCURRENCY", default.max_concurrent_queries),
            query_threads: reader.parsed("PARAPET_QUERY_THREADS", default.query_threads).max(1),
            lookback_delta_ms: reader.parsed("PARAPET_QUERY_LOOKBACK_DELTA_MS", default.lookback_delta_ms),
            max_form_bytes: reader.parsed("PARAPET_MAX_FORM_BYTES", default.max_form_bytes),
            max_write_bytes: reader.parsed("PARAPET_MAX_WRITE_BYTES", default.max_write_bytes),
            max_decompressed_write_bytes: reader.parsed(
                "PARAPET_MAX_DECOMPRESSED_WRITE_BYTES",
                default.max_decompressed_write_bytes,
            ),
            max_concurrent_writes: reader.parsed("PARAPET_MAX_CONCURRENT_WRITES", default.max_concurrent_writes),
            write_wait_ms: reader.parsed("PARAPET_WRITE_WAIT_MS", default.write_wait_ms),
            limits: Limits {
                max_age_ms: reader.parsed("PARAPET_MAX_WRITE_AGE_MS", default.limits.max_age_ms),
                ..default.limits
            },
            logs: LogLimits::read(&mut reader),
            elasticsearch_version: reader
                .optional("PARAPET_ELASTICSEARCH_VERSION")
                .unwrap_or(default.elasticsearch_version),
            otlp_native_deltas: reader.parsed("PARAPET_OTLP_NATIVE_DELTAS", false),
            otlp_deltas: DeltaLimits {
                max_stale_ms: reader.parsed("PARAPET_OTLP_DELTA_MAX_STALE_MS", default.otlp_deltas.max_stale_ms),
                max_streams: reader.parsed("PARAPET_OTLP_DELTA_MAX_STREAMS", default.otlp_deltas.max_streams),
            },
            push_unchecked: reader.parsed("PARAPET_PUSH_DISABLE_CONSISTENCY_CHECK", false),
            max_push_groups: reader.parsed("PARAPET_PUSH_MAX_GROUPS", default.max_push_groups),
            cors_origins,
            external_url: reader.optional("PARAPET_EXTERNAL_URL").unwrap_or_default(),
            revision: reader.optional("PARAPET_REVISION").unwrap_or_default(),
            retention: reader.optional("PARAPET_RETENTION").unwrap_or(default.retention),
            ..Self::default()
        };
        let version = &settings.elasticsearch_version;
        if version.split('.').count() != 3 || version.split('.').any(|part| part.parse::<u32>().is_err()) {
            reader.fault(format!(
                "PARAPET_ELASTICSEARCH_VERSION={version:?} is no version; write for example 8.19.0"
            ));
        }
        if settings.lookback_delta_ms <= 0 {
            reader.fault("PARAPET_QUERY_LOOKBACK_DELTA_MS must be above zero");
        }
        reader.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_variables() {
        let vars = BTreeMap::from([("PARAPET_QUERY_MAX_SAMPLES".to_owned(), "7".to_owned())]);
        assert_eq!(Settings::from_vars(&vars).unwrap().max_samples, 7);
        let vars = BTreeMap::from([
            ("PARAPET_QUERY_MAX_SAMPLES".to_owned(), "x".to_owned()),
            ("PARAPET_QUERY_LOOKBACK_DELTA_MS".to_owned(), "0".to_owned()),
            ("PARAPET_ELASTICSEARCH_VERSION".to_owned(), "8.x".to_owned()),
        ]);
        let faults = Settings::from_vars(&vars).unwrap_err().to_string();
        assert!(
            faults.contains("PARAPET_QUERY_MAX_SAMPLES")
                && faults.contains("PARAPET_QUERY_LOOKBACK_DELTA_MS")
                && faults.contains("PARAPET_ELASTICSEARCH_VERSION"),
            "{faults}"
        );
    }
}
