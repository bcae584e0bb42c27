//! The pipelines in force.

use parapet_logs::pipeline::{PipelineError, Pipelines};
use parapet_ports::{ConfigSource, Error, Kind, SourceFile};
use std::sync::{Arc, Mutex, PoisonError};

/// What becomes of lines that no pipeline of the configuration takes: those that look like JSON or logfmt are read as
/// such.
pub const DEFAULT_PIPELINES: &str = include_str!("default.yml");

/// The pipelines of a file, or of none, with the default ones after them.
///
/// # Errors
/// [`PipelineError`] with every fault in the file.
pub fn pipelines(file: Option<&SourceFile>) -> Result<Pipelines, PipelineError> {
    let default = Pipelines::parse("default.yml", DEFAULT_PIPELINES)?;
    Ok(match file {
        Some(file) => Pipelines::parse(&file.path, &file.text)?.before(default),
        None => default,
    })
}

/// Reads the configuration's pipelines, once for each version of it.
#[derive(Debug)]
pub(crate) struct Current {
    config: Arc<dyn ConfigSource>,
    parsed: Mutex<Option<(String, Arc<Pipelines>)>>,
}

impl Current {
    pub(crate) fn new(config: Arc<dyn ConfigSource>) -> Self {
        Self {
            config,
            parsed: Mutex::default(),
        }
    }

    /// The pipelines. Where the file has faults those before it stay in force, in a process that has seen them.
    pub(crate) async fn get(&self) -> Result<Arc<Pipelines>, Error> {
        let files = self.config.current().await?;
        let before = self.parsed().clone();
        if let Some((version, pipelines)) = &before
            && *version == files.version
        {
            return Ok(pipelines.clone());
        }
        match pipelines(files.pipelines.as_ref()) {
            Ok(parsed) => {
                let parsed = Arc::new(parsed);
                *self.parsed() = Some((files.version.clone(), parsed.clone()));
                Ok(parsed)
            }
            Err(error) => {
                metrics::counter!("parapet_log_pipelines_invalid_total").increment(1);
                tracing::error!(%error, "the pipelines have faults");
                let invalid = || Error::new(Kind::Invalid, format!("the pipelines have faults: {error}"));
                before.map(|(_, pipelines)| pipelines).ok_or_else(invalid)
            }
        }
    }

    fn parsed(&self) -> std::sync::MutexGuard<'_, Option<(String, Arc<Pipelines>)>> {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_logs::pipeline::Origin;
    use parapet_logs::{Level, LogRecord};

    #[test]
    fn lines_that_no_pipeline_takes() {
        let pipelines = pipelines(None).unwrap();
        let origin = Origin {
            path: "",
            received_ns: 5,
        };
        let line = |line: &str| {
            let record = LogRecord {
                raw: line.as_bytes().to_vec().into(),
                ..LogRecord::default()
            };
            let outcome = pipelines.process(vec![record], origin);
            assert_eq!(outcome.counts["default"].unparsed, 0, "{line}");
            outcome.records.into_iter().next().unwrap()
        };
        let json = line(r#"{"ts":"2026-01-01T00:00:00Z","level":"warn","msg":"slow","app":"web","n":1}"#);
        assert_eq!(
            (json.timestamp_ns, json.level),
            (1_767_225_600_000_000_000, Some(Level::Warning))
        );
        assert_eq!((&*json.message, &*json.service), ("slow", "web"));
        let logfmt = line("level=error msg=\"it broke\" took=5ms");
        assert_eq!(
            (logfmt.level, logfmt.attributes.get("took")),
            (Some(Level::Error), Some("5ms"))
        );
        let plain = line("just a line, x=1 in it");
        assert_eq!((plain.timestamp_ns, plain.attributes.is_empty()), (5, true));
    }
}
