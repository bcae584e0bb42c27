//! `label_replace` and `label_join`: functions of series, which do not look at values.

use super::super::{Evaluator, Result, Row, failure};
use super::{is_label_name, text};
use crate::plan::Node;
use parapet_model::METRIC_NAME;
use regex::{Captures, Regex};

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
                let replaced = expand(replacement, &regex, &captures);
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

/// Go's `Regexp.Expand`: `$1`, `${1}`, `$name`, `$$`; what names no group is empty.
fn expand(template: &str, regex: &Regex, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let word = |text: &str| {
            text.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(text.len())
        };
        let (name, after) = match rest.strip_prefix('{') {
            Some(braced) => {
                let length = word(braced);
                match braced[length..].strip_prefix('}') {
                    Some(after) => (&braced[..length], after),
                    None => ("", rest),
                }
            }
            None => rest.split_at(word(rest)),
        };
        if name.is_empty() {
            // No reference: the sign stands for itself.
            out.push('$');
            continue;
        }
        let group = if name.bytes().all(|byte| byte.is_ascii_digit()) {
            name.parse().ok().and_then(|number: usize| captures.get(number))
        } else {
            let known = regex.capture_names().flatten().any(|known| known == name);
            known.then(|| captures.name(name)).flatten()
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_go() {
        let regex = Regex::new("(?P<a>.)(.)").unwrap();
        let captures = regex.captures("xy").unwrap();
        for (template, want) in [
            ("$1-$2", "x-y"),
            ("${1}0", "x0"),
            ("$10", ""),
            ("$a$b", "x"),
            ("$$1", "$1"),
            ("${", "${"),
            ("€$", "€$"),
        ] {
            assert_eq!(expand(template, &regex, &captures), want, "{template}");
        }
    }
}
