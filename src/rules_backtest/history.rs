//! Where a backtest's samples come from.

use anyhow::Context as _;
use parapet_adapter_local::{Local, LocalSettings};
use parapet_function_kit::{ProcessVars, ReqwestHttp, SystemClock, SystemEntropy};
use parapet_model::{Labels, Matcher, Series, parse_float, stale_nan};
use parapet_ports::{ConfigFiles, FixedConfig, Http as _, HttpRequest, Ports, Vars as _};
use parapet_rules::Source;
use parapet_store::{Reader, ReaderSettings};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(120);

pub(super) enum History {
    Disk(Disk),
    Remote(Remote),
}

impl Source for History {
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        match self {
            Self::Disk(disk) => disk.select(matchers, start_ms, end_ms),
            Self::Remote(remote) => remote.select(matchers, start_ms, end_ms),
        }
    }
}

/// The storage of this machine.
pub(super) struct Disk {
    runtime: Runtime,
    reader: Reader,
    tenant: String,
}

impl Disk {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if !path.is_dir() {
            anyhow::bail!(
                "there is no data in {}; name its directory by --storage.path",
                path.display()
            );
        }
        let local = Local::open(path, Arc::new(SystemClock), &LocalSettings::default()).with_context(|| {
            format!(
                "cannot open {}; where a process runs on it, ask that by --server",
                path.display()
            )
        })?;
        let ports = Ports {
            objects: local.objects,
            queues: local.queues,
            table: local.table,
            http: Arc::new(ReqwestHttp::new()?),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            config: Arc::new(FixedConfig(Arc::new(ConfigFiles::default()))),
        };
        Ok(Self {
            runtime: runtime()?,
            reader: Reader::new(&ports, ReaderSettings::default()),
            tenant: ProcessVars
                .get("PARAPET_TENANT")
                .unwrap_or_else(|| "default".to_owned()),
        })
    }

    fn select(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let select = self.reader.select(&self.tenant, matchers, start_ms, end_ms);
        self.runtime.block_on(select).map_err(|error| error.chain())
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

/// A server's query API. Range selectors give samples as they are stored, but not where series end: that is found by
/// asking at which evaluations a series is there, so to within one interval.
pub(super) struct Remote {
    runtime: Runtime,
    http: ReqwestHttp,
    base: String,
    lookback_ms: i64,
    step_ms: i64,
}

impl Remote {
    pub(super) fn new(base: &str, lookback_ms: i64, step_ms: i64) -> anyhow::Result<Self> {
        Ok(Self {
            runtime: runtime()?,
            http: ReqwestHttp::new()?,
            base: base.trim_end_matches('/').to_owned(),
            lookback_ms,
            step_ms,
        })
    }

    fn select(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let selector = selector(matchers);
        let range_ms = end_ms - start_ms + 1;
        let raw = self.ask(&[
            ("path", "/api/v1/query".to_owned()),
            ("query", format!("{selector}[{range_ms}ms]")),
            ("time", seconds(end_ms)),
        ])?;
        let mut all = Vec::new();
        for result in raw {
            all.push(parse_series(&result)?);
        }
        // The first time that looks back no further than what was fetched.
        let (from_ms, steps) = (
            start_ms + self.lookback_ms - 1,
            (end_ms - start_ms) / self.step_ms.max(1),
        );
        if from_ms <= end_ms && steps <= 10_000 {
            let there = self.ask(&[
                ("path", "/api/v1/query_range".to_owned()),
                ("query", selector),
                ("start", seconds(from_ms)),
                ("end", seconds(end_ms)),
                ("step", seconds(self.step_ms)),
            ])?;
            let step = usize::try_from(self.step_ms).unwrap_or(1);
            for result in there {
                let seen = parse_series(&result)?;
                if let Some(series) = all.iter_mut().find(|series| series.labels == seen.labels) {
                    mark_ends(
                        series,
                        &seen.timestamps,
                        (from_ms..=end_ms).step_by(step),
                        self.lookback_ms,
                    );
                }
            }
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }

    fn ask(&self, parameters: &[(&str, String)]) -> Result<Vec<serde_json::Value>, String> {
        let [(_, path), parameters @ ..] = parameters else {
            return Ok(Vec::new());
        };
        let mut query = String::new();
        for (name, value) in parameters {
            query.push_str(if query.is_empty() { "?" } else { "&" });
            query.push_str(name);
            query.push('=');
            for byte in value.bytes() {
                match byte {
                    byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => query.push(byte as char),
                    byte => query.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        let url = format!("{}{path}{query}", self.base);
        let request = HttpRequest {
            method: http::Method::GET,
            url: url.clone(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            timeout: TIMEOUT,
            body_limit_bytes: 0,
            options: parapet_ports::HttpOptions::default(),
        };
        let response = self
            .runtime
            .block_on(self.http.call(request))
            .map_err(|error| error.chain())?;
        let answer: serde_json::Value = serde_json::from_slice(&response.body)
            .map_err(|error| format!("{url} does not answer as Prometheus does: {error}"))?;
        if answer["status"] != "success" {
            return Err(format!(
                "{url}: {}",
                answer["error"].as_str().unwrap_or("no reason given")
            ));
        }
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }
}

/// Puts a staleness marker after each sample that is not seen any more at an evaluation that would look back to it.
fn mark_ends(series: &mut Series, seen: &[i64], evaluations: impl Iterator<Item = i64>, lookback_ms: i64) {
    let mut ends = Vec::new();
    for at_ms in evaluations {
        let place = series.timestamps.partition_point(|sample_ms| *sample_ms <= at_ms);
        let Some(last_ms) = place.checked_sub(1).map(|place| series.timestamps[place]) else {
            continue;
        };
        if at_ms - last_ms < lookback_ms && seen.binary_search(&at_ms).is_err() && !ends.contains(&last_ms) {
            ends.push(last_ms);
        }
    }
    for last_ms in ends {
        let place = series.timestamps.partition_point(|sample_ms| *sample_ms <= last_ms);
        series.timestamps.insert(place, last_ms + 1);
        series.values.insert(place, stale_nan());
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

fn selector(matchers: &[Matcher]) -> String {
    let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", matchers.join(","))
}

fn parse_series(result: &serde_json::Value) -> Result<Series, String> {
    if result.get("histograms").is_some() {
        return Err("native histograms cannot be replayed from a server; use --storage.path".to_owned());
    }
    let labels = result["metric"].as_object().into_iter().flatten();
    let mut series = Series {
        labels: Labels::from_pairs(labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))),
        ..Series::default()
    };
    for pair in result["values"].as_array().into_iter().flatten() {
        let at = pair[0].as_f64().ok_or("a sample without a time")?;
        let value = pair[1]
            .as_str()
            .and_then(parse_float)
            .ok_or("a sample without a value")?;
        #[allow(clippy::cast_possible_truncation)] // Seconds since 1970.
        series.timestamps.push((at * 1000.0).round() as i64);
        series.values.push(value);
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_is_not_seen_any_more_has_ended() {
        let mut series = Series {
            timestamps: vec![60_000, 120_000, 300_000],
            values: vec![1.0, 2.0, 3.0],
            ..Series::default()
        };
        // Seen at its first two minutes and from the fifth on; not in between.
        let seen = [60_000, 120_000, 300_000, 360_000];
        mark_ends(&mut series, &seen, (60_000..=360_000).step_by(60_000), 300_000);
        assert_eq!(series.timestamps, [60_000, 120_000, 120_001, 300_000]);
        assert!(parapet_model::is_stale_nan(series.values[2]));
    }

    #[test]
    fn matchers_are_written_as_a_selector() {
        let matchers = [Matcher::equal("__name__", "up"), Matcher::equal("a.b", "x\"y")];
        assert_eq!(selector(&matchers), "{__name__=\"up\",\"a.b\"=\"x\\\"y\"}");
    }
}
