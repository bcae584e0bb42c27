//! What the tests stand on: ports in memory, batches by hand.

use parapet_model::{BatchSeries, Labels, MetricType, Sample, SampleBatch};
use parapet_ports::ConfigFiles;
use parapet_ports::memory::MemoryPorts;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOW_MS: i64 = 1_795_262_400_000;

pub(crate) fn world() -> MemoryPorts {
    MemoryPorts::new(NOW_MS, ConfigFiles::default())
}

/// Three series of one sample each.
pub(crate) fn batch(id: &str, at_ms: i64, value: f64) -> SampleBatch {
    batch_of(
        id,
        &[
            ("m1", &[(at_ms, value)]),
            ("m2", &[(at_ms, value)]),
            ("m3", &[(at_ms, value)]),
        ],
    )
}

pub(crate) fn batch_of(id: &str, series: &[(&str, &[(i64, f64)])]) -> SampleBatch {
    let series = series.iter().map(|(name, samples)| BatchSeries {
        labels: Labels::from_pairs([("__name__", *name), ("job", "j")]),
        kind: MetricType::Counter,
        samples: samples.iter().map(|(at, value)| Sample::float(*at, *value)).collect(),
        exemplars: Vec::new(),
    });
    SampleBatch {
        id: id.to_owned(),
        tenant: "default".to_owned(),
        series: series.collect(),
    }
}
