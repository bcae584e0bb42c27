//! The functions of Alertmanager's notification templates (`template/template.go`).

use super::{
    Call, Function, Table, Type, humanize, matches, pure, replace_all, safe_html, text, to_lower, to_upper, variadic,
    with_environment,
};
use crate::time::Time;
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

pub(super) const FUNCTIONS: Table = &[
    ("toUpper", pure(&[Type::String], to_upper)),
    ("toLower", pure(&[Type::String], to_lower)),
    (
        "title",
        pure(&[Type::String], |arguments| {
            Ok(Value::from(super::text::title(text(arguments, 0), true)))
        }),
    ),
    (
        "trimSpace",
        pure(&[Type::String], |arguments| Ok(Value::from(text(arguments, 0).trim()))),
    ),
    ("join", pure(&[Type::String, Type::Strings], join)),
    ("match", pure(&[Type::String, Type::String], matches)),
    ("safeHtml", pure(&[Type::String], safe_html)),
    (
        "safeUrl",
        pure(&[Type::String], |arguments| Ok(Value::Url(text(arguments, 0).into()))),
    ),
    (
        "urlUnescape",
        pure(&[Type::String], |arguments| {
            super::text::query_unescape(text(arguments, 0)).map(Value::from)
        }),
    ),
    (
        "reReplaceAll",
        pure(&[Type::String, Type::String, Type::String], replace_all),
    ),
    (
        "stringSlice",
        variadic(&[], Type::String, |arguments| {
            Ok(Value::typed_list("[]string", arguments.iter().cloned()))
        }),
    ),
    (
        "routeLabels",
        Function {
            parameters: &[Type::String],
            variadic: None,
            call: Call::RouteLabel,
        },
    ),
    ("date", pure(&[Type::String, Type::Time], date)),
    ("tz", pure(&[Type::String, Type::Time], in_zone)),
    (
        "now",
        with_environment(&[], |environment, _| {
            Ok(Value::Time(Time::from_millis(environment.now_ms)))
        }),
    ),
    (
        "since",
        with_environment(&[Type::Time], |environment, arguments| {
            Ok(Value::Duration(
                Time::from_millis(environment.now_ms).since(&time(arguments, 0)),
            ))
        }),
    ),
    ("humanizeDuration", pure(&[Type::Any], humanize::humanize_duration)),
    (
        "toDate",
        pure(&[Type::String, Type::String], |arguments| {
            Ok(Value::Time(
                Time::parse(text(arguments, 0), text(arguments, 1)).unwrap_or_else(|_| Time::zero()),
            ))
        }),
    ),
    (
        "mustToDate",
        pure(&[Type::String, Type::String], |arguments| {
            Time::parse(text(arguments, 0), text(arguments, 1)).map(Value::Time)
        }),
    ),
    (
        "toJson",
        pure(&[Type::Any], |arguments| {
            crate::json::to_json(&arguments[0]).map(Value::from)
        }),
    ),
    (
        "base64encode",
        pure(&[Type::String], |arguments| {
            Ok(Value::from(URL_SAFE.encode(text(arguments, 0))))
        }),
    ),
    ("base64decode", pure(&[Type::String], base64_decode)),
    (
        "list",
        variadic(&[], Type::Any, |arguments| Ok(Value::list(arguments.iter().cloned()))),
    ),
    ("append", variadic(&[Type::List], Type::Any, append)),
    ("dict", variadic(&[], Type::Any, dictionary)),
];

fn time(arguments: &[Value], index: usize) -> Time {
    match arguments.get(index) {
        Some(Value::Time(time)) => *time,
        _ => Time::zero(),
    }
}

fn join(arguments: &[Value]) -> Result<Value, String> {
    let texts = arguments[1].strings().unwrap_or_default();
    let separator = text(arguments, 0);
    let length = texts.iter().map(|text| text.len() + separator.len()).sum::<usize>();
    if length > crate::environment::MAX_TEXT_BYTES {
        return Err("text is too long".to_owned());
    }
    Ok(Value::from(texts.join(separator)))
}

fn date(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::from(time(arguments, 1).format(text(arguments, 0))))
}

fn in_zone(arguments: &[Value]) -> Result<Value, String> {
    time(arguments, 1).in_zone(text(arguments, 0)).map(Value::Time)
}

fn base64_decode(arguments: &[Value]) -> Result<Value, String> {
    let bytes = URL_SAFE
        .decode(text(arguments, 0))
        .map_err(|_| "illegal base64 data".to_owned())?;
    Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

fn append(arguments: &[Value]) -> Result<Value, String> {
    let mut items = arguments[0].items().map(|items| items.to_vec()).unwrap_or_default();
    items.extend_from_slice(&arguments[1..]);
    Ok(Value::list(items))
}

fn dictionary(arguments: &[Value]) -> Result<Value, String> {
    if !arguments.len().is_multiple_of(2) {
        return Err("dict requires an even number of arguments".to_owned());
    }
    let mut entries = Vec::with_capacity(arguments.len() / 2);
    for pair in arguments.chunks_exact(2) {
        let Value::String(key) = &pair[0] else {
            return Err("dict keys must be strings".to_owned());
        };
        entries.push((key.clone(), pair[1].clone()));
    }
    Ok(Value::map(entries))
}
