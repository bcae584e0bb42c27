//! The configuration kept in the bucket under `config/`: what `aws s3 sync` puts there is in force within a minute.

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use parapet_config::{Config, ConfigError};
use parapet_ports::{Clock, ConfigFiles, ConfigSource, Error, Kind, Objects, SourceFile, Vars};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the files are.
const PREFIX: &str = "config";
/// No file of a configuration is longer.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// How long a listing holds before the bucket is asked again.
const FRESH_MS: i64 = 30_000;

/// Reads `config/prometheus.yml`, `config/alertmanager.yml`, `config/pipelines.yml`, `config/blackbox.yml`, `config/ml.yml`,
/// the files of rules and jobs that the first names and every template (`.tmpl`).
/// Before there is a `prometheus.yml`, there is nothing to do, and that is no error.
#[derive(Debug)]
pub struct BucketConfig {
    objects: Objects,
    clock: Arc<dyn Clock>,
    vars: Arc<dyn Vars>,
    cached: Mutex<Option<Cached>>,
}

#[derive(Clone, Debug)]
struct Cached {
    listing: Vec<(String, String)>,
    files: Arc<ConfigFiles>,
    read_at_ms: i64,
}

impl BucketConfig {
    /// A source over a bucket; `vars` answers for the variables that the configuration refers to.
    pub fn new(objects: Objects, clock: Arc<dyn Clock>, vars: Arc<dyn Vars>) -> Self {
        Self {
            objects,
            clock,
            vars,
            cached: Mutex::default(),
        }
    }

    fn cached(&self) -> Option<Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read(&self, listing: &[ObjectMeta]) -> Result<ConfigFiles, Error> {
        let mut texts = BTreeMap::new();
        for meta in listing.iter().filter(|meta| is_text(meta)) {
            if meta.size > MAX_FILE_BYTES {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("{} is over {MAX_FILE_BYTES} bytes", meta.location),
                ));
            }
            let bytes = self.objects.get(&meta.location).await?.bytes().await?;
            texts.insert(meta.location.to_string(), text(&meta.location, &bytes)?);
        }
        let take = |name: &str| {
            let path = format!("{PREFIX}/{name}");
            texts.get(&path).map(|text| SourceFile {
                path,
                text: text.clone(),
            })
        };
        let (pipelines, probes, ml) = (take("pipelines.yml"), take("blackbox.yml"), take("ml.yml"));
        let Some(prometheus) = take("prometheus.yml") else {
            let mut files = ConfigFiles {
                pipelines,
                probes,
                ml,
                ..ConfigFiles::default()
            };
            if files.pipelines.is_some() || files.probes.is_some() || files.ml.is_some() {
                files.version = version_of(&files);
            }
            return Ok(files);
        };
        let config = parapet_config::parse(&prometheus.path, &prometheus.text)
            .map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        let matching = |patterns: &[glob::Pattern]| -> Vec<SourceFile> {
            let found = texts
                .iter()
                .filter(|(path, _)| patterns.iter().any(|pattern| pattern.matches(path)));
            let file = |(path, text): (&String, &String)| SourceFile {
                path: path.clone(),
                text: text.clone(),
            };
            found.map(file).collect()
        };
        let variables =
            variables(&prometheus, self.vars.as_ref()).map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
        let templates = texts.iter().filter(|(path, _)| path.ends_with(".tmpl"));
        let mut files = ConfigFiles {
            prometheus,
            scrape_configs: matching(&patterns("scrape_config_files", &config.scrape_config_files)?),
            rules: matching(&patterns("rule_files", &config.rule_files)?),
            alertmanager: take("alertmanager.yml"),
            templates: templates
                .map(|(path, text)| SourceFile {
                    path: path.clone(),
                    text: text.clone(),
                })
                .collect(),
            pipelines,
            ml,
            probes,
            variables,
            version: String::new(),
        };
        files.version = version_of(&files);
        Ok(files)
    }
}

