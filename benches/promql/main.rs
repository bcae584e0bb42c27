//! Dashboard-like queries over data in memory, side by side with a Prometheus that holds the same data.
//!
//! The engine is measured with its selection: matchers are tested, and the expression is evaluated over the
//! series found, where they stand. The peer is asked over HTTP; its answers are small, so that writing them
//! weighs little. Both are measured in CPU-seconds of the whole process, and answer alike or the run fails.
#![allow(clippy::print_stdout)]

mod data;
mod memory;
mod peer;
mod queries;

use clap::Parser;
use memory::Memory;
use parapet_benches::process;
use parapet_model::Value;
use parapet_promql::{Answer, Options, QueryRange, QueryValue};
use peer::Peer;
use queries::Query;

/// Measures the engine, and a Prometheus beside it.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  benches/promql/compare --prometheus /path/to/prometheus")]
struct Cli {
    /// A Prometheus that takes remote writes; without it the engine is measured alone
    #[arg(long, requires = "peer_pid", value_name = "URL")]
    peer: Option<String>,
    /// Its process
    #[arg(long, requires = "peer", value_name = "PID")]
    peer_pid: Option<u32>,
    /// Series of the largest metric
    #[arg(long, default_value_t = 100_000)]
    series: usize,
    /// Only the queries whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// How much CPU time is spent on each query, at least, in seconds; but not more than 50 runs
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let peer = match (cli.peer, cli.peer_pid) {
        (Some(url), Some(pid)) => Some(Peer::new(url, pid)?),
        _ => None,
    };
    let memory = data::generate(cli.series);
    println!("{} series, {} samples", memory.series(), memory.samples());
    if let Some(peer) = &peer {
        peer.load(&memory).await?;
    }
    process::forget_peak(std::process::id());
    let mut rows = Vec::new();
    for query in queries::all()
        .into_iter()
        .filter(|query| query.name.contains(&cli.only))
    {
        let (answer, ours) = measure(&memory, &query, cli.seconds)?;
        let theirs = match &peer {
            Some(peer) => Some(peer.measure(&query, &answer, cli.seconds).await?),
            None => None,
        };
        let ratio = theirs.map_or_else(String::new, |theirs| {
            format!("{:10.1} ms {:7.1}x", theirs * 1000.0, theirs / ours)
        });
        println!("{:<44} {:10.1} ms {ratio}", query.name, ours * 1000.0);
        rows.push((ours, theirs));
    }
    let ratios: Vec<f64> = rows
        .iter()
        .filter_map(|(ours, theirs)| Some((*theirs)? / ours))
        .collect();
    if !ratios.is_empty() {
        #[allow(clippy::cast_precision_loss)]
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "{} queries: {mean:.1}x in the geometric mean, {least:.1}x at least",
            ratios.len()
        );
    }
    let mib = |pid: u32| process::peak_bytes(pid) / (1 << 20);
    println!("peak memory while querying: {} MiB", mib(std::process::id()));
    if let Some(peer) = &peer {
        println!("peak memory of the peer while querying: {} MiB", mib(peer.pid()));
    }
    Ok(())
}

/// CPU-seconds of one run, and what it answers.
fn measure(memory: &Memory, query: &Query, seconds: f64) -> anyhow::Result<(Summary, f64)> {
    let expr = parapet_promql::parse(&query.text).map_err(|error| anyhow::anyhow!("{}: {error}", query.name))?;
    let options = Options::default();
    let (before, mut runs, mut summary) = (process::cpu_seconds(std::process::id()), 0u32, Summary::default());
    loop {
        let fetched: Vec<_> = parapet_promql::selectors(&expr, &query.range, &options)
            .iter()
            .map(|selector| memory.select(&selector.matchers, selector.start_ms, selector.end_ms))
            .collect();
        let answer = parapet_promql::evaluate(&expr, &query.range, &options, &fetched)?;
        runs += 1;
        let spent = process::cpu_seconds(std::process::id()) - before;
        if runs == 1 {
            summary = Summary::of(&answer);
        }
        if spent >= seconds || runs == 50 {
            return Ok((summary, spent / f64::from(runs)));
        }
    }
}

/// What two answers are compared by.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    points: usize,
    sum: f64,
}

impl Summary {
    fn of(answer: &Answer) -> Self {
        let mut summary = Self::default();
        match &answer.value {
            QueryValue::Matrix(matrix) => {
                for series in matrix {
                    summary.add(series.values.iter().copied());
                }
            }
            QueryValue::Vector(samples) => {
                for sample in samples {
                    if let Value::Float(value) = &sample.value {
                        summary.add([*value]);
                    }
                }
            }
            QueryValue::Scalar { .. } | QueryValue::String { .. } => {}
        }
        summary
    }

    fn add(&mut self, values: impl IntoIterator<Item = f64>) {
        for value in values {
            self.points += 1;
            if value.is_finite() {
                self.sum += value;
            }
        }
    }

    fn is_close_to(&self, other: &Self) -> bool {
        // Of equal values either may be among the greatest: the series may differ.
        self.points == other.points && (self.sum - other.sum).abs() <= 1e-9 * self.sum.abs().max(other.sum.abs())
    }
}

/// A range query, for short.
fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> QueryRange {
    QueryRange {
        start_ms,
        end_ms,
        step_ms,
    }
}
