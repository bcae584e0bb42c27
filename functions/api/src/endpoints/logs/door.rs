//! The door that every way in leads to: what is refused and why, and the queue.
//!
//! A request is answered when its lines are durable in the queue. The batch's id is made of its lines: a sender that
//! tries again sends the same, and they are stored once ([`LogBatch::of`]).

use crate::handler::Api;
use crate::intake::{RETRY_SECONDS, Rejected};
use crate::settings::LogLimits;
use chrono::DateTime;
use http::{HeaderMap, StatusCode};
use parapet_logs::LogRecord;
use parapet_ports::BodyShare;
use parapet_store::logs::{LogBatch, RawLogs, send_logs};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// A request that is not taken as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Bad(String),
    UnsupportedMedia(String),
    TooLarge(String),
    /// The tenant has sent too much; how many seconds to wait.
    TooMuch(String, u64),
    Unavailable(String),
    Internal(String),
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::UnsupportedMedia(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMuch(..) => StatusCode::TOO_MANY_REQUESTS,
            // A sender tries again after any 5xx.
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Bad(reason)
            | Self::UnsupportedMedia(reason)
            | Self::TooLarge(reason)
            | Self::TooMuch(reason, _)
            | Self::Unavailable(reason)
            | Self::Internal(reason) => reason,
        }
    }

    /// The headers that the answer has beside its body's.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Self::TooMuch(_, seconds) = self {
            headers.insert(http::header::RETRY_AFTER, (*seconds).into());
        }
        headers
    }
}

/// What the ways in of samples say of a body that they do not take.
impl From<Rejected> for Refused {
    fn from(Rejected(status, reason): Rejected) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge(reason),
            StatusCode::TOO_MANY_REQUESTS => Self::TooMuch(reason, RETRY_SECONDS),
            StatusCode::BAD_REQUEST => Self::Bad(reason),
            _ => Self::Internal(reason),
        }
    }
}

/// What one request brought.
#[derive(Debug)]
pub(super) struct Arrival {
    /// The way that it came: `loki`, `otlp`, `elasticsearch`.
    pub(super) way: &'static str,
    pub(super) tenant: String,
    pub(super) records: Vec<LogRecord>,
    /// What they take, until they are queued.
    pub(super) memory: BodyShare,
}

impl Arrival {
    /// Takes out the records that are over a limit; answers their places and what is wrong with each.
    pub(super) fn refuse(&mut self, limits: &LogLimits, now_ms: i64) -> Vec<(usize, String)> {
        let mut faults = Vec::new();
        let mut index = 0;
        self.records.retain(|record| {
            let fault = fault(record, limits, now_ms);
            if let Some((reason, text)) = &fault {
                count_refused(reason, 1);
                faults.push((index, text.clone()));
            }
            index += 1;
            fault.is_none()
        });
        faults
    }

    /// Queues what is left; when this answers, it is durable.
    pub(super) async fn send(self, api: &Api) -> Result<(), Refused> {
        if self.records.is_empty() {
            return Ok(());
        }
        let lines = self.records.len() as u64;
        let bytes: u64 = self.records.iter().map(|record| record.raw.len() as u64).sum();
        api.log_rates
            .take(&self.tenant, bytes, api.settings.logs.bytes_per_second, api.ports.clock.now_ms())
            .map_err(|wait_seconds| {
                count_refused("rate_limited", lines);
                let limit = api.settings.logs.bytes_per_second;
                let tenant = &self.tenant;
                Refused::TooMuch(
                    format!(
                        "Ingestion rate limit exceeded for user {tenant} (limit: {limit} bytes/sec) while attempting to \
                         ingest '{lines}' lines totaling '{bytes}' bytes, reduce log volume or contact your \
                         administrator to see if the limit can be increased"
                    ),
                    wait_seconds,
                )
            })?;
        metrics::counter!("parapet_log_lines_received_total", "way" => self.way).increment(lines);
        metrics::counter!("parapet_log_bytes_received_total", "way" => self.way).increment(bytes);
        let now_ns = api.ports.clock.now_ms().saturating_mul(1_000_000);
        // Two requests of one millisecond are two: where lines have no time of their own, this is part of the id.
        let received_ns = now_ns + i64::try_from(api.ports.entropy.next_u64() % 1_000_000).unwrap_or_default();
        let mut files: BTreeMap<String, Vec<LogRecord>> = BTreeMap::new();
        for record in self.records {
            files.entry(path(&record).to_owned()).or_default().push(record);
        }
        let batch = |(path, records)| {
            let lines = RawLogs {
                path,
                received_ns,
                records,
            };
            LogBatch::of(&self.tenant, lines)
        };
        let batches = files.into_iter().map(batch).collect();
        let sent = send_logs(&api.ports, batches).await;
        drop(self.memory);
        sent.map_err(|error| {
            tracing::error!(error = %error.chain(), way = self.way, "log lines could not be queued");
            Refused::Unavailable(error.to_string())
        })
    }
}

