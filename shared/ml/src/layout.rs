//! From the names of objects to models and versions.

use std::collections::BTreeMap;

/// An object as a listing tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub path: String,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// When it was last written, milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// Changes when its content does.
    pub stamp: String,
}

/// What lies below the prefix of a registry:
///
/// ```text
/// <prefix>/<model>/<version>/…          a version and its artifacts
/// <prefix>/<model>/<version>/model.json what is known of it; also MLmodel, meta.yaml, metrics.json
/// <prefix>/<model>/model.json           aliases of the model
/// <prefix>/<model>/aliases/<alias>      an alias of MLflow's file store: the version is the content
/// ```
///
/// Names that begin with a dot are left out (MLflow keeps deleted models in `.trash`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    prefix: String,
    /// Models by name.
    pub models: BTreeMap<String, ModelFiles>,
}

/// The files of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFiles {
    /// Its `model.json`.
    pub model_json: Option<ObjectInfo>,
    /// Files that name the version of an alias each.
    pub aliases: BTreeMap<String, ObjectInfo>,
    /// Versions by the name of their folder.
    pub versions: BTreeMap<String, VersionFiles>,
}

/// The files of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFiles {
    /// All of its objects together, bytes.
    pub size_bytes: u64,
    /// When its first object was written, milliseconds since the Unix epoch.
    pub first_modified_ms: i64,
    /// Its `model.json`.
    pub model_json: Option<ObjectInfo>,
    /// MLflow's description of the model.
    pub mlmodel: Option<ObjectInfo>,
    /// MLflow's description of the registered version.
    pub meta: Option<ObjectInfo>,
    /// DVC's metrics.
    pub metrics: Option<ObjectInfo>,
}

impl Layout {
    /// An empty registry below a prefix, with or without its last slash.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.trim_end_matches('/').to_owned(),
            models: BTreeMap::new(),
        }
    }

    /// Takes an object of the listing, in any order. What is no part of the layout is left out.
    pub fn add(&mut self, object: ObjectInfo) {
        let path = object.path.clone();
        let Some(rest) = path.strip_prefix(&self.prefix) else {
            return;
        };
        let rest = if self.prefix.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix('/')
        };
        let parts: Vec<&str> = rest.unwrap_or_default().split('/').collect();
        if parts.iter().any(|part| part.is_empty() || part.starts_with('.')) {
            return;
        }
        let [model, inner @ ..] = parts.as_slice() else { return };
        let is_known = |name: &str| matches!(name, "aliases" | "tags");
        match inner {
            ["model.json"] => self.model(model).model_json = Some(object),
            ["aliases", alias] => {
                let alias = (*alias).to_owned();
                self.model(model).aliases.insert(alias, object);
            }
            [version, inside @ ..] if !inside.is_empty() && !is_known(version) => {
                let version = (*version).to_owned();
                self.model(model)
                    .version(version, &object)
                    .add(&inside.join("/"), object);
            }
            _ => {}
        }
    }

    fn model(&mut self, name: &str) -> &mut ModelFiles {
        self.models.entry(name.to_owned()).or_default()
    }
}

impl ModelFiles {
    fn version(&mut self, name: String, first: &ObjectInfo) -> &mut VersionFiles {
        self.versions.entry(name).or_insert_with(|| VersionFiles {
            size_bytes: 0,
            first_modified_ms: first.modified_ms,
            model_json: None,
            mlmodel: None,
            meta: None,
            metrics: None,
        })
    }
}

impl VersionFiles {
    fn add(&mut self, inside: &str, object: ObjectInfo) {
        self.size_bytes += object.size_bytes;
        self.first_modified_ms = self.first_modified_ms.min(object.modified_ms);
        match inside {
            "model.json" => self.model_json = Some(object),
            "meta.yaml" => self.meta = Some(object),
            "metrics.json" => self.metrics = Some(object),
            // Where the model lies among its artifacts differs; the highest one is the model's own.
            _ if inside.rsplit('/').next() == Some("MLmodel") => {
                let is_higher = self.mlmodel.as_ref().is_none_or(|other| {
                    let depth = |path: &str| (path.matches('/').count(), path.to_owned());
                    depth(&object.path) < depth(&other.path)
                });
                if is_higher {
                    self.mlmodel = Some(object);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(prefix: &str, paths: &[&str]) -> Layout {
        let mut layout = Layout::new(prefix);
        for (place, path) in paths.iter().enumerate() {
            layout.add(ObjectInfo {
                path: (*path).to_owned(),
                size_bytes: 10,
                modified_ms: 1_000 - i64::try_from(place).unwrap(),
                stamp: String::new(),
            });
        }
        layout
    }

    #[test]
    fn models_and_versions() {
        let found = layout(
            "models/",
            &[
                "models/fraud/model.json",
                "models/fraud/2/model.json",
                "models/fraud/2/artifacts/model/MLmodel",
                "models/fraud/2/MLmodel",
                "models/fraud/10/model.pkl",
                "models/fraud/10/weights/a.bin",
                "models/fraud/readme.md",
                "models/churn/version-1/meta.yaml",
                "models/churn/aliases/champion",
                "models/churn/meta.yaml",
                "models/.trash/old/1/model.pkl",
                "models/fraud/2/.hidden",
                "models",
                "models/",
                "modelsother/x/1/y",
                "other/x/1/y",
            ],
        );
        assert_eq!(found.models.keys().collect::<Vec<_>>(), ["churn", "fraud"]);
        let fraud = &found.models["fraud"];
        assert_eq!(fraud.versions.keys().collect::<Vec<_>>(), ["10", "2"]);
        assert_eq!(
            (fraud.versions["10"].size_bytes, fraud.versions["10"].first_modified_ms),
            (20, 995)
        );
        assert_eq!(
            fraud.versions["2"].mlmodel.as_ref().unwrap().path,
            "models/fraud/2/MLmodel"
        );
        assert!(fraud.model_json.is_some() && fraud.versions["2"].model_json.is_some());
        assert!(found.models["churn"].aliases.contains_key("champion"));
        assert!(found.models["churn"].versions["version-1"].meta.is_some());
        assert_eq!(layout("", &["fraud/1/model.pkl"]).models.len(), 1);
    }
}
