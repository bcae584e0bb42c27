//! What the ways in of logs take and refuse.

use parapet_ports::VarReader;

/// Limits on log lines, checked before they are queued.
#[derive(Clone, Debug)]
pub struct LogLimits {
    /// Bytes of a line.
    pub max_line_bytes: usize,
    /// Labels of a stream.
    pub max_stream_labels: usize,
    /// Bytes of a label's name.
    pub max_label_name_bytes: usize,
    /// Bytes of a label's value.
    pub max_label_value_bytes: usize,
    /// Fields of a line beside its labels.
    pub max_fields: usize,
    /// A line this much older than now is refused, milliseconds. Less than lines are kept, by as long as queues keep
    /// messages.
    pub max_age_ms: i64,
    /// A line this far in the future is refused, milliseconds.
    pub max_future_ms: i64,
    /// Bytes of lines that a tenant may send a second, in one process; 0 for any number.
    pub bytes_per_second: u64,
}

const DAY_MS: i64 = 86_400_000;

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            max_line_bytes: 1024 * 1024,
            max_stream_labels: 30,
            max_label_name_bytes: 1024,
            max_label_value_bytes: 2048,
            max_fields: 1000,
            max_age_ms: max_log_age_ms(90 * DAY_MS),
            max_future_ms: 10 * 60_000,
            bytes_per_second: 0,
        }
    }
}

/// How old a pushed line may be where lines are kept so long: one that is taken is not past its retention before it is
/// stored. Queues keep messages for four days.
#[must_use]
pub fn max_log_age_ms(retention_ms: i64) -> i64 {
    retention_ms.saturating_sub(4 * DAY_MS).max(retention_ms / 2)
}

impl LogLimits {
    pub(crate) fn read(reader: &mut VarReader<'_>) -> Self {
        let mut default = Self::default();
        let retention_days: i64 = reader.parsed("PARAPET_LOGS_RETENTION_DAYS", 90);
        default.max_age_ms = max_log_age_ms(retention_days.saturating_mul(DAY_MS));
        Self {
            max_line_bytes: reader.parsed("PARAPET_LOG_MAX_LINE_BYTES", default.max_line_bytes),
            max_stream_labels: reader.parsed("PARAPET_LOG_MAX_STREAM_LABELS", default.max_stream_labels),
            max_label_name_bytes: reader.parsed("PARAPET_LOG_MAX_LABEL_NAME_BYTES", default.max_label_name_bytes),
            max_label_value_bytes: reader.parsed("PARAPET_LOG_MAX_LABEL_VALUE_BYTES", default.max_label_value_bytes),
            max_fields: reader.parsed("PARAPET_LOG_MAX_FIELDS", default.max_fields),
            max_age_ms: reader.parsed("PARAPET_LOG_MAX_AGE_MS", default.max_age_ms),
            max_future_ms: reader.parsed("PARAPET_LOG_MAX_FUTURE_MS", default.max_future_ms),
            bytes_per_second: reader.parsed("PARAPET_LOG_BYTES_PER_SECOND", default.bytes_per_second),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_age_of_lines_goes_by_their_retention() {
        let read = |vars: &[(&str, &str)]| {
            let vars: BTreeMap<String, String> = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let mut reader = VarReader::new(&vars);
            let limits = LogLimits::read(&mut reader);
            reader.finish(limits.max_age_ms / DAY_MS).unwrap()
        };
        assert_eq!(read(&[]), 86);
        assert_eq!(
            read(&[("PARAPET_LOGS_RETENTION_DAYS", "7"), ("PARAPET_LOG_MAX_AGE_MS", "")]),
            3
        );
        assert_eq!(read(&[("PARAPET_LOGS_RETENTION_DAYS", "2")]), 1);
        assert_eq!(
            read(&[
                ("PARAPET_LOGS_RETENTION_DAYS", "30"),
                ("PARAPET_LOG_MAX_AGE_MS", "86400000")
            ]),
            1
        );
    }
}
