//! What of the compactor can be tuned.

use crate::retention_rules;
use parapet_ports::Error;
use parapet_ports::vars::{VarReader, Vars};
use parapet_store::CompactionSettings;

/// Limits and tunables of the compactor.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How files are merged and when they go.
    pub compaction: CompactionSettings,
    /// The same of logs.
    pub logs: CompactionSettings,
    /// Days back from today that are visited every minute; the others once an hour.
    pub days_each_minute: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            compaction: CompactionSettings::default(),
            logs: CompactionSettings::of_logs(),
            days_each_minute: 2,
        }
    }
}

impl Settings {
    /// Settings from variables; what is not set keeps its default.
    ///
    /// | variable | |
    /// |---|---|
    /// | `PARAPET_RETENTION_DAYS` | days that raw samples are kept |
    /// | `PARAPET_LOGS_RETENTION_DAYS` | days that log lines are kept |
    /// | `PARAPET_RETENTION_RULES` | exceptions to that ([`retention_rules`](crate::retention_rules)) |
    /// | `PARAPET_FIVE_MINUTE_ROLLUP_DAYS`, `PARAPET_HOUR_ROLLUP_DAYS` | days that rollups are kept, where samples are gone |
    /// | `PARAPET_GRACE_MS` | how long a replaced file is kept |
    /// | `PARAPET_BUCKET` | the bucket that the URLs of published manifests name: `s3://bucket/…` |
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] with every variable that does not read.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let (mut reader, mut settings) = (VarReader::new(vars), Self::default());
        let compaction = &mut settings.compaction;
        let day_ms = parapet_store::day::DAY_MS;
        for (name, retention_ms) in [
            ("PARAPET_RETENTION_DAYS", &mut compaction.retention_ms),
            ("PARAPET_LOGS_RETENTION_DAYS", &mut settings.logs.retention_ms),
        ] {
            let days: i64 = reader.parsed(name, *retention_ms / day_ms);
            if !(1..=36_500).contains(&days) {
                reader.fault(format!("{name}={days} is not within 1 to 36500"));
            }
            *retention_ms = days.saturating_mul(day_ms);
        }
        let rules = reader.optional("PARAPET_RETENTION_RULES").unwrap_or_default();
        match retention_rules(&rules) {
            Ok(rules) => compaction.retention_rules = rules,
            Err(error) => reader.fault(format!("PARAPET_RETENTION_RULES: {error}")),
        }
        for (name, retention_ms) in [
            (
                "PARAPET_FIVE_MINUTE_ROLLUP_DAYS",
                &mut compaction.five_minutes_retention_ms,
            ),
            ("PARAPET_HOUR_ROLLUP_DAYS", &mut compaction.hour_retention_ms),
        ] {
            let days: i64 = reader.parsed(name, *retention_ms / day_ms);
            if !(0..=36_500).contains(&days) {
                reader.fault(format!("{name}={days} is not within 0 to 36500"));
            }
            *retention_ms = days.saturating_mul(day_ms);
        }
        compaction.grace_ms = reader.parsed("PARAPET_GRACE_MS", compaction.grace_ms);
        let bucket = reader.optional("PARAPET_BUCKET");
        compaction.url_prefix = bucket.map(|bucket| format!("s3://{bucket}/")).unwrap_or_default();
        settings.logs.grace_ms = compaction.grace_ms;
        settings.logs.url_prefix.clone_from(&compaction.url_prefix);
        reader.finish(settings)
    }
}
