//! The user's configuration, parsed once per version.

use crate::error::{ApiError, ErrorType};
use parapet_config::Config;
use parapet_ports::{ConfigFiles, Ports};
use parapet_routing::Grammar;
use parapet_rules::RuleGroup;
use std::sync::{Arc, Mutex, PoisonError};

/// What was parsed last.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    prometheus: Parsed<Config>,
    rules: Parsed<Vec<RuleGroup>>,
    alertmanager: Parsed<parapet_routing::Config>,
}

/// Something parsed, with the version of the files that it comes from.
#[derive(Debug)]
struct Parsed<T>(Mutex<Option<(String, Arc<T>)>>);

impl<T> Default for Parsed<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Parsed<T> {
    fn of(&self, files: &ConfigFiles, parse: impl FnOnce() -> Result<T, ApiError>) -> Result<Arc<T>, ApiError> {
        let mut parsed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, known)) = &*parsed
            && *version == files.version
        {
            return Ok(known.clone());
        }
        let fresh = Arc::new(parse()?);
        *parsed = Some((files.version.clone(), fresh.clone()));
        Ok(fresh)
    }
}

impl Configuration {
    /// `prometheus.yml` as it is now.
    ///
    /// # Errors
    /// Where it cannot be read. What the host accepted parses; a fault here is one of ours.
    pub(crate) async fn current(&self, ports: &Ports) -> Result<Arc<Config>, ApiError> {
        let files = ports.config.current().await?;
        self.prometheus.of(&files, || {
            parapet_store::configuration::prometheus(&files).map_err(fault)
        })
    }

    /// `alertmanager.yml` as it is now; `None` where there is none.
    ///
    /// # Errors
    /// As [`Configuration::current`].
    pub(crate) async fn alertmanager(
        &self,
        ports: &Ports,
        grammar: Grammar,
    ) -> Result<Option<Arc<parapet_routing::Config>>, ApiError> {
        let files = ports.config.current().await?;
        let Some(file) = &files.alertmanager else {
            return Ok(None);
        };
        let parse = || parapet_routing::parse_as(grammar, &file.path, &file.text).map_err(fault);
        self.alertmanager.of(&files, parse).map(Some)
    }

    /// The groups of all rule files, in order of file and name, as Prometheus lists them.
    ///
    /// # Errors
    /// As [`Configuration::current`].
    pub(crate) async fn rule_groups(&self, ports: &Ports) -> Result<Arc<Vec<RuleGroup>>, ApiError> {
        let files = ports.config.current().await?;
        self.rules.of(&files, || {
            let mut groups = Vec::new();
            for file in &files.rules {
                groups.extend(parapet_rules::parse(&file.path, &file.text).map_err(fault)?);
            }
            groups.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
            Ok(groups)
        })
    }
}

fn fault(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorType::Internal, error.to_string())
}
