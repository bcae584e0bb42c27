//! The data: a fleet's requests, latencies, CPU and memory for an hour, and a few series for 30 days.

use crate::memory::Memory;
use parapet_model::{Labels, Series};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The end of the data: 2026-01-05 00:00 UTC.
pub(crate) const END_MS: i64 = 1_767_571_200_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
const SCRAPE_MS: i64 = 15_000;
const BOUNDS: [&str; 20] = [
    "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.15", "0.2", "0.25", "0.35", "0.5", "0.75",
    "1", "2.5", "5", "10", "30", "+Inf",
];

pub(crate) fn generate(requests: usize) -> Memory {
    let mut random = StdRng::seed_from_u64(1);
    let mut series = Vec::new();
    let random = &mut random;
    for number in 0..requests {
        let labels = [
            ("__name__", "http_requests_total".to_owned()),
            ("job", format!("service-{}", number % 10)),
            (
                "instance",
                format!("10.0.{}.{}:8080", number / 10 % 4, number / 40 % 25),
            ),
            ("path", format!("/api/v1/resource/{}", number / 1000 % 20)),
            (
                "code",
                ["200", "201", "404", "500", "503"][number / 20_000 % 5].to_owned(),
            ),
            ("shard", (number / 100_000).to_string()),
        ];
        series.push(counter(random, labels, HOUR_MS, SCRAPE_MS));
    }
    for number in 0..500 {
        let (job, instance) = (
            format!("service-{}", number % 10),
            format!("10.0.{}.{}:8080", number / 250, number % 250),
        );
        // Each bucket holds those below it, too.
        let mut below: Option<Vec<f64>> = None;
        for bound in BOUNDS {
            let labels = [
                ("__name__", "http_request_duration_seconds_bucket".to_owned()),
                ("job", job.clone()),
                ("instance", instance.clone()),
                ("le", bound.to_owned()),
            ];
            let mut one = counter(random, labels, HOUR_MS, SCRAPE_MS);
            if let Some(below) = below {
                // The same times: the jitter is of the instance.
                one.values
                    .iter_mut()
                    .zip(&below)
                    .for_each(|(value, below)| *value += below);
            }
            below = Some(one.values.clone());
            series.push(one);
        }
    }
    for number in 0..1000 {
        let instance = format!("10.1.{}.{}:9100", number / 250, number % 250);
        let base = |name: &str| {
            [
                ("__name__", name.to_owned()),
                ("job", "node".to_owned()),
                ("instance", instance.clone()),
            ]
        };
        for mode in ["idle", "user", "system", "iowait"] {
            let labels = base("node_cpu_seconds_total")
                .into_iter()
                .chain([("mode", mode.to_owned())]);
            series.push(counter(random, labels, HOUR_MS, SCRAPE_MS));
        }
        series.push(gauge(random, base("node_memory_available_bytes"), HOUR_MS, SCRAPE_MS));
        series.push(gauge(random, base("node_memory_total_bytes"), HOUR_MS, SCRAPE_MS));
        let release = [
            ("release", format!("6.{}", number % 7)),
            ("zone", format!("zone-{}", number % 3)),
        ];
        let mut info = gauge(random, base("node_info").into_iter().chain(release), HOUR_MS, SCRAPE_MS);
        info.values.fill(1.0);
        series.push(info);
    }
    for number in 0..20 {
        let labels = |name: &str| [("__name__", name.to_owned()), ("site", format!("site-{number}"))];
        series.push(counter(random, labels("site_visits_total"), 30 * DAY_MS, 60_000));
        series.push(gauge(random, labels("site_temperature"), 30 * DAY_MS, 60_000));
    }
    Memory::new(series)
}

type Pair = (&'static str, String);

/// Whole numbers that rise, with a reset now and then.
fn counter(random: &mut StdRng, labels: impl IntoIterator<Item = Pair>, span_ms: i64, every_ms: i64) -> Series {
    let (pace, mut value) = (
        random.random_range(1..100u32),
        f64::from(random.random_range(0..10_000u32)),
    );
    let resets = if random.random_bool(0.05) { 0.002 } else { 0.0 };
    series(random, labels, span_ms, every_ms, |random| {
        value = if random.random_bool(resets) {
            0.0
        } else {
            value + f64::from(random.random_range(0..pace))
        };
        value
    })
}

fn gauge(random: &mut StdRng, labels: impl IntoIterator<Item = Pair>, span_ms: i64, every_ms: i64) -> Series {
    let base = random.random_range(1e6..1e9f64).round();
    series(random, labels, span_ms, every_ms, |random| {
        base + f64::from(random.random_range(0..1_000_000u32))
    })
}

fn series(
    random: &mut StdRng,
    labels: impl IntoIterator<Item = Pair>,
    span_ms: i64,
    every_ms: i64,
    mut value: impl FnMut(&mut StdRng) -> f64,
) -> Series {
    let labels = Labels::from_pairs(labels);
    // An instance is scraped at one time.
    let phase = labels
        .get("instance")
        .unwrap_or_default()
        .bytes()
        .map(i64::from)
        .sum::<i64>()
        * 97
        % every_ms;
    let timestamps: Vec<i64> = (0..span_ms / every_ms)
        .map(|at| END_MS - span_ms + at * every_ms + phase)
        .collect();
    let values = timestamps.iter().map(|_| value(random)).collect();
    Series {
        labels,
        timestamps,
        values,
        histograms: Vec::new(),
    }
}
