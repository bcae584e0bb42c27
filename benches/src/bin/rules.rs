//! Rules under load: many rules over many series at 30 s, evaluated by the real function on the embedded storage with a
//! driven clock, while samples go on coming in. CPU-seconds are the process's own, of all threads.
#![allow(clippy::print_stdout)]

#[path = "../measure.rs"]
mod measure;

use clap::Parser;
use measure::{Row, cpu_seconds, print};
use parapet_adapter_local::Local;
use parapet_benches::host::pump;
use parapet_compactor::Compactor;
use parapet_ingest::Ingest;
use parapet_model::{BatchSeries, Labels, MetricType, Sample, SampleBatch};
use parapet_ports::memory::CountingEntropy;
use parapet_ports::{
    ConfigFiles, Error, FixedClock, FixedConfig, Function as _, Http, HttpRequest, HttpResponse, Kind, Ports, Queue,
    QueueReader as _, SourceFile,
};
use parapet_rule_evaluation::RuleEvaluation;
use parapet_store::{Reader, ReaderSettings, outbox};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

const START_MS: i64 = 1_767_571_200_000;

/// Measures rule evaluation and prints a table.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  cargo run --profile fast -p parapet-benches --bin rules -- --rules 10000 --metrics 1000 --instances 200"
)]
struct Cli {
    /// Rules, in groups of 50
    #[arg(long, default_value_t = 10_000)]
    rules: usize,
    /// Metrics of each instance
    #[arg(long, default_value_t = 1000)]
    metrics: usize,
    /// Instances
    #[arg(long, default_value_t = 200)]
    instances: usize,
    /// Minutes of samples before the rules begin
    #[arg(long, default_value_t = 5)]
    history: i64,
    /// Minutes for which rules are evaluated
    #[arg(long, default_value_t = 3)]
    minutes: i64,
    /// Print the rule file and end: for the same load on another server
    #[arg(long)]
    print_rules: bool,
}

/// Nobody is called.
#[derive(Debug)]
struct NoHttp;

#[async_trait::async_trait]
impl Http for NoHttp {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, Error> {
        Err(Error::new(Kind::Unavailable, "no network here"))
    }
}

/// Ten rules to a metric, as alerts and dashboards ask: sums, rates, thresholds, quantiles.
fn rule_file(cli: &Cli) -> String {
    let mut text = String::from("groups:\n");
    for number in 0..cli.rules {
        if number % 50 == 0 {
            let _ = writeln!(text, "- name: group{}\n  interval: 30s\n  rules:", number / 50);
        }
        let metric = format!("bench_metric_{}_total", number / 10 % cli.metrics);
        let _ = match number % 10 {
            0 => writeln!(text, "  - {{record: 'r{number}', expr: 'sum(rate({metric}[5m]))'}}"),
            1 => writeln!(
                text,
                "  - {{record: 'r{number}', expr: 'sum by (zone) (rate({metric}[5m]))'}}"
            ),
            2 => writeln!(text, "  - {{record: 'r{number}', expr: 'max({metric})'}}"),
            3 => writeln!(
                text,
                "  - {{record: 'r{number}', expr: 'quantile(0.9, rate({metric}[1m]))'}}"
            ),
            4 => writeln!(
                text,
                "  - {{record: 'r{number}', expr: 'count by (zone) ({metric} > 1000)'}}"
            ),
            5 => writeln!(
                text,
                "  - {{alert: 'A{number}', expr: 'rate({metric}[5m]) > 38', for: 1m}}"
            ),
            6 => writeln!(
                text,
                "  - {{alert: 'A{number}', expr: '{metric}{{zone=\"z1\"}} < 0', for: 5m}}"
            ),
            7 => writeln!(text, "  - {{alert: 'A{number}', expr: 'absent({metric})', for: 5m}}"),
            8 => writeln!(
                text,
                "  - {{alert: 'A{number}', expr: 'sum by (zone) (rate({metric}[5m])) < 1'}}"
            ),
            _ => writeln!(text, "  - {{alert: 'A{number}', expr: 'delta({metric}[2m]) < 0'}}"),
        };
    }
    text
}

