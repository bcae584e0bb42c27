//! The registry: listed with every tick, its files read when they are new.

use crate::Settings;
use crate::problems::Problems;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use parapet_ml::{
    DatasetMetrics, Evaluation, Layout, ModelFiles, ModelMetrics, ObjectInfo, Reason, VersionFiles, VersionRecord,
    read_meta, read_metrics, read_mlmodel, read_model,
};
use parapet_ports::{Error, Objects};
use std::collections::{BTreeMap, HashMap};

/// Files that are read at once.
const AT_ONCE: usize = 8;
/// How long the listing of a training set holds.
const DATASET_FRESH_MS: i64 = 600_000;

/// What was read of registries and training sets.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// Files by key, each with the stamp that it was read at.
    files: HashMap<String, (String, Known)>,
    /// Training sets by prefix: when they were listed, size, time.
    datasets: HashMap<String, (i64, Option<(u64, i64)>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Model,
    MlModel,
    Meta,
    Metrics,
    Alias,
}

/// What a file says.
#[derive(Clone, Debug)]
enum Known {
    Record(Box<VersionRecord>, BTreeMap<String, String>),
    Alias(String),
    Fault(String),
}

impl Registry {
    /// Every version below the prefix, in order of model and version.
    pub(crate) async fn read(
        &mut self,
        objects: &Objects,
        prefix: &str,
        settings: &Settings,
        at_ms: i64,
        problems: &mut Problems,
    ) -> Result<Vec<ModelMetrics>, Error> {
        let mut layout = Layout::new(prefix);
        for object in list(objects, prefix, settings.max_objects, problems).await? {
            layout.add(object);
        }
        self.read_files(objects, &layout, settings, problems).await?;
        let mut found = Vec::new();
        for (model, files) in &layout.models {
            self.versions(model, files, &mut found);
        }
        if found.len() > settings.max_versions {
            let (all, most) = (found.len(), settings.max_versions);
            problems.note(
                Reason::Limit,
                format!("{prefix}: {all} versions; the newest {most} are told of"),
            );
            found.sort_by(|a, b| b.created_ms.cmp(&a.created_ms).then_with(|| a.model.cmp(&b.model)));
            found.truncate(most);
            found.sort_by(|a, b| (&a.model, &a.version).cmp(&(&b.model, &b.version)));
        }
        for version in &mut found {
            version.dataset = self.dataset(objects, version, settings, at_ms, problems).await?;
        }
        Ok(found)
    }

    /// Brings what is known of files up to date.
    async fn read_files(
        &mut self,
        objects: &Objects,
        layout: &Layout,
        settings: &Settings,
        problems: &mut Problems,
    ) -> Result<(), Error> {
        let mut wanted: Vec<(&ObjectInfo, Form)> = Vec::new();
        for model in layout.models.values() {
            wanted.extend(model.model_json.iter().map(|file| (file, Form::Model)));
            wanted.extend(model.aliases.values().map(|file| (file, Form::Alias)));
            for version in model.versions.values() {
                wanted.extend(files_of(version));
            }
        }
        let mut files = HashMap::with_capacity(wanted.len());
        let mut new = Vec::new();
        for (file, form) in wanted {
            match self.files.remove(&file.path) {
                Some((stamp, known)) if stamp == file.stamp => {
                    files.insert(file.path.clone(), (stamp, known));
                }
                _ => new.push(read_file(objects, file, form, settings.max_file_bytes)),
            }
        }
        let mut reading = futures::stream::iter(new).buffered(AT_ONCE);
        while let Some((file, known)) = reading.try_next().await? {
            files.insert(file.path.clone(), (file.stamp.clone(), known));
        }
        self.files = files;
        let mut faults: Vec<String> = self
            .files
            .iter()
            .filter_map(|(path, (_, known))| match known {
                Known::Fault(fault) => Some(format!("{path}: {fault}")),
                _ => None,
            })
            .collect();
        faults.sort();
        faults
            .into_iter()
            .for_each(|fault| problems.note(Reason::Registry, fault));
        Ok(())
    }

    fn known(&self, file: &ObjectInfo) -> Option<&Known> {
        self.files.get(&file.path).map(|(_, known)| known)
    }

    fn versions(&self, model: &str, files: &ModelFiles, found: &mut Vec<ModelMetrics>) {
        let mut aliases: Vec<(&str, &str)> = Vec::new();
        if let Some(Known::Record(_, versions)) = files.model_json.as_ref().and_then(|file| self.known(file)) {
            aliases.extend(
                versions
                    .iter()
                    .map(|(alias, version)| (alias.as_str(), version.as_str())),
            );
        }
        for (alias, file) in &files.aliases {
            if let Some(Known::Alias(version)) = self.known(file) {
                aliases.push((alias, version));
            }
        }
        for (folder, files) in &files.versions {
            let mut record = VersionRecord::default();
            for (file, _) in files_of(files) {
                if let Some(Known::Record(found, _)) = self.known(file) {
                    record = record.or((**found).clone());
                }
            }
            let version = record.name.clone().unwrap_or_else(|| folder.clone());
            let mut names: Vec<String> = record.aliases.clone();
            let given = aliases.iter().filter(|(_, of)| *of == version || of == folder);
            names.extend(given.map(|(alias, _)| (*alias).to_owned()));
            names.extend(record.stage.as_deref().map(str::to_lowercase));
            names.sort();
            names.dedup();
            found.push(ModelMetrics {
                model: model.to_owned(),
                version,
                created_ms: record.created_ms.unwrap_or(files.first_modified_ms),
                size_bytes: record.size_bytes.unwrap_or(files.size_bytes),
                aliases: names,
                record,
                dataset: None,
            });
        }
    }

