//! Logs: how fast lines are parsed and stored, what they take at rest, and how fast a search finds some among many.
#![allow(clippy::print_stdout)]

#[path = "../measure.rs"]
mod measure;

use clap::Parser;
use measure::{Row, cpu_seconds, print};
use object_store::local::LocalFileSystem;
use parapet_compactor::Compactor;
use parapet_log_parse::{LogParse, Settings};
use parapet_logs::logql::{Parameters, parse};
use parapet_logs::{Level, LogRecord, Need, Steps};
use parapet_model::Labels;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{Condition, ConfigFiles, Disposition, Key, Ports, Queue, SourceFile};
use parapet_store::Dataset;
use parapet_store::logs::{LogBatch, LogQuery, LogReader, LogReaderSettings, LogStats, RawLogs, send_logs};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// 2026-01-05 00:00 UTC.
const START_MS: i64 = 1_767_571_200_000;
const DAY_MS: i64 = 86_400_000;
const NANOS_PER_MS: i64 = 1_000_000;
const HOUR_NS: i64 = 3_600_000 * NANOS_PER_MS;

/// Measures parsing, storing and searching of generated lines and prints a table.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  cargo build --workspace --bins --profile fast\n  target/fast/logs --megabytes 1000"
)]
struct Cli {
    /// Megabytes of lines of each form
    #[arg(long, default_value_t = 1000)]
    megabytes: usize,
    /// The form to measure; both where none is given
    #[arg(long)]
    form: Option<Form>,
    /// Lines of one request
    #[arg(long, default_value_t = 5000)]
    request_lines: usize,
    /// Keep what is stored in this folder; where a run before kept it, only search it
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Write the lines to json.log and nginx.log of this folder, for others to read, and measure nothing
    #[arg(long)]
    write: Option<PathBuf>,
}

/// A form of lines and the pipeline that reads it.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Form {
    Json,
    Nginx,
}

/// Lines as services write them: few messages and paths, random identifiers, durations and addresses.
struct Lines {
    random: StdRng,
    form: Form,
}

const SERVICES: [&str; 8] = [
    "checkout", "cart", "search", "users", "payments", "mail", "images", "gateway",
];
const MESSAGES: [&str; 10] = [
    "request completed",
    "request started",
    "cache miss for key",
    "user logged in",
    "connection pool is at its limit, waiting for a free connection",
    "order placed",
    "retrying after timeout of upstream",
    "payment accepted",
    "item added to cart",
    "search answered from replica",
];
const PATHS: [&str; 8] = [
    "/api/v1/orders",
    "/api/v1/cart/items",
    "/search?q=shoes",
    "/login",
    "/health",
    "/images/thumb/large.png",
    "/api/v1/users/me",
    "/",
];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.5.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
];

/// A word of one line of JSON.
const RARE: &str = "zymurgy";

