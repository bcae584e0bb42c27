//! From text exposition to committed Parquet: samples per CPU-second of the real scraper, queue and ingest over HTTP,
//! beside a Prometheus that scrapes the same bodies. Another process serves them.
#![allow(clippy::print_stdout)]

#[path = "../measure.rs"]
mod measure;

use anyhow::Context as _;
use clap::Parser;
use measure::{Row, cpu_seconds, print};
use parapet_adapter_local::Local;
use parapet_benches::host::pump;
use parapet_benches::peer::Prometheus;
use parapet_benches::process;
use parapet_benches::replay::{Fleet, Target, targets};
use parapet_function_kit::ReqwestHttp;
use parapet_ingest::Ingest;
use parapet_ports::memory::CountingEntropy;
use parapet_ports::{ConfigFiles, FixedClock, FixedConfig, Ports, Queue, SourceFile};
use parapet_scraper::Scraper;
use parapet_store::{Reader, ReaderSettings};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-05 00:00 UTC.
const START_MS: i64 = 1_767_571_200_000;

/// Bodies of a target, served one after another and then anew.
const ROUNDS: u64 = 12;

/// Measures ingestion and prints a table.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  cargo build --workspace --bins --profile fast\n  taskset -c 1 target/fast/ingestion --scrapes ../shared/conformance/scrapes --prometheus prometheus"
)]
struct Cli {
    /// Folder of captured scrapes
    #[arg(long)]
    scrapes: PathBuf,
    /// A Prometheus to scrape the same, once a second
    #[arg(long)]
    prometheus: Option<String>,
    /// How long it does, seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Targets of node_exporter
    #[arg(long, default_value_t = 40)]
    nodes: usize,
    /// Targets of cAdvisor
    #[arg(long, default_value_t = 2)]
    cadvisors: usize,
    /// Targets of kube-state-metrics
    #[arg(long, default_value_t = 2)]
    kube_states: usize,
    /// Minutes of scrapes every 15 s
    #[arg(long, default_value_t = 10)]
    minutes: i64,
    /// Serve the bodies, print the port, and do nothing else
    #[arg(long, hide = true)]
    serve: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let fleet = Fleet {
        nodes: cli.nodes,
        cadvisors: cli.cadvisors,
        kube_states: cli.kube_states,
    };
    let targets = targets(&cli.scrapes, fleet)?;
    if cli.serve {
        return serve(targets);
    }
    let series: usize = targets.iter().map(|target| target.series.len()).sum();
    let (_server, port) = server()?;
    let mut rows = vec![
        Row::new("targets", targets.len().to_string(), ""),
        Row::new("series", series.to_string(), ""),
    ];
    let ours = parapet(&cli, &targets, port, &mut rows).await?;
    if let Some(program) = &cli.prometheus {
        let theirs = prometheus(&cli, program, &targets, port, &mut rows).await?;
        rows.push(Row::new("ratio", format!("{:.2}", ours / theirs), ""));
    }
    print(&rows);
    Ok(())
}

/// The same targets for both.
fn configuration(targets: &[Target], port: u16, interval: &str) -> String {
    let mut text = format!("global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\nscrape_configs:\n");
    let mut job = "";
    for (number, target) in targets.iter().enumerate() {
        if target.job != job {
            job = target.job;
            let _ = writeln!(text, "- job_name: {job}\n  static_configs:");
        }
        let _ = writeln!(
            text,
            "  - targets: ['127.0.0.1:{port}']\n    labels: {{__metrics_path__: /{number}, instance: '{}'}}",
            target.instance
        );
    }
    text
}

