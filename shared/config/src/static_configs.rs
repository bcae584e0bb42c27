//! `static_configs`: the targets that a configuration names, after `relabel_configs`.

use crate::error::Fault;
use crate::fields::Fields;
use crate::scrape::ScrapeJob;
use crate::target::{self, Resolved, TargetDefaults};
use crate::yaml::Value;
use parapet_model::{Labels, format_duration_ms, quote};
use std::collections::HashSet;

/// Labels that the section may not set itself.
const RESERVED: [&str; 4] = [
    "__scrape_interval__",
    "__scrape_timeout__",
    "__address__",
    "__unix_socket__",
];

/// Adds the targets of the section to the job, those kept and those dropped.
pub(crate) fn read(fields: &Fields<'_>, job: &mut ScrapeJob, warnings: &mut Vec<String>) -> Result<(), Fault> {
    let (mut kept, mut dropped, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let defaults = TargetDefaults {
        job: &job.name,
        scheme: &job.scheme,
        metrics_path: &job.metrics_path,
        params: &job.params,
        interval: format_duration_ms(job.interval_ms),
        timeout: format_duration_ms(job.timeout_ms),
        relabel: &job.relabel,
    };
    for group in fields.list("static_configs")? {
        if matches!(group.value, Value::Null) {
            return Err(Fault::new(
                group.at,
                "empty or null section in static_configs; remove it",
            ));
        }
        let group = Fields::read(group, "static_configs", &["targets", "labels"], &[])?;
        let labels = match group.get("labels") {
            Some(node) => node.labels("labels")?,
            None => Labels::empty(),
        };
        if let Some(name) = RESERVED.into_iter().find(|name| labels.get(name).is_some()) {
            let at = group.position("labels");
            return Err(Fault::new(
                at,
                format!("label {name} in static_configs is not supported yet"),
            ));
        }
        for address in group.list("targets")? {
            match target::resolve(address.text()?, &labels, &defaults) {
                // As in Prometheus, the same target twice is one.
                Ok(Resolved::Kept(target)) if seen.insert(target.identity) => kept.push(*target),
                Ok(Resolved::Kept(_)) => {}
                Ok(Resolved::Dropped(labels)) => {
                    job.dropped_targets_count += 1;
                    let keep = job.keep_dropped_targets;
                    if keep == 0 || (dropped.len() as u64) < keep {
                        dropped.push(labels);
                    }
                }
                // As in Prometheus, what relabelling made of a target is the target's fault, not the file's.
                Err(what) if !job.relabel.is_empty() => warnings.push(format!(
                    "line {}: target {} is left out after relabelling: {what}",
                    address.at.line,
                    quote(address.text()?)
                )),
                Err(what) => return Err(Fault::new(address.at, what)),
            }
        }
    }
    job.targets = kept;
    job.dropped_targets = dropped;
    Ok(())
}
