//! The whole file.

use crate::error::{ConfigError, Fault};
use crate::fields::Fields;
use crate::global::Global;
use crate::http_client::Secrets;
use crate::scrape::ScrapeJob;
use crate::{global, otlp, remote, scrape, sections, yaml};
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
    /// Paths and patterns of files with further jobs, likewise.
    pub scrape_config_files: Vec<String>,
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

/// Reads a configuration. Variables in `external_labels` (`${NAME}`) are empty, and what `scrape_config_files` names is
/// not read.
///
/// # Errors
/// [`ConfigError`] at the first fault.
pub fn parse(path: &str, text: &str) -> Result<Config, ConfigError> {
    parse_with(path, text, [], &|_| None)
}

/// Reads a configuration with the files that its `scrape_config_files` names: their paths and texts. `variables`
/// answers for `$NAME` and `${NAME}` in the values of `external_labels`.
///
/// # Errors
/// [`ConfigError`] at the first fault of any file.
pub fn parse_with<'f>(
    path: &str,
    text: &str,
    files: impl IntoIterator<Item = (&'f str, &'f str)>,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let (mut config, global) = read(text, directory(path), variables).map_err(|fault| fault.in_file(path))?;
    for (file, text) in files {
        read_jobs(&mut config, &global, file, text).map_err(|fault| fault.in_file(file))?;
    }
    Ok(config)
}

fn directory(path: &str) -> &Path {
    Path::new(path).parent().unwrap_or(Path::new(""))
}

/// Adds the jobs of a file of `scrape_config_files`; files that it names are beside it.
fn read_jobs(config: &mut Config, global: &Global, path: &str, text: &str) -> Result<(), Fault> {
    let root = yaml::parse(text)?;
    let fields = Fields::read(&root, "a file of scrape_config_files", &["scrape_configs"], &[])?;
    let mut secrets = Secrets {
        directory: directory(path),
        ranges: Vec::new(),
    };
    let mut warnings = Vec::new();
    add_jobs(&mut config.jobs, &fields, global, &mut warnings, &mut secrets)?;
    let warnings = warnings.into_iter().map(|warning| format!("{path}: {warning}"));
    config.warnings.extend(warnings);
    Ok(())
}

/// Adds the jobs of `scrape_configs`.
fn add_jobs(
    jobs: &mut Vec<ScrapeJob>,
    fields: &Fields<'_>,
    global: &Global,
    warnings: &mut Vec<String>,
    secrets: &mut Secrets<'_>,
) -> Result<(), Fault> {
    let (mut lines, before) = (HashMap::new(), jobs.len());
    for node in fields.list("scrape_configs")? {
        let job = scrape::read(node, global, warnings, secrets)?;
        let first = match lines.insert(job.name.clone(), node.at.line) {
            Some(line) => Some(format!("at line {line}")),
            None => jobs[..before]
                .iter()
                .any(|other| other.name == job.name)
                .then(|| "in another file".to_owned()),
        };
        if let Some(first) = first {
            let name = quote(&job.name);
            let what = format!("found multiple scrape configs with job name {name}, the first {first}; rename one");
            return Err(Fault::new(node.at, what));
        }
        jobs.push(job);
    }
    Ok(())
}

fn read(text: &str, directory: &Path, variables: &dyn Fn(&str) -> Option<String>) -> Result<(Config, Global), Fault> {
    let root = yaml::parse(text)?;
    let not_used = ["runtime"];
    let known = [
        "global",
        "rule_files",
        "scrape_config_files",
        "scrape_configs",
        "alerting",
        "storage",
        "otlp",
        "remote_write",
        "remote_read",
        "tracing",
    ];
    let fields = Fields::read(&root, "the configuration", &[&known[..], &not_used].concat(), &[])?;
    let mut warnings = Vec::new();
    let mut secrets = Secrets {
        directory,
        ranges: Vec::new(),
    };
    let global = global::read(fields.get("global"), &mut warnings)?;
    sections::read_alerting(fields.get("alerting"), &mut warnings)?;
    let out_of_order_time_window_ms = sections::read_storage(fields.get("storage"), &mut warnings)?;
    let otlp = otlp::read(fields.get("otlp"), global.names.validation)?;
    remote::check(&fields, &mut warnings, &mut secrets)?;
    for name in not_used {
        global::warn_not_used(&fields, "the configuration", name, &mut warnings);
    }
    let rule_files = paths(&fields, "rule_files", "rule")?;
    let scrape_config_files = paths(&fields, "scrape_config_files", "scrape config")?;
    let mut jobs = Vec::new();
    add_jobs(&mut jobs, &fields, &global, &mut warnings, &mut secrets)?;
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
    let config = Config {
        jobs,
        rule_files,
        scrape_config_files,
        scrape_interval_ms: global.scrape_interval_ms,
        evaluation_interval_ms: global.evaluation_interval_ms,
        rule_query_offset_ms: global.rule_query_offset_ms,
        out_of_order_time_window_ms,
        otlp,
        external_labels,
        warnings,
        redacted: redact(text, &secrets),
    };
    Ok((config, global))
}

/// A list of paths, of which nothing but a file's name may be a pattern: `^[^*]*(\*[^/]*)?$`.
fn paths(fields: &Fields<'_>, name: &str, what: &str) -> Result<Vec<String>, Fault> {
    let mut out = Vec::new();
    for node in fields.list(name)? {
        let pattern = node.text()?;
        if !is_path(pattern) {
            let pattern = quote(pattern);
            let what = format!("invalid {what} file path {pattern}; only the last part of it may have a *");
            return Err(Fault::new(node.at, what));
        }
        out.push(pattern.to_owned());
    }
    Ok(out)
}

fn is_path(pattern: &str) -> bool {
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
    fn patterns_of_paths() {
        for (pattern, want) in [
            ("a.yml", true),
            ("rules/*.yml", true),
            ("*/a.yml", false),
            ("a*b*c", true),
        ] {
            assert_eq!(is_path(pattern), want, "{pattern}");
        }
    }
}
