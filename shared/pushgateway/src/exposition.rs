//! What a scraper reads: the text format, version 0.0.4.

use crate::Group;
use crate::family::Family;
use parapet_model::{MetricType, format_float, is_legacy_label_name, is_legacy_metric_name, quote};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The families of all groups by name, each name once.
#[must_use]
pub fn exposition(groups: &[Group]) -> String {
    let mut families: BTreeMap<&str, Vec<Family>> = BTreeMap::new();
    for group in groups {
        for (name, family) in &group.families {
            families.entry(name).or_default().push(family.clone());
        }
        for (name, family) in group.times() {
            families.entry(name).or_default().push(family);
        }
    }
    let mut out = String::new();
    for (name, same) in families {
        let Some(first) = same.first() else { continue };
        let shown = if is_legacy_metric_name(name) {
            name.to_owned()
        } else {
            quote(name)
        };
        if let Some(help) = &first.help {
            let help = help.replace('\\', r"\\").replace('\n', r"\n");
            let _ = writeln!(out, "# HELP {shown} {help}");
        }
        let kind = match first.kind() {
            MetricType::Unknown => "untyped",
            kind => kind.as_str(),
        };
        let _ = writeln!(out, "# TYPE {shown} {kind}");
        for sample in same.iter().flat_map(|family| &family.samples) {
            write_line(
                &mut out,
                &format!("{name}{}", sample.suffix),
                &sample.labels,
                sample.value(),
            );
        }
    }
    out
}

fn write_line(out: &mut String, name: &str, labels: &BTreeMap<String, String>, value: f64) {
    let mut separator = "{";
    if is_legacy_metric_name(name) {
        out.push_str(name);
    } else {
        let _ = write!(out, "{{{}", quote(name));
        separator = ",";
    }
    for (label, value) in labels {
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        let label = if is_legacy_label_name(label) {
            label.clone()
        } else {
            quote(label)
        };
        let _ = write!(out, "{separator}{label}=\"{value}\"");
        separator = ",";
    }
    // Every sample has labels: at least its job.
    let _ = writeln!(out, "}} {}", format_float(value));
}
