//! The log-parse function: takes log lines from the queue, runs them through their pipelines and stores them, each batch
//! exactly once.
//!
//! Pipelines are `pipelines.yml` of the configuration, and after them [`DEFAULT_PIPELINES`]. A message whose lines cannot
//! be understood is rejected with the reason; a line that does not parse is kept whole and counted.

mod handler;
mod settings;

pub use handler::LogParse;
pub use settings::Settings;

use parapet_logs::pipeline::{PipelineError, Pipelines};
use parapet_ports::SourceFile;

/// What becomes of lines that no pipeline of the configuration takes: those that look like JSON or logfmt are read as
/// such.
pub const DEFAULT_PIPELINES: &str = include_str!("default.yml");

/// The pipelines of a file, with the default ones after them.
///
/// # Errors
/// [`PipelineError`] with every fault in the file.
pub fn pipelines(file: &SourceFile) -> Result<Pipelines, PipelineError> {
    let own = Pipelines::parse(&file.path, &file.text)?;
    Ok(own.before(default_pipelines()?))
}

/// The pipelines without a file.
///
/// # Errors
/// None: a test reads them.
pub fn default_pipelines() -> Result<Pipelines, PipelineError> {
    Pipelines::parse("default.yml", DEFAULT_PIPELINES)
}
