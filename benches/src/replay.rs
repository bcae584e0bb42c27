//! Captured scrapes, carried on.
//!
//! The captures are those of `conformance/scrapes`: seven scrapes, 10 s apart, of two versions of node_exporter; one
//! scrape each of the kubelet's cAdvisor and of kube-state-metrics. Values are carried on so that nothing repeats by
//! itself and each has as many decimals as the captured ones:
//!
//! - Counters of node_exporter rise by 0 to 2 times their captured mean, its gauges walk by captured differences.
//! - Counters of cAdvisor rise by 0 to 2 times their mean since the oldest container started; those at 0 stay there, as
//!   most do. Memory walks by up to 1 % in pages, threads and the like by 1, each at a pace of its own; limits stand.
//! - What kube-state-metrics says stands, but that one state in some thousand changes with a scrape.

use anyhow::Context as _;
use parapet_exposition::{Format, Limits, Parser, collect};
use parapet_model::{Labels, MetricType, Value, format_float};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

/// A target and the series that it shows.
#[derive(Clone, Debug)]
pub struct Target {
    /// What scrape configuration it belongs to.
    pub job: &'static str,
    /// Its address.
    pub instance: String,
    /// Its series, in the order of its body.
    pub series: Vec<Replayed>,
    lines: Vec<Line>,
}

/// A line of a body.
#[derive(Clone, Debug)]
enum Line {
    Comment(String),
    /// A series as it is written, and its place among the target's.
    Sample(String, usize),
}

impl Target {
    /// Goes on to the scrape at `at_ms`, the `step`-th.
    pub fn advance(&mut self, step: u64, at_ms: i64) {
        for series in &mut self.series {
            series.advance(step, at_ms);
        }
    }

    /// What a scrape gets now, in the text format.
    pub fn body(&self) -> String {
        let mut body = String::new();
        for line in &self.lines {
            match line {
                Line::Comment(text) => body.push_str(text),
                Line::Sample(series, place) => {
                    body.push_str(series);
                    body.push(' ');
                    body.push_str(&format_float(self.series[*place].value));
                }
            }
            body.push('\n');
        }
        body
    }
}

/// A series that goes on.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Its labels as the target shows them.
    pub labels: Labels,
    /// Its kind.
    pub kind: MetricType,
    /// Its value now.
    pub value: f64,
    model: Model,
    digits: Option<i32>,
    seed: u64,
    exact: f64,
}

#[derive(Clone, Debug)]
enum Model {
    Stands,
    Rises { mean: f64 },
    Walks { differences: Vec<f64> },
    Pages { pace: f64 },
    Counts { pace: f64 },
    Toggles,
    Clock,
}

impl Replayed {
    fn new(labels: Labels, kind: MetricType, captured: &[f64], model: Model, seed: u64) -> Self {
        let decimals = |digits: i32| {
            let factor = 10f64.powi(digits);
            captured.iter().all(|v| (v * factor).round() / factor == *v)
        };
        let value = captured[captured.len() - 1];
        Self {
            seed: labels.series_id().cast_unsigned() ^ seed,
            labels,
            kind,
            value,
            model,
            digits: (0..=9).find(|digits| decimals(*digits)),
            exact: value,
        }
    }

    /// Goes on to the scrape at `at_ms`, the `step`-th.
    pub fn advance(&mut self, step: u64, at_ms: i64) {
        let random = noise(self.seed, step);
        let again = || noise(!self.seed, step);
        match &self.model {
            Model::Stands => return,
            Model::Rises { mean } => self.exact += mean * 2.0 * random,
            Model::Walks { differences } => self.exact += differences[(random * differences.len() as f64) as usize],
            Model::Pages { pace } if random < *pace => {
                let pages = (self.exact * (again() - 0.5) / 50.0 / 4096.0).round();
                self.exact = (self.exact + pages * 4096.0).max(0.0);
            }
            Model::Counts { pace } if random < *pace => {
                self.exact = (self.exact + if again() < 0.5 { -1.0 } else { 1.0 }).max(0.0);
            }
            Model::Toggles if random < 0.0002 => self.exact = 1.0 - self.exact,
            Model::Clock => self.exact = at_ms.div_euclid(1000) as f64,
            _ => return,
        }
        self.value = match self.digits {
            Some(digits) => (self.exact * 10f64.powi(digits)).round() / 10f64.powi(digits),
            None => self.exact,
        };
    }
}

/// Even noise in 0..1 that depends on nothing but its arguments.
fn noise(seed: u64, step: u64) -> f64 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ step.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1u64 << 53) as f64
}

/// How many targets of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Of node_exporter, about 515 series each.
    pub nodes: usize,
    /// Of cAdvisor, 4,621 series each.
    pub cadvisors: usize,
    /// Of kube-state-metrics, 1,698 series each.
    pub kube_states: usize,
}

/// The targets of a fleet, from the folder of scrapes.
pub fn targets(scrapes: &Path, fleet: Fleet) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    let address = |net: usize, number: usize, port: u16| format!("10.{net}.{}.{}:{port}", number / 250, number % 250);
    for number in 0..fleet.nodes {
        let version = ["node_exporter-1.5", "node_exporter-1.11"][number % 2];
        let (series, lines) = node(scrapes, version, number)?;
        targets.push(Target {
            job: "node",
            instance: address(0, number, 9100),
            series,
            lines,
        });
    }
    for number in 0..fleet.cadvisors {
        let (series, lines) = cadvisor(scrapes, number as u64)?;
        targets.push(Target {
            job: "cadvisor",
            instance: address(1, number, 10250),
            series,
            lines,
        });
    }
    for number in 0..fleet.kube_states {
        let (series, lines) = kube_state(scrapes, number as u64)?;
        targets.push(Target {
            job: "kube-state-metrics",
            instance: address(2, number, 8080),
            series,
            lines,
        });
    }
    Ok(targets)
}

