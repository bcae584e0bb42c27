//! Encodes a `MetricFamily` that is written in protobuf's text form.

use parapet_protobuf::{put_bytes, put_key, put_varint};

/// What a field of a message holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Varint,
    Zigzag,
    Double,
    Message(&'static [(&'static str, u32, Kind)]),
}
use Kind::{Double, Message, Text, Varint, Zigzag};

const LABEL: Kind = Message(&[("name", 1, Text), ("value", 2, Text)]);
const TIME: Kind = Message(&[("seconds", 1, Varint), ("nanos", 2, Varint)]);
const EXEMPLAR: Kind = Message(&[("label", 1, LABEL), ("value", 2, Double), ("timestamp", 3, TIME)]);
const VALUE: Kind = Message(&[
    ("value", 1, Double),
    ("exemplar", 2, EXEMPLAR),
    ("start_timestamp", 3, TIME),
]);
const SPAN: Kind = Message(&[("offset", 1, Zigzag), ("length", 2, Varint)]);
const SUMMARY: Kind = Message(&[
    ("sample_count", 1, Varint),
    ("sample_sum", 2, Double),
    ("quantile", 3, Message(&[("quantile", 1, Double), ("value", 2, Double)])),
    ("start_timestamp", 4, TIME),
]);
const BUCKET: Kind = Message(&[
    ("cumulative_count", 1, Varint),
    ("upper_bound", 2, Double),
    ("exemplar", 3, EXEMPLAR),
    ("cumulative_count_float", 4, Double),
]);
const HISTOGRAM: Kind = Message(&[
    ("sample_count", 1, Varint),
    ("sample_sum", 2, Double),
    ("bucket", 3, BUCKET),
    ("sample_count_float", 4, Double),
    ("schema", 5, Zigzag),
    ("zero_threshold", 6, Double),
    ("zero_count", 7, Varint),
    ("zero_count_float", 8, Double),
    ("negative_span", 9, SPAN),
    ("negative_delta", 10, Zigzag),
    ("negative_count", 11, Double),
    ("positive_span", 12, SPAN),
    ("positive_delta", 13, Zigzag),
    ("positive_count", 14, Double),
    ("start_timestamp", 15, TIME),
    ("exemplars", 16, EXEMPLAR),
]);
const METRIC: Kind = Message(&[
    ("label", 1, LABEL),
    ("gauge", 2, VALUE),
    ("counter", 3, VALUE),
    ("summary", 4, SUMMARY),
    ("untyped", 5, VALUE),
    ("timestamp_ms", 6, Varint),
    ("histogram", 7, HISTOGRAM),
]);
const FAMILY: &[(&str, u32, Kind)] = &[
    ("name", 1, Text),
    ("help", 2, Text),
    ("type", 3, Varint),
    ("metric", 4, METRIC),
    ("unit", 5, Text),
];
const TYPES: [&str; 6] = ["COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM"];

/// The bytes of a family.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut tokens = tokens(text).into_iter();
    message(&mut tokens, FAMILY)
}

/// Names, values in quotes and out of them, `<` and `>`.
fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').unwrap() + 2,
            None if rest.starts_with(['<', '>']) => 1,
            None => rest.find([' ', '\n', '<', '>']).unwrap_or(rest.len()),
        };
        out.push(rest[..length].trim_end_matches(':').to_owned());
        rest = rest[length..].trim_start();
    }
    out
}

fn message(tokens: &mut impl Iterator<Item = String>, fields: &[(&str, u32, Kind)]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(name) = tokens.next().filter(|token| token != ">") {
        let (_, number, kind) = fields
            .iter()
            .find(|(field, ..)| *field == name)
            .unwrap_or_else(|| panic!("{name}"));
        let value = tokens.next().unwrap();
        match kind {
            Text => put_bytes(&mut out, *number, value.trim_matches('"').as_bytes()),
            Varint => {
                put_key(&mut out, *number, 0);
                let named = TYPES.iter().position(|name| *name == value);
                put_varint(&mut out, named.map_or_else(|| value.parse().unwrap(), |at| at as u64));
            }
            Zigzag => {
                put_key(&mut out, *number, 0);
                let value: i64 = value.parse().unwrap();
                put_varint(&mut out, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
            }
            Double => {
                put_key(&mut out, *number, 1);
                out.extend(value.parse::<f64>().unwrap().to_le_bytes());
            }
            Message(fields) => {
                assert_eq!(value, "<");
                put_bytes(&mut out, *number, &message(tokens, fields));
            }
        }
    }
    out
}
