//! How many bytes of records a CPU-second searches: `cargo run --profile fast -p parapet-logs --example search -- FILE`,
//! FILE a combined access log.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use parapet_logs::LogRecord;
use parapet_logs::index::IndexBuilder;
use parapet_logs::logql::{Evaluation, Parameters, parse};
use parapet_logs::parse_query;
use parapet_logs::pipeline::{Origin, Pipelines};
use parapet_model::Labels;

/// CPU-seconds of this process, from Linux' /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Repeats work over `bytes` for a second and prints how fast it was.
fn measure(name: &str, bytes: usize, mut work: impl FnMut() -> usize) {
    let (start, mut rounds, mut found) = (cpu_seconds(), 0, 0);
    while cpu_seconds() - start < 1.0 {
        found = work();
        rounds += 1;
    }
    let speed = (bytes * rounds) as f64 / (cpu_seconds() - start) / 1e6;
    println!("{name}: {speed:.0} MB per CPU-second ({found})");
}

fn main() {
    let file = std::fs::read(std::env::args().nth(1).unwrap()).unwrap();
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let records = lines.map(|line| LogRecord {
        raw: line.to_vec().into(),
        stream: Labels::from_pairs([("app", "web")]),
        ..LogRecord::default()
    });
    let origin = Origin {
        path: "",
        received_ns: 1_767_225_600_000_000_000,
    };
    let pipelines = Pipelines::shipped("nginx_access").unwrap();
    let records = pipelines.process(records.collect(), origin).records;
    for query in [
        "presentations",
        "kibana*",
        "response:404",
        "response:>=400 AND NOT Mozilla",
    ] {
        let filter = parse_query(query).unwrap();
        measure(query, file.len(), || {
            records.iter().filter(|record| filter.matches(*record)).count()
        });
    }
    let parameters = Parameters {
        end_ns: i64::MAX,
        ..Parameters::default()
    };
    for query in [
        r#"{app="web"} |= "nowhere to be found""#,
        r#"{app="web"} |~ "POST .* 5..""#,
        r#"sum by (response) (count_over_time({app="web"}[10000d]))"#,
        r#"sum by (status) (count_over_time({app="web"} | pattern "<_> \"<_>\" <status> <_>" [10000d]))"#,
    ] {
        let expr = parse(query).unwrap();
        let metric = query.starts_with("sum");
        let at = Parameters {
            start_ns: if metric { origin.received_ns } else { 0 },
            end_ns: if metric { origin.received_ns } else { parameters.end_ns },
            ..parameters
        };
        measure(query, file.len(), || {
            let mut evaluation = Evaluation::new(&expr, at).unwrap();
            records.iter().for_each(|record| evaluation.push(0, record).unwrap());
            usize::from(evaluation.finish().is_ok())
        });
    }
    measure("words for the index", file.len(), || {
        let mut builder = IndexBuilder::new(1 << 19);
        records.iter().for_each(|record| builder.add(&record.raw));
        builder.len()
    });
}
