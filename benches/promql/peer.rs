//! A Prometheus that holds the same data.

use crate::Summary;
use crate::memory::Memory;
use crate::queries::Query;
use anyhow::Context as _;
use parapet_benches::peer::Peer as Api;
use parapet_benches::process;
use parapet_model::{BatchSeries, MetricType, Sample};

pub(crate) struct Peer {
    api: Api,
    pid: u32,
}

impl Peer {
    pub(crate) fn new(url: String, pid: u32) -> anyhow::Result<Self> {
        Ok(Self {
            api: Api::new(url)?,
            pid,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends everything, series by series: with blocks of 100 days the head takes what is much older than what it has.
    pub(crate) async fn load(&self, memory: &Memory) -> anyhow::Result<()> {
        let mut batch: Vec<BatchSeries> = Vec::new();
        for series in memory.all() {
            let samples = series.timestamps.iter().zip(&series.values);
            batch.push(BatchSeries {
                labels: series.labels.clone(),
                kind: MetricType::Unknown,
                samples: samples.map(|(at, value)| Sample::float(*at, *value)).collect(),
                exemplars: Vec::new(),
            });
            if batch.iter().map(|series| series.samples.len()).sum::<usize>() > 100_000 {
                self.api.write(&std::mem::take(&mut batch)).await?;
            }
        }
        self.api.write(&batch).await
    }

    /// CPU-seconds of one run; fails where the answer is another than `ours`.
    pub(crate) async fn measure(&self, query: &Query, ours: &Summary, seconds: f64) -> anyhow::Result<f64> {
        let (range, at) = (&query.range, |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000));
        let (path, form) = if range.is_instant() {
            (
                "api/v1/query",
                vec![("query", query.text.clone()), ("time", at(range.start_ms))],
            )
        } else {
            let form = [
                ("start", range.start_ms),
                ("end", range.end_ms),
                ("step", range.step_ms),
            ];
            let form = form.map(|(name, ms)| (name, at(ms)));
            (
                "api/v1/query_range",
                form.into_iter().chain([("query", query.text.clone())]).collect(),
            )
        };
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut headers = http::HeaderMap::new();
        headers.insert(
            "content-type",
            http::HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let (before, mut runs) = (process::cpu_seconds(self.pid), 0u32);
        loop {
            let answer = self
                .api
                .call(http::Method::POST, path, headers.clone(), body.clone().into_bytes())
                .await?;
            runs += 1;
            if runs == 1 {
                let theirs = summary(&answer)?;
                anyhow::ensure!(
                    ours.is_close_to(&theirs),
                    "{}: {ours:?} instead of {theirs:?}",
                    query.name
                );
            }
            let spent = process::cpu_seconds(self.pid) - before;
            if spent >= seconds || runs == 50 {
                return Ok(spent / f64::from(runs));
            }
        }
    }
}

/// Reads an answer.
fn summary(body: &[u8]) -> anyhow::Result<Summary> {
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    let mut summary = Summary::default();
    let result = answer["data"]["result"]
        .as_array()
        .context("the peer's answer has no result")?;
    for series in result {
        let points = series["values"]
            .as_array()
            .map_or_else(|| vec![&series["value"]], |all| all.iter().collect());
        let text = |point: &serde_json::Value| point[1].as_str().and_then(parapet_model::parse_float);
        summary.add(points.into_iter().filter_map(text));
    }
    Ok(summary)
}
