//! Tunables.

use parapet_ports::{Error, VarReader, Vars};

/// What the function can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where people reach this server: the base of links in alerts, without a slash at its end.
    pub external_url: String,
    /// The tenant whose samples are read and written.
    pub tenant: String,
    /// The most samples that one query of a rule may hold in memory.
    pub max_samples: usize,
    /// How far an instant query looks back, milliseconds.
    pub lookback_delta_ms: i64,
    /// Whether metric names are dropped at the end of a query (`--enable-feature=promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Whether `__type__` tells of counters (`--enable-feature=type-and-unit-labels`).
    pub type_and_unit_labels: bool,
    /// How large a group's state may be to lie in the table itself, bytes; larger ones go to the object store.
    pub inline_limit_bytes: usize,
    /// How many tasks are worked on at once in one call.
    pub concurrency: usize,
    /// Groups are packed into a task up to this much measured cost, seconds.
    pub task_seconds: f64,
    /// How far back slots that were missed are evaluated after all, milliseconds; 0 leaves them out, as Prometheus.
    pub catch_up_ms: i64,
    /// How long an evaluation waits at most until what other groups have recorded before can be read, milliseconds.
    pub recorded_wait_ms: i64,
    /// How often an alert that goes on firing is sent again, milliseconds.
    pub resend_delay_ms: i64,
    /// After an outage longer than this, milliseconds, pending alerts begin anew.
    pub for_outage_tolerance_ms: i64,
    /// After an outage an alert waits at least this long before it fires, milliseconds.
    pub for_grace_period_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            external_url: "http://localhost:9090".to_owned(),
            tenant: "default".to_owned(),
            max_samples: 50_000_000,
            lookback_delta_ms: 300_000,
            delayed_name_removal: false,
            type_and_unit_labels: false,
            inline_limit_bytes: 300 * 1024,
            concurrency: 8,
            task_seconds: 5.0,
            catch_up_ms: 0,
            recorded_wait_ms: 10_000,
            resend_delay_ms: 60_000,
            for_outage_tolerance_ms: 3_600_000,
            for_grace_period_ms: 600_000,
        }
    }
}

impl Settings {
    /// Reads the settings from variables: `PARAPET_EXTERNAL_URL`, `PARAPET_QUERY_MAX_SAMPLES`,
    /// `PARAPET_QUERY_LOOKBACK_DELTA_MS`, `PARAPET_RULE_CONCURRENCY`, `PARAPET_RULE_TASK_SECONDS`,
    /// `PARAPET_RULE_CATCH_UP_MS`, `PARAPET_RULE_RECORDED_WAIT_MS`, `PARAPET_RULE_RESEND_DELAY_MS`,
    /// `PARAPET_RULE_FOR_OUTAGE_TOLERANCE_MS`, `PARAPET_RULE_FOR_GRACE_PERIOD_MS`.
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] with every fault.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let mut reader = VarReader::new(vars);
        let default = Self::default();
        let external_url = reader.optional("PARAPET_EXTERNAL_URL").unwrap_or(default.external_url);
        let settings = Self {
            external_url: external_url.trim_end_matches('/').to_owned(),
            max_samples: reader.parsed("PARAPET_QUERY_MAX_SAMPLES", default.max_samples),
            lookback_delta_ms: reader.parsed("PARAPET_QUERY_LOOKBACK_DELTA_MS", default.lookback_delta_ms),
            concurrency: reader.parsed("PARAPET_RULE_CONCURRENCY", default.concurrency).max(1),
            task_seconds: reader.parsed("PARAPET_RULE_TASK_SECONDS", default.task_seconds),
            catch_up_ms: reader.parsed("PARAPET_RULE_CATCH_UP_MS", default.catch_up_ms),
            recorded_wait_ms: reader.parsed("PARAPET_RULE_RECORDED_WAIT_MS", default.recorded_wait_ms),
            resend_delay_ms: reader.parsed("PARAPET_RULE_RESEND_DELAY_MS", default.resend_delay_ms),
            for_outage_tolerance_ms: reader
                .parsed("PARAPET_RULE_FOR_OUTAGE_TOLERANCE_MS", default.for_outage_tolerance_ms),
            for_grace_period_ms: reader.parsed("PARAPET_RULE_FOR_GRACE_PERIOD_MS", default.for_grace_period_ms),
            ..default
        };
        reader.finish(settings)
    }
}
