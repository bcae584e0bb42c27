//! `label_replace` and `label_join`: functions of series, which do not look at values.

use super::super::{Evaluator, Result, Row, failure};
use super::{is_label_name, text};
use crate::plan::Node;
use parapet_model::{METRIC_NAME, expand_go};

impl Evaluator<'_> {
    pub(super) fn label_replace(&self, args: &[Node]) -> Result<Vec<Row>> {
        let [target, replacement, source, pattern] = [1, 2, 3, 4].map(|at| text(&args[at]));
        let Some(regex) = parapet_model::compile_anchored(pattern) else {
            return failure(format!("invalid regular expression in label_replace(): {pattern}"));
        };
        if !is_label_name(&args[1]) {
            return failure(format!("invalid destination label name in label_replace(): {target}"));
        }
        let mut rows = self.vector(&args[0])?;
        for row in &mut rows {
            self.check_interrupt()?;
            let value = row.labels.get(source).unwrap_or_default();
            if let Some(captures) = regex.captures(value) {
                let replaced = expand_go(replacement, &regex, &captures);
                set_label(row, target, &replaced);
            }
        }
        self.merge_same_labels(rows)
    }

    pub(super) fn label_join(&self, args: &[Node]) -> Result<Vec<Row>> {
        let (target, separator) = (text(&args[1]), text(&args[2]));
        let sources: Vec<&str> = args[3..].iter().map(text).collect();
        if let Some(source) = args[3..].iter().find(|source| !is_label_name(source)) {
            return failure(format!("invalid source label name in label_join(): {}", text(source)));
        }
        if !is_label_name(&args[1]) {
            return failure(format!("invalid destination label name in label_join(): {target}"));
        }
        let mut rows = self.vector(&args[0])?;
        for row in &mut rows {
            self.check_interrupt()?;
            let values: Vec<&str> = sources
                .iter()
                .map(|source| row.labels.get(source).unwrap_or_default())
                .collect();
            let joined = values.join(separator);
            set_label(row, target, &joined);
        }
        self.merge_same_labels(rows)
    }
}

fn set_label(row: &mut Row, name: &str, value: &str) {
    row.labels = row.labels.with(name, value);
    if name == METRIC_NAME {
        // A name that was just set is not to be taken away.
        row.drop_name = false;
    }
}
