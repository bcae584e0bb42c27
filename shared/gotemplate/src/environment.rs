//! What an execution may use and how far it may go.

use crate::value::Value;
use parapet_model::Labels;

/// The longest text that one value may be, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 4 << 20;

/// Bounds on one execution: templates come from configuration, but run on what the world sends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of output.
    pub output_bytes: usize,
    /// Steps: nodes, commands, iterations, and every 64 bytes of text made.
    pub steps: u64,
}

impl Default for Limits {
    /// 1 MiB of output and a million steps, which take well under a second.
    fn default() -> Self {
        Self {
            output_bytes: 1 << 20,
            steps: 1_000_000,
        }
    }
}

/// What an absent key of a map gives (Go's option `missingkey`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// The zero of the map's element type; Prometheus' and Alertmanager's choice.
    #[default]
    Zero,
    /// Nothing, printed as `<no value>`; Go's own default.
    Invalid,
    /// An error.
    Error,
}

/// One sample of the answer to a template's `query`.
#[derive(Clone, Debug)]
pub struct QuerySample {
    /// Its labels, `__name__` included.
    pub labels: Labels,
    /// Its value: a float, or what a histogram prints as.
    pub value: Value,
}

/// Answers a template's `query "expr"` at the time of the execution.
pub type Query<'a> = dyn FnMut(&str) -> Result<Vec<QuerySample>, String> + 'a;

/// What an execution may use.
#[derive(Default)]
pub struct Environment<'a> {
    /// The current time, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// For `externalURL` and `pathPrefix`.
    pub external_url: &'a str,
    /// For `query`; without it `query` is an error.
    pub query: Option<&'a mut Query<'a>>,
    /// For `__line__` of LogQL.
    pub line: &'a str,
    /// For `__timestamp__` of LogQL, nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    /// Bounds.
    pub limits: Limits,
    /// What an absent key gives.
    pub missing_key: MissingKey,
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("now_ms", &self.now_ms)
            .field("external_url", &self.external_url)
            .field("limits", &self.limits)
            .field("missing_key", &self.missing_key)
            .finish_non_exhaustive()
    }
}
