//! `status/*` and `alertmanagers`: facts about the server.

use crate::error::ApiError;
use crate::handler::Api;
use crate::json::{Object, write_array, write_string};
use crate::params::{format_rfc3339, parse_integer};
use crate::request::Call;
use crate::respond::{json, success};
use axum::extract::State;
use axum::response::Response;
use parapet_model::{Labels, METRIC_NAME};
use std::collections::HashMap;
use std::sync::Arc;

/// The release of Prometheus whose API this is: clients choose what to ask by it.
const PROMETHEUS_VERSION: &str = "3.14.0";
/// Cardinality is counted over the latest samples of this much time: what Prometheus keeps in its head.
const HEAD_MS: i64 = 2 * 3600 * 1000;
const MAX_TSDB_LIMIT: i64 = 10_000;

/// `/api/v1/status/buildinfo`
pub(crate) async fn build(State(api): State<Arc<Api>>) -> Response {
    success(|out| {
        Object::write(out, |object| {
            let version = format!("{PROMETHEUS_VERSION}+parapet.{}", env!("CARGO_PKG_VERSION"));
            object.string("version", &version);
            object.string("revision", &api.settings.revision);
            object.string("branch", "");
            object.string("buildUser", "");
            object.string("buildDate", "");
            // Clients read the field as text; there is no Go here.
            object.string("goVersion", "");
        });
    })
}

/// `/api/v1/status/config`: as the user wrote it, without secrets.
pub(crate) async fn config(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let config = api.configuration.current(&api.ports).await?;
    Ok(success(|out| {
        Object::write(out, |object| object.string("yaml", config.to_yaml()));
    }))
}

/// `/api/v1/status/flags`
pub(crate) async fn flags(State(api): State<Arc<Api>>) -> Response {
    success(|out| {
        Object::write(out, |object| {
            for (name, value) in &api.settings.flags {
                write_string(object.escaped_field(name), value);
            }
        });
    })
}

/// `/api/v1/status/runtimeinfo`
pub(crate) async fn runtime(State(api): State<Arc<Api>>) -> Response {
    let settings = &api.settings;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let now_ms = api.ports.clock.now_ms();
    let started = format_rfc3339(Some(settings.started_at_ms.unwrap_or(now_ms)));
    success(|out| {
        Object::write(out, |object| {
            object.string("startTime", &started);
            object.string("CWD", "");
            object.string("hostname", &settings.hostname);
            object.string("serverTime", &format_rfc3339(Some(now_ms)));
            object.boolean("reloadConfigSuccess", true);
            object.string("lastConfigTime", &started);
            object.integer("corruptionCount", 0);
            object.integer("goroutineCount", 0);
            object.integer("GOMAXPROCS", i64::try_from(threads).unwrap_or(i64::MAX));
            object.integer("GOMEMLIMIT", 0);
            object.string("GOGC", "");
            object.string("GODEBUG", "");
            object.string("storageRetention", &settings.retention);
        });
    })
}

