//! The functions of Prometheus' rule templates (`template/template.go`).

use super::{Table, Type, humanize, matches, pure, replace_all, safe_html, text, to_lower, to_upper, with_environment};
use crate::environment::Environment;
use crate::value::Value;

pub(super) const FUNCTIONS: Table = &[
    ("query", with_environment(&[Type::String], query)),
    ("first", pure(&[Type::Queried], first)),
    (
        "label",
        pure(&[Type::String, Type::Sample], |arguments| {
            Ok(label(&arguments[1], text(arguments, 0)))
        }),
    ),
    (
        "value",
        pure(&[Type::Sample], |arguments| Ok(field(&arguments[0], "Value"))),
    ),
    (
        "strvalue",
        pure(&[Type::Sample], |arguments| Ok(label(&arguments[0], "__value__"))),
    ),
    ("sortByLabel", pure(&[Type::String, Type::Queried], sort_by_label)),
    ("args", super::variadic(&[], Type::Any, arguments_map)),
    (
        "reReplaceAll",
        pure(&[Type::String, Type::String, Type::String], replace_all),
    ),
    ("match", pure(&[Type::String, Type::String], matches)),
    ("safeHtml", pure(&[Type::String], safe_html)),
    (
        "title",
        pure(&[Type::String], |arguments| {
            Ok(Value::from(super::text::title(text(arguments, 0), false)))
        }),
    ),
    ("toUpper", pure(&[Type::String], to_upper)),
    ("toLower", pure(&[Type::String], to_lower)),
    (
        "graphLink",
        pure(&[Type::String], |arguments| Ok(link(text(arguments, 0), 0))),
    ),
    (
        "tableLink",
        pure(&[Type::String], |arguments| Ok(link(text(arguments, 0), 1))),
    ),
    ("stripPort", pure(&[Type::String], strip_port)),
    ("stripDomain", pure(&[Type::String], strip_domain)),
    ("humanize", pure(&[Type::Any], humanize::humanize)),
    ("humanize1024", pure(&[Type::Any], humanize::humanize_1024)),
    ("humanizeDuration", pure(&[Type::Any], humanize::humanize_duration)),
    ("humanizePercentage", pure(&[Type::Any], humanize::humanize_percentage)),
    ("humanizeTimestamp", pure(&[Type::Any], humanize::humanize_timestamp)),
    (
        "toTime",
        pure(&[Type::Any], |arguments| {
            humanize::float_to_time(humanize::to_float(&arguments[0])?).map(Value::Time)
        }),
    ),
    (
        "toDuration",
        pure(&[Type::Any], |arguments| {
            Ok(Value::Duration((humanize::to_float(&arguments[0])? * 1e9) as i64))
        }),
    ),
    (
        "now",
        with_environment(&[], |environment, _| {
            Ok(Value::Float(environment.now_ms as f64 / 1000.0))
        }),
    ),
    (
        "pathPrefix",
        with_environment(&[], |environment, _| {
            Ok(Value::from(url_path(environment.external_url)))
        }),
    ),
    (
        "externalURL",
        with_environment(&[], |environment, _| Ok(Value::from(environment.external_url))),
    ),
    ("parseDuration", pure(&[Type::String], parse_duration)),
    (
        "urlQueryEscape",
        pure(&[Type::String], |arguments| {
            Ok(Value::from(super::text::query_escape(text(arguments, 0))))
        }),
    ),
];

fn query(environment: &mut Environment<'_>, arguments: &[Value]) -> Result<Value, String> {
    let Some(run) = environment.query.as_mut() else {
        return Err("query is not available here".to_owned());
    };
    let samples = run(text(arguments, 0))?;
    Ok(Value::typed_list(
        "template.queryResult",
        samples.into_iter().map(|sample| {
            Value::record(
                "*template.sample",
                vec![("Labels", Value::from(&sample.labels)), ("Value", sample.value)],
            )
        }),
    ))
}

fn field(sample: &Value, name: &str) -> Value {
    match sample {
        Value::Object(object) => object.field(name).unwrap_or_default(),
        _ => Value::Nil,
    }
}

fn label(sample: &Value, name: &str) -> Value {
    match field(sample, "Labels") {
        Value::Map(labels) => labels.entries.get(name).cloned().unwrap_or_else(|| Value::from("")),
        _ => Value::from(""),
    }
}

fn first(arguments: &[Value]) -> Result<Value, String> {
    arguments[0]
        .items()
        .and_then(|items| items.first().cloned())
        .ok_or_else(|| "first() called on vector with no elements".to_owned())
}

fn sort_by_label(arguments: &[Value]) -> Result<Value, String> {
    let name = text(arguments, 0);
    let mut items: Vec<Value> = arguments[1].items().map(|items| items.to_vec()).unwrap_or_default();
    items.sort_by_cached_key(|sample| label(sample, name).as_str().unwrap_or_default().to_owned());
    Ok(Value::typed_list("template.queryResult", items))
}

fn arguments_map(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::map(
        arguments
            .iter()
            .enumerate()
            .map(|(index, value)| (format!("arg{index}"), value.clone())),
    ))
}

fn link(expression: &str, tab: u8) -> Value {
    Value::from(format!(
        "/graph?g0.expr={}&g0.tab={tab}",
        super::text::query_escape(expression)
    ))
}

fn parse_duration(arguments: &[Value]) -> Result<Value, String> {
    let text = text(arguments, 0);
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let millis = parapet_model::parse_duration_ms(magnitude).map_err(|error| error.to_string())?;
    Ok(Value::Float(sign * millis as f64 / 1000.0))
}

/// The path of a URL, without its query.
fn url_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |slash| &rest[slash..]);
    path.split(['?', '#']).next().unwrap_or_default()
}

/// `net.SplitHostPort`; `None` where Go gives an error.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let host = match text.strip_prefix('[') {
        Some(_) => {
            let end = text.find(']')?;
            if end + 1 != colon {
                return None;
            }
            &text[1..end]
        }
        None => {
            let host = &text[..colon];
            if host.contains([':', '[', ']']) {
                return None;
            }
            host
        }
    };
    let port = &text[colon + 1..];
    (!port.contains(['[', ']'])).then_some((host, port))
}

fn strip_port(arguments: &[Value]) -> Result<Value, String> {
    let whole = text(arguments, 0);
    Ok(Value::from(split_host_port(whole).map_or(whole, |(host, _)| host)))
}

fn strip_domain(arguments: &[Value]) -> Result<Value, String> {
    let whole = text(arguments, 0);
    let (host, port) = split_host_port(whole).unwrap_or((whole, ""));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return Ok(Value::from(whole));
    }
    let short = host.split('.').next().unwrap_or_default();
    Ok(Value::from(match (port, short.contains(':')) {
        ("", _) => short.to_owned(),
        (port, true) => format!("[{short}]:{port}"),
        (port, false) => format!("{short}:{port}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_path_of_a_url() {
        for (url, want) in [
            ("http://testhost:9090/path/prefix", "/path/prefix"),
            ("http://testhost:9090", ""),
            ("https://a/b?c=/d", "/b"),
        ] {
            assert_eq!(url_path(url), want);
        }
    }
}
