//! The labels of a stored series: those of the body and those of the target (`mutateSampleLabels` of Prometheus).

use parapet_exposition::LabelPair;
use parapet_model::{Labels, METRIC_NAME, NameValidation};
use parapet_relabel::Rule;
use std::borrow::Cow;

/// Limits on labels; 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LabelLimits {
    pub(crate) labels: u64,
    pub(crate) name_length: u64,
    pub(crate) value_length: u64,
}

/// Joins labels. Where both have a label, `honor` keeps the body's (even an empty one, which removes the label);
/// otherwise the target's wins and the body's is kept as `exported_…`.
///
/// # Errors
/// What makes the whole scrape fail: a name twice, no metric name, an empty label name.
pub(crate) fn join(name: &str, body: &[LabelPair<'_>], target: &Labels, honor: bool) -> Result<Labels, String> {
    if name.is_empty() {
        return Err("missing metric name (__name__ label)".to_owned());
    }
    let mut plain: Vec<(&str, &str)> = Vec::with_capacity(body.len() + 8);
    plain.push((METRIC_NAME, name));
    plain.extend(body.iter().map(|(name, value)| (&**name, &**value)));
    plain.extend(target);
    plain.sort_unstable();
    // As nearly always: nothing conflicts.
    if plain.is_sorted_by(|a, b| a.0 < b.0) && plain.first().is_some_and(|(name, _)| !name.is_empty()) {
        plain.retain(|(_, value)| !value.is_empty());
        return Ok(Labels::from_sorted(plain));
    }
    let mut pairs: Vec<(Cow<'_, str>, &str)> = Vec::with_capacity(body.len() + 8);
    pairs.push((Cow::Borrowed(METRIC_NAME), name));
    pairs.extend(body.iter().map(|(name, value)| (Cow::Borrowed(&**name), &**value)));
    let mut exposed: Vec<(&str, &str)> = Vec::new();
    let from_body = pairs.len();
    for (name, value) in target {
        match pairs[..from_body].iter_mut().find(|(body_name, _)| body_name == name) {
            Some(_) if honor => {}
            Some(pair) => {
                if !pair.1.is_empty() {
                    exposed.push((name, pair.1));
                }
                pair.1 = value;
            }
            None => pairs.push((Cow::Borrowed(name), value)),
        }
    }
    // The shorter name first: it may need the longer one's place.
    exposed.sort_by_key(|(name, _)| name.len());
    for (name, value) in exposed {
        let mut renamed = format!("exported_{name}");
        while pairs
            .iter()
            .any(|(other, value)| *other == renamed && !value.is_empty())
        {
            renamed.insert_str(0, "exported_");
        }
        pairs.retain(|(other, _)| *other != renamed);
        pairs.push((Cow::Owned(renamed), value));
    }
    pairs.sort_unstable();
    if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("label name \"{}\" is not unique: invalid sample", pair[0].0));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    let labels = Labels::from_sorted(pairs.iter().map(|(name, value)| (&**name, *value)));
    if pairs.first().is_some_and(|(name, _)| name.is_empty()) {
        return Err(format!("invalid metric name or label names: {labels}"));
    }
    Ok(labels)
}

/// Applies `metric_relabel_configs`; `None` where the series is dropped.
///
/// # Errors
/// What makes the whole scrape fail: a series without a metric name.
pub(crate) fn relabel(labels: Labels, rules: &[Rule]) -> Result<Option<Labels>, String> {
    if rules.is_empty() {
        return Ok(Some(labels));
    }
    match parapet_relabel::process(&labels, rules).filter(|labels| !labels.is_empty()) {
        Some(labels) if labels.metric_name().is_none() => Err("missing metric name (__name__ label)".to_owned()),
        relabelled => Ok(relabelled),
    }
}

/// Checks names against `metric_name_validation_scheme`.
///
/// # Errors
/// What makes the whole scrape fail: a name that is not valid.
pub(crate) fn check_names(labels: &Labels, validation: NameValidation) -> Result<(), String> {
    let is_valid = |(name, value): (&str, &str)| {
        validation.is_label_name(name) && (name != METRIC_NAME || validation.is_metric_name(value))
    };
    if labels.iter().all(is_valid) {
        Ok(())
    } else {
        Err(format!("invalid metric name or label names: {labels}"))
    }
}

/// The labels of a series that the scraper adds itself, as `up`.
pub(crate) fn report(name: &str, target: &Labels) -> Labels {
    target.with(METRIC_NAME, name)
}

/// Checks `label_limit` and its kin (`verifyLabelLimits` of Prometheus).
pub(crate) fn verify(labels: &Labels, limits: &LabelLimits) -> Result<(), String> {
    if limits.labels == 0 && limits.name_length == 0 && limits.value_length == 0 {
        return Ok(());
    }
    let cut = |text: &str| text.chars().take(50).collect::<String>();
    let metric = cut(labels.metric_name().unwrap_or_default());
    let count = labels.len() as u64;
    if limits.labels > 0 && count > limits.labels {
        return Err(format!(
            "label_limit exceeded (metric: {metric}, number of labels: {count}, limit: {})",
            limits.labels
        ));
    }
    for (name, value) in labels {
        let length = name.len() as u64;
        if limits.name_length > 0 && length > limits.name_length {
            return Err(format!(
                "label_name_length_limit exceeded (metric: {metric}, label name: {}, length: {length}, limit: {})",
                cut(name),
                limits.name_length
            ));
        }
        let length = value.len() as u64;
        if limits.value_length > 0 && length > limits.value_length {
            return Err(format!(
                "label_value_length_limit exceeded (metric: {metric}, label name: {}, value: {}, length: {length}, \
                 limit: {})",
                cut(name),
                parapet_model::quote(&cut(value)),
                limits.value_length
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(body: &[(&str, &str)], target: &[(&str, &str)], honor: bool) -> String {
        let body: Vec<LabelPair<'_>> = body.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let target = Labels::from_pairs(target.iter().copied());
        match join("m", &body, &target, honor) {
            Ok(labels) => labels.to_string(),
            Err(error) => error,
        }
    }

    #[test]
    fn conflicts_are_renamed_or_honored() {
        for (body, target, honor, want) in [
            (&[("a", "1")][..], &[("job", "j")][..], false, r#"m{a="1", job="j"}"#),
            (
                &[("job", "x")],
                &[("job", "j")],
                false,
                r#"m{exported_job="x", job="j"}"#,
            ),
            (&[("job", "x")], &[("job", "j")], true, r#"m{job="x"}"#),
            (&[("job", "")], &[("job", "j")], false, r#"m{job="j"}"#),
            (&[("job", "")], &[("job", "j")], true, "m"),
            (
                &[("job", "x"), ("exported_job", "y")],
                &[("job", "j")],
                false,
                r#"m{exported_exported_job="x", exported_job="y", job="j"}"#,
            ),
            // Both the label and its renamed form conflict.
            (
                &[("foo", "x"), ("exported_foo", "y")],
                &[("foo", "1"), ("exported_foo", "2")],
                false,
                r#"m{exported_exported_exported_foo="y", exported_exported_foo="x", exported_foo="2", foo="1"}"#,
            ),
            (
                &[("a", "1"), ("a", "2")],
                &[],
                false,
                r#"label name "a" is not unique: invalid sample"#,
            ),
            (
                &[("__name__", "b")],
                &[],
                false,
                r#"label name "__name__" is not unique: invalid sample"#,
            ),
            (
                &[("", "b")],
                &[],
                false,
                r#"invalid metric name or label names: m{""="b"}"#,
            ),
        ] {
            assert_eq!(joined(body, target, honor), want, "{body:?} {target:?} {honor}");
        }
    }

    #[test]
    fn legacy_names_are_asked_for() {
        for (name, label, legacy) in [
            ("a:b", "c", true),
            ("a.b", "c", false),
            ("a", "c:d", false),
            ("a", "é", false),
        ] {
            let labels = Labels::from_pairs([("__name__", name), (label, "x")]);
            assert!(check_names(&labels, NameValidation::Utf8).is_ok());
            assert_eq!(check_names(&labels, NameValidation::Legacy).is_ok(), legacy, "{labels}");
        }
    }

    #[test]
    fn limits_are_those_of_prometheus() {
        let labels = Labels::from_pairs([("__name__", "m"), ("abcdef", "vwxyz")]);
        let with = |labels, name_length, value_length| LabelLimits {
            labels,
            name_length,
            value_length,
        };
        assert!(verify(&labels, &with(2, 8, 5)).is_ok());
        for (limits, want) in [
            (
                with(1, 0, 0),
                "label_limit exceeded (metric: m, number of labels: 2, limit: 1)",
            ),
            (
                with(0, 7, 0),
                "label_name_length_limit exceeded (metric: m, label name: __name__, length: 8, limit: 7)",
            ),
            (
                with(0, 0, 4),
                "label_value_length_limit exceeded (metric: m, label name: abcdef, value: \"vwxyz\", length: 5, limit: 4)",
            ),
        ] {
            assert_eq!(verify(&labels, &limits).unwrap_err(), want);
        }
    }
}
