//! A generated fleet of targets, answered in memory.

use bytes::Bytes;
use parapet_ports::{Clock, ConfigFiles, Error, FixedClock, Http, HttpRequest, HttpResponse, SourceFile};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2026-01-05 00:00 UTC, a Monday.
pub(crate) const START_MS: i64 = 1_767_571_200_000;

/// `targets` targets with `series` counters each, which rise at their own pace.
#[derive(Debug)]
pub(crate) struct Fleet {
    targets: usize,
    series: usize,
    clock: Arc<FixedClock>,
    samples: AtomicU64,
}

impl Fleet {
    pub(crate) fn new(targets: usize, series: usize, clock: Arc<FixedClock>) -> Self {
        Self {
            targets,
            series,
            clock,
            samples: AtomicU64::new(0),
        }
    }

    /// Samples of the fleet's own series that were scraped so far.
    pub(crate) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    pub(crate) fn config(&self) -> ConfigFiles {
        let mut text = String::from(
            "global: {scrape_interval: 15s}\nscrape_configs:\n- job_name: bench\n  static_configs:\n  - targets:\n",
        );
        for target in 0..self.targets {
            let _ = writeln!(text, "    - 10.0.{}.{}:9100", target / 250, target % 250 + 1);
        }
        let prometheus = SourceFile {
            path: "prometheus.yml".to_owned(),
            text,
        };
        ConfigFiles {
            prometheus,
            version: "1".to_owned(),
            ..ConfigFiles::default()
        }
    }

    fn body(&self, url: &str) -> String {
        let elapsed = (self.clock.now_ms() - START_MS) / 1000;
        let seed: usize = url.bytes().map(usize::from).sum();
        let mut body = String::from("# HELP bench_requests_total Requests.\n# TYPE bench_requests_total counter\n");
        for n in 0..self.series {
            let (path, code) = (n % 50, 200 + n / 50);
            let pace = (seed + n * 7) % 40;
            // A tenth stands still, as in a real fleet; the others rise unevenly.
            let value = if n % 10 == 0 {
                pace as i64
            } else {
                elapsed * pace as i64 + (elapsed * 31 + n as i64) % 13
            };
            let _ = writeln!(
                body,
                "bench_requests_total{{path=\"/api/v1/resource/{path}\",code=\"{code}\",shard=\"{n}\"}} {value}"
            );
        }
        body
    }
}

#[async_trait::async_trait]
impl Http for Fleet {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        self.samples.fetch_add(self.series as u64, Ordering::Relaxed);
        let mut headers = http::HeaderMap::new();
        headers.insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("text/plain; version=0.0.4"),
        );
        Ok(HttpResponse {
            status: http::StatusCode::OK,
            headers,
            body: Bytes::from(self.body(&request.url)),
        })
    }
}
