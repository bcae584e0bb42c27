//! Lists of target groups as files and HTTP servers write them.

use parapet_config::TargetGroup;
use parapet_model::{Labels, quote};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A group as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// The groups, with a label that says where they come from.
pub(crate) fn read(
    written: Vec<Option<Written>>,
    source: impl Fn(usize) -> String,
    origin: (&str, &str),
) -> Result<Vec<TargetGroup>, String> {
    let groups = written.into_iter().enumerate().map(|(index, group)| {
        let group = group.ok_or("nil target group item found")?;
        let labels = group.labels.unwrap_or_default();
        if let Some(name) = labels.keys().find(|name| name.is_empty()) {
            return Err(format!("{} is not a valid label name", quote(name)));
        }
        let own = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = Labels::from_pairs(own).with(origin.0, origin.1);
        let targets = group.targets.iter();
        Ok(TargetGroup {
            source: source(index),
            targets: targets
                .map(|address| Labels::from_pairs([("__address__", address.as_str())]))
                .collect(),
            labels,
        })
    });
    groups.collect()
}