/// The file that a line was read from, as Promtail and Alloy, Filebeat and the OpenTelemetry collector tell it; empty
/// where that is not told.
fn path(record: &LogRecord) -> &str {
    let filename = record.stream.get("filename");
    filename
        .or_else(|| record.attributes.get("log.file.path"))
        .unwrap_or_default()
}

/// Counts lines that are not taken.
pub(super) fn count_refused(reason: &'static str, lines: u64) {
    metrics::counter!("parapet_refused_log_lines_total", "reason" => reason).increment(lines);
}

/// What is wrong with a line: the word for the metric, and the text, in Loki's words where it has some.
fn fault(record: &LogRecord, limits: &LogLimits, now_ms: i64) -> Option<(&'static str, String)> {
    let stream = &record.stream;
    let (line_bytes, labels) = (record.raw.len(), stream.iter().count());
    if line_bytes > limits.max_line_bytes {
        let text = format!(
            "Max entry size '{}' bytes exceeded for stream '{stream}' while adding an entry with length '{line_bytes}' bytes",
            limits.max_line_bytes
        );
        return Some(("line_too_long", text));
    }
    if labels > limits.max_stream_labels {
        let text = format!(
            "entry for stream '{stream}' has {labels} label names; limit {}",
            limits.max_stream_labels
        );
        return Some(("max_label_names_per_series", text));
    }
    for (name, value) in stream.iter() {
        if name.is_empty() {
            return Some((
                "invalid_labels",
                format!("stream '{stream}' has a label without a name"),
            ));
        }
        if name.len() > limits.max_label_name_bytes {
            return Some((
                "label_name_too_long",
                format!("stream '{stream}' has label name too long: '{name}'"),
            ));
        }
        if value.len() > limits.max_label_value_bytes {
            return Some((
                "label_value_too_long",
                format!("stream '{stream}' has label value too long: '{value}'"),
            ));
        }
    }
    let fields = record.attributes.iter().count();
    if fields > limits.max_fields {
        let text = format!(
            "entry for stream '{stream}' has {fields} fields; limit {}",
            limits.max_fields
        );
        return Some(("too_many_fields", text));
    }
    // Without a time it is the time of arrival.
    let time_ms = record.timestamp_ns / 1_000_000;
    if record.timestamp_ns == 0 {
        return None;
    }
    let time = |ms: i64| DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), |time| time.to_rfc3339());
    if time_ms < now_ms.saturating_sub(limits.max_age_ms) {
        let oldest = time(now_ms.saturating_sub(limits.max_age_ms));
        let text = format!(
            "entry for stream '{stream}' has timestamp too old: {}, oldest acceptable timestamp is: {oldest}",
            time(time_ms)
        );
        return Some(("greater_than_max_sample_age", text));
    }
    if time_ms > now_ms.saturating_add(limits.max_future_ms) {
        let text = format!("entry for stream '{stream}' has timestamp too new: {}", time(time_ms));
        return Some(("too_far_in_future", text));
    }
    None
}

/// How much each tenant has sent of late, in this process.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Debt>>);

/// Bytes that were taken and have not been paid for by time passing.
#[derive(Clone, Copy, Debug)]
struct Debt {
    bytes: u64,
    at_ms: i64,
}

