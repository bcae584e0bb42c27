//! `relabel_configs` and `metric_relabel_configs`.

use crate::error::Fault;
use crate::fields::Fields;
use crate::yaml::{Node, Value};
use parapet_model::{NameValidation, quote};
use parapet_relabel as relabel;

/// Reads a list of rules; `kind` is what Prometheus calls them in its messages.
pub(crate) fn read(
    fields: &Fields<'_>,
    name: &str,
    kind: &str,
    names: NameValidation,
) -> Result<Vec<relabel::Rule>, Fault> {
    let rules = fields.list(name)?.iter();
    rules.map(|node| rule(node, name, kind, names)).collect()
}

fn rule(node: &Node, section: &str, kind: &str, validation: NameValidation) -> Result<relabel::Rule, Fault> {
    if matches!(node.value, Value::Null) {
        return Err(Fault::new(
            node.at,
            format!("empty or null {kind} relabeling rule; remove it"),
        ));
    }
    let names = [
        "source_labels",
        "separator",
        "regex",
        "modulus",
        "target_label",
        "replacement",
        "action",
    ];
    let fields = Fields::read(node, section, &names, &[])?;
    let default = relabel::Fields::default();
    let text = |name: &str, default: String| -> Result<String, Fault> {
        Ok(fields.text(name)?.map_or(default, str::to_owned))
    };
    let mut source_labels = Vec::new();
    for label in fields.list("source_labels")? {
        let name = label.text()?;
        if !validation.is_label_name(name) {
            return Err(Fault::new(
                label.at,
                format!("{} is not a valid label name", quote(name)),
            ));
        }
        source_labels.push(name.to_owned());
    }
    let written = relabel::Fields {
        source_labels,
        separator: text("separator", default.separator)?,
        regex: text("regex", default.regex)?,
        modulus: fields.unsigned("modulus")?.unwrap_or(default.modulus),
        target_label: text("target_label", default.target_label)?,
        replacement: text("replacement", default.replacement)?,
        action: text("action", default.action)?,
    };
    relabel::Rule::new(written, validation).map_err(|error| Fault::new(fields.position(error.field), error.reason))
}
