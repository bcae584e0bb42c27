//! `static_configs`: the targets that a configuration names.

use crate::error::Fault;
use crate::fields::Fields;
use crate::scrape::ScrapeJob;
use crate::target::TargetGroup;
use crate::yaml::Value;
use parapet_model::{Labels, quote};

const SECTION: &str = "static_configs";

/// Reads the section.
pub(crate) fn read(fields: &Fields<'_>) -> Result<Vec<TargetGroup>, Fault> {
    let mut groups = Vec::new();
    for (index, group) in fields.list(SECTION)?.iter().enumerate() {
        if matches!(group.value, Value::Null) {
            let what = "empty or null section in static_configs; remove it";
            return Err(Fault::new(group.at, what));
        }
        let group = Fields::read(group, SECTION, &["targets", "labels"], &[])?;
        let labels = match group.get("labels") {
            Some(node) => node.labels("labels")?,
            None => Labels::empty(),
        };
        if labels.get("__unix_socket__").is_some() {
            let what = "label __unix_socket__ in static_configs is not supported yet";
            return Err(Fault::new(group.position("labels"), what));
        }
        let addresses = group.list("targets")?.iter().map(|address| {
            let address = address.text()?;
            Ok(Labels::from_pairs([("__address__", address)]))
        });
        groups.push(TargetGroup {
            source: index.to_string(),
            targets: addresses.collect::<Result<_, Fault>>()?,
            labels,
        });
    }
    Ok(groups)
}

/// Says what is no target. Without rules it is a fault of the file, as in Prometheus.
pub(crate) fn check(fields: &Fields<'_>, job: &ScrapeJob, warnings: &mut Vec<String>) -> Result<(), Fault> {
    let mut faulty = job.faulty_targets.iter();
    let Some(mut fault) = faulty.next() else { return Ok(()) };
    for group in fields.list(SECTION)? {
        let group = Fields::read(group, SECTION, &["targets", "labels"], &[])?;
        for address in group.list("targets")? {
            let (labels, what) = fault;
            if labels.get("__address__").unwrap_or_default() != address.text()? {
                continue;
            }
            if job.relabel.is_empty() {
                return Err(Fault::new(address.at, what.clone()));
            }
            warnings.push(format!(
                "line {}: target {} is left out after relabelling: {what}",
                address.at.line,
                quote(address.text()?)
            ));
            match faulty.next() {
                Some(next) => fault = next,
                None => return Ok(()),
            }
        }
    }
    Ok(())
}
