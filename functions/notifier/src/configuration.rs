//! The configuration in use: parsed once per version.

use parapet_ports::{Error, Kind, Ports};
use parapet_receivers::Templates;
use parapet_routing::{Config, Grammar, parse_as};
use std::sync::{Arc, Mutex, PoisonError};

/// A configuration that reads, and the version of the files that it is of.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) config: Arc<Config>,
    pub(crate) templates: Arc<Templates>,
    pub(crate) version: String,
}

/// The last configuration that was read.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    grammar: Grammar,
    cached: Mutex<Option<(String, Option<Current>)>>,
}

impl Configuration {
    pub(crate) fn new(grammar: Grammar) -> Self {
        Self {
            grammar,
            ..Self::default()
        }
    }

    /// The configuration as it is now; `None` where there is no `alertmanager.yml`.
    ///
    /// A file that does not read does not replace one that did: pages go on as before, and the log says so.
    pub(crate) async fn current(&self, ports: &Ports) -> Result<Option<Current>, Error> {
        let files = ports.config.current().await?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, config)) = &*cached
            && *version == files.version
        {
            return Ok(config.clone());
        }
        let Some(file) = &files.alertmanager else {
            *cached = Some((files.version.clone(), None));
            return Ok(None);
        };
        let templates = files
            .templates
            .iter()
            .map(|file| (file.path.as_str(), file.text.as_str()));
        let parsed = parse_as(self.grammar, &file.path, &file.text).map_err(|error| error.to_string());
        let parsed = parsed.and_then(|config| {
            let templates = Templates::parse(templates).map_err(|error| error.to_string())?;
            Ok((config, templates))
        });
        match (parsed, &*cached) {
            (Ok((config, templates)), _) => {
                let current = Current {
                    config: Arc::new(config),
                    templates: Arc::new(templates),
                    version: files.version.clone(),
                };
                *cached = Some((files.version.clone(), Some(current.clone())));
                Ok(Some(current))
            }
            (Err(error), Some((_, Some(last)))) => {
                tracing::error!(
                    error,
                    "the Alertmanager configuration does not read: the last good one stays in use"
                );
                Ok(Some(last.clone()))
            }
            (Err(error), _) => Err(Error::new(Kind::Invalid, error)),
        }
    }
}
