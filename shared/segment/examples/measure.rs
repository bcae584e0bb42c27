//! Sizes and speeds of segments on replayed scrapes of node_exporter: the figures of `docs/adr/0004-segment-v1.md`.
//!
//! `cargo run --profile fast -p parapet-segment --example measure -- <folder of *.prom.gz scrapes> [targets]`
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::single_range_in_vec_init)]

use parapet_exposition::{Format, Limits, Parser, collect};
use parapet_model::{Labels, MetricType};
use parapet_segment::{Chunk, EncodeOptions, Footer, ListEncoding, NoLabelCache, Samples, Source, encode, merge};
use std::io::Read as _;

const START_MS: i64 = 1_795_262_400_000;
const STEP_MS: i64 = 15_000;
/// One hour at 15 s.
const STEPS: usize = 240;

/// A series as the captured scrapes have it.
struct Captured {
    labels: Labels,
    kind: MetricType,
    values: Vec<f64>,
}

fn captured(folder: &str) -> Vec<Captured> {
    let mut all = Vec::new();
    for version in ["node_exporter-1.5", "node_exporter-1.11"] {
        let mut series: Vec<Captured> = Vec::new();
        for number in 0..7 {
            let file = std::fs::File::open(format!("{folder}/{version}.{number}.prom.gz")).unwrap();
            let mut body = Vec::new();
            flate2::read::GzDecoder::new(file).read_to_end(&mut body).unwrap();
            let format = Format::from_content_type("text/plain; version=0.0.4", None).unwrap();
            for found in collect(Parser::new(&body, format, &Limits::default())).unwrap().series {
                let parapet_model::Value::Float(value) = found.value else {
                    continue;
                };
                match series.iter_mut().find(|series| series.labels == found.labels) {
                    Some(series) => series.values.push(value),
                    None => {
                        let (labels, kind) = (found.labels.clone(), found.kind);
                        series.push(Captured {
                            labels,
                            kind,
                            values: vec![value],
                        });
                    }
                }
            }
        }
        series.retain(|series| series.values.len() == 7);
        all.extend(series);
    }
    all
}

/// Even noise in 0..1 that depends on nothing but its arguments.
fn noise(seed: u64, step: usize) -> f64 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (step as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1u64 << 53) as f64
}

/// The values of a captured series over steps, for a target whose load differs by a factor: counters rise by 0 to 2
/// times the captured mean a step, gauges walk by the captured differences. Nothing repeats by itself, and the values
/// have as many decimals as the captured ones.
fn values(series: &Captured, seed: u64, steps: std::ops::Range<usize>, factor: f64) -> Vec<f64> {
    let mean = (series.values[6] - series.values[0]) / 6.0 * factor;
    let decimals = |digits: i32| series.values.iter().all(|v| (v * 10f64.powi(digits)).fract() == 0.0);
    let digits = (0..4).find(|digits| decimals(*digits));
    let (mut total, mut values) = (series.values[0] * factor, Vec::new());
    for step in 0..steps.end {
        let random = noise(seed, step);
        total += match series.kind {
            MetricType::Gauge | MetricType::Unknown => {
                let place = (random * 6.0) as usize;
                (series.values[place + 1] - series.values[place]) * factor
            }
            _ => mean * 2.0 * random,
        };
        if step >= steps.start {
            values.push(match digits {
                Some(digits) => (total * 10f64.powi(digits)).round() / 10f64.powi(digits),
                None => total,
            });
        }
    }
    values
}

fn chunks(series: &[Captured], targets: usize, steps: std::ops::Range<usize>, jitter_ms: i64) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for target in 0..targets {
        // The two versions are two exporters: a target has either.
        let half = series.len() / 2;
        let part = if target % 2 == 0 {
            &series[..half]
        } else {
            &series[half..]
        };
        let factor = 1.0 + target as f64 * 0.37;
        let instance = format!("10.0.{}.{}:9100", target / 250, target % 250);
        let offset = (target as i64 * 7919) % STEP_MS;
        for one in part {
            let late = |step: usize| (noise(target as u64, step) * jitter_ms as f64) as i64;
            let timestamps = steps
                .clone()
                .map(|step| START_MS + offset + step as i64 * STEP_MS + late(step))
                .collect();
            let seed = one.labels.series_id().cast_unsigned() ^ target as u64;
            let values = values(one, seed, steps.clone(), factor);
            let labels = one.labels.with("instance", &instance).with("job", "node");
            chunks.push(Chunk {
                labels,
                kind: one.kind,
                samples: Samples::Floats { timestamps, values },
            });
        }
    }
    chunks
}

