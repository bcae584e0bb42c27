//! The user's configuration files, wherever they are kept.

use crate::Error;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One file as the user wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, for error messages and for rule groups' `file`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Every file that makes up the configuration at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFiles {
    /// `prometheus.yml`.
    pub prometheus: SourceFile,
    /// The files of further jobs that its `scrape_config_files` name, in order of path.
    pub scrape_configs: Vec<SourceFile>,
    /// The rule files that its `rule_files` name, in order of path.
    pub rules: Vec<SourceFile>,
    /// `alertmanager.yml`, where there is one.
    pub alertmanager: Option<SourceFile>,
    /// The template files that its `templates` name, in order of path.
    pub templates: Vec<SourceFile>,
    /// `pipelines.yml`, what is done with log lines, where there is one.
    pub pipelines: Option<SourceFile>,
    /// `ml.yml`, which models and features are watched, where there is one.
    pub ml: Option<SourceFile>,
    /// The modules of probes in blackbox_exporter's form, where there are any.
    pub probes: Option<SourceFile>,
    /// Those variables of the environment to which `external_labels` refers.
    pub variables: BTreeMap<String, String>,
    /// Changes when any of the files changes: parsed forms are cached by it.
    pub version: String,
}

/// Where functions get the configuration: the host's memory, or the bucket.
#[async_trait::async_trait]
pub trait ConfigSource: Send + Sync + std::fmt::Debug {
    /// The files as they are now. Cheap: an implementation caches.
    async fn current(&self) -> Result<Arc<ConfigFiles>, Error>;
}

/// A configuration that does not change.
#[derive(Clone, Debug, Default)]
pub struct FixedConfig(pub Arc<ConfigFiles>);

#[async_trait::async_trait]
impl ConfigSource for FixedConfig {
    async fn current(&self) -> Result<Arc<ConfigFiles>, Error> {
        Ok(self.0.clone())
    }
}
