//! Relabelling as Prometheus does it (`model/relabel`): rules that rewrite a label set, or drop it.
//!
//! It reads no configuration: `parapet_config` reads `relabel_configs`, and says where a wrong rule stands.
//!
//! ```
//! use parapet_model::{Labels, NameValidation};
//! use parapet_relabel::{Fields, Rule, process};
//!
//! let rule = Rule::new(
//!     Fields {
//!         source_labels: vec!["__address__".into()],
//!         regex: "(.*):.*".into(),
//!         target_label: "host".into(),
//!         ..Fields::default()
//!     },
//!     NameValidation::Utf8,
//! )?;
//! let labels = Labels::from_pairs([("__address__", "db-1:9100")]);
//! assert_eq!(process(&labels, &[rule]).unwrap().get("host"), Some("db-1"));
//! # Ok::<(), parapet_relabel::RuleError>(())
//! ```
//!
//! Contract: no input makes it panic, and a rule that was accepted cannot fail.
#![warn(missing_docs)]

mod rule;

pub use rule::{Action, Fields, Rule, RuleError};

use md5::{Digest as _, Md5};
use parapet_model::{Labels, LabelsBuilder, expand_go};

/// Applies rules in order. `None` where one of them drops the label set.
///
/// Source: `relabel.Process`.
#[must_use]
pub fn process(labels: &Labels, rules: &[Rule]) -> Option<Labels> {
    let mut builder = LabelsBuilder::from(labels);
    rules
        .iter()
        .all(|rule| apply(rule, &mut builder))
        .then(|| builder.build())
}

/// Applies one rule; whether the label set is kept.
fn apply(rule: &Rule, labels: &mut LabelsBuilder) -> bool {
    let fields = rule.fields();
    let sources = fields.source_labels.iter();
    let values: Vec<&str> = sources.map(|name| labels.get(name).unwrap_or_default()).collect();
    let value = values.join(&fields.separator);
    let target = fields.target_label.as_str();
    match rule.action() {
        Action::Drop => return !rule.regex().is_match(&value),
        Action::Keep => return rule.regex().is_match(&value),
        Action::DropEqual => return labels.get(target).unwrap_or_default() != value,
        Action::KeepEqual => return labels.get(target).unwrap_or_default() == value,
        Action::Replace => {
            let Some(captures) = rule.regex().captures(&value) else {
                return true;
            };
            let name = expand_go(target, rule.regex(), &captures);
            // What expands to no label name changes nothing.
            if rule.names().is_label_name(&name) {
                labels.set(name, expand_go(&fields.replacement, rule.regex(), &captures));
            }
        }
        Action::Lowercase => labels.set(target, value.to_lowercase()),
        Action::Uppercase => labels.set(target, value.to_uppercase()),
        Action::HashMod => {
            let hash = Md5::digest(value.as_bytes());
            let last = hash.iter().skip(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            labels.set(target, (last % fields.modulus.max(1)).to_string());
        }
        Action::LabelMap => {
            let mapped: Vec<(String, String)> = labels
                .iter()
                .filter_map(|(name, value)| {
                    let captures = rule.regex().captures(name)?;
                    let name = expand_go(&fields.replacement, rule.regex(), &captures);
                    Some((name, value.to_owned()))
                })
                .collect();
            for (name, value) in mapped {
                labels.set(name, value);
            }
        }
        Action::LabelDrop => labels.retain(|name| !rule.regex().is_match(name)),
        Action::LabelKeep => labels.retain(|name| rule.regex().is_match(name)),
    }
    true
}
