//! An object of the API, read as it is.

use crate::sanitize;
use parapet_model::Labels;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// How labels of this discovery begin.
pub(super) const PREFIX: &str = "__meta_kubernetes_";

/// Labels of a target or a group while they are gathered. A label that stands there already is overwritten.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(BTreeMap<String, String>);

impl Pairs {
    /// Sets `__meta_kubernetes_<name>`.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(format!("{PREFIX}{name}"), value.into());
    }

    /// Sets it where there is a value.
    pub(super) fn set_some(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Sets a label without the prefix.
    pub(super) fn set_plain(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.extend(other.0.clone());
    }

    pub(super) fn to_labels(&self) -> Labels {
        Labels::from_pairs(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

/// An object, or a part of one; what is absent is null.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a>(pub(super) &'a Json);

impl<'a> Object<'a> {
    pub(super) fn at(self, path: &str) -> Self {
        Self(path.split('.').fold(self.0, |json, name| &json[name]))
    }

    /// A text; empty where there is none.
    pub(super) fn text(self, path: &str) -> &'a str {
        self.at(path).0.as_str().unwrap_or_default()
    }

    pub(super) fn maybe_text(self, path: &str) -> Option<&'a str> {
        self.at(path).0.as_str()
    }

    /// A number as it is written in a label.
    pub(super) fn number(self, path: &str) -> Option<String> {
        self.at(path).0.as_i64().map(|number| number.to_string())
    }

    /// A truth as it is written in a label.
    pub(super) fn truth(self, path: &str) -> Option<String> {
        self.at(path).0.as_bool().map(|truth| truth.to_string())
    }

    pub(super) fn list(self, path: &str) -> impl Iterator<Item = Self> {
        self.at(path).0.as_array().into_iter().flatten().map(Self)
    }

    pub(super) fn pairs(self, path: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let map = self.at(path).0.as_object().into_iter().flatten();
        map.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
    }

    pub(super) fn name(self) -> &'a str {
        self.text("metadata.name")
    }

    pub(super) fn namespace(self) -> &'a str {
        self.text("metadata.namespace")
    }

    /// `namespace/name`, or `name` of what has no namespace.
    pub(super) fn key(self) -> String {
        match self.namespace() {
            "" => self.name().to_owned(),
            namespace => format!("{namespace}/{}", self.name()),
        }
    }

    /// The owner that controls it: kind and name.
    pub(super) fn controller(self) -> Option<(&'a str, &'a str)> {
        let owner = self
            .list("metadata.ownerReferences")
            .find(|owner| owner.at("controller").0.as_bool() == Some(true))?;
        Some((owner.text("kind"), owner.text("name")))
    }

    /// Its name, labels and annotations as labels of a role.
    pub(super) fn metadata(self, role: &str, pairs: &mut Pairs) {
        pairs.set(&format!("{role}_name"), self.name());
        self.labels_and_annotations(role, pairs);
    }

    pub(super) fn labels_and_annotations(self, role: &str, pairs: &mut Pairs) {
        for (kind, path) in [("label", "metadata.labels"), ("annotation", "metadata.annotations")] {
            for (name, value) in self.pairs(path) {
                let name = sanitize(name);
                pairs.set(&format!("{role}_{kind}_{name}"), value);
                pairs.set(&format!("{role}_{kind}present_{name}"), "true");
            }
        }
    }
}
