//! Milliseconds as RFC 3339 in JSON.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn format(at_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn parse<E: serde::de::Error>(text: &str) -> Result<i64, E> {
    let time =
        DateTime::parse_from_rfc3339(text).map_err(|error| E::custom(format!("{text:?} is no time: {error}")))?;
    Ok(time.timestamp_millis())
}

pub(crate) fn serialize<S: Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    format(*at_ms).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

/// The same for a time that may be absent.
pub(crate) mod optional {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(at_ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        at_ms.map(format).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse(&text)).transpose()
    }
}
