//! The metrics of a probe, and what happened.

use parapet_model::format_float;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The gauges of one probe and its log.
#[derive(Clone, Debug, Default)]
pub struct Report {
    families: BTreeMap<&'static str, Family>,
    log: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Family {
    help: &'static str,
    series: BTreeMap<Vec<(String, String)>, f64>,
}

impl Report {
    /// A gauge without labels, 0 to begin with. One that is there stays as it is.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) {
        self.family(name, help).series.entry(Vec::new()).or_insert(0.0);
    }

    /// A gauge whose series have labels; none to begin with.
    pub fn labelled(&mut self, name: &'static str, help: &'static str) {
        self.family(name, help);
    }

    fn family(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        let family = self.families.entry(name).or_default();
        family.help = help;
        family
    }

    /// Sets a gauge without labels.
    pub fn set(&mut self, name: &'static str, value: f64) {
        let family = self.families.entry(name).or_default();
        family.series.insert(Vec::new(), value);
    }

    /// Adds to a series, which begins with 0.
    pub fn add(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        let family = self.families.entry(name).or_default();
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        *family.series.entry(labels).or_insert(0.0) += value;
    }

    /// A line of the log: what happened.
    pub fn say(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }

    /// What happened, in order.
    #[must_use]
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// The value of a series.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Vec<(String, String)> = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.families.get(name)?.series.get(&labels).copied()
    }

    /// The text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (name, family) in self.families.iter().filter(|(_, family)| !family.series.is_empty()) {
            let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} gauge", family.help);
            for (labels, value) in &family.series {
                out.push_str(name);
                for (index, (label, value)) in labels.iter().enumerate() {
                    let before = if index == 0 { '{' } else { ',' };
                    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                    let _ = write!(out, "{before}{label}=\"{value}\"");
                }
                let after = if labels.is_empty() { "" } else { "}" };
                let _ = writeln!(out, "{after} {}", format_float(*value));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_in_order_of_name() {
        let mut report = Report::default();
        report.gauge("probe_b", "b.");
        report.labelled("probe_a", "a.");
        report.labelled("probe_nothing", "has no series");
        report.add("probe_a", &[("x", "1\"\\\n"), ("y", "2")], 0.5);
        report.add("probe_a", &[("x", "1\"\\\n"), ("y", "2")], 0.25);
        let want = "# HELP probe_a a.\n# TYPE probe_a gauge\nprobe_a{x=\"1\\\"\\\\\\n\",y=\"2\"} 0.75\n# HELP probe_b \
                    b.\n# TYPE probe_b gauge\nprobe_b 0\n";
        assert_eq!(report.render(), want);
        report.set("probe_b", 2.0);
        report.gauge("probe_b", "b.");
        assert_eq!(report.value("probe_b", &[]), Some(2.0));
    }
}