/// The samples of every series at a time, a batch for each instance.
fn scrape(cli: &Cli, at_ms: i64) -> Vec<SampleBatch> {
    let elapsed = (at_ms - START_MS) / 1000;
    let instance = |number: usize| SampleBatch {
        id: format!("bench/{number}/{at_ms}"),
        tenant: "default".to_owned(),
        series: (0..cli.metrics)
            .map(|metric| BatchSeries {
                labels: Labels::from_pairs([
                    ("__name__", format!("bench_metric_{metric}_total")),
                    ("instance", format!("10.0.{}.{}:9100", number / 250, number % 250 + 1)),
                    ("job", "bench".to_owned()),
                    ("zone", format!("z{}", number % 3)),
                ]),
                kind: MetricType::Counter,
                samples: vec![Sample::float(
                    at_ms,
                    (elapsed * ((number + metric * 7) % 40) as i64) as f64,
                )],
                exemplars: Vec::new(),
            })
            .collect(),
    };
    (0..cli.instances).map(instance).collect()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if cli.print_rules {
        print!("{}", rule_file(&cli));
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let clock = Arc::new(FixedClock::new(START_MS));
    let local = Local::open(directory.path(), clock.clone(), &Default::default())?;
    let file = |path: &str, text: String| SourceFile {
        path: path.to_owned(),
        text,
    };
    let config = ConfigFiles {
        prometheus: file("prometheus.yml", "rule_files: [rules.yml]".to_owned()),
        rules: vec![file("rules.yml", rule_file(&cli))],
        version: "1".to_owned(),
        ..ConfigFiles::default()
    };
    let ports = Ports {
        objects: local.objects.clone(),
        queues: local.queues.clone(),
        table: local.table.clone(),
        http: Arc::new(NoHttp),
        clock: clock.clone(),
        entropy: Arc::new(CountingEntropy::default()),
        config: Arc::new(FixedConfig(Arc::new(config))),
    };
    let ingest = Ingest::new(&ports, Default::default());
    let compactor = Compactor::new(&ports, Default::default());
    let reader = Arc::new(Reader::new(&ports, ReaderSettings::default()));
    let rules = RuleEvaluation::new(ports.clone(), reader, Default::default());

    let (mut storing, mut evaluating, mut wall, mut longest) = (0.0, 0.0, 0.0, 0.0f64);
    let (mut evaluations, mut interval_wall) = (0u64, 0.0);
    for second in 0..(cli.history + cli.minutes) * 60 {
        let now_ms = START_MS + second * 1000;
        clock.set_ms(now_ms);
        let evaluates = second >= cli.history * 60;
        let before = cpu_seconds();
        if second % 15 == 0 {
            outbox::send_samples(&ports, scrape(&cli, now_ms)).await?;
        }
        pump(&local, &ingest, Queue::Samples, 200).await?;
        if second % 60 == 59 {
            compactor.handle_tick(now_ms).await?;
        }
        storing += cpu_seconds() - before;
        if !evaluates {
            continue;
        }
        if second % 30 == 0 {
            interval_wall = 0.0;
        }
        let (before, began) = (cpu_seconds(), Instant::now());
        if second % 60 == 0 {
            rules.handle_tick(now_ms).await?;
        }
        evaluations += pump(&local, &rules, Queue::RuleTasks, 8).await?;
        let took = began.elapsed().as_secs_f64();
        evaluating += cpu_seconds() - before;
        wall += took;
        interval_wall += took;
        longest = longest.max(interval_wall);
        local.queues.receive(Queue::Alerts, 1, 0).await?;
    }
    let intervals = (cli.minutes * 2) as f64;
    print(&[
        Row::new("rules", cli.rules.to_string(), "at 30 s"),
        Row::new("series", (cli.metrics * cli.instances).to_string(), "at 15 s"),
        Row::new("tasks", evaluations.to_string(), "messages"),
        Row::new(
            "evaluation",
            format!("{:.2}", evaluating / intervals),
            "CPU-seconds an interval",
        ),
        Row::new("evaluation", format!("{:.2}", wall / intervals), "seconds an interval"),
        Row::new("the longest interval", format!("{longest:.2}"), "seconds"),
        Row::new(
            "storing and merging, beside it",
            format!("{:.2}", storing / ((cli.history + cli.minutes) * 2) as f64),
            "CPU-seconds an interval",
        ),
    ]);
    Ok(())
}
