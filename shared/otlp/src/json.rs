//! What OTLP's JSON has of its own: 64-bit numbers are texts, identifiers hexadecimal digits, of several members one
//! stands. Unknown members are passed over; names in snake case are read too, as the Go library does.

use crate::proto;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use std::fmt::Display;
use std::str::FromStr;

/// `null` is the default, as everywhere in protobuf's JSON.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A number, or the text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(serde_json::Number),
    Text(String),
}

impl Written {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }

    fn whole<T: FromStr<Err: Display>, E: serde::de::Error>(self) -> Result<T, E> {
        let text = self.text();
        text.parse()
            .map_err(|error| E::custom(format!("{text:?} is no whole number that fits: {error}")))
    }

    fn double<E: serde::de::Error>(self) -> Result<f64, E> {
        let text = self.text();
        parapet_model::parse_float(&text).ok_or_else(|| E::custom(format!("{text:?} is no number")))
    }
}

pub(crate) fn number<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display> + Default,
{
    Option::<Written>::deserialize(from)?.map_or_else(|| Ok(T::default()), Written::whole)
}

pub(crate) fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
    let written = Option::<Vec<Written>>::deserialize(from)?.unwrap_or_default();
    written.into_iter().map(Written::whole).collect()
}

fn optional_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Option::<Written>::deserialize(from)?.map(Written::whole).transpose()
}

pub(crate) fn double<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Option::<Written>::deserialize(from)?.map(Written::double).transpose()
}

pub(crate) fn plain_double<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(double(from)?.unwrap_or_default())
}

pub(crate) fn doubles<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let written = Option::<Vec<Written>>::deserialize(from)?.unwrap_or_default();
    written.into_iter().map(Written::double).collect()
}

/// An enumeration's number, or its name.
pub(crate) fn temporality<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    let Some(written) = Option::<Written>::deserialize(from)? else {
        return Ok(0);
    };
    let text = written.text();
    Ok(match text.as_str() {
        "AGGREGATION_TEMPORALITY_UNSPECIFIED" => 0,
        "AGGREGATION_TEMPORALITY_DELTA" => 1,
        "AGGREGATION_TEMPORALITY_CUMULATIVE" => 2,
        number => number
            .parse()
            .map_err(|_| D::Error::custom(format!("{text:?} is no aggregation temporality")))?,
    })
}

/// A severity's number, or its name: `SEVERITY_NUMBER_WARN2`.
pub(crate) fn severity<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    const NAMES: [(&str, i32); 7] = [
        ("UNSPECIFIED", 0),
        ("TRACE", 1),
        ("DEBUG", 5),
        ("INFO", 9),
        ("WARN", 13),
        ("ERROR", 17),
        ("FATAL", 21),
    ];
    let Some(written) = Option::<Written>::deserialize(from)? else {
        return Ok(0);
    };
    let text = written.text();
    let fault = || D::Error::custom(format!("{text:?} is no severity number"));
    let Some(name) = text.strip_prefix("SEVERITY_NUMBER_") else {
        return text.parse().map_err(|_| fault());
    };
    let found = NAMES
        .iter()
        .find_map(|(begin, number)| Some((name.strip_prefix(begin)?, number)));
    match found {
        Some(("", number)) => Ok(*number),
        Some((step @ ("2" | "3" | "4"), number)) if *number > 0 => {
            Ok(number + step.parse::<i32>().map_err(|_| fault())? - 1)
        }
        _ => Err(fault()),
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn identifier<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let digits = Option::<String>::deserialize(from)?.unwrap_or_default();
    let fault = || D::Error::custom(format!("{digits:?} is no identifier in hexadecimal digits"));
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return Err(fault());
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| fault()))
        .collect()
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let decode = |text: String| {
        STANDARD
            .decode(&text)
            .map_err(|error| D::Error::custom(format!("bytesValue: {error}")))
    };
    text.map(decode).transpose()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metric {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    unit: String,
    gauge: Option<proto::Gauge>,
    sum: Option<proto::Sum>,
    histogram: Option<proto::Histogram>,
    #[serde(alias = "exponential_histogram")]
    exponential_histogram: Option<proto::ExponentialHistogram>,
    summary: Option<proto::Summary>,
}

