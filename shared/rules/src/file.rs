//! Reads rule files (`model/rulefmt` of Prometheus).

use crate::error::{Fault, RulesError, read_yaml};
use crate::expr::Language;
use crate::group::{Alerting, Rule, RuleGroup};
use crate::mapping::{mapping, unknown_field};
use parapet_gotemplate::Dialect;
use parapet_model::{Labels, METRIC_NAME, parse_duration_ms, quote};
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};

/// A text with its place.
type Text = Spanned<String>;

mapping! {
    struct FileFields {
        groups: Vec<Spanned<GroupFields>> = "groups",
    }
}

mapping! {
    struct GroupFields {
        name: Text = "name",
        interval: Text = "interval",
        query_offset: Text = "query_offset",
        limit: Spanned<i64> = "limit",
        language: Text = "type",
        labels: BTreeMap<String, Text> = "labels",
        rules: Vec<Spanned<RuleFields>> = "rules",
    }
}

mapping! {
    struct RuleFields {
        record: Text = "record",
        alert: Text = "alert",
        expr: Text = "expr",
        hold: Text = "for",
        keep_firing_for: Text = "keep_firing_for",
        labels: BTreeMap<String, Text> = "labels",
        annotations: BTreeMap<String, Text> = "annotations",
    }
}

/// How a rule file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// Take fields that are not known for somebody else's notes, rather than for mistakes.
    pub ignore_unknown_fields: bool,
}

/// The variables that an alert's templates begin with.
pub(crate) const TEMPLATE_HEAD: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                                        {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// The name of an alert's templates in error messages.
pub(crate) fn template_name(alert: &str) -> String {
    format!("__alert_{alert}")
}

/// Reads a rule file, or an SLO file ([`crate::slo`]) for the rule file that it stands for. `path` is for messages and
/// the groups' `file`.
///
/// # Errors
/// Every fault of the file with its place: unknown fields, repeated groups, rules that do not parse, bad names,
/// templates that do not parse.
pub fn parse(path: &str, text: &str) -> Result<Vec<RuleGroup>, RulesError> {
    parse_with(path, text, ParseOptions::default())
}

/// [`parse`] with options.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_with(path: &str, text: &str, options: ParseOptions) -> Result<Vec<RuleGroup>, RulesError> {
    let fail = |faults| {
        Err(RulesError {
            path: path.to_owned(),
            faults,
        })
    };
    let expanded = crate::slo::expand(path, text)?;
    let text = expanded.as_deref().unwrap_or(text);
    let document = match read_yaml::<Option<FileFields>>(text) {
        Ok(document) => document.unwrap_or_default(),
        Err(fault) => return fail(vec![fault]),
    };
    let mut reader = FileReader {
        path,
        options,
        unknown: Vec::new(),
        faults: Vec::new(),
        names: BTreeSet::new(),
    };
    reader.unknown(&document.unknown, FileFields::FIELDS);
    let groups = document.groups.unwrap_or_default();
    let groups: Vec<RuleGroup> = groups
        .into_iter()
        .map(|group| reader.group(group))
        .map_while(|group| group)
        .collect();
    // A field that is misspelt is missing too: that is not told twice.
    match (reader.unknown.is_empty(), reader.faults.is_empty()) {
        (false, _) => fail(reader.unknown),
        (true, false) => fail(reader.faults),
        (true, true) => Ok(groups),
    }
}

struct FileReader<'a> {
    path: &'a str,
    options: ParseOptions,
    unknown: Vec<Fault>,
    faults: Vec<Fault>,
    names: BTreeSet<String>,
}