type Captured = (Vec<Replayed>, Vec<Line>);

/// A capture: its series, and its lines, those of samples with the place of their series.
/// A series of a captured scrape.
struct Shown {
    labels: Labels,
    kind: MetricType,
    value: f64,
    timestamp_ms: Option<i64>,
}

fn read(file: &Path) -> anyhow::Result<(Vec<Shown>, Vec<Line>)> {
    let mut body = String::new();
    let opened = std::fs::File::open(file).with_context(|| format!("no scrape at {}", file.display()))?;
    flate2::read::GzDecoder::new(opened).read_to_string(&mut body)?;
    let mut places = 0..;
    let line = |line: &str| {
        if line.starts_with('#') {
            return Some(Line::Comment(line.to_owned()));
        }
        // Labels may hold blanks; what follows them is the value, and perhaps a time.
        let end = line.rfind("} ").map(|at| at + 1).or_else(|| line.find(' '))?;
        Some(Line::Sample(line[..end].to_owned(), places.next()?))
    };
    let lines: Vec<Line> = body.lines().filter_map(line).collect();
    let parsed = collect(Parser::new(body.as_bytes(), Format::PrometheusText, &Limits::default()))?;
    let series = parsed.series.into_iter().filter_map(|series| match series.value {
        Value::Float(value) => Some(Shown {
            labels: series.labels,
            kind: series.kind,
            value,
            timestamp_ms: series.timestamp_ms,
        }),
        Value::Histogram(_) => None,
    });
    let series: Vec<Shown> = series.collect();
    anyhow::ensure!(
        places.next() == Some(series.len()),
        "a line of {} is lost",
        file.display()
    );
    Ok((series, lines))
}

fn node(scrapes: &Path, version: &str, number: usize) -> anyhow::Result<Captured> {
    let factor = 1.0 + number as f64 * 0.37;
    let mut values: HashMap<Labels, Vec<f64>> = HashMap::new();
    let (mut last, mut lines) = (Vec::new(), Vec::new());
    for capture in 0..7 {
        let parsed;
        (parsed, lines) = read(&scrapes.join(format!("live/{version}.{capture}.prom.gz")))?;
        last = parsed;
        for series in &last {
            values.entry(series.labels.clone()).or_default().push(series.value);
        }
    }
    // A series that comes or goes while it is captured is left out.
    let stays = |labels: &Labels| values.get(labels).is_some_and(|captured| captured.len() == 7);
    let mut places = 0..;
    let place: Vec<Option<usize>> = last
        .iter()
        .map(|series| if stays(&series.labels) { places.next() } else { None })
        .collect();
    let lines = lines.into_iter().filter_map(|line| match line {
        Line::Sample(text, old) => Some(Line::Sample(text, place[old]?)),
        comment @ Line::Comment(_) => Some(comment),
    });
    let lines = lines.collect();
    let series = last.into_iter().filter(|series| stays(&series.labels)).map(|series| {
        let captured: Vec<f64> = values[&series.labels].iter().map(|value| value * factor).collect();
        let model = match series.kind {
            MetricType::Gauge | MetricType::Unknown => Model::Walks {
                differences: captured.windows(2).map(|pair| pair[1] - pair[0]).collect(),
            },
            _ => Model::Rises {
                mean: (captured[6] - captured[0]) / 6.0,
            },
        };
        let unscaled = &values[&series.labels];
        let mut replayed = Replayed::new(series.labels, series.kind, unscaled, model, number as u64);
        replayed.exact *= factor;
        replayed
    });
    Ok((series.collect(), lines))
}

fn cadvisor(scrapes: &Path, number: u64) -> anyhow::Result<Captured> {
    let (parsed, lines) = read(&scrapes.join("k8s/k8s-1.35.cadvisor.prom.gz"))?;
    let shown = parsed;
    let started = shown
        .iter()
        .filter(|series| series.labels.metric_name() == Some("container_start_time_seconds"))
        .map(|series| series.value)
        .fold(f64::INFINITY, f64::min);
    let now = shown
        .iter()
        .filter_map(|series| series.timestamp_ms)
        .max()
        .unwrap_or_default() as f64
        / 1000.0;
    let series = shown.into_iter().map(|series| {
        let (name, value) = (series.labels.metric_name().unwrap_or_default(), series.value);
        let share = noise(series.labels.series_id().cast_unsigned(), number);
        let pace = share * share;
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let model = match series.kind {
            _ if value == 0.0 || has(&["_spec_", "_max"]) => Model::Stands,
            MetricType::Counter => Model::Rises {
                mean: value * 15.0 / (now - started).max(15.0),
            },
            _ if has(&["container_last_seen"]) => Model::Clock,
            _ if has(&["container_memory_", "container_fs_usage"]) => Model::Pages { pace },
            _ if has(&["threads", "processes", "sockets", "descriptors", "tasks"]) => Model::Counts { pace },
            _ => Model::Stands,
        };
        Replayed::new(series.labels, series.kind, &[value], model, number)
    });
    Ok((series.collect(), lines))
}

fn kube_state(scrapes: &Path, number: u64) -> anyhow::Result<Captured> {
    let (parsed, lines) = read(&scrapes.join("k8s/k8s-1.35.ksm.prom.gz"))?;
    let series = parsed.into_iter().map(|series| {
        let name = series.labels.metric_name().unwrap_or_default();
        let is_state = name.contains("_status_") && (series.value == 0.0 || series.value == 1.0);
        let model = if is_state { Model::Toggles } else { Model::Stands };
        Replayed::new(series.labels, series.kind, &[series.value], model, number)
    });
    Ok((series.collect(), lines))
}
