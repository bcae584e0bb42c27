//! The command line: what can be written, and how it is explained.

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Metrics, rules and pages as functions over managed storage, or all of them in this one process.
#[derive(Debug, Parser)]
#[command(name = "parapet", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Scrape, store, evaluate rules, notify and answer queries, until stopped
    Run(Box<RunOptions>),
    /// Check files before they are used
    #[command(subcommand)]
    Check(Check),
    /// Run unit tests
    #[command(subcommand)]
    Test(Test),
    /// Work with rules
    #[command(subcommand)]
    Rules(Rules),
    /// Tell why somebody was told of an alert, or was not
    #[command(subcommand)]
    Explain(crate::explain::Explain),
    /// Look at the routes of alertmanager.yml
    #[command(subcommand)]
    Routes(crate::routes::Routes),
    /// Work with service level objectives
    #[command(subcommand)]
    Slo(Slo),
    /// Ask a server in PromQL: tables, graphs, JSON or CSV
    Query(Box<crate::query::QueryOptions>),
    /// Search logs, and ship them
    #[command(subcommand)]
    Logs(crate::logs::Logs),
    /// Ask the stored files in SQL, without a server
    Sql(Box<crate::sql::Arguments>),
    /// Take over history: blocks of Prometheus, or OpenMetrics with timestamps
    Import(Box<crate::import::Arguments>),
    /// Write what is stored as OpenMetrics, CSV, JSON or blocks of Prometheus
    Export(Box<crate::export::Arguments>),
    /// Show what is scraped, what is not, and why
    Targets(Box<crate::targets::Arguments>),
    /// Look at one thing from near
    #[command(subcommand)]
    Debug(crate::debug::Debug),
    /// Acknowledge groups of alerts: they are not repeated
    Ack(Box<crate::ack::Arguments>),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  parapet completions bash > /etc/bash_completion.d/parapet")]
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Check {
    /// Check prometheus.yml and the rule files that it names, alertmanager.yml, pipelines.yml and ml.yml
    #[command(
        after_help = "Example:\n  parapet check config prometheus.yml --alertmanager.config.file alertmanager.yml"
    )]
    Config(CheckConfig),
    /// Check rule files, as promtool does
    Rules(crate::check_rules::Arguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Test {
    /// Run unit tests of rules, in promtool's format
    Rules(crate::test_rules::Arguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Replay rules over stored history, and print what would have fired
    Backtest(Box<crate::rules_backtest::Arguments>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Slo {
    /// Print the recording rules and alerts that an SLO file stands for
    Expand(crate::slo_expand::Arguments),
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// prometheus.yml
    pub(crate) file: PathBuf,
    /// alertmanager.yml, checked too
    #[arg(long = "alertmanager.config.file", value_name = "FILE")]
    pub(crate) alertmanager: Option<PathBuf>,
    /// pipelines.yml, checked too
    #[arg(long = "pipelines.config.file", value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// blackbox_exporter's module file, checked too
    #[arg(long = "probe.config.file", value_name = "FILE")]
    pub(crate) probes: Option<PathBuf>,
    /// ml.yml, checked too
    #[arg(long = "ml.config.file", value_name = "FILE")]
    pub(crate) ml: Option<PathBuf>,
}

impl CheckConfig {
    /// The files that no other names.
    pub(crate) fn beside(&self) -> crate::run::configuration::Beside {
        crate::run::configuration::Beside {
            pipelines: self.pipelines.clone(),
            probes: self.probes.clone(),
            ml: self.ml.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Logfmt,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  parapet run                                          watch itself: see everything work in a minute
  parapet run --config.file prometheus.yml --alertmanager.config.file alertmanager.yml
  parapet run --aws-endpoint-url http://127.0.0.1:4566 on S3, SQS and DynamoDB of an emulator

SIGHUP or a POST to /-/reload reads the configuration again; SIGTERM and Ctrl-C stop cleanly.
PARAPET_LOG overrides --log.level with a filter such as info,parapet_store=debug.")]
pub(crate) struct RunOptions {
    /// prometheus.yml; without it the process watches itself
    #[arg(long = "config.file", value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// alertmanager.yml: where alerts are sent; without it (and with --config.file) they are evaluated but sent nowhere
    #[arg(long = "alertmanager.config.file", value_name = "FILE")]
    pub(crate) alertmanager_config_file: Option<PathBuf>,
    /// pipelines.yml: how log lines are parsed; without it those that are JSON or logfmt are
    #[arg(long = "pipelines.config.file", value_name = "FILE")]
    pub(crate) pipelines_config_file: Option<PathBuf>,
    /// ml.yml: which model registry is told of, and which features are watched for drift; without it none is
    #[arg(long = "ml.config.file", value_name = "FILE")]
    pub(crate) ml_config_file: Option<PathBuf>,
    /// blackbox_exporter's module file: /probe and jobs at probe.parapet.internal answer with these modules
    #[arg(long = "probe.config.file", value_name = "FILE")]
    pub(crate) probe_config_file: Option<PathBuf>,
    /// Features of Alertmanager, separated by commas: classic-mode (matchers and names of labels as before UTF-8),
    /// utf8-strict-mode (no matchers in the classic grammar)
    #[arg(long = "alertmanager.enable-feature", value_name = "FEATURES", value_parser = parapet_routing::Grammar::from_features)]
    pub(crate) alertmanager_grammar: Option<parapet_routing::Grammar>,
    /// The directory that holds all data
    #[arg(
        long = "storage.path",
        alias = "storage.tsdb.path",
        value_name = "DIR",
        default_value = "data"
    )]
    pub(crate) storage_path: PathBuf,
    /// How long samples are kept (Prometheus' notation: 30d)
    #[arg(long = "storage.tsdb.retention.time", value_name = "DURATION", default_value = "30d", value_parser = duration)]
    pub(crate) retention_ms: i64,
    /// Exceptions to that, by series, tenant, or both: '{job="debug"} 3d; team-a 90d'
    #[arg(
        long = "storage.retention.rules",
        value_name = "RULES",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) retention_rules: String,
    /// How long rollups of five minutes are kept, where the samples are gone
    #[arg(long = "storage.rollup.5m.retention", value_name = "DURATION", default_value = "90d", value_parser = duration)]
    pub(crate) five_minutes_retention_ms: i64,
    /// How long rollups of an hour are kept, where the samples are gone
    #[arg(long = "storage.rollup.1h.retention", value_name = "DURATION", default_value = "400d", value_parser = duration)]
    pub(crate) hour_retention_ms: i64,
    /// How long log lines are kept
    #[arg(long = "storage.logs.retention.time", value_name = "DURATION", default_value = "90d", value_parser = duration)]
    pub(crate) logs_retention_ms: i64,
    /// Where queries are answered
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9090"
    )]
    pub(crate) listen_address: SocketAddr,
    /// The URL under which people reach this process, for links in alerts [default: from the listen address]
    #[arg(long = "web.external-url", value_name = "URL")]
    pub(crate) external_url: Option<String>,
    /// Run on S3, SQS and DynamoDB at this endpoint instead of the embedded storage; takes the usual AWS
    /// variables for region and credentials, and PARAPET_BUCKET, PARAPET_TABLE and the PARAPET_QUEUE_… variables
    #[arg(long = "aws-endpoint-url", value_name = "URL")]
    pub(crate) aws_endpoint_url: Option<String>,
    #[command(flatten)]
    pub(crate) syslog: crate::run::syslog_flags::SyslogFlags,
    #[command(flatten)]
    pub(crate) query: crate::run::query_flags::QueryFlags,
    /// How much is logged: error, warn, info, debug
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: String,
    /// How log lines look
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value = "logfmt")]
    pub(crate) log_format: LogFormat,
}

