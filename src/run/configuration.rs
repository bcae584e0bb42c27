//! The configuration of a local run: read from disk, checked whole, replaced only by one that is right.

use anyhow::{Context as _, bail};
use parapet_config::modules::Modules;
use parapet_function_kit::ProcessVars;
use parapet_ports::{ConfigFiles, ConfigSource, SourceFile};
use parapet_routing::Grammar;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The demonstration that is built in, for a process that listens at an address.
    Demo(SocketAddr),
    /// Files on disk.
    Disk {
        /// `prometheus.yml`; without one nothing is scraped, and no rule evaluated.
        prometheus: Option<PathBuf>,
        /// `alertmanager.yml`.
        alertmanager: Option<PathBuf>,
    },
}

/// The files that no other names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// `pipelines.yml`.
    pub(crate) pipelines: Option<PathBuf>,
    /// blackbox_exporter's module file.
    pub(crate) probes: Option<PathBuf>,
    /// `ml.yml`.
    pub(crate) ml: Option<PathBuf>,
}

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct Configuration {
    origin: Origin,
    beside: Beside,
    grammar: Grammar,
    current: RwLock<Arc<ConfigFiles>>,
}

impl Configuration {
    /// Reads and checks the files.
    pub(crate) fn load(origin: Origin, beside: Beside, grammar: Grammar) -> anyhow::Result<Self> {
        let files = read(&origin, &beside, grammar)?;
        Ok(Self {
            origin,
            beside,
            grammar,
            current: RwLock::new(Arc::new(files)),
        })
    }

    /// Reads the files again. Where anything is wrong the old configuration stays in force.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let files = read(&self.origin, &self.beside, self.grammar)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(files);
        Ok(())
    }
}

#[async_trait::async_trait]
impl ConfigSource for Configuration {
    async fn current(&self) -> Result<Arc<ConfigFiles>, parapet_ports::Error> {
        Ok(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Beside {
    pub(crate) fn read_into(&self, files: &mut ConfigFiles) -> anyhow::Result<()> {
        files.pipelines = self.pipelines.as_deref().map(source).transpose()?;
        files.probes = self.probes.as_deref().map(source).transpose()?;
        files.ml = self.ml.as_deref().map(source).transpose()?;
        Ok(())
    }
}

fn read(origin: &Origin, beside: &Beside, grammar: Grammar) -> anyhow::Result<ConfigFiles> {
    let mut files = match origin {
        Origin::Demo(address) => demo(*address),
        Origin::Disk {
            prometheus,
            alertmanager,
        } => from_disk(prometheus.as_deref(), alertmanager.as_deref())?,
    };
    beside.read_into(&mut files)?;
    check(&files, grammar)?;
    files.version = parapet_store::configuration::version_of(&files);
    Ok(files)
}

fn demo(address: SocketAddr) -> ConfigFiles {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.replace("127.0.0.1:9090", &address.to_string()),
    };
    ConfigFiles {
        prometheus: file(
            "infra/demo/prometheus.yml",
            include_str!("../../infra/demo/prometheus.yml"),
        ),
        rules: vec![file("infra/demo/rules.yml", include_str!("../../infra/demo/rules.yml"))],
        alertmanager: Some(file(
            "infra/demo/alertmanager.yml",
            include_str!("../../infra/demo/alertmanager.yml"),
        )),
        ..ConfigFiles::default()
    }
}

/// Reads `prometheus.yml`, the rule files that it names (relative to its own directory) and `alertmanager.yml`.
pub(crate) fn from_disk(prometheus: Option<&Path>, alertmanager: Option<&Path>) -> anyhow::Result<ConfigFiles> {
    let prometheus_file = match prometheus {
        Some(path) => source(path)?,
        None => SourceFile {
            path: "(no --config.file)".to_owned(),
            text: "global: {}\n".to_owned(),
        },
    };
    let prometheus = Path::new(&prometheus_file.path);
    let config = parapet_config::parse(&prometheus_file.path, &prometheus_file.text)?;
    let variables = parapet_store::configuration::variables(&prometheus_file, &ProcessVars)?;
    let scrape_configs = named(prometheus, "scrape_config_files", &config.scrape_config_files)?;
    let rules = named(prometheus, "rule_files", &config.rule_files)?;
    let alertmanager = alertmanager.map(source).transpose()?;
    let templates = match &alertmanager {
        Some(file) => templates(file)?,
        None => Vec::new(),
    };
    Ok(ConfigFiles {
        prometheus: prometheus_file,
        scrape_configs,
        rules,
        alertmanager,
        templates,
        variables,
        ..ConfigFiles::default()
    })
}

/// Reads the files that a field of `prometheus.yml` names, relative to its directory.
fn named(prometheus: &Path, field: &str, patterns: &[String]) -> anyhow::Result<Vec<SourceFile>> {
    let directory = prometheus.parent().unwrap_or(Path::new(""));
    let mut files: Vec<SourceFile> = Vec::new();
    for pattern in patterns {
        let pattern = directory.join(pattern);
        let pattern = pattern
            .to_str()
            .with_context(|| format!("a pattern of {field} is not UTF-8"))?;
        let paths = glob::glob(pattern).with_context(|| format!("{}: {field}: {pattern}", prometheus.display()))?;
        let before = files.len();
        for path in paths {
            files.push(source(&path?)?);
        }
        let is_plain = !pattern.contains(['*', '?', '[']);
        if files.len() == before && is_plain {
            // Prometheus starts without the file; a page that never comes is worse than a start that is refused.
            bail!("{}: {field}: {pattern} does not exist", prometheus.display());
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup();
    Ok(files)
}

/// Reads the template files that `alertmanager.yml` names.
pub(crate) fn templates(alertmanager: &SourceFile) -> anyhow::Result<Vec<SourceFile>> {
    let config = parapet_routing::parse(&alertmanager.path, &alertmanager.text)?;
    let mut files: Vec<SourceFile> = Vec::new();
    for pattern in &config.templates {
        for path in glob::glob(pattern).with_context(|| format!("{}: templates: {pattern}", alertmanager.path))? {
            files.push(source(&path?)?);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup();
    Ok(files)
}

/// Checks every file; the first fault stops.
pub(crate) fn check(files: &ConfigFiles, grammar: Grammar) -> anyhow::Result<()> {
    parapet_store::configuration::prometheus(files)?;
    for file in &files.rules {
        parapet_rules::parse(&file.path, &file.text)?;
    }
    if let Some(file) = &files.alertmanager {
        parapet_routing::parse_as(grammar, &file.path, &file.text)?;
    }
    parapet_log_parse::pipelines(files.pipelines.as_ref())?;
    if let Some(file) = &files.probes {
        Modules::parse(&file.path, &file.text)?;
    }
    files.ml.as_ref().map(parapet_ml_exporter::configuration).transpose()?;
    let templates = files
        .templates
        .iter()
        .map(|file| (file.path.as_str(), file.text.as_str()));
    parapet_receivers::Templates::parse(templates)?;
    Ok(())
}

pub(crate) fn source(path: &Path) -> anyhow::Result<SourceFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(SourceFile {
        path: path.display().to_string(),
        text,
    })
}