/// CPU time of this thread in seconds: the machine may be busy with other things.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn row(name: &str, chunks: &[Chunk], options: EncodeOptions) {
    let samples: usize = chunks.iter().map(|chunk| chunk.samples.len()).sum();
    let input = chunks.to_vec();
    let start = cpu();
    let segment = encode(input, options).unwrap().unwrap();
    let encoded = cpu();
    let source = Source::whole(segment.bytes.clone());
    let footer = Footer::read(&source).unwrap();
    let index = footer.read_index(&source, &mut NoLabelCache).unwrap();
    let indexed = cpu();
    let mut read = 0;
    footer.read_rows(&source, &[0..index.len()], |_, _| read += 1).unwrap();
    let done = cpu();
    let rate = |seconds: f64| samples as f64 / seconds / 1e6;
    println!(
        "| {name} | {:.3} | {:.1} | {:.1} | {:.1} |",
        segment.bytes.len() as f64 / samples as f64,
        rate(encoded - start),
        rate(indexed - encoded),
        rate(done - indexed),
    );
}

fn main() {
    let folder = std::env::args().nth(1).expect("a folder of scrapes");
    let targets = std::env::args().nth(2).map_or(20, |text| text.parse().unwrap());
    let series = captured(&folder);
    let hour = chunks(&series, targets, 0..STEPS, 0);
    println!("{} series, {} samples", hour.len(), hour.len() * STEPS);
    println!("| | bytes/sample | encode M/s | index M/s | decode M/s |\n|---|---|---|---|---|");
    let default = EncodeOptions::default;
    row("as written", &hour, default());
    for timestamps in [
        ListEncoding::Plain,
        ListEncoding::Dictionary,
        ListEncoding::DeltaBinaryPacked,
    ] {
        row(
            &format!("timestamps {timestamps:?}"),
            &hour,
            EncodeOptions {
                timestamps: Some(timestamps),
                ..default()
            },
        );
    }
    for values in [ListEncoding::Plain, ListEncoding::Dictionary] {
        row(
            &format!("values {values:?}"),
            &hour,
            EncodeOptions { values, ..default() },
        );
    }
    for zstd_level in [1, 6, 9] {
        row(
            &format!("zstd {zstd_level}"),
            &hour,
            EncodeOptions {
                zstd_level,
                ..default()
            },
        );
    }
    for max_chunk_samples in [60, 120] {
        row(
            &format!("chunks of {max_chunk_samples}"),
            &hour,
            EncodeOptions {
                max_chunk_samples,
                ..default()
            },
        );
    }
    for page_bytes in [32 << 10, 512 << 10, 1 << 20] {
        row(
            &format!("pages of {} KiB", page_bytes >> 10),
            &hour,
            EncodeOptions {
                page_bytes,
                ..default()
            },
        );
    }
    let relative: Vec<Chunk> = hour
        .iter()
        .map(|chunk| {
            let Samples::Floats { timestamps, values } = &chunk.samples else {
                unreachable!()
            };
            let first = timestamps[0];
            let timestamps = timestamps.iter().map(|at| at - first).collect();
            Chunk {
                samples: Samples::Floats {
                    timestamps,
                    values: values.clone(),
                },
                ..chunk.clone()
            }
        })
        .collect();
    row("offsets instead of times", &relative, default());
    let jitter = chunks(&series, targets, 0..STEPS, 20);
    row("20 ms jitter", &jitter, default());
    for timestamps in [
        ListEncoding::Plain,
        ListEncoding::Dictionary,
        ListEncoding::DeltaBinaryPacked,
    ] {
        row(
            &format!("20 ms jitter, timestamps {timestamps:?}"),
            &jitter,
            EncodeOptions {
                timestamps: Some(timestamps),
                ..default()
            },
        );
    }
    drop((hour, relative, jitter));
    let flush = chunks(&series, 13, 0..1, 0);
    row("a flush: 13 scrapes, 1 sample a series", &flush, EncodeOptions::flush());
    let minute = chunks(&series, targets, 0..4, 0);
    row("a minute: 4 samples a series", &minute, default());

    let parts: Vec<Source> = (0..STEPS / 4)
        .map(|minute| chunks(&series, targets, minute * 4..minute * 4 + 4, 0))
        .map(|chunks| Source::whole(encode(chunks, default()).unwrap().unwrap().bytes))
        .collect();
    let (start, bytes): (f64, usize) = (cpu(), parts.iter().map(Source::size_bytes).sum());
    let merged = merge(&parts, &default(), usize::MAX, &[]).unwrap();
    let samples: u64 = merged.iter().map(|segment| segment.info.samples).sum();
    println!(
        "merge of 60 minutes: {:.3} to {:.3} bytes/sample, {:.1} M samples/s",
        bytes as f64 / samples as f64,
        merged[0].bytes.len() as f64 / samples as f64,
        samples as f64 / (cpu() - start) / 1e6
    );
}
