//! The labels of a series: attributes of the point, then what its resource and its scope add.

use crate::proto::{KeyValue, Resource, ScopeMetrics};
use crate::value::as_text;
use crate::{Settings, name};
use parapet_model::{Labels, METRIC_NAME};
use std::collections::BTreeMap;

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

pub(crate) const TARGET_INFO: &str = "target_info";

/// What a resource adds to the labels of its series.
#[derive(Debug)]
pub(crate) struct ResourceLabels<'a> {
    attributes: &'a [KeyValue],
    promoted: BTreeMap<String, String>,
    job: Option<String>,
    instance: Option<String>,
}

/// What a scope adds.
pub(crate) type ScopeLabels = Vec<(String, String)>;

fn get(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(as_text(found.value.as_ref()))
}

/// Attributes in order of their names.
fn sorted(attributes: &[KeyValue]) -> Vec<&KeyValue> {
    let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted
}

impl<'a> ResourceLabels<'a> {
    pub(crate) fn new(resource: Option<&'a Resource>, settings: &Settings) -> Self {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        // Of attributes whose names become one label the last one is taken, in the order in which they were sent.
        let promoted = attributes
            .iter()
            .filter(|attribute| settings.promotion.takes(&attribute.key))
            .map(|one| {
                (
                    name::label(&one.key, settings).into_owned(),
                    as_text(one.value.as_ref()),
                )
            });
        let service = get(attributes, SERVICE_NAME);
        let job = service.map(|service| match get(attributes, SERVICE_NAMESPACE) {
            Some(namespace) => format!("{namespace}/{service}"),
            None => service,
        });
        Self {
            promoted: promoted.collect(),
            job: job.filter(|job| !job.is_empty()),
            instance: get(attributes, SERVICE_INSTANCE).filter(|instance| !instance.is_empty()),
            attributes,
        }
    }

    /// The bytes that it adds to each series.
    pub(crate) fn size_bytes(&self) -> usize {
        let promoted = self.promoted.iter().map(|(name, value)| name.len() + value.len());
        let own = [&self.job, &self.instance].into_iter().flatten().map(String::len);
        promoted.chain(own).sum()
    }

    /// The labels of a point, without a metric's name. Attributes whose names become one label are one, their values
    /// joined by `;` in order of their names.
    pub(crate) fn of_point(
        &self,
        attributes: &[KeyValue],
        scope: &ScopeLabels,
        settings: &Settings,
    ) -> BTreeMap<String, String> {
        let mut labels = own(attributes, &[], settings);
        for (name, value) in &self.promoted {
            if !labels.contains_key(name) {
                labels.insert(name.clone(), value.clone());
            }
        }
        self.identify(&mut labels);
        labels.extend(scope.iter().cloned());
        labels
    }

    fn identify(&self, labels: &mut BTreeMap<String, String>) {
        labels.extend(self.job.clone().map(|job| ("job".to_owned(), job)));
        labels.extend(self.instance.clone().map(|instance| ("instance".to_owned(), instance)));
    }

    /// The labels of `target_info`; `None` where the resource says nothing beyond `job` and `instance`, or has neither.
    pub(crate) fn target_info(&self, settings: &Settings) -> Option<Labels> {
        let identifying = [SERVICE_NAMESPACE, SERVICE_NAME, SERVICE_INSTANCE];
        let says_more = self
            .attributes
            .iter()
            .any(|one| !identifying.contains(&one.key.as_str()));
        if !says_more {
            return None;
        }
        let left_out = match settings.keep_identifying_resource_attributes {
            true => &[][..],
            false => &identifying,
        };
        let mut labels = own(self.attributes, left_out, settings);
        self.identify(&mut labels);
        if !labels.contains_key("job") && !labels.contains_key("instance") {
            return None;
        }
        Some(named(TARGET_INFO, &labels, &[]))
    }

    /// What the delta streams of one metric have in common: a function of the labels of their series.
    pub(crate) fn group(&self, metric: &str) -> String {
        let pairs = [
            (METRIC_NAME, metric),
            ("job", self.job.as_deref().unwrap_or_default()),
            ("instance", self.instance.as_deref().unwrap_or_default()),
        ];
        format!("{:016x}", Labels::from_pairs(pairs).series_id())
    }
}

fn own(attributes: &[KeyValue], left_out: &[&str], settings: &Settings) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for attribute in sorted(attributes) {
        if left_out.contains(&attribute.key.as_str()) {
            continue;
        }
        let joined = labels
            .entry(name::label(&attribute.key, settings).into_owned())
            .or_default();
        if !joined.is_empty() {
            joined.push(';');
        }
        joined.push_str(&as_text(attribute.value.as_ref()));
    }
    // An empty label is none: what a resource says can take its place.
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// The labels of a scope that is to be seen in its series.
pub(crate) fn scope_labels(scope_metrics: &ScopeMetrics, settings: &Settings) -> ScopeLabels {
    let Some(scope) = scope_metrics.scope.as_ref().filter(|scope| !scope.name.is_empty()) else {
        return Vec::new();
    };
    if !settings.promote_scope_metadata {
        return Vec::new();
    }
    let attributes = scope.attributes.iter().map(|attribute| {
        let key = format!("otel_scope_{}", attribute.key);
        (
            name::label(&key, settings).into_owned(),
            as_text(attribute.value.as_ref()),
        )
    });
    let own = [
        ("otel_scope_name", &scope.name),
        ("otel_scope_version", &scope.version),
        ("otel_scope_schema_url", &scope_metrics.schema_url),
    ];
    attributes
        .chain(own.map(|(name, value)| (name.to_owned(), value.clone())))
        .collect()
}

/// Labels with a metric's name and more that replace what the attributes say.
pub(crate) fn named(metric: &str, labels: &BTreeMap<String, String>, more: &[(&str, &str)]) -> Labels {
    let mut all: BTreeMap<&str, &str> = labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    all.extend(more.iter().copied().chain([(METRIC_NAME, metric)]));
    Labels::from_sorted(all.into_iter().filter(|(_, value)| !value.is_empty()))
}