#[async_trait::async_trait]
impl ConfigSource for BucketConfig {
    async fn current(&self) -> Result<Arc<ConfigFiles>, Error> {
        let now_ms = self.clock.now_ms();
        let cached = self.cached();
        if let Some(cached) = &cached
            && now_ms - cached.read_at_ms < FRESH_MS
        {
            return Ok(cached.files.clone());
        }
        let metas = list(&self.objects).await?;
        let listing: Vec<(String, String)> = metas
            .iter()
            .map(|meta| (meta.location.to_string(), stamp(meta)))
            .collect();
        let files = match cached {
            Some(cached) if cached.listing == listing => cached.files,
            _ => Arc::new(self.read(&metas).await?),
        };
        let fresh = Cached {
            listing,
            files: files.clone(),
            read_at_ms: now_ms,
        };
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        Ok(files)
    }
}

/// Every object under the prefix, in order of name.
async fn list(objects: &Objects) -> Result<Vec<ObjectMeta>, Error> {
    let mut metas: Vec<ObjectMeta> = objects.list(Some(&Path::from(PREFIX))).try_collect().await?;
    metas.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(metas)
}

fn is_text(meta: &ObjectMeta) -> bool {
    let path = meta.location.as_ref();
    [".yml", ".yaml", ".rules", ".tmpl"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

fn text(path: &Path, bytes: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Error::new(Kind::Invalid, format!("{path} is not UTF-8")).with_source(error))?;
    Ok(text.to_owned())
}

fn stamp(meta: &ObjectMeta) -> String {
    meta.e_tag.clone().unwrap_or_else(|| meta.last_modified.to_rfc3339())
}

/// They are relative to `prometheus.yml`, as in Prometheus.
fn patterns(field: &str, paths: &[String]) -> Result<Vec<glob::Pattern>, Error> {
    let compile = |pattern: &String| {
        let pattern = format!("{PREFIX}/{}", pattern.trim_start_matches("./"));
        glob::Pattern::new(&pattern).map_err(|error| Error::new(Kind::Invalid, format!("{field}: {pattern}: {error}")))
    };
    paths.iter().map(compile).collect()
}

/// The variables of the environment to which `external_labels` of a `prometheus.yml` refers, as far as they are set.
///
/// # Errors
/// [`ConfigError`] where the file does not read.
pub fn variables(prometheus: &SourceFile, vars: &dyn Vars) -> Result<BTreeMap<String, String>, ConfigError> {
    let asked = RefCell::new(BTreeMap::new());
    let ask = |name: &str| {
        let value = vars.get(name)?;
        asked.borrow_mut().insert(name.to_owned(), value.clone());
        Some(value)
    };
    parapet_config::parse_with(&prometheus.path, &prometheus.text, [], &ask)?;
    Ok(asked.into_inner())
}

/// `prometheus.yml` with the jobs of its `scrape_config_files`.
///
/// # Errors
/// [`ConfigError`] at the first fault of any of them.
pub fn prometheus(files: &ConfigFiles) -> Result<Config, ConfigError> {
    let (main, further) = (&files.prometheus, &files.scrape_configs);
    let further = further.iter().map(|file| (file.path.as_str(), file.text.as_str()));
    let variables = |name: &str| files.variables.get(name).cloned();
    parapet_config::parse_with(&main.path, &main.text, further, &variables)
}

/// A text that changes when any of the files does.
#[must_use]
pub fn version_of(files: &ConfigFiles) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    let all = std::iter::once(&files.prometheus)
        .chain(&files.scrape_configs)
        .chain(&files.rules)
        .chain(&files.alertmanager)
        .chain(&files.templates)
        .chain(&files.pipelines)
        .chain(&files.probes)
        .chain(&files.ml);
    let texts = all.flat_map(|file| [&file.path, &file.text]);
    for text in texts.chain(files.variables.iter().flat_map(|(name, value)| [name, value])) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    format!("{:016x}", hasher.digest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::memory::MemoryPorts;

    async fn put(memory: &MemoryPorts, path: &str, text: &str) {
        memory
            .ports
            .objects
            .put(&Path::from(path), text.to_owned().into())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn reads_what_is_named_and_notices_a_change() {
        let memory = MemoryPorts::new(1_000_000, ConfigFiles::default());
        let source = BucketConfig::new(
            memory.ports.objects.clone(),
            memory.ports.clock.clone(),
            Arc::new(BTreeMap::new()),
        );
        assert_eq!(*source.current().await.unwrap(), ConfigFiles::default());

        put(&memory, "config/prometheus.yml", "rule_files: ['rules/*.yml']\n").await;
        put(&memory, "config/rules/a.yml", "groups: []\n").await;
        put(&memory, "config/other.yml", "x: 1\n").await;
        assert_eq!(
            source.current().await.unwrap().rules.len(),
            0,
            "within the time that a listing holds"
        );
        memory.clock.advance_ms(FRESH_MS);
        let first = source.current().await.unwrap();
        assert_eq!(
            first.rules.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
            ["config/rules/a.yml"]
        );

        put(&memory, "config/rules/b.yml", "groups: []\n").await;
        memory.clock.advance_ms(FRESH_MS);
        let second = source.current().await.unwrap();
        assert_eq!(second.rules.len(), 2);
        assert_ne!(first.version, second.version);

        let main = "scrape_config_files: ['jobs/*.yml']\nscrape_configs: [{job_name: a}]\n";
        put(&memory, "config/prometheus.yml", main).await;
        put(&memory, "config/jobs/b.yml", "scrape_configs: [{job_name: b}]\n").await;
        memory.clock.advance_ms(FRESH_MS);
        let files = source.current().await.unwrap();
        let jobs = prometheus(&files).unwrap().jobs;
        assert_eq!(jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        put(&memory, "config/jobs/b.yml", "scrape_configs: [{job_name: a}]\n").await;
        memory.clock.advance_ms(FRESH_MS);
        let files = source.current().await.unwrap();
        let error = prometheus(&files).unwrap_err().to_string();
        assert!(error.starts_with("config/jobs/b.yml:1:"), "{error}");
    }

    #[tokio::test]
    async fn probes_and_variables_are_part_of_it() {
        let memory = MemoryPorts::new(1_000_000, ConfigFiles::default());
        let vars = BTreeMap::from([
            ("REGION".to_owned(), "eu-1".to_owned()),
            ("OTHER".to_owned(), "x".to_owned()),
        ]);
        let source = |vars: &BTreeMap<String, String>| {
            let (objects, clock) = (memory.ports.objects.clone(), memory.ports.clock.clone());
            BucketConfig::new(objects, clock, Arc::new(vars.clone()))
        };
        put(&memory, "config/blackbox.yml", "modules: {}\n").await;
        let files = source(&vars).current().await.unwrap();
        assert_eq!(files.probes.as_ref().unwrap().path, "config/blackbox.yml");
        assert!(!files.version.is_empty());

        let main = "global: {external_labels: {region: '${REGION}', zone: '$ZONE', plain: x}}\n";
        put(&memory, "config/prometheus.yml", main).await;
        let first = source(&vars).current().await.unwrap();
        assert_eq!(
            first.variables,
            BTreeMap::from([("REGION".to_owned(), "eu-1".to_owned())])
        );
        let config = prometheus(&first).unwrap();
        assert_eq!(config.external_labels.to_string(), r#"{plain="x", region="eu-1"}"#);
        assert_eq!(config.warnings, ["external_labels: variable ZONE is empty"]);
        // Another environment is another version.
        let second = source(&BTreeMap::new()).current().await.unwrap();
        assert_ne!(first.version, second.version);
    }

    #[tokio::test]
    async fn a_wrong_file_is_named() {
        let memory = MemoryPorts::new(1_000_000, ConfigFiles::default());
        let source = BucketConfig::new(
            memory.ports.objects.clone(),
            memory.ports.clock.clone(),
            Arc::new(BTreeMap::new()),
        );
        put(&memory, "config/prometheus.yml", "scrape_config: []\n").await;
        let error = source.current().await.unwrap_err();
        assert!(error.to_string().contains("config/prometheus.yml:1"), "{error}");
    }
}
