//! What of ingest can be tuned.

use parapet_ports::Error;
use parapet_ports::vars::{VarReader, Vars};
use parapet_store::WriterSettings;

/// Limits and tunables of ingest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits on samples, and how commits are sized.
    pub writer: WriterSettings,
    /// Claim checks fetched at once.
    pub parallel_claims: usize,
    /// Series whose labels are remembered, for the scrapes that bring numbers only.
    pub cached_series: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            writer: WriterSettings::default(),
            parallel_claims: 8,
            cached_series: 500_000,
        }
    }
}

impl Settings {
    /// Settings from variables; what is not set keeps its default.
    ///
    /// | variable | |
    /// |---|---|
    /// | `PARAPET_MAX_LABELS` | labels of a series |
    /// | `PARAPET_MAX_LABEL_NAME_BYTES`, `PARAPET_MAX_LABEL_VALUE_BYTES` | length of a label |
    /// | `PARAPET_MAX_SAMPLE_AGE_MS`, `PARAPET_MAX_SAMPLE_FUTURE_MS` | how far from now a sample may be |
    /// | `PARAPET_INGEST_CACHED_SERIES` | series whose labels are remembered |
    /// | `PARAPET_INGEST_TEMPLATE_BYTES` | memory for files that are written again for the same series |
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] with every variable that does not read.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let (mut reader, mut settings) = (VarReader::new(vars), Self::default());
        let limits = &mut settings.writer.limits;
        limits.max_labels = reader.parsed("PARAPET_MAX_LABELS", limits.max_labels);
        limits.max_label_name_bytes = reader.parsed("PARAPET_MAX_LABEL_NAME_BYTES", limits.max_label_name_bytes);
        limits.max_label_value_bytes = reader.parsed("PARAPET_MAX_LABEL_VALUE_BYTES", limits.max_label_value_bytes);
        limits.max_age_ms = reader.parsed("PARAPET_MAX_SAMPLE_AGE_MS", limits.max_age_ms);
        limits.max_future_ms = reader.parsed("PARAPET_MAX_SAMPLE_FUTURE_MS", limits.max_future_ms);
        settings.cached_series = reader.parsed("PARAPET_INGEST_CACHED_SERIES", settings.cached_series);
        settings.writer.max_template_bytes =
            reader.parsed("PARAPET_INGEST_TEMPLATE_BYTES", settings.writer.max_template_bytes);
        reader.finish(settings)
    }
}
