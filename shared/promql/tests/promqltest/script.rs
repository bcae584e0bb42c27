//! The language of the scripts (see LANGUAGE.md of the conformance data).

use parapet_model::{Labels, parse_duration_ms};
use parapet_promql::{SequenceValue, SeriesDescription, parse_series_description};
use regex::Regex;
use std::sync::LazyLock;

pub(crate) enum Command {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

pub(crate) struct Load {
    pub(crate) gap_ms: i64,
    pub(crate) with_nhcb: bool,
    /// Start timestamps relative to the samples, `None` where not known.
    pub(crate) series: Vec<(SeriesDescription, Vec<Option<i64>>)>,
}

#[derive(Default)]
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) query: String,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) range: bool,
    pub(crate) fail: Option<Text>,
    pub(crate) ordered: bool,
    pub(crate) warn: Vec<Text>,
    pub(crate) info: Vec<Text>,
    pub(crate) no_warn: bool,
    pub(crate) no_info: bool,
    pub(crate) string: Option<String>,
    pub(crate) range_vector: bool,
    pub(crate) scalar: Option<f64>,
    pub(crate) expected: Vec<(Labels, Vec<SequenceValue>)>,
}

/// A text that is expected.
pub(crate) enum Text {
    Any,
    Exact(String),
    Pattern(Regex),
}

impl Text {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == text,
            Self::Pattern(regex) => regex.is_match(text),
        }
    }
}

pub(crate) fn parse(text: &str) -> Vec<Command> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .map(|line| if line.starts_with('#') { "" } else { line })
        .collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if line.is_empty() {
            continue;
        }
        let block_start = at;
        let word = line.split_whitespace().next().unwrap().to_lowercase();
        if word == "clear" {
            commands.push(Command::Clear);
            continue;
        }
        while at < lines.len() && !lines[at].is_empty() {
            at += 1;
        }
        let block = &lines[block_start..at];
        if word.starts_with("load") {
            commands.push(Command::Load(parse_load(line, block)));
        } else if word.starts_with("eval") {
            commands.push(Command::Eval(Box::new(parse_eval(line, block, block_start))));
        } else {
            panic!("line {block_start}: {line}");
        }
    }
    commands
}

fn parse_load(line: &str, block: &[&str]) -> Load {
    let (word, gap) = line.split_once(char::is_whitespace).unwrap();
    let mut series = Vec::new();
    let mut starts = Vec::new();
    for line in block {
        let (metric, values) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if metric.ends_with("@st") {
            starts = values.split_whitespace().flat_map(parse_starts).collect();
            continue;
        }
        let description = parse_series_description(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        series.push((description, std::mem::take(&mut starts)));
    }
    Load {
        gap_ms: parse_duration_ms(gap.trim()).unwrap(),
        with_nhcb: word.ends_with("_with_nhcb"),
        series,
    }
}

fn parse_starts(item: &str) -> Vec<Option<i64>> {
    if let Some(count) = item.strip_prefix("_x") {
        return vec![None; count.parse().unwrap()];
    }
    if item == "_" {
        return vec![None];
    }
    let (base, rest) = parse_signed_duration(item);
    if rest.is_empty() {
        return vec![Some(base)];
    }
    if let Some(count) = rest.strip_prefix('x') {
        return vec![Some(base); count.parse::<usize>().unwrap() + 1];
    }
    let (delta, rest) = parse_signed_duration(rest);
    let count: i64 = rest.strip_prefix('x').unwrap().parse().unwrap();
    (0..=count).map(|at| Some(base + at * delta)).collect()
}

fn parse_signed_duration(text: &str) -> (i64, &str) {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = magnitude.bytes().take_while(u8::is_ascii_digit).count();
    let unit = magnitude[digits..]
        .bytes()
        .take_while(|byte| byte.is_ascii_alphabetic() && *byte != b'x')
        .count();
    let (duration, rest) = magnitude.split_at(digits + unit);
    (sign * parse_duration_ms(duration).unwrap(), rest)
}

fn parse_eval(line: &str, block: &[&str], number: usize) -> Eval {
    static INSTANT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+))?\s+(.+)$").unwrap()
    });
    static RANGE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+?)\s+(.+)$").unwrap()
    });
    let mut eval = Eval {
        line: number,
        ..Eval::default()
    };
    let modifier = if let Some(parts) = INSTANT.captures(line) {
        eval.start_ms = parse_whole_duration(&parts[2]);
        eval.end_ms = eval.start_ms;
        parts[3].clone_into(&mut eval.query);
        parts.get(1).map(|part| part.as_str().to_owned())
    } else {
        let parts = RANGE.captures(line).unwrap_or_else(|| panic!("line {number}: {line}"));
        let time = |text: &str| parse_whole_duration(text);
        (eval.start_ms, eval.end_ms, eval.step_ms) = (time(&parts[2]), time(&parts[3]), time(&parts[4]));
        eval.range = true;
        parts[5].clone_into(&mut eval.query);
        parts.get(1).map(|part| part.as_str().to_owned())
    };
    match modifier.as_deref() {
        Some("fail") => eval.fail = Some(Text::Any),
        Some("warn") => eval.warn.push(Text::Any),
        Some("info") => eval.info.push(Text::Any),
        Some("ordered") => eval.ordered = true,
        _ => {}
    }
    for line in block {
        parse_expectation(&mut eval, line);
    }
    eval
}

fn parse_whole_duration(text: &str) -> i64 {
    let (sign, magnitude) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    sign * parse_duration_ms(magnitude).unwrap()
}

fn parse_expectation(eval: &mut Eval, line: &str) {
    if let Some(message) = line.strip_prefix("expected_fail_message") {
        eval.fail = Some(Text::Exact(message.trim().to_owned()));
    } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
        eval.fail = Some(Text::Pattern(Regex::new(pattern.trim()).unwrap()));
    } else if let Some(rest) = line.strip_prefix("expect range vector") {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let ["from", start, "to", end, "step", step] = words[..] else {
            panic!("{line}")
        };
        let time = |text: &str| parse_whole_duration(text);
        (eval.start_ms, eval.end_ms, eval.step_ms) = (time(start), time(end), time(step));
        eval.range_vector = true;
    } else if let Some(quoted) = line.strip_prefix("expect string") {
        let quoted = quoted.trim();
        let parapet_promql::Expr::String(literal) = parapet_promql::parse(quoted).unwrap() else {
            panic!("{line}")
        };
        eval.string = Some(literal.value);
    } else if line.split(' ').next() == Some("expect") {
        let rest = line["expect".len()..].trim();
        let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let rest = rest.trim();
        let text = if let Some(exact) = rest.strip_prefix("msg") {
            Text::Exact(exact.trim_start().trim_start_matches(':').trim().to_owned())
        } else if let Some(pattern) = rest.strip_prefix("regex") {
            Text::Pattern(Regex::new(pattern.trim_start().trim_start_matches(':').trim()).unwrap())
        } else {
            Text::Any
        };
        match kind {
            "fail" => eval.fail = Some(text),
            "warn" => eval.warn.push(text),
            "info" => eval.info.push(text),
            "no_warn" => eval.no_warn = true,
            "no_info" => eval.no_info = true,
            "ordered" => eval.ordered = true,
            _ => panic!("{line}"),
        }
    } else if let Ok(parapet_promql::Expr::Number(number)) = parapet_promql::parse(line) {
        eval.scalar = Some(number.value);
    } else {
        let series = parse_series_description(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        // A series stated twice counts as it was stated last.
        eval.expected.retain(|(labels, _)| *labels != series.labels);
        eval.expected.push((series.labels, series.values));
    }
}