impl RunOptions {
    /// The flags as `/api/v1/status/flags` shows them.
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        [
            ("config.file", path(&self.config_file)),
            ("alertmanager.config.file", path(&self.alertmanager_config_file)),
            ("pipelines.config.file", path(&self.pipelines_config_file)),
            ("ml.config.file", path(&self.ml_config_file)),
            ("probe.config.file", path(&self.probe_config_file)),
            ("storage.path", self.storage_path.display().to_string()),
            (
                "storage.tsdb.retention.time",
                parapet_model::format_duration_ms(self.retention_ms),
            ),
            ("storage.retention.rules", self.retention_rules.clone()),
            (
                "storage.logs.retention.time",
                parapet_model::format_duration_ms(self.logs_retention_ms),
            ),
            (
                "storage.rollup.5m.retention",
                parapet_model::format_duration_ms(self.five_minutes_retention_ms),
            ),
            (
                "storage.rollup.1h.retention",
                parapet_model::format_duration_ms(self.hour_retention_ms),
            ),
            ("web.listen-address", self.listen_address.to_string()),
            ("web.external-url", self.external_url.clone().unwrap_or_default()),
            ("aws-endpoint-url", self.aws_endpoint_url.clone().unwrap_or_default()),
            ("log.level", self.log_level.clone()),
        ]
        .into_iter()
        .chain(self.query.shown())
        .chain(self.syslog.shown())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// A duration in Prometheus' notation, milliseconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    match parapet_model::parse_duration_ms(text) {
        Ok(0) => Err("must be more than 0".to_owned()),
        Ok(duration_ms) => Ok(duration_ms),
        Err(error) => Err(format!("{error}; write for example 15d, 12h or 1h30m")),
    }
}

/// Prints a shell's completion script to standard output.
#[allow(clippy::print_stdout)]
pub(crate) fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "parapet", &mut std::io::stdout());
}

/// Says on standard error why the command failed, causes included.
#[allow(clippy::print_stderr)]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("parapet: {error:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_one_of_its_own() {
        let flags = [
            "parapet",
            "run",
            "--web.listen-address",
            "127.0.0.1:1",
            "--syslog.listen-address",
            "127.0.0.1:2",
            "--syslog.zone",
            "Europe/Berlin",
        ];
        let Command::Run(options) = Cli::try_parse_from(flags).unwrap().command else {
            panic!("run")
        };
        assert_eq!(options.listen_address.port(), 1);
        assert_eq!(options.flags()["syslog.listen-address"], "127.0.0.1:2");
        for command in ["search", "patterns", "tail"] {
            assert!(
                Cli::try_parse_from(["parapet", "logs", command, "x"]).is_ok(),
                "{command}"
            );
        }
    }
}