/// Samples per CPU-second of the functions.
async fn parapet(cli: &Cli, targets: &[Target], port: u16, rows: &mut Vec<Row>) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let clock = Arc::new(FixedClock::new(START_MS));
    let local = Local::open(directory.path(), clock.clone(), &Default::default())?;
    let config = ConfigFiles {
        prometheus: SourceFile {
            path: "prometheus.yml".to_owned(),
            text: configuration(targets, port, "15s"),
        },
        version: "1".to_owned(),
        ..ConfigFiles::default()
    };
    let ports = Ports {
        objects: local.objects.clone(),
        queues: local.queues.clone(),
        table: local.table.clone(),
        http: Arc::new(ReqwestHttp::new()?),
        clock: clock.clone(),
        entropy: Arc::new(CountingEntropy::default()),
        config: Arc::new(FixedConfig(Arc::new(config))),
    };
    let scraper = Scraper::new(ports.clone(), Default::default());
    let ingest = Ingest::new(&ports, Default::default());
    let (mut scraping, mut storing) = (0.0, 0.0);
    let mut before_ms = 0;
    for minute in 0..=cli.minutes {
        let minute_ms = START_MS + minute * 60_000;
        if minute == 1 {
            // The first minute is one of warming up, as it is for the peer.
            (scraping, storing, before_ms) = (0.0, 0.0, minute_ms);
        }
        clock.set_ms(minute_ms);
        let begun = cpu_seconds();
        scraper.handle_tick(minute_ms).await?;
        scraping += cpu_seconds() - begun;
        for second in 0..60 {
            clock.set_ms(minute_ms + second * 1000);
            let before = cpu_seconds();
            pump(&local, &scraper, Queue::ScrapeTasks, 64).await?;
            let between = cpu_seconds();
            pump(&local, &ingest, Queue::Samples, 200).await?;
            scraping += between - before;
            storing += cpu_seconds() - between;
        }
    }
    let reader = Reader::new(&ports, ReaderSettings::default());
    let end_ms = START_MS + (cli.minutes + 1) * 60_000;
    let up = [parapet_model::Matcher::equal("__name__", "up")];
    let up = reader.select("default", &up, before_ms, end_ms).await?;
    let scrapes: usize = up
        .iter()
        .map(|series| series.values.iter().filter(|value| **value == 1.0).count())
        .sum();
    let wanted = targets.len() * usize::try_from(cli.minutes * 4)?;
    anyhow::ensure!(
        scrapes == wanted,
        "{scrapes} good scrapes are stored instead of {wanted}"
    );
    let per_round: usize = targets.iter().map(|target| target.series.len() + 5).sum();
    let samples = (per_round * usize::try_from(cli.minutes * 4)?) as f64;
    let rate = samples / (scraping + storing);
    for (name, seconds) in [
        ("Parapet: scrape, HTTP to queue", scraping),
        ("Parapet: queue to committed Parquet", storing),
        ("Parapet: both", scraping + storing),
    ] {
        rows.push(Row::new(
            name,
            format!("{:.0}", samples / seconds),
            "samples per CPU-second",
        ));
    }
    Ok(rate)
}

/// Samples per CPU-second of a Prometheus.
async fn prometheus(
    cli: &Cli,
    program: &str,
    targets: &[Target],
    port: u16,
    rows: &mut Vec<Row>,
) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let command = ["taskset", "-c", "1", program].map(str::to_owned);
    let configuration = configuration(targets, port, "1s");
    let peer = Prometheus::start(&command, directory.path(), &configuration, &[]).await?;
    std::thread::sleep(Duration::from_secs(10));
    let (first, begun) = (appended(&peer).await?, process::cpu_seconds(peer.pid()));
    std::thread::sleep(Duration::from_secs(cli.seconds));
    let (last, ended) = (appended(&peer).await?, process::cpu_seconds(peer.pid()));
    let rate = (last - first) / (ended - begun);
    rows.push(Row::new(
        "Prometheus: samples",
        format!("{:.0}", last - first),
        "samples",
    ));
    rows.push(Row::new("Prometheus", format!("{rate:.0}"), "samples per CPU-second"));
    Ok(rate)
}

async fn appended(peer: &Prometheus) -> anyhow::Result<f64> {
    let metrics = String::from_utf8(peer.get("metrics").await?.to_vec())?;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("prometheus_tsdb_head_samples_appended_total{type=\"float\"} "));
    Ok(line.context("the peer does not say how much it appended")?.parse()?)
}

/// Ends the server with this process.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program once more, serving.
fn server() -> anyhow::Result<(Server, u16)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .arg("--serve")
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the server has no output")?;
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok((server, line.trim().parse()?))
}

fn serve(mut targets: Vec<Target>) -> anyhow::Result<()> {
    let mut bodies: Vec<Vec<Vec<u8>>> = vec![Vec::new(); targets.len()];
    for round in 0..ROUNDS {
        for (target, bodies) in targets.iter_mut().zip(&mut bodies) {
            target.advance(round, START_MS);
            let body = target.body();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            bodies.push([head.as_bytes(), body.as_bytes()].concat());
        }
    }
    let bodies = Arc::new(bodies);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for connection in listener.incoming() {
        let (bodies, connection) = (bodies.clone(), connection?);
        std::thread::spawn(move || answer(&bodies, connection));
    }
    Ok(())
}

/// Answers the requests of a connection until it is closed.
fn answer(bodies: &[Vec<Vec<u8>>], connection: TcpStream) -> anyhow::Result<()> {
    let mut requests = BufReader::new(connection.try_clone()?);
    let mut connection = connection;
    for round in 0.. {
        let mut request = String::new();
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            request.push_str(&line);
        }
        let target = request.strip_prefix("GET /").and_then(|rest| rest.split(' ').next());
        let target: usize = target.context("not a request")?.parse()?;
        connection.write_all(&bodies[target][round % bodies[target].len()])?;
    }
    Ok(())
}
