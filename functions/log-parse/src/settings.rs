//! What of log-parse can be tuned.

use parapet_ports::Error;
use parapet_ports::vars::{VarReader, Vars};
use parapet_store::logs::LogWriterSettings;
use parapet_store::tenant;

/// Limits and tunables of log-parse.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How commits are sized.
    pub writer: LogWriterSettings,
    /// Claim checks fetched at once.
    pub parallel_claims: usize,
    /// Whose lines those are that come without a tenant: from CloudWatch, and from objects outside of `tenant=…/`.
    pub tenant: String,
    /// Whether each tick looks for objects dropped in the bucket: where no notification tells of them.
    pub watch_dropped: bool,
    /// An object is read in pieces of this many bytes, decompressed.
    pub piece_bytes: usize,
    /// A longer line is cut.
    pub max_line_bytes: usize,
    /// So many pieces are taken from an object by one message; the rest is sent on.
    pub pieces_per_message: usize,
    /// A delivery of CloudWatch may unfold to at most this many bytes.
    pub max_delivery_bytes: usize,
    /// Sums of metrics that have not risen for so long are forgotten.
    pub idle_sums_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            writer: LogWriterSettings::default(),
            parallel_claims: 4,
            tenant: tenant::DEFAULT.to_owned(),
            watch_dropped: false,
            piece_bytes: 8 << 20,
            max_line_bytes: 1 << 20,
            pieces_per_message: 16,
            max_delivery_bytes: 64 << 20,
            idle_sums_ms: parapet_store::day::DAY_MS,
        }
    }
}

impl Settings {
    /// Settings from variables; what is not set keeps its default.
    ///
    /// | variable | |
    /// |---|---|
    /// | `PARAPET_TENANT` | whose lines those are that come without a tenant |
    /// | `PARAPET_LOGS_MAX_LINE_BYTES` | a longer line of an object is cut |
    /// | `PARAPET_LOGS_PIECE_BYTES`, `PARAPET_LOGS_PIECES_PER_MESSAGE` | how much of an object is in memory, and worked on at a time |
    /// | `PARAPET_LOGS_MAX_DELIVERY_BYTES` | a delivery of CloudWatch, decompressed |
    /// | `PARAPET_LOGS_IDLE_METRICS_MS` | when metrics made of lines are forgotten |
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] with every variable that does not read.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let (mut reader, mut settings) = (VarReader::new(vars), Self::default());
        if let Some(name) = reader.optional("PARAPET_TENANT") {
            if let Err(error) = tenant::check(&name) {
                reader.fault(format!("PARAPET_TENANT: {error}"));
            }
            settings.tenant = name;
        }
        for (name, value) in [
            ("PARAPET_LOGS_MAX_LINE_BYTES", &mut settings.max_line_bytes),
            ("PARAPET_LOGS_PIECE_BYTES", &mut settings.piece_bytes),
            ("PARAPET_LOGS_PIECES_PER_MESSAGE", &mut settings.pieces_per_message),
            ("PARAPET_LOGS_MAX_DELIVERY_BYTES", &mut settings.max_delivery_bytes),
        ] {
            *value = reader.parsed(name, *value);
            if *value == 0 {
                reader.fault(format!("{name}=0 leaves nothing"));
            }
        }
        settings.idle_sums_ms = reader.parsed("PARAPET_LOGS_IDLE_METRICS_MS", settings.idle_sums_ms);
        reader.finish(settings)
    }
}
