//! The exposition parser over recorded scrapes: megabytes per CPU-second. `peer.py` beside it measures Prometheus.
#![allow(clippy::print_stdout)]

use anyhow::Context as _;
use clap::Parser as _;
use parapet_exposition::{Entry, Format, Limits, Options, Parser};
use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Measures the exposition parser.
#[derive(Debug, clap::Parser)]
struct Cli {
    /// Recorded scrapes: *.prom, *.om, *.pb, also as *.gz
    bodies: Vec<PathBuf>,
    /// CPU-seconds for each body
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// With label sets as they are stored, not only what is read
    #[arg(long)]
    labels: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let (mut bytes, mut seconds) = (0.0, 0.0);
    for path in &cli.bodies {
        let (format, body) = read(path)?;
        let (mut passes, begin) = (0u32, cpu_seconds());
        let (series, spent) = loop {
            let series = parse(&body, format, cli.labels).with_context(|| path.display().to_string())?;
            passes += 1;
            let spent = cpu_seconds() - begin;
            if spent >= cli.seconds {
                break (series, spent);
            }
        };
        let megabytes = f64::from(passes) * body.len() as f64 / 1e6;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        println!("{name:40} {series:7} series {:8.1} MB/CPU-s", megabytes / spent);
        bytes += body.len() as f64 / 1e6;
        seconds += spent / f64::from(passes);
    }
    println!("{:40} {:24.1} MB/CPU-s", "all, each once", bytes / seconds);
    Ok(())
}

/// Of this process so far.
fn cpu_seconds() -> f64 {
    parapet_benches::process::cpu_seconds(std::process::id())
}

fn read(path: &Path) -> anyhow::Result<(Format, Vec<u8>)> {
    let mut body = std::fs::read(path).with_context(|| path.display().to_string())?;
    let name = path.to_string_lossy();
    let plain = name.strip_suffix(".gz");
    if plain.is_some() {
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut out)?;
        body = out;
    }
    let format = match Path::new(plain.unwrap_or(&name))
        .extension()
        .and_then(|end| end.to_str())
    {
        Some("pb") => Format::Protobuf,
        Some("om") => Format::OpenMetrics,
        _ => Format::PrometheusText,
    };
    Ok((format, body))
}

fn parse(body: &[u8], format: Format, labels: bool) -> anyhow::Result<usize> {
    let options = Options {
        native_histograms: true,
        ..Options::default()
    };
    let mut parser = Parser::new(body, format, &Limits::default()).with_options(options);
    let mut series = 0;
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Series(found) => {
                series += 1;
                if labels {
                    let _ = black_box(found.to_labels());
                }
                black_box(&found);
            }
            Entry::Histogram(found) => {
                series += 1;
                black_box(&found);
            }
            entry => {
                black_box(&entry);
            }
        }
    }
    Ok(series)
}