    /// What a version was trained on: what is recorded, and where nothing is, what lies in the bucket.
    async fn dataset(
        &mut self,
        objects: &Objects,
        version: &ModelMetrics,
        settings: &Settings,
        at_ms: i64,
        problems: &mut Problems,
    ) -> Result<Option<DatasetMetrics>, Error> {
        let Some(training) = &version.record.training else {
            return Ok(None);
        };
        let mut dataset = DatasetMetrics {
            name: training.dataset.clone().unwrap_or_else(|| "training".to_owned()),
            rows: training.rows,
            size_bytes: training.size_bytes,
            modified_ms: training.modified_ms,
        };
        let is_whole = dataset.size_bytes.is_some() && dataset.modified_ms.is_some();
        if let Some(path) = training
            .path
            .as_deref()
            .filter(|path| !is_whole && !path.contains("://"))
            && let Some((size_bytes, modified_ms)) = self
                .listed(objects, path.trim_matches('/'), settings, at_ms, problems)
                .await?
        {
            dataset.size_bytes = dataset.size_bytes.or(Some(size_bytes));
            dataset.modified_ms = dataset.modified_ms.or(Some(modified_ms));
        }
        Ok(Some(dataset))
    }

    async fn listed(
        &mut self,
        objects: &Objects,
        prefix: &str,
        settings: &Settings,
        at_ms: i64,
        problems: &mut Problems,
    ) -> Result<Option<(u64, i64)>, Error> {
        self.datasets
            .retain(|_, (listed_ms, _)| (0..DATASET_FRESH_MS).contains(&(at_ms - *listed_ms)));
        if let Some((_, sum)) = self.datasets.get(prefix) {
            return Ok(*sum);
        }
        let found = list(objects, prefix, settings.max_objects, problems).await?;
        let modified_ms = found.iter().map(|object| object.modified_ms).max();
        let sum = modified_ms.map(|modified_ms| (found.iter().map(|object| object.size_bytes).sum(), modified_ms));
        self.datasets.insert(prefix.to_owned(), (at_ms, sum));
        Ok(sum)
    }
}

/// The files of a version, those first that others are asked after.
fn files_of(version: &VersionFiles) -> impl Iterator<Item = (&ObjectInfo, Form)> {
    let files = [
        (&version.model_json, Form::Model),
        (&version.meta, Form::Meta),
        (&version.mlmodel, Form::MlModel),
        (&version.metrics, Form::Metrics),
    ];
    files
        .into_iter()
        .filter_map(|(file, form)| Some((file.as_ref()?, form)))
}

async fn read_file<'a>(
    objects: &Objects,
    file: &'a ObjectInfo,
    form: Form,
    most: u64,
) -> Result<(&'a ObjectInfo, Known), Error> {
    if file.size_bytes > most {
        let fault = format!("{} bytes are over the limit of {most}", file.size_bytes);
        return Ok((file, Known::Fault(fault)));
    }
    let bytes = match objects.get(&Path::from(file.path.as_str())).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => {
            return Ok((file, Known::Fault("gone since it was listed".to_owned())));
        }
        Err(error) => return Err(error.into()),
    };
    let text = || std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8".to_owned());
    let record = |record: VersionRecord| Known::Record(Box::new(record), BTreeMap::new());
    let known = match form {
        Form::Model => read_model(&bytes).map(|(record, aliases)| Known::Record(Box::new(record), aliases)),
        Form::MlModel => text().and_then(read_mlmodel).map(record),
        Form::Meta => text().and_then(read_meta).map(record),
        Form::Metrics => read_metrics(&bytes).map(|evaluation: Evaluation| {
            record(VersionRecord {
                evaluations: vec![evaluation],
                ..VersionRecord::default()
            })
        }),
        Form::Alias => text().map(|text| Known::Alias(text.trim().to_owned())),
    };
    Ok((file, known.unwrap_or_else(Known::Fault)))
}

/// The objects below a prefix, in order of key.
pub(crate) async fn list(
    objects: &Objects,
    prefix: &str,
    most: usize,
    problems: &mut Problems,
) -> Result<Vec<ObjectInfo>, Error> {
    let prefix = Path::from(prefix);
    let mut listing = objects.list(Some(&prefix));
    let mut found = Vec::new();
    while let Some(meta) = listing.try_next().await? {
        if found.len() == most {
            problems.note(
                Reason::Limit,
                format!("{prefix}: more than {most} objects; the rest is left out"),
            );
            break;
        }
        found.push(info(meta));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

pub(crate) fn info(meta: ObjectMeta) -> ObjectInfo {
    ObjectInfo {
        path: meta.location.to_string(),
        size_bytes: meta.size,
        modified_ms: meta.last_modified.timestamp_millis(),
        stamp: meta.e_tag.unwrap_or_else(|| meta.last_modified.to_rfc3339()),
    }
}
