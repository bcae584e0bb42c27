//! Structured logs: readable on a terminal, JSON lines in a function.

use parapet_ports::Vars;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{fmt, time::ChronoUtc};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. The level comes from `PARAPET_LOG` (`info`, `debug`, or the filter syntax of
/// `tracing-subscriber`), else it is `default_level`. A second call changes nothing.
pub fn init_logs(vars: &dyn Vars, format: LogFormat, default_level: &str) {
    let wanted = vars.get("PARAPET_LOG").unwrap_or_else(|| default_level.to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new(default_level));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_timer(ChronoUtc::rfc_3339());
    let _ = match format {
        LogFormat::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
