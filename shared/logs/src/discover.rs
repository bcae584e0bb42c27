//! What Loki finds out by itself when lines come in: the service of a stream, the level of a line.

use crate::{Level, LogRecord};
use parapet_model::{Labels, Matcher};

/// The label that Grafana's views of logs begin with.
pub const SERVICE_NAME: &str = "service_name";

/// The label of a line's level.
pub const DETECTED_LEVEL: &str = "detected_level";

/// The service where nothing tells one.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// The labels that name a service, in the order in which Loki looks for them (its `discover_service_name`).
pub const SERVICE_LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// The labels and fields that name a level, in the order in which Loki looks for them (its `log_level_fields`).
const LEVEL_NAMES: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

/// A stream with its service, where it has none and one of its labels names it.
#[must_use]
pub fn with_service(stream: Labels) -> Labels {
    if stream.get(SERVICE_NAME).is_some() {
        return stream;
    }
    match SERVICE_LABELS.iter().find_map(|name| stream.get(name)) {
        Some(service) => stream.with(SERVICE_NAME, service),
        None => stream,
    }
}

/// The service of a record: that of its stream, or the one that the record tells, or [`UNKNOWN_SERVICE`].
#[must_use]
pub fn service_name<'a>(stream: &'a Labels, service: &'a str) -> &'a str {
    let own = if service.is_empty() { UNKNOWN_SERVICE } else { service };
    stream.get(SERVICE_NAME).unwrap_or(own)
}

/// The label `detected_level`.
#[must_use]
pub fn detected_level(level: Option<Level>) -> &'static str {
    level.map_or("unknown", Level::detected)
}

/// The level of a line that no stage found: what a label of the stream or a field calls level, or else the first word of
/// the line that is one. Neither `misc:error` nor `errors` is such a word.
pub(crate) fn level<'a>(
    stream: &'a Labels,
    field: impl Fn(&'static str) -> Option<&'a str>,
    line: &[u8],
) -> Option<Level> {
    let of_fields = LEVEL_NAMES.iter().enumerate();
    let mut of_fields = of_fields.filter_map(|(place, name)| Some((place, field(name)?)));
    let named = [named(stream), of_fields.find(|(_, word)| !word.is_empty())];
    match named.into_iter().flatten().min_by_key(|(place, _)| *place) {
        Some((_, word)) => Level::from_word(word),
        None => level_of_line(line),
    }
}

/// The first of the names of a level that labels have: its place among them, and its value.
fn named(labels: &Labels) -> Option<(usize, &str)> {
    // Nearly all labels have other first letters.
    let may_be = |name: &[u8]| matches!(name.first(), Some(b'l' | b'L' | b's' | b'S'));
    let places = labels.iter_bytes().filter(|(name, _)| may_be(name));
    let places = places.filter_map(|(name, _)| LEVEL_NAMES.iter().position(|known| known.as_bytes() == name));
    let first = places.min()?;
    Some((first, labels.get(LEVEL_NAMES[first])?))
}

/// As Loki finds it where the line is no JSON and no logfmt with a level.
fn level_of_line(line: &[u8]) -> Option<Level> {
    let mut before = BOUNDARY;
    for (start, byte) in line.iter().enumerate() {
        let kind = KINDS[usize::from(*byte)];
        if before & BOUNDARY != 0
            && kind & FIRST_LETTER != 0
            && let Some(level) = level_of_word(&line[start..])
        {
            return Some(level);
        }
        before = kind;
    }
    None
}

/// What stands before a word that is a level.
const BOUNDARY: u8 = 1;

/// With what such a word begins.
const FIRST_LETTER: u8 = 2;

/// What a byte is of these.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    mark(&mut kinds, b" \t\n[({\"'=|", BOUNDARY);
    mark(&mut kinds, b"tdfcewiTDFCEWI", FIRST_LETTER);
    kinds
};

const fn mark(kinds: &mut [u8; 256], bytes: &[u8], kind: u8) {
    let mut index = 0;
    while index < bytes.len() {
        kinds[bytes[index] as usize] |= kind;
        index += 1;
    }
}

fn is_boundary_after(byte: u8) -> bool {
    KINDS[usize::from(byte)] & BOUNDARY != 0 || matches!(byte, b']' | b')' | b'}' | b':' | b',' | b'!')
}

