//! The whole file.

use crate::error::{ConfigError, Fault};
use crate::fields::Fields;
use crate::http_client::Secrets;
use crate::scrape::ScrapeJob;
use crate::{global, otlp, scrape, sections, yaml};
use parapet_model::{Labels, quote};
use std::collections::HashMap;
use std::path::Path;

/// A configuration with every default and inheritance resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The jobs in order.
    pub jobs: Vec<ScrapeJob>,
    /// Paths and patterns of rule files, as written (relative ones are relative to the configuration file).
    pub rule_files: Vec<String>,
    /// Milliseconds between scrapes where a job says nothing.
    pub scrape_interval_ms: i64,
    /// Milliseconds between evaluations of a rule group that says nothing.
    pub evaluation_interval_ms: i64,
    /// How far in the past rules are evaluated where a group says nothing, milliseconds.
    pub rule_query_offset_ms: i64,
    /// How much older than now a remote-written sample may be (`storage.tsdb.out_of_order_time_window`), milliseconds;
    /// 0 where nothing is said.
    pub out_of_order_time_window_ms: i64,
    /// How OTLP metrics are translated.
    pub otlp: parapet_otlp::Settings,
    /// Labels for what leaves this system: alerts, federation.
    pub external_labels: Labels,
    /// What was accepted but has no effect, one line each.
    pub warnings: Vec<String>,
    redacted: String,
}

impl Config {
    /// The file as it was written, secrets as `<secret>`: what `/api/v1/status/config` shows.
    #[must_use]
    pub fn to_yaml(&self) -> &str {
        &self.redacted
    }
}

/// Reads a configuration. Variables in `external_labels` (`${NAME}`) are empty.
///
/// # Errors
/// [`ConfigError`] at the first fault.
pub fn parse(path: &str, text: &str) -> Result<Config, ConfigError> {
    parse_with_variables(path, text, &|_| None)
}

/// Reads a configuration; `variables` answers for `$NAME` and `${NAME}` in the values of `external_labels`.
///
/// # Errors
/// [`ConfigError`] at the first fault.
pub fn parse_with_variables(
    path: &str,
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let directory = Path::new(path).parent().unwrap_or(Path::new(""));
    read(text, directory, variables).map_err(|fault| fault.in_file(path))
}

fn read(text: &str, directory: &Path, variables: &dyn Fn(&str) -> Option<String>) -> Result<Config, Fault> {
    let root = yaml::parse(text)?;
    let not_used = ["runtime"];
    let fields = Fields::read(
        &root,
        "the configuration",
        &[
            &["global", "rule_files", "scrape_configs", "alerting", "storage", "otlp"][..],
            &not_used,
        ]
        .concat(),
        &["scrape_config_files", "remote_write", "remote_read", "tracing"],
    )?;
    let mut warnings = Vec::new();
    let mut secrets = Secrets {
        directory,
        ranges: Vec::new(),
    };
    let global = global::read(fields.get("global"), &mut warnings)?;
    sections::read_alerting(fields.get("alerting"), &mut warnings)?;
    let out_of_order_time_window_ms = sections::read_storage(fields.get("storage"), &mut warnings)?;
    let otlp = otlp::read(fields.get("otlp"), global.names.validation)?;
    for name in not_used {
        global::warn_not_used(&fields, "the configuration", name, &mut warnings);
    }
    let mut rule_files = Vec::new();
    for node in fields.list("rule_files")? {
        let pattern = node.text()?;
        if !is_rule_path(pattern) {
            return Err(Fault::new(
                node.at,
                format!(
                    "invalid rule file path {}; only the last part of it may have a *",
                    quote(pattern)
                ),
            ));
        }
        rule_files.push(pattern.to_owned());
    }
    let mut jobs = Vec::new();
    let mut names = HashMap::new();
    for node in fields.list("scrape_configs")? {
        let job = scrape::read(node, &global, &mut warnings, &mut secrets)?;
        if let Some(line) = names.insert(job.name.clone(), node.at.line) {
            return Err(Fault::new(
                node.at,
                format!(
                    "found multiple scrape configs with job name {}, the first at line {line}; rename one",
                    quote(&job.name)
                ),
            ));
        }
        jobs.push(job);
    }
    let external_labels = Labels::from_pairs(
        global
            .external_labels
            .iter()
            .map(|(name, value)| (name.to_owned(), expand(value, variables, &mut warnings))),
    );
    let mut secrets = secrets.ranges;
    secrets.sort_by_key(|range| range.start);
    // An anchor that is referred to twice is one place.
    secrets.dedup();
    Ok(Config {
        jobs,
        rule_files,
        scrape_interval_ms: global.scrape_interval_ms,
        evaluation_interval_ms: global.evaluation_interval_ms,
        rule_query_offset_ms: global.rule_query_offset_ms,
        out_of_order_time_window_ms,
        otlp,
        external_labels,
        warnings,
        redacted: redact(text, &secrets),
    })
}

/// `^[^*]*(\*[^/]*)?$`: nothing but a file's name may be a pattern.
fn is_rule_path(pattern: &str) -> bool {
    pattern.split_once('*').is_none_or(|(_, rest)| !rest.contains('/'))
}

/// Replaces `$NAME` and `${NAME}` (Go's `os.Expand`); `$$` is a dollar sign.
fn expand(value: &str, variables: &dyn Fn(&str) -> Option<String>, warnings: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let word = |text: &str| {
            text.bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
                .count()
        };
        let (name, tail) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, tail)) => (name, tail),
            None if after.starts_with('$') => ("$", &after[1..]),
            None => after.split_at(word(after)),
        };
        rest = tail;
        match name {
            "$" => out.push('$'),
            "" => out.push('$'),
            name => match variables(name) {
                Some(value) => out.push_str(&value),
                None => warnings.push(format!("external_labels: variable {name} is empty")),
            },
        }
    }
    out.push_str(rest);
    out
}

/// The text with secrets replaced; the ranges are sorted.
fn redact(text: &str, secrets: &[std::ops::Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in secrets {
        if let Some(before) = text.get(at..range.start).filter(|_| !range.is_empty()) {
            out.push_str(before);
            out.push_str("<secret>");
            at = range.end;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_variables() {
        let mut warnings = Vec::new();
        let variables = |name: &str| (name == "A").then(|| "x".to_owned());
        for (value, want) in [
            ("plain", "plain"),
            ("$A-${A}", "x-x"),
            ("$$A", "$A"),
            ("${B}", ""),
            ("a$", "a$"),
        ] {
            assert_eq!(expand(value, &variables, &mut warnings), want, "{value}");
        }
        assert_eq!(warnings, ["external_labels: variable B is empty"]);
    }

    #[test]
    fn rule_paths() {
        for (pattern, want) in [
            ("a.yml", true),
            ("rules/*.yml", true),
            ("*/a.yml", false),
            ("a*b*c", true),
        ] {
            assert_eq!(is_rule_path(pattern), want, "{pattern}");
        }
    }
}
