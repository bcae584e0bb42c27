//! Tunables.

use parapet_http_client::EnvironmentProxies;
use parapet_ports::{Error, VarReader, Vars};
use parapet_routing::Grammar;

/// What the notifier can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where people reach this server: the base of links in notifications, without a slash at its end.
    pub external_url: String,
    /// How `alertmanager.yml` is read.
    pub grammar: Grammar,
    /// For one request to a receiver, milliseconds, unless the integration sets its own.
    pub request_timeout_ms: i64,
    /// The longest that an integration's own timeout can be, milliseconds: a function ends before a receiver may.
    pub max_request_timeout_ms: i64,
    /// How much longer than its request a delivery stays claimed, milliseconds: after that another may try.
    pub lease_margin_ms: i64,
    /// The wait after the first failed try, milliseconds; it doubles with each.
    pub first_backoff_ms: i64,
    /// The longest wait between tries, milliseconds.
    pub max_backoff_ms: i64,
    /// The proxies for receivers that ask for the environment's (`proxy_from_environment`).
    pub proxies: EnvironmentProxies,
    /// For how long a secret of Secrets Manager or Parameter Store is kept, milliseconds.
    pub secret_ttl_ms: i64,
    /// How much of a receiver's answer is read, bytes.
    pub answer_limit_bytes: u64,
    /// How large an item may be that is stored in the table itself, bytes; larger ones go to the object store.
    pub inline_limit_bytes: usize,
    /// How often a compare-and-set is tried before the message is given back.
    pub max_conflicts: u32,
    /// How long a delivery is remembered, seconds: longer than a queue keeps a message.
    pub delivery_memory_seconds: i64,
    /// Whether a notification that is given up raises the alert `ParapetNotificationFailed`. Hosts say yes.
    pub raise_failures: bool,
    /// Whether receivers are told that a group is over when everything that fires in it is silenced.
    pub resolve_on_silence: bool,
    /// How long before a silence ends the alert `ParapetSilenceEnding` tells of it, milliseconds; 0 for never.
    pub silence_notice_ms: i64,
    /// How many groups or deliveries are worked on at once.
    pub concurrency: usize,
    /// Whose ledger it writes.
    pub tenant: String,
    /// How long entries of the ledger wait for their file, milliseconds: longer makes fewer and larger files, and SQL
    /// sees them later. `parapet explain` sees them at once.
    pub ledger_flush_ms: i64,
    /// For how many days files of the ledger are kept.
    pub ledger_retention_days: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            external_url: "http://localhost:9090".to_owned(),
            grammar: Grammar::default(),
            request_timeout_ms: 10_000,
            max_request_timeout_ms: 30_000,
            lease_margin_ms: 15_000,
            first_backoff_ms: 1_000,
            max_backoff_ms: 60_000,
            proxies: EnvironmentProxies::default(),
            secret_ttl_ms: 300_000,
            answer_limit_bytes: 1024 * 1024,
            inline_limit_bytes: 300 * 1024,
            max_conflicts: 32,
            delivery_memory_seconds: 15 * 24 * 3600,
            raise_failures: false,
            resolve_on_silence: false,
            silence_notice_ms: 0,
            concurrency: 16,
            tenant: "default".to_owned(),
            ledger_flush_ms: 15 * 60_000,
            ledger_retention_days: 365,
        }
    }
}

impl Settings {
    /// Reads the settings from variables.
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] with every fault.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let mut reader = VarReader::new(vars);
        let mut settings = Self::default();
        if let Some(url) = reader.optional("PARAPET_EXTERNAL_URL") {
            settings.external_url = url.trim_end_matches('/').to_owned();
        }
        let features = reader.optional("PARAPET_ALERTMANAGER_FEATURES").unwrap_or_default();
        match Grammar::from_features(&features) {
            Ok(grammar) => settings.grammar = grammar,
            Err(error) => reader.fault(format!("PARAPET_ALERTMANAGER_FEATURES: {error}")),
        }
        settings.raise_failures = reader.parsed("PARAPET_NOTIFY_RAISE_FAILURES", true);
        settings.resolve_on_silence = reader.parsed("PARAPET_NOTIFY_RESOLVE_ON_SILENCE", false);
        let notice = reader.parsed("PARAPET_SILENCE_NOTICE_MINUTES", 0);
        if !(0..=10_080).contains(&notice) {
            reader.fault("PARAPET_SILENCE_NOTICE_MINUTES is not between 0 and 10080 (a week)");
        }
        settings.silence_notice_ms = notice.clamp(0, 10_080) * 60_000;
        settings.proxies = EnvironmentProxies::from_vars(|name| vars.get(name));
        let timeout = reader.parsed("PARAPET_NOTIFY_TIMEOUT_SECONDS", settings.request_timeout_ms / 1000);
        if !(1..=300).contains(&timeout) {
            reader.fault("PARAPET_NOTIFY_TIMEOUT_SECONDS is not between 1 and 300");
        }
        settings.request_timeout_ms = timeout.clamp(1, 300) * 1000;
        settings.max_request_timeout_ms = settings.max_request_timeout_ms.max(settings.request_timeout_ms);
        let ttl = reader.parsed("PARAPET_SECRET_TTL_SECONDS", settings.secret_ttl_ms / 1000);
        if !(0..=86_400).contains(&ttl) {
            reader.fault("PARAPET_SECRET_TTL_SECONDS is not between 0 and 86400");
        }
        settings.secret_ttl_ms = ttl.clamp(0, 86_400) * 1000;
        if let Some(tenant) = reader.optional("PARAPET_TENANT") {
            settings.tenant = tenant;
        }
        settings.ledger_flush_ms =
            1000 * reader.parsed("PARAPET_LEDGER_FLUSH_SECONDS", settings.ledger_flush_ms / 1000);
        settings.ledger_retention_days = reader.parsed("PARAPET_LEDGER_RETENTION_DAYS", settings.ledger_retention_days);
        if settings.ledger_flush_ms < 0 || settings.ledger_retention_days < 1 {
            reader.fault("PARAPET_LEDGER_FLUSH_SECONDS is below 0, or PARAPET_LEDGER_RETENTION_DAYS below 1");
        }
        reader.finish(settings)
    }
}