/// The level that a text begins with, if that is a word of its own.
fn level_of_word(text: &[u8]) -> Option<Level> {
    const LONGEST: usize = "critical".len();
    let letters = text
        .iter()
        .take(LONGEST + 1)
        .take_while(|byte| byte.is_ascii_alphabetic());
    let (word, rest) = text.split_at(letters.count());
    let known = [
        "trace", "debug", "fatal", "critical", "error", "err", "warning", "warn", "info",
    ];
    let word = known.iter().find(|known| word.eq_ignore_ascii_case(known.as_bytes()))?;
    let is_whole = rest.first().is_none_or(|next| is_boundary_after(*next));
    is_whole.then(|| Level::from_word(word)).flatten()
}

/// What a selector finds as a label: one of the stream, or `service_name`, `host` and `detected_level` of the record;
/// empty where there is none. `None` where `level` is, which is that of many records then, and it would tell.
#[must_use]
pub fn label<'a>(
    name: &str,
    stream: &'a Labels,
    service: &'a str,
    host: &'a str,
    level: Option<Option<Level>>,
) -> Option<&'a str> {
    stream.get(name).or_else(|| match name {
        SERVICE_NAME => Some(service_name(stream, service)),
        "host" => Some(host),
        DETECTED_LEVEL => level.map(detected_level),
        _ => Some(""),
    })
}

/// Whether a record is of the streams that a selector's matcher wants.
#[must_use]
pub fn matches(matcher: &Matcher, record: &LogRecord) -> bool {
    let LogRecord {
        stream, service, host, ..
    } = record;
    label(&matcher.name, stream, service, host, Some(record.level)).is_some_and(|value| matcher.matches(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_streams() {
        let stream = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        for (labels, service, want) in [
            (stream(&[("job", "cron"), ("app", "web")]), "", "web"),
            (stream(&[("job", "cron")]), "found", "cron"),
            (stream(&[("service_name", "shop"), ("app", "web")]), "", "shop"),
            (stream(&[("filename", "/a")]), "found", "found"),
            (stream(&[("filename", "/a")]), "", "unknown_service"),
        ] {
            let labels = with_service(labels);
            assert_eq!(service_name(&labels, service), want, "{labels}");
        }
    }

    #[test]
    fn levels_of_lines() {
        for (line, want) in [
            ("2026-01-05 ERROR it failed", Some(Level::Error)),
            ("[warn] then error", Some(Level::Warning)),
            ("misc:error is none, (info) is", Some(Level::Info)),
            ("errors, information, inferred", None),
            ("an err: yes", Some(Level::Error)),
            ("x err", Some(Level::Error)),
            (r#"{"Level":"Fatal"}"#, Some(Level::Critical)),
            ("level=trace", Some(Level::Debug)),
            ("errinfo info", Some(Level::Info)),
            ("warning", Some(Level::Warning)),
            ("", None),
        ] {
            assert_eq!(level_of_line(line.as_bytes()), want, "{line}");
        }
        for before in 0..50 {
            let line = format!("{} Warn {}", "x".repeat(before), "error ".repeat(before % 4));
            assert_eq!(level_of_line(line.as_bytes()), Some(Level::Warning), "{line}");
            let line = format!("{}warn", "x ".repeat(before));
            assert_eq!(level_of_line(line.as_bytes()), Some(Level::Warning), "{line}");
        }
        let of = |stream: &[(&str, &str)], fields: &[(&str, &'static str)], line: &str| {
            let stream = Labels::from_pairs(stream.iter().copied());
            let field = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            level(&stream, field, line.as_bytes())
        };
        let fields = [
            ("lvl", "info"),
            ("log.level", "debug"),
            ("severity", "fatal"),
            ("level", ""),
        ];
        let found = of(&[("severity", "error")], &fields, "");
        assert_eq!(
            found,
            Some(Level::Debug),
            "log.level comes before severity, and an empty one is none"
        );
        assert_eq!(
            of(&[("severity", "error")], &[("severity", "fatal")], ""),
            Some(Level::Error)
        );
        assert_eq!(of(&[("severity", "notice")], &[], "an error"), Some(Level::Info));
        assert_eq!(of(&[], &[("level", "odd")], "an error"), None);
        assert_eq!(detected_level(None), "unknown");
    }
}