impl From<Metric> for proto::Metric {
    fn from(read: Metric) -> Self {
        let gauge = read.gauge.map(proto::Data::Gauge);
        let sum = read.sum.map(proto::Data::Sum);
        let histogram = read.histogram.map(proto::Data::Histogram);
        let exponential = read.exponential_histogram.map(proto::Data::ExponentialHistogram);
        let summary = read.summary.map(proto::Data::Summary);
        Self {
            name: read.name,
            unit: read.unit,
            data: gauge.or(sum).or(histogram).or(exponential).or(summary),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NumberPoint {
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<proto::KeyValue>,
    #[serde(deserialize_with = "number", alias = "time_unix_nano")]
    time_unix_nano: u64,
    #[serde(deserialize_with = "double", alias = "as_double")]
    as_double: Option<f64>,
    #[serde(deserialize_with = "optional_number", alias = "as_int")]
    as_int: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    exemplars: Vec<proto::Exemplar>,
    #[serde(deserialize_with = "number")]
    flags: u32,
}

impl From<NumberPoint> for proto::NumberPoint {
    fn from(read: NumberPoint) -> Self {
        let double = read.as_double.map(proto::Number::Double);
        Self {
            attributes: read.attributes,
            time_unix_nano: read.time_unix_nano,
            value: double.or(read.as_int.map(proto::Number::Int)),
            exemplars: read.exemplars,
            flags: read.flags,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Exemplar {
    #[serde(deserialize_with = "nullable", alias = "filtered_attributes")]
    filtered_attributes: Vec<proto::KeyValue>,
    #[serde(deserialize_with = "number", alias = "time_unix_nano")]
    time_unix_nano: u64,
    #[serde(deserialize_with = "double", alias = "as_double")]
    as_double: Option<f64>,
    #[serde(deserialize_with = "optional_number", alias = "as_int")]
    as_int: Option<i64>,
    #[serde(deserialize_with = "identifier", alias = "span_id")]
    span_id: Vec<u8>,
    #[serde(deserialize_with = "identifier", alias = "trace_id")]
    trace_id: Vec<u8>,
}

impl From<Exemplar> for proto::Exemplar {
    fn from(read: Exemplar) -> Self {
        let double = read.as_double.map(proto::ExemplarNumber::Double);
        Self {
            filtered_attributes: read.filtered_attributes,
            time_unix_nano: read.time_unix_nano,
            value: double.or(read.as_int.map(proto::ExemplarNumber::Int)),
            span_id: read.span_id,
            trace_id: read.trace_id,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AnyValue {
    #[serde(alias = "string_value")]
    string_value: Option<String>,
    #[serde(alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(deserialize_with = "optional_number", alias = "int_value")]
    int_value: Option<i64>,
    #[serde(deserialize_with = "double", alias = "double_value")]
    double_value: Option<f64>,
    #[serde(alias = "array_value")]
    array_value: Option<proto::Array>,
    #[serde(alias = "kvlist_value")]
    kvlist_value: Option<proto::Map>,
    #[serde(deserialize_with = "bytes", alias = "bytes_value")]
    bytes_value: Option<Vec<u8>>,
}

impl From<AnyValue> for proto::AnyValue {
    fn from(read: AnyValue) -> Self {
        use proto::Value;
        let value = read
            .string_value
            .map(Value::String)
            .or(read.bool_value.map(Value::Bool))
            .or(read.int_value.map(Value::Int))
            .or(read.double_value.map(Value::Double))
            .or(read.array_value.map(Value::Array))
            .or(read.kvlist_value.map(Value::Map))
            .or(read.bytes_value.map(Value::Bytes));
        Self { value }
    }
}