impl Debt {
    fn left(self, bytes_per_second: u64, now_ms: i64) -> u64 {
        let passed_ms = u64::try_from(now_ms - self.at_ms).unwrap_or(0);
        let paid = u128::from(bytes_per_second) * u128::from(passed_ms) / 1000;
        self.bytes.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX))
    }
}

impl Rates {
    /// Takes bytes of a tenant, unless it sent more than a second's worth that it still owes. One request may be of any
    /// size: what is over the rate delays the next one.
    fn take(&self, tenant: &str, bytes: u64, bytes_per_second: u64, now_ms: i64) -> Result<(), u64> {
        if bytes_per_second == 0 {
            return Ok(());
        }
        let mut debts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        debts.retain(|_, debt| debt.left(bytes_per_second, now_ms) > 0);
        let owed = debts.get(tenant).map_or(0, |debt| debt.left(bytes_per_second, now_ms));
        if owed > bytes_per_second {
            return Err((owed - bytes_per_second).div_ceil(bytes_per_second));
        }
        let debt = Debt {
            bytes: owed + bytes,
            at_ms: now_ms,
        };
        debts.insert(tenant.to_owned(), debt);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Labels;

    #[test]
    fn a_tenant_that_sends_too_much_waits() {
        let rates = Rates::default();
        assert_eq!(rates.take("a", 1_000_000, 0, 0), Ok(()));
        // A burst is taken, and paid for by time.
        assert_eq!(rates.take("a", 350, 100, 0), Ok(()));
        assert_eq!(rates.take("a", 1, 100, 0), Err(3));
        assert_eq!(rates.take("b", 1, 100, 0), Ok(()));
        assert_eq!(rates.take("a", 1, 100, 2_499), Err(1));
        assert_eq!(rates.take("a", 1, 100, 2_500), Ok(()));
        assert_eq!(rates.take("a", 1, 100, 100_000), Ok(()));
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn lines_over_a_limit_are_refused_alone() {
        let limits = LogLimits {
            max_line_bytes: 5,
            max_stream_labels: 1,
            max_label_name_bytes: 3,
            max_label_value_bytes: 3,
            max_fields: 1,
            max_age_ms: 1_000,
            max_future_ms: 10,
            bytes_per_second: 0,
        };
        let line = |time_ms: i64, line: &str, stream: &[(&str, &str)]| LogRecord {
            timestamp_ns: time_ms * 1_000_000,
            raw: line.to_owned().into(),
            stream: Labels::from_pairs(stream.iter().copied()),
            ..LogRecord::default()
        };
        let app = [("app", "x")];
        let mut wide = line(10_000, "", &app);
        wide.attributes = Labels::from_pairs([("a", "1"), ("b", "2")]);
        let mut arrival = Arrival {
            way: "loki",
            tenant: "default".to_owned(),
            records: vec![
                line(10_000, "fine", &app),
                line(0, "now", &[]),
                line(10_000, "longer", &app),
                line(10_000, "", &[("a", "1"), ("b", "2")]),
                line(10_000, "", &[("long", "1")]),
                line(10_000, "", &[("a", "long")]),
                line(8_999, "", &app),
                line(10_011, "", &app),
                wide,
                line(10_010, "ahead", &app),
            ],
            memory: parapet_ports::BodyMemory::default().share(),
        };
        let faults = arrival.refuse(&limits, 10_000);
        assert_eq!(arrival.records.len(), 3);
        let wanted = [
            (2, "Max entry size '5' bytes exceeded for stream '{app=\"x\"}'"),
            (3, "has 2 label names; limit 1"),
            (4, "label name too long: 'long'"),
            (5, "label value too long: 'long'"),
            (
                6,
                "timestamp too old: 1970-01-01T00:00:08.999+00:00, oldest acceptable timestamp is: 1970-01-01T00:00:09+00:00",
            ),
            (7, "timestamp too new"),
            (8, "has 2 fields; limit 1"),
        ];
        assert_eq!(faults.len(), wanted.len());
        for ((index, text), (want_index, want)) in faults.iter().zip(wanted) {
            assert_eq!(*index, want_index);
            assert!(text.contains(want), "{text}");
        }
    }
}
