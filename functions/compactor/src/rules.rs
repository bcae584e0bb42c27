//! Exceptions to the retention, as people write them.

use parapet_store::RetentionRule;

/// Reads rules such as `{job="debug"} 3d; team-a {__name__=~"go_.*"} 7d; team-b 90d`: a tenant, a selector of series, or
/// both, and how long their samples are kept. Without a tenant a rule is for everybody; without a selector it is for all
/// of a tenant's series, and may be longer than the retention of others.
///
/// # Errors
/// What is wrong with which rule.
pub fn retention_rules(text: &str) -> Result<Vec<RetentionRule>, String> {
    let rules = split(text).into_iter().map(str::trim).filter(|rule| !rule.is_empty());
    rules.map(rule).collect()
}

/// The parts between semicolons and lines that stand in no quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    for (at, letter) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(open) => {
                escaped = letter == '\\' && open != '`';
                if letter == open {
                    quote = None;
                }
            }
            None if matches!(letter, '"' | '\'' | '`') => quote = Some(letter),
            None if matches!(letter, ';' | '\n') => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            None => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn rule(text: &str) -> Result<RetentionRule, String> {
    let example = r#"write, for example, {job="debug"} 3d"#;
    let (what, duration) = text
        .rsplit_once(char::is_whitespace)
        .ok_or_else(|| format!("{text:?} has no series, tenant or duration: {example}"))?;
    let keep_ms = parapet_model::parse_duration_ms(duration)
        .map_err(|error| format!("{duration:?} at the end of {text:?}: {error}; {example}"))?;
    let what = what.trim();
    let brace = what.find('{').unwrap_or(what.len());
    let name = what[..brace].rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (tenant, selector) = if brace == what.len() {
        (what, "")
    } else {
        what.split_at(name)
    };
    let tenant = Some(tenant.trim())
        .filter(|tenant| !tenant.is_empty())
        .map(str::to_owned);
    if let Some(tenant) = &tenant {
        parapet_store::tenant::check(tenant).map_err(|error| format!("{text:?}: {error}"))?;
    }
    let matchers = match selector {
        "" => Vec::new(),
        selector => parapet_promql::parse_selector(selector).map_err(|error| format!("{selector:?}: {error}"))?,
    };
    Ok(RetentionRule {
        tenant,
        matchers,
        keep_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_tenants_and_series() {
        let text = "{job=\"a;b\"} 3d;\nteam-a go_gc{x=~\"y{2}\"} 1w; team-b 90d;";
        let rules = retention_rules(text).unwrap();
        let shown: Vec<_> = rules
            .iter()
            .map(|rule| {
                let matchers: Vec<String> = rule.matchers.iter().map(ToString::to_string).collect();
                (rule.tenant.as_deref(), matchers.join(","), rule.keep_ms / 86_400_000)
            })
            .collect();
        assert_eq!(shown[0], (None, "job=\"a;b\"".to_owned(), 3));
        assert_eq!((shown[1].0, shown[1].2), (Some("team-a"), 7));
        assert!(shown[1].1.contains("go_gc") && shown[1].1.contains("y{2}"), "{shown:?}");
        assert_eq!(shown[2], (Some("team-b"), String::new(), 90));
        assert!(retention_rules("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, want) in [
            ("3d", "no series, tenant or duration"),
            ("{job=\"x\"} soon", "\"soon\" at the end"),
            ("{job=} 3d", "{job=}"),
            ("te#am 3d", "te#am"),
        ] {
            let error = retention_rules(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
