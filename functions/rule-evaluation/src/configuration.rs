//! The rule groups in force: parsed once per version of the configuration.

use parapet_model::Labels;
use parapet_ports::{Error, Kind, Ports};
use parapet_rules::RuleGroup;
use std::sync::{Arc, Mutex, PoisonError};

/// Every rule group with what evaluation needs to know beside it.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<RuleGroup>,
    pub(crate) evaluation_interval_ms: i64,
    pub(crate) query_offset_ms: i64,
    pub(crate) external_labels: Labels,
}

impl Groups {
    /// The interval of a group, its own or the global one.
    pub(crate) fn interval_ms(&self, group: &RuleGroup) -> i64 {
        group.interval_ms.unwrap_or(self.evaluation_interval_ms)
    }

    pub(crate) fn find(&self, file: &str, name: &str) -> Option<&RuleGroup> {
        self.groups
            .iter()
            .find(|group| group.file == file && group.name == name)
    }
}

/// The last configuration that was read.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    cached: Mutex<Option<(String, Arc<Groups>)>>,
}

impl Configuration {
    /// The groups as they are now.
    ///
    /// A configuration that does not read does not replace one that did: alerts go on as before, and the log says so.
    pub(crate) async fn current(&self, ports: &Ports) -> Result<Arc<Groups>, Error> {
        let files = ports.config.current().await?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, groups)) = &*cached
            && *version == files.version
        {
            return Ok(groups.clone());
        }
        match (parse(&files), &*cached) {
            (Ok(groups), _) => {
                let groups = Arc::new(groups);
                *cached = Some((files.version.clone(), groups.clone()));
                Ok(groups)
            }
            (Err(error), Some((_, last))) => {
                tracing::error!(%error, "the rules do not read: the last good ones stay in use");
                Ok(last.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn parse(files: &parapet_ports::ConfigFiles) -> Result<Groups, Error> {
    let invalid = |text: String| Error::new(Kind::Invalid, text);
    let config =
        parapet_config::parse(&files.prometheus.path, &files.prometheus.text).map_err(|e| invalid(e.to_string()))?;
    let mut groups = Vec::new();
    for file in &files.rules {
        groups.extend(parapet_rules::parse(&file.path, &file.text).map_err(|error| invalid(error.to_string()))?);
    }
    Ok(Groups {
        groups,
        evaluation_interval_ms: config.evaluation_interval_ms,
        query_offset_ms: config.rule_query_offset_ms,
        external_labels: config.external_labels,
    })
}