impl FileReader<'_> {
    fn fault(&mut self, at: Location, message: String) {
        self.faults.push(Fault::at(at, message));
    }

    fn unknown(&mut self, keys: &[Text], known: &[&str]) {
        for key in keys.iter().filter(|_| !self.options.ignore_unknown_fields) {
            self.unknown
                .push(Fault::at(key.defined, unknown_field(&key.value, known)));
        }
    }

    /// A duration in milliseconds.
    fn duration(&mut self, text: Option<Text>) -> Option<i64> {
        let text = text?;
        match parse_duration_ms(&text.value) {
            Ok(duration_ms) => Some(duration_ms),
            Err(error) => {
                self.fault(text.defined, format!("{error}; write a duration such as 30s or 5m"));
                None
            }
        }
    }

    /// Faults do not stop the reading, so that all are reported; what is returned is used only if there is none.
    fn group(&mut self, group: Spanned<GroupFields>) -> Option<RuleGroup> {
        let (at, fields) = (group.defined, group.value);
        self.unknown(&fields.unknown, GroupFields::FIELDS);
        let (name_at, name) = fields
            .name
            .map_or((at, String::new()), |name| (name.defined, name.value));
        if name.is_empty() {
            self.fault(name_at, "Groupname must not be empty".to_owned());
        }
        if !self.names.insert(name.clone()) {
            self.fault(
                name_at,
                format!("groupname: {} is repeated in the same file", quote(&name)),
            );
        }
        let interval_ms = self.duration(fields.interval).filter(|interval_ms| *interval_ms > 0);
        let query_offset_ms = self.duration(fields.query_offset);
        let limit = match fields.limit {
            None => 0,
            Some(limit) => usize::try_from(limit.value).unwrap_or_else(|_| {
                self.fault(
                    limit.defined,
                    format!("invalid limit {}; write 0 for no limit", limit.value),
                );
                0
            }),
        };
        let language = fields.language.map_or(Ok(Language::default()), |text| {
            Language::named(&text.value).map_err(|message| (text.defined, message))
        });
        let language = language.unwrap_or_else(|(at, message)| {
            self.fault(at, message);
            Language::default()
        });
        let group_labels = fields.labels.unwrap_or_default();
        for (label, value) in &group_labels {
            if !is_label_name(label) {
                self.fault(value.defined, format!("invalid label name: {label}"));
            }
        }
        let mut rules = Vec::new();
        for (index, rule) in fields.rules.unwrap_or_default().into_iter().enumerate() {
            rules.extend(self.rule(rule, (&name, language), index + 1, &group_labels));
        }
        Some(RuleGroup {
            file: self.path.to_owned(),
            name,
            interval_ms,
            query_offset_ms,
            limit,
            rules,
        })
    }

    fn rule(
        &mut self,
        rule: Spanned<RuleFields>,
        (group, language): (&str, Language),
        number: usize,
        group_labels: &BTreeMap<String, Text>,
    ) -> Option<Rule> {
        let (at, fields) = (rule.defined, rule.value);
        self.unknown(&fields.unknown, RuleFields::FIELDS);
        let is_set = |text: &Option<Text>| text.as_ref().is_some_and(|text| !text.value.is_empty());
        let is_alert = is_set(&fields.alert);
        let chosen = if is_alert { &fields.alert } else { &fields.record };
        let (name_at, name) = chosen
            .as_ref()
            .map_or((at, String::new()), |name| (name.defined, name.value.clone()));
        let mut faults: Vec<(Location, String)> = Vec::new();
        if is_set(&fields.record) && is_alert {
            faults.push((name_at, "only one of 'record' and 'alert' must be set".to_owned()));
        }
        if !is_set(&fields.record) && !is_alert {
            faults.push((at, "one of 'record' or 'alert' must be set".to_owned()));
        }
        let mut expr = None;
        match &fields.expr {
            Some(text) if !text.value.is_empty() => match language.parse(&text.value) {
                Ok(parsed) => expr = Some(parsed),
                Err(error) => faults.push((text.defined, format!("could not parse expression: {error}"))),
            },
            _ => faults.push((at, "field 'expr' must be set in rule".to_owned())),
        }
        let labels = fields.labels.unwrap_or_default();
        let annotations = fields.annotations.unwrap_or_default();
        for (label, value) in &labels {
            if !is_label_name(label) {
                faults.push((value.defined, format!("invalid label name: {label}")));
            }
        }
        for (annotation, value) in &annotations {
            if annotation.is_empty() {
                faults.push((value.defined, format!("invalid annotation name: {annotation}")));
            }
        }
        if is_alert {
            let lists = [("label", &labels), ("annotation", &annotations)];
            for (what, (key, value)) in lists
                .iter()
                .flat_map(|(what, list)| list.iter().map(move |pair| (what, pair)))
            {
                let text = format!("{TEMPLATE_HEAD}{}", value.value);
                if let Err(error) = parapet_gotemplate::check(Dialect::Prometheus, &template_name(&name), &text) {
                    faults.push((value.defined, format!("{what} {}: {error}", quote(key))));
                }
            }
        } else {
            let misplaced = [
                ("annotations", !annotations.is_empty()),
                ("for", is_long(&fields.hold)),
                ("keep_firing_for", is_long(&fields.keep_firing_for)),
            ];
            for (field, _) in misplaced.into_iter().filter(|(_, is_misplaced)| *is_misplaced) {
                faults.push((name_at, format!("invalid field '{field}' in recording rule")));
            }
            if name.contains(['{', '}']) {
                let message = format!("braces present in the recording rule name; should it be in expr?: {name}");
                faults.push((name_at, message));
            }
        }
        for (at, message) in faults {
            self.fault(
                at,
                format!("group {}, rule {number}, {}: {message}", quote(group), quote(&name)),
            );
        }
        let for_ms = self.duration(fields.hold).unwrap_or(0);
        let keep_firing_for_ms = self.duration(fields.keep_firing_for).unwrap_or(0);
        let merged = group_labels
            .iter()
            .chain(&labels)
            .map(|(name, value)| (name.as_str(), value.value.as_str()));
        Some(Rule {
            expr: expr?,
            labels: Labels::from_pairs(merged),
            alerting: is_alert.then(|| Alerting {
                for_ms,
                keep_firing_for_ms,
                annotations: annotations
                    .into_iter()
                    .map(|(name, value)| (name, value.value))
                    .collect(),
            }),
            name,
            line: at.line(),
        })
    }
}

