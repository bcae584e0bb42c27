//! How many bytes of lines a CPU-second parses: `cargo run --profile fast -p parapet-logs --example throughput -- FILE…`.
//!
//! Each argument is `PIPELINE=FILE`, FILE with one line a record: `nginx_json=access.json nginx_access=access.log`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use parapet_logs::LogRecord;
use parapet_logs::pipeline::{Origin, Pipelines};

/// CPU-seconds of this process, from Linux' /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let origin = Origin {
        path: "",
        received_ns: 1_767_225_600_000_000_000,
    };
    for argument in std::env::args().skip(1) {
        let (name, file) = argument.split_once('=').unwrap();
        let pipelines = Pipelines::shipped(name).unwrap();
        let bytes = std::fs::read(file).unwrap();
        let lines: Vec<LogRecord> = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| LogRecord {
                raw: line.to_vec().into(),
                ..LogRecord::default()
            })
            .collect();
        let (mut took, mut read, mut unparsed) = (0.0, 0.0, 0);
        while took < 2.0 {
            let start = cpu_seconds();
            // The copy stands for what taking a batch off a queue costs.
            let outcome = pipelines.process(lines.clone(), origin);
            unparsed += outcome.counts[name].unparsed;
            std::hint::black_box(&outcome.records);
            took += cpu_seconds() - start;
            read += bytes.len() as f64;
        }
        println!(
            "{name}: {:.0} MB per CPU-second ({unparsed} lines unparsed)",
            read / took / 1e6
        );
    }
}
