//! What of log-parse can be tuned.

use parapet_ports::Error;
use parapet_ports::vars::{VarReader, Vars};

/// Limits and tunables of log-parse.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Claim checks fetched at once.
    pub parallel_claims: usize,
    /// Whether each tick looks for objects dropped in the bucket: where no notification tells of them.
    pub watch_dropped: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel_claims: 8,
            watch_dropped: false,
        }
    }
}

impl Settings {
    /// Settings from variables; what is not set keeps its default.
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] with every variable that does not read.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let (reader, settings) = (VarReader::new(vars), Self::default());
        reader.finish(settings)
    }
}