fn is_long(duration: &Option<Text>) -> bool {
    duration
        .as_ref()
        .is_some_and(|text| parse_duration_ms(&text.value) != Ok(0))
}

/// In Prometheus 3 any text but the empty one is a label's name.
fn is_label_name(name: &str) -> bool {
    !name.is_empty() && name != METRIC_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file() {
        let text = r#"
groups:
  - name: g
    interval: 30s
    query_offset: 10s
    limit: 5
    labels: {team: a, tier: x}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
        labels: {tier: y}
      - alert: Down
        expr: up == 0
        for: 5m
        keep_firing_for: 1m
        annotations:
          summary: "{{ $labels.instance }} is down: {{ $value }}"
"#;
        let groups = parse("a.yml", text).unwrap();
        let group = &groups[0];
        assert_eq!(
            (group.key().as_str(), group.interval_ms, group.limit),
            ("a.yml;g", Some(30_000), 5)
        );
        assert_eq!(group.query_offset_ms, Some(10_000));
        assert_eq!(
            group.rules[0].labels,
            Labels::from_pairs([("team", "a"), ("tier", "y")])
        );
        let alerting = group.rules[1].alerting.as_ref().unwrap();
        assert_eq!((alerting.for_ms, alerting.keep_firing_for_ms), (300_000, 60_000));
        assert_eq!(group.rules[1].line, 12);
        assert!(parse("a.yml", "").unwrap().is_empty());
    }

    #[test]
    fn says_where_and_what() {
        for (text, want) in [
            (
                "groups:\n- name: g\n  rules:\n  - record: a\n    exprr: up\n",
                "r.yml:5:5: field exprr not found; did you mean \"expr\"?",
            ),
            (
                "groups:\n- name: g\n  rules:\n  - record: a\n    expr: sum(\n",
                "r.yml:5:11: group \"g\", rule 1, \"a\": could not parse expression: 1:5: parse error: unclosed left parenthesis",
            ),
            (
                "groups:\n- name: g\n- name: g\n",
                "r.yml:3:9: groupname: \"g\" is repeated in the same file",
            ),
            (
                "groups:\n- name: g\n  type: sql\n",
                "r.yml:3:9: unknown type \"sql\"; write logql for rules over logs, or promql",
            ),
            (
                "groups:\n- name: g\n  type: logql\n  rules:\n  - record: a\n    expr: '{app=\"web\"}'\n",
                "r.yml:6:11: group \"g\", rule 1, \"a\": could not parse expression: a rule needs numbers, not lines; count them, as in sum(count_over_time({app=\"web\"}[5m]))",
            ),
            (
                "groups:\n- name: g\n  interval: 5x\n",
                "r.yml:3:13: unknown unit \"x\" in duration \"5x\"; write a duration such as 30s or 5m",
            ),
            (
                "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    annotations:\n      s: '{{ .x'\n",
                "r.yml:7:10: group \"g\", rule 1, \"A\": annotation \"s\": template: __alert_A:1: unclosed action",
            ),
        ] {
            assert_eq!(parse("r.yml", text).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn slots_keep_their_place() {
        let groups = parse("a.yml", "groups: [{name: g, interval: 15s}]").unwrap();
        let offset_ms = groups[0].slot_offset_ms(15_000);
        assert!((0..15_000).contains(&offset_ms) && offset_ms % 1000 == 0);
        let slots: Vec<i64> = groups[0].slots(15_000, 600_000, 660_000).collect();
        assert_eq!(slots.len(), 4);
        assert!(
            slots
                .iter()
                .all(|slot| (slot - offset_ms) % 15_000 == 0 && (600_000..660_000).contains(slot))
        );
        assert_eq!(groups[0].slots(120_000, 0, 240_000).count(), 2);
    }
}
