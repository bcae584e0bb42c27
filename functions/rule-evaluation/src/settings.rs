//! Tunables.

use parapet_ports::{Error, VarReader, Vars};

/// What the function can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where people reach this server: the base of links in alerts, without a slash at its end.
    pub external_url: String,
    /// The tenant whose samples are read and written.
    pub tenant: String,
    /// The most samples that one query of a rule may hold in memory.
    pub max_samples: usize,
    /// How far an instant query looks back, milliseconds.
    pub lookback_delta_ms: i64,
    /// How large a group's state may be to lie in the table itself, bytes; larger ones go to the object store.
    pub inline_limit_bytes: usize,
    /// How many groups are evaluated at once in one call.
    pub concurrency: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            external_url: "http://localhost:9090".to_owned(),
            tenant: "default".to_owned(),
            max_samples: 50_000_000,
            lookback_delta_ms: 300_000,
            inline_limit_bytes: 300 * 1024,
            concurrency: 8,
        }
    }
}

impl Settings {
    /// Reads the settings from variables: `PARAPET_EXTERNAL_URL`, `PARAPET_QUERY_MAX_SAMPLES`,
    /// `PARAPET_QUERY_LOOKBACK_DELTA_MS`, `PARAPET_RULE_CONCURRENCY`.
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
            ..default
        };
        reader.finish(settings)
    }
}