/// `/api/v1/alertmanagers`: alerts go to the notifier, which is no server; there is none to name.
pub(crate) async fn alertmanagers() -> Response {
    success(|out| {
        out.extend_from_slice(br#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#);
    })
}

/// `/api/v1/status/walreplay`: there is no log to replay, so that it is always done.
pub(crate) async fn wal_replay() -> Response {
    success(|out| out.extend_from_slice(br#"{"min":0,"max":0,"current":0}"#))
}

/// `/api/v1/status/tsdb`
pub(crate) async fn tsdb(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let limit = tsdb_limit(call.form.get("limit"))?;
    let status = api.reader.status(&call.tenant).await?;
    let series = match status.max_time_ms {
        Some(latest) => {
            let start = latest.saturating_sub(HEAD_MS);
            api.reader.series(&call.tenant, &[Vec::new()], start, latest).await?
        }
        None => Vec::new(),
    };
    let body = tokio::task::spawn_blocking(move || {
        let counts = Cardinality::of(&series);
        let chunks: u64 = status.levels.values().map(|level| level.rows).sum();
        crate::respond::envelope(&[], &[], |out| {
            Object::write(out, |object| {
                object.object("headStats", |head| {
                    head.integer("numSeries", i128::try_from(series.len()).unwrap_or(i128::MAX));
                    head.integer("numLabelPairs", i128::try_from(counts.pairs.len()).unwrap_or(i128::MAX));
                    head.integer("chunkCount", chunks);
                    // Prometheus' own values where there is nothing.
                    head.integer("minTime", status.min_time_ms.unwrap_or(i64::MAX));
                    head.integer("maxTime", status.max_time_ms.unwrap_or(i64::MIN));
                });
                write_top(object, "seriesCountByMetricName", counts.by_metric(), limit);
                write_top(object, "labelValueCountByLabelName", counts.values_by_name(), limit);
                write_top(object, "memoryInBytesByLabelName", counts.bytes_by_name(), limit);
                write_top(object, "seriesCountByLabelValuePair", counts.by_pair(), limit);
            });
        })
    });
    let body = body
        .await
        .map_err(|error| ApiError::new(crate::error::ErrorType::Internal, error.to_string()))?;
    Ok(json(body))
}

fn tsdb_limit(text: Option<&str>) -> Result<usize, ApiError> {
    let Some(text) = text else { return Ok(10) };
    let limit = parse_integer(text).ok().filter(|limit| *limit >= 1);
    let limit = limit.ok_or_else(|| ApiError::bad_data("limit must be a positive number"))?;
    if limit > MAX_TSDB_LIMIT {
        return Err(ApiError::bad_data(format!("limit must not exceed {MAX_TSDB_LIMIT}")));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many series have each label pair.
struct Cardinality<'a> {
    pairs: HashMap<(&'a str, &'a str), u64>,
}

impl<'a> Cardinality<'a> {
    fn of(series: &'a [Labels]) -> Self {
        let mut pairs = HashMap::new();
        for (name, value) in series.iter().flat_map(Labels::iter) {
            *pairs.entry((name, value)).or_default() += 1;
        }
        Self { pairs }
    }

    fn by_metric(&self) -> Vec<(String, u64)> {
        let metrics = self.pairs.iter().filter(|((name, _), _)| *name == METRIC_NAME);
        metrics
            .map(|((_, value), count)| ((*value).to_owned(), *count))
            .collect()
    }

    fn by_pair(&self) -> Vec<(String, u64)> {
        let pairs = self.pairs.iter();
        pairs
            .map(|((name, value), count)| (format!("{name}={value}"), *count))
            .collect()
    }

    fn values_by_name(&self) -> Vec<(String, u64)> {
        self.sum_by_name(|_, _| 1)
    }

    fn bytes_by_name(&self) -> Vec<(String, u64)> {
        self.sum_by_name(|value, count| count * u64::try_from(value.len()).unwrap_or(0))
    }

    fn sum_by_name(&self, weight: impl Fn(&str, u64) -> u64) -> Vec<(String, u64)> {
        let mut sums: HashMap<&str, u64> = HashMap::new();
        for ((name, value), count) in &self.pairs {
            *sums.entry(name).or_default() += weight(value, *count);
        }
        sums.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect()
    }
}

/// The largest first; equals by name.
fn write_top(object: &mut Object<'_>, field: &str, mut counts: Vec<(String, u64)>, limit: usize) {
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(limit);
    write_array(object.field(field), &counts, |out, (name, count)| {
        Object::write(out, |object| {
            object.string("name", name);
            object.integer("value", *count);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let series = [
            Labels::from_pairs([("__name__", "up"), ("job", "node")]),
            Labels::from_pairs([("__name__", "up"), ("job", "api")]),
            Labels::from_pairs([("__name__", "go_info"), ("job", "node")]),
        ];
        let counts = Cardinality::of(&series);
        let mut out = Vec::new();
        Object::write(&mut out, |object| {
            write_top(object, "a", counts.by_metric(), 10);
            write_top(object, "b", counts.values_by_name(), 10);
            write_top(object, "c", counts.bytes_by_name(), 1);
            write_top(object, "d", counts.by_pair(), 2);
        });
        let entry = |name: &str, value: u64| serde_json::json!({"name": name, "value": value});
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&out).unwrap(),
            serde_json::json!({
                "a": [entry("up", 2), entry("go_info", 1)],
                "b": [entry("__name__", 2), entry("job", 2)],
                "c": [entry("__name__", 11)],
                "d": [entry("__name__=up", 2), entry("job=node", 2)],
            })
        );
    }

    #[test]
    fn limits() {
        assert_eq!(tsdb_limit(None).unwrap(), 10);
        assert_eq!(tsdb_limit(Some("3")).unwrap(), 3);
        for (text, want) in [
            ("0", "limit must be a positive number"),
            ("x", "limit must be a positive number"),
            ("10001", "limit must not exceed 10000"),
        ] {
            assert_eq!(tsdb_limit(Some(text)).unwrap_err().message, want);
        }
    }
}