/// Writes the lines of each form to a file.
fn write(cli: &Cli, folder: &Path) -> anyhow::Result<()> {
    for (form, name) in [(Form::Json, "json.log"), (Form::Nginx, "nginx.log")] {
        let mut lines = Lines {
            random: StdRng::seed_from_u64(1),
            form,
        };
        let mut text = String::new();
        let count = i64::try_from(cli.megabytes * 1_000_000 / if form == Form::Json { 340 } else { 220 })?;
        for number in 0..count {
            text += &lines.line(START_MS + number * DAY_MS / count);
            text.push('\n');
        }
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

impl Lines {
    fn line(&mut self, at_ms: i64) -> String {
        let random = &mut self.random;
        let seconds = at_ms.rem_euclid(DAY_MS) / 1000;
        let (hour, minute, second, ms) = (seconds / 3600, seconds / 60 % 60, seconds % 60, at_ms % 1000);
        let address = format!(
            "10.{}.{}.{}",
            random.random_range(0..4),
            random.random_range(0..255),
            random.random_range(1..255)
        );
        let path = PATHS[random.random_range(0..8)];
        let status = [200, 200, 200, 200, 200, 201, 204, 304, 404, 500][random.random_range(0..10)];
        match self.form {
            Form::Json => {
                let level = match random.random_range(0..100) {
                    0..2 => "error",
                    2..6 => "warn",
                    6..30 => "debug",
                    _ => "info",
                };
                format!(
                    r#"{{"timestamp":"2026-01-05T{hour:02}:{minute:02}:{second:02}.{ms:03}Z","level":"{level}","service":"{}","host":"ip-10-0-3-{}","message":"{}","trace_id":"{:032x}","http":{{"method":"GET","path":"{path}","status":{status}}},"duration_ms":{}.{},"client":"{address}","user_id":{}}}"#,
                    SERVICES[random.random_range(0..8)],
                    random.random_range(0..40),
                    MESSAGES[random.random_range(0..10)],
                    random.random::<u128>(),
                    random.random_range(0..900),
                    random.random_range(0..10),
                    random.random_range(1..50_000),
                )
            }
            Form::Nginx => format!(
                r#"{address} - - [05/Jan/2026:{hour:02}:{minute:02}:{second:02} +0000] "GET {path} HTTP/1.1" {status} {} "https://example.com{}" "{}""#,
                random.random_range(120..60_000),
                PATHS[random.random_range(0..8)],
                AGENTS[random.random_range(0..4)],
            ),
        }
    }
}

fn ports(form: Form, folder: &Path) -> anyhow::Result<(MemoryPorts, Ports)> {
    let text = match form {
        Form::Json => "pipelines:\n- name: json\n  stages:\n  - use: json\n",
        Form::Nginx => "pipelines:\n- name: nginx\n  stages:\n  - use: nginx_access\n",
    };
    let config = ConfigFiles {
        pipelines: Some(SourceFile {
            path: "pipelines.yml".to_owned(),
            text: text.to_owned(),
        }),
        ..ConfigFiles::default()
    };
    let memory = MemoryPorts::new(START_MS + DAY_MS, config);
    let ports = Ports {
        objects: Arc::new(LocalFileSystem::new_with_prefix(folder)?),
        ..memory.ports.clone()
    };
    Ok((memory, ports))
}

async fn search(
    ports: &Ports,
    query: &LogQuery,
    visit: &mut (dyn FnMut(LogRecord) + Send),
) -> anyhow::Result<(LogStats, f64, f64)> {
    // A new reader: nothing is in its cache.
    let reader = LogReader::new(ports, LogReaderSettings::default());
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut go_on = |record| {
        visit(record);
        ControlFlow::Continue(())
    };
    let stats = reader.search("default", query, &mut go_on).await?;
    Ok((stats, start.elapsed().as_secs_f64(), cpu_seconds() - cpu))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(folder) = &cli.write {
        return write(&cli, folder);
    }
    let mut rows = Vec::new();
    for form in [Form::Json, Form::Nginx] {
        if cli.form.is_some_and(|only| only != form) {
            continue;
        }
        measure_form(&cli, form, &mut rows).await?;
    }
    print(&rows);
    Ok(())
}

/// What is stored: the manifest, and a trace to look for.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Stored {
    trace: String,
    /// Keys and values of the table.
    items: Vec<(String, String, String)>,
}

impl Stored {
    const FILE: &str = "stored.json";

    /// What a run before kept.
    async fn kept(folder: &Path, ports: &Ports) -> anyhow::Result<Option<Self>> {
        let Ok(text) = std::fs::read_to_string(folder.join(Self::FILE)) else {
            return Ok(None);
        };
        let stored: Self = serde_json::from_str(&text)?;
        for (pk, sk, value) in &stored.items {
            let key = Key::new(pk.as_str(), sk.as_str());
            ports.table.put(key, value.clone(), None, Condition::Absent).await?;
        }
        Ok(Some(stored))
    }
}

async fn measure_form(cli: &Cli, form: Form, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let name = format!("{form:?}").to_lowercase();
    let folder = cli.keep.as_deref().unwrap_or(temporary.path()).join(&name);
    std::fs::create_dir_all(&folder)?;
    let (memory, ports) = ports(form, &folder)?;
    let mut row =
        |what: &str, value: String, unit: &'static str| rows.push(Row::new(&format!("{name}: {what}"), value, unit));
    let stored = match Stored::kept(&folder, &ports).await? {
        Some(stored) => stored,
        None => store(cli, form, &memory, &ports, &mut row).await?,
    };
    if cli.keep.is_some() {
        std::fs::write(folder.join(Stored::FILE), serde_json::to_string(&stored)?)?;
    }
    searches(form, &ports, &stored.trace, &mut row).await
}

/// Parses, stores and merges lines.
#[allow(clippy::cast_precision_loss)]
async fn store(
    cli: &Cli,
    form: Form,
    memory: &MemoryPorts,
    ports: &Ports,
    row: &mut impl FnMut(&str, String, &'static str),
) -> anyhow::Result<Stored> {
    let function = LogParse::new(ports, Settings::default());
    let mut lines = Lines {
        random: StdRng::seed_from_u64(1),
        form,
    };
    let (wanted, average) = (cli.megabytes * 1_000_000, if form == Form::Json { 340 } else { 220 });
    let count = i64::try_from(wanted / average)?;
    let (mut bytes, mut sent_cpu, mut parsed_cpu, mut number, mut trace) = (0usize, 0.0, 0.0, 0, String::new());
    let stream = Labels::from_pairs([("app", "shop")]);
    while number < count {
        let mut records = Vec::with_capacity(cli.request_lines);
        for _ in 0..cli.request_lines {
            let mut line = lines.line(START_MS + number * DAY_MS / count);
            if number == count / 3 * 2 {
                line = line.replacen("message\":\"", &format!("message\":\"{RARE} "), 1);
            }
            if number == count / 3 {
                trace = line
                    .split("trace_id\":\"")
                    .nth(1)
                    .unwrap_or_default()
                    .chars()
                    .take(32)
                    .collect();
            }
            bytes += line.len() + 1;
            records.push(LogRecord {
                raw: line.into_bytes().into(),
                stream: stream.clone(),
                ..LogRecord::default()
            });
            number += 1;
        }
        let cpu = cpu_seconds();
        let lines = RawLogs {
            path: String::new(),
            received_ns: (START_MS + DAY_MS) * NANOS_PER_MS,
            records,
        };
        send_logs(ports, vec![LogBatch::of("default", lines)]).await?;
        sent_cpu += cpu_seconds() - cpu;
        // As many messages to a call as a queue under load gives.
        if number / i64::try_from(cli.request_lines)? % 20 == 0 || number >= count {
            let messages = memory
                .queues
                .drain(Queue::Logs)
                .into_iter()
                .map(|(_, message)| message)
                .collect();
            let cpu = cpu_seconds();
            let answers = function.handle_batch(messages).await;
            parsed_cpu += cpu_seconds() - cpu;
            anyhow::ensure!(answers.iter().all(|answer| *answer == Disposition::Done), "{answers:?}");
        }
    }
    let megabytes = bytes as f64 / 1e6;
    row("lines", number.to_string(), "");
    row("bytes of lines", format!("{megabytes:.0}"), "MB");
    row(
        "taken in (to the queue)",
        format!("{:.0}", megabytes / sent_cpu),
        "MB per CPU-second",
    );
    row(
        "parsed and stored",
        format!("{:.0}", megabytes / parsed_cpu),
        "MB per CPU-second",
    );
    let day = parapet_store::day::Day::of_ms(START_MS);
    let stored = |files: &[parapet_store::manifest::FileEntry]| {
        (
            files.len(),
            files.iter().map(|file| file.bytes).sum::<u64>() as f64 / bytes as f64 * 100.0,
        )
    };
    let (count, share) = stored(&Dataset::Logs.files(ports.table.as_ref(), "default", day).await?);
    row(
        "as written",
        format!("{share:.1} % in {count} files"),
        "of the lines' bytes",
    );
    let mut settings = parapet_compactor::Settings::default();
    settings.logs.grace_ms = 0;
    let compactor = Compactor::new(ports, settings);
    let cpu = cpu_seconds();
    for _ in 0..6 {
        memory.clock.advance_ms(3_600_000);
        compactor.handle_tick(START_MS + DAY_MS).await?;
    }
    let merge_cpu = cpu_seconds() - cpu;
    row("merged", format!("{:.0}", megabytes / merge_cpu), "MB per CPU-second");
    let (count, share) = stored(&Dataset::Logs.files(ports.table.as_ref(), "default", day).await?);
    row(
        "at rest",
        format!("{share:.1} % in {count} files"),
        "of the lines' bytes",
    );
    let items = memory.table.items().into_iter();
    Ok(Stored {
        trace,
        items: items.map(|item| (item.key.pk, item.key.sk, item.value)).collect(),
    })
}

/// Looks for one line, and counts many.
#[allow(clippy::cast_precision_loss)]
async fn searches(
    form: Form,
    ports: &Ports,
    trace: &str,
    row: &mut impl FnMut(&str, String, &'static str),
) -> anyhow::Result<()> {
    let whole_day = LogQuery {
        start_ns: START_MS * NANOS_PER_MS,
        end_ns: (START_MS + DAY_MS) * NANOS_PER_MS,
        ..LogQuery::default()
    };
    let told = |stats: &LogStats, seconds: f64, cpu: f64| {
        format!(
            "{:.0} ms, {:.0} CPU-ms; {:.1} MB in {} of {} blocks, {} records",
            seconds * 1000.0,
            cpu * 1000.0,
            stats.bytes_read as f64 / 1e6,
            stats.blocks_read,
            stats.blocks,
            stats.records
        )
    };
    if form == Form::Json {
        for (what, query) in [
            (
                "one trace (field)",
                LogQuery {
                    fields: vec![("trace_id".to_owned(), trace.to_owned())],
                    ..whole_day.clone()
                },
            ),
            (
                "one trace (anywhere in a line)",
                LogQuery {
                    need: Need::substring(trace),
                    ..whole_day.clone()
                },
            ),
            (
                "a word of one line",
                LogQuery {
                    need: Need::Word(RARE.to_owned()),
                    ..whole_day.clone()
                },
            ),
            (
                "a word that is nowhere",
                LogQuery {
                    need: Need::Word("xylophone".to_owned()),
                    ..whole_day.clone()
                },
            ),
        ] {
            let mut found = 0;
            let is_wanted = |record: &LogRecord| match what {
                "a word of one line" => record.message.starts_with(RARE),
                _ => record.trace_id == trace,
            };
            let mut look = |record: LogRecord| found += u32::from(is_wanted(&record));
            let (stats, seconds, cpu) = search(ports, &query, &mut look).await?;
            anyhow::ensure!(what.contains("nowhere") || found == 1, "{what}: {found}");
            row(what, told(&stats, seconds, cpu), "");
        }
    }
    let hours = Steps::new(HOUR_NS, vec![whole_day.start_ns]);
    let query = LogQuery {
        levels: Some(Level::Error..=Level::Error),
        ..whole_day.clone()
    };
    let reader = LogReader::new(ports, LogReaderSettings::default());
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let (_, stats) = reader
        .count("default", &query, &hours, &|record| Some(record.level), &|_| true)
        .await?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    row("level ERROR over 24 h by hour", told(&stats, seconds, cpu), "");
    let parameters = Parameters {
        start_ns: whole_day.start_ns + HOUR_NS,
        end_ns: whole_day.end_ns,
        step_ns: HOUR_NS,
        ..Parameters::default()
    };
    for text in [
        r#"sum(count_over_time({app="shop"}[1h]))"#,
        r#"sum by (detected_level) (count_over_time({app="shop"}[1h]))"#,
        r#"sum by (service_name) (rate({app="shop"} | detected_level="error" [1h]))"#,
    ] {
        let reader = LogReader::new(ports, LogReaderSettings::default());
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let (_, stats) = reader.answer("default", &parse(text)?, parameters, &|| true).await?;
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        row(text, told(&stats, seconds, cpu), "");
    }
    Ok(())
}
