//! How many bytes of lines a CPU-second parses and encodes: `cargo run --release -p parapet-log-segment --example log_throughput
//! -- json=FILE nginx_access=FILE`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use parapet_log_segment::{EncodeOptions, SegmentWriter, merge};
use parapet_logs::LogRecord;
use parapet_logs::pipeline::{Origin, Pipelines};
use parapet_model::Labels;
use parapet_segment::Source;

/// CPU-seconds of this process, from Linux' /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn main() {
    let origin = Origin {
        path: "",
        received_ns: 1_767_225_600_000_000_000,
    };
    for argument in std::env::args().skip(1) {
        let (name, file) = argument.split_once('=').unwrap();
        let pipelines = Pipelines::shipped(name).unwrap();
        let file = std::fs::read(file).unwrap();
        let stream = Labels::from_pairs([("app", "shop")]);
        let (mut parsed, mut encoded, mut written, mut sources) = (0.0, 0.0, 0, Vec::new());
        let lines: Vec<&[u8]> = file
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        for lines in lines.chunks(100_000) {
            let records = lines.iter().map(|line| LogRecord {
                raw: line.to_vec().into(),
                stream: stream.clone(),
                ..LogRecord::default()
            });
            let records: Vec<LogRecord> = records.collect();
            let start = cpu_seconds();
            let records = pipelines.process(records, origin).records;
            let middle = cpu_seconds();
            let mut writer = SegmentWriter::new(EncodeOptions::flush());
            records.iter().for_each(|record| writer.push(record).unwrap());
            let segment = writer.finish().unwrap().unwrap();
            written += segment.bytes.len() as u64;
            sources.push(Source::whole(segment.bytes));
            drop(records);
            parsed += middle - start;
            encoded += cpu_seconds() - middle;
        }
        let start = cpu_seconds();
        let merged = merge(&sources, &EncodeOptions::default(), 100 << 20, &[]).unwrap();
        let merging = cpu_seconds() - start;
        let speed = |seconds: f64| file.len() as f64 / 1e6 / seconds;
        let share = |bytes: u64| bytes as f64 * 100.0 / file.len() as f64;
        println!(
            "{name}: parsed {:.0}, encoded {:.0}, both {:.0}, merged {:.0} MB per CPU-second; {:.1} % as written",
            speed(parsed),
            speed(encoded),
            speed(parsed + encoded),
            speed(merging),
            share(written),
        );
        let merged: u64 = merged.iter().map(|segment| segment.bytes.len() as u64).sum();
        println!("{name}: {:.1} % merged", share(merged));
    }
}
