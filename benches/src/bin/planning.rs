//! What the schedule of many targets costs: a tick's time, and the tasks that it sends. One target in ten is slow, one
//! in fifty brings a hundred times the samples of others.
//!
//! `cargo run --profile fast -p parapet-benches --bin planning -- --targets 10000`

use anyhow::Context as _;
use bytes::Bytes;
use clap::Parser;
use parapet_benches::process::cpu_seconds;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{
    ConfigFiles, Disposition, Error, FixedClock, Http, HttpRequest, HttpResponse, Message, Queue, SourceFile,
};
use parapet_scraper::{Scraper, Settings};
use std::fmt::Write as _;
use std::sync::Arc;

/// A minute to begin with.
const START_MS: i64 = 1_767_571_200_000;

#[derive(Debug, Parser)]
struct Options {
    #[arg(long, default_value_t = 10_000)]
    targets: usize,
    #[arg(long, default_value_t = 15)]
    interval_seconds: u32,
    /// Minutes that are scraped; each has its tick
    #[arg(long, default_value_t = 5)]
    minutes: i64,
}

/// Answers by the address: what it says takes no time, but a clock tells that some did.
#[derive(Debug)]
struct Targets(Arc<FixedClock>);

#[async_trait::async_trait]
impl Http for Targets {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let number: usize = request.url.bytes().map(usize::from).sum();
        if number.is_multiple_of(10) {
            self.0.advance_ms(2_000);
        }
        let series = if number % 50 == 1 { 1_000 } else { 10 };
        let mut body = String::new();
        for at in 0..series {
            let _ = writeln!(body, "a{{i=\"{at}\"}} 1");
        }
        let kind = http::HeaderValue::from_static("text/plain; version=0.0.4");
        Ok(HttpResponse {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::from_iter([(http::header::CONTENT_TYPE, kind)]),
            body: Bytes::from(body),
        })
    }
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout)]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut text = format!(
        "scrape_configs:\n- job_name: j\n  scrape_interval: {}s\n  static_configs:\n  - targets:\n",
        options.interval_seconds
    );
    for at in 0..options.targets {
        let _ = writeln!(
            text,
            "    - 10.{}.{}.{}:9100",
            at / 62_500,
            at / 250 % 250,
            at % 250 + 1
        );
    }
    let files = ConfigFiles {
        prometheus: SourceFile {
            path: "prometheus.yml".to_owned(),
            text,
        },
        version: "1".to_owned(),
        ..ConfigFiles::default()
    };
    let memory = MemoryPorts::new(START_MS, files);
    let mut ports = memory.ports.clone();
    ports.http = Arc::new(Targets(memory.clock.clone()));
    let scraper = Scraper::new(ports, Settings::default());
    let process = std::process::id();
    println!("minute  tick CPU s  tasks  shards  slow shards  longest task, bytes  all tasks, KiB");
    for minute in 0..options.minutes {
        let minute_ms = START_MS + minute * 60_000;
        memory.clock.set_ms(minute_ms);
        let before = cpu_seconds(process);
        scraper.handle_tick(minute_ms).await?;
        let took = cpu_seconds(process) - before;
        let mut tasks = memory.queues.drain(Queue::ScrapeTasks);
        tasks.sort_by_key(|(at, _)| *at);
        let bodies: Vec<&str> = tasks.iter().map(|(_, message)| message.body.as_str()).collect();
        let slots = bodies.len() / (60 / options.interval_seconds as usize).max(1);
        let slow = bodies.iter().filter(|body| body.contains(r#""lane":"slow""#)).count();
        let longest = bodies.iter().map(|body| body.len()).max().context("no tasks")?;
        let all: usize = bodies.iter().map(|body| body.len()).sum();
        println!(
            "{minute:6}  {took:10.2}  {:5}  {slots:6}  {:11}  {longest:19}  {:14.0}",
            tasks.len(),
            slow * slots / tasks.len(),
            all as f64 / 1024.0
        );
        for (at, message) in tasks {
            memory.clock.set_ms(at);
            let message = Message {
                id: String::new(),
                body: message.body,
                receive_count: 1,
            };
            let answers = scraper.handle_batch(vec![message]).await;
            anyhow::ensure!(answers == [Disposition::Done], "{answers:?}");
            memory.queues.drain(Queue::Samples);
        }
    }
    Ok(())
}
