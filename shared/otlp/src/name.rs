//! Names: an instrument's name and unit as a metric's name, an attribute's as a label's.
//!
//! As the module `prometheus/otlptranslator` does in the version of Prometheus 3.5. Later versions leave a suffix
//! away that a name outside the classic character set has already; this one adds it.

use crate::Settings;
use std::borrow::Cow;

/// What a name is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Other,
}

/// The metric's name.
pub(crate) fn metric(name: &str, unit: &str, kind: Kind, settings: &Settings) -> String {
    if settings.allow_utf8 {
        return with_suffixes(name, unit, kind, settings);
    }
    if !settings.add_suffixes {
        let parts = name.split(|c: char| !(is_metric_char(c) || c == '_'));
        return digit_first(join(parts.filter(|part| !part.is_empty()).collect()), "_");
    }
    let mut tokens: Vec<&str> = name.split(|c| !is_metric_char(c)).filter(|t| !t.is_empty()).collect();
    let (main, per) = unit_suffixes(unit);
    let (mut main, per) = (clean(&main), clean(&per));
    if tokens.contains(&main.as_str()) {
        main.clear();
    }
    let mut per = if per == "per_" {
        ""
    } else {
        per.strip_suffix('_').unwrap_or(&per)
    };
    if tokens.contains(&per) {
        per = "";
    }
    let main = match per {
        "" => main.as_str(),
        _ => main.strip_suffix('_').unwrap_or(&main),
    };
    tokens.extend([main, per].into_iter().filter(|token| !token.is_empty()));
    if let Some(last) = last_suffix(unit, kind) {
        tokens.retain(|token| *token != last);
        tokens.push(last);
    }
    digit_first(join(tokens), "_")
}

/// The label's name.
pub(crate) fn label<'a>(name: &'a str, settings: &Settings) -> Cow<'a, str> {
    if settings.allow_utf8 || name.is_empty() {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 4);
    let reserved = name.len() >= 4 && name.starts_with("__") && name.ends_with("__");
    if settings.preserve_underscores {
        out.extend(name.chars().map(label_char));
    } else {
        let inner = if reserved { &name[2..name.len() - 2] } else { name };
        for c in inner.chars().map(label_char) {
            if c != '_' || !out.ends_with('_') {
                out.push(c);
            }
        }
        if reserved {
            out = format!("__{out}__");
        }
    }
    if settings.sanitize_underscores && out.starts_with('_') && !out.starts_with("__") {
        out.insert_str(0, "key");
    }
    Cow::Owned(digit_first(out, "key_"))
}

/// A name outside the classic character set: only suffixes are added.
fn with_suffixes(name: &str, unit: &str, kind: Kind, settings: &Settings) -> String {
    let mut out = name.to_owned();
    if settings.add_suffixes {
        let (main, per) = unit_suffixes(unit);
        let last = last_suffix(unit, kind).unwrap_or_default();
        for suffix in [main.as_ref(), per.as_ref(), last] {
            if !suffix.is_empty() {
                out.push('_');
                out.push_str(suffix);
            }
        }
    }
    out
}

fn last_suffix(unit: &str, kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Counter => Some("total"),
        Kind::Gauge if unit == "1" => Some("ratio"),
        _ => None,
    }
}

fn join(parts: Vec<&str>) -> String {
    parts.join("_")
}

fn digit_first(name: String, prefix: &str) -> String {
    if name.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return format!("{prefix}{name}");
    }
    name
}

fn is_metric_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

fn label_char(c: char) -> char {
    if c.is_ascii_alphanumeric() { c } else { '_' }
}

/// The words for a unit in the notation of UCUM: the main one, and the one after the slash with `per_` before.
fn unit_suffixes(unit: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let sound = |part: &str| !part.is_empty() && !part.contains(['{', '}']);
    let (main, per) = (main.trim(), per.trim());
    let main = if sound(main) { main_word(main) } else { "" };
    let per = match per {
        per if !sound(per) => Cow::Borrowed(""),
        per => Cow::Owned(format!("per_{}", per_word(per))),
    };
    (Cow::Borrowed(main), per)
}

fn main_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

/// Other characters as underscores, several as one, none at the beginning.
fn clean(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars().map(|c| if is_metric_char(c) { c } else { '_' }) {
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    match out.strip_prefix('_') {
        Some(rest) => rest.to_owned(),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of the module's own tests.
    #[test]
    fn metric_names() {
        let classic = Settings::default();
        for (name, unit, kind, want) in [
            ("system.io", "By", Kind::Counter, "system_io_bytes_total"),
            (
                "system.filesystem.utilization",
                "1",
                Kind::Gauge,
                "system_filesystem_utilization_ratio",
            ),
            ("hw.gpu.io", "By/s", Kind::Gauge, "hw_gpu_io_bytes_per_second"),
            (
                "active.directory.ds.replication.network.io",
                "By",
                Kind::Counter,
                "active_directory_ds_replication_network_io_bytes_total",
            ),
            (
                "postgresql.table.count",
                "{tables}",
                Kind::Other,
                "postgresql_table_count",
            ),
            ("a_total_bytes", "By", Kind::Counter, "a_bytes_total"),
            ("total.count", "1", Kind::Counter, "count_total"),
            ("process.uptime", "s/{x}", Kind::Other, "process_uptime_seconds"),
            ("2xx", "", Kind::Gauge, "_2xx"),
            (
                "memory.swap.usage_percent",
                "%",
                Kind::Gauge,
                "memory_swap_usage_percent",
            ),
            ("x", "m/h", Kind::Gauge, "x_meters_per_hour"),
            ("x", "_", Kind::Gauge, "x"),
            ("x", "a#b//c", Kind::Gauge, "x_a_b_per_c"),
            ("_a__b", "", Kind::Other, "a_b"),
        ] {
            assert_eq!(metric(name, unit, kind, &classic), want, "{name} {unit}");
        }
        let utf8 = Settings {
            allow_utf8: true,
            ..Settings::default()
        };
        assert_eq!(
            metric("system.io", "By/s", Kind::Counter, &utf8),
            "system.io_bytes_per_second_total"
        );
        let plain = Settings {
            add_suffixes: false,
            ..Settings::default()
        };
        assert_eq!(metric("1system.io_x ", "By", Kind::Counter, &plain), "_1system_io_x");
    }

    #[test]
    fn label_names() {
        let default = Settings::default();
        let collapsing = Settings {
            preserve_underscores: false,
            sanitize_underscores: false,
            ..Settings::default()
        };
        for (name, kept, collapsed) in [
            ("http.method", "http_method", "http_method"),
            ("1a", "key_1a", "key_1a"),
            ("_a", "key_a", "_a"),
            ("__a__", "__a__", "__a__"),
            ("a..b", "a__b", "a_b"),
            ("ä", "key_", "_"),
            ("", "", ""),
        ] {
            assert_eq!(label(name, &default), kept, "{name}");
            assert_eq!(label(name, &collapsing), collapsed, "{name}");
        }
    }
}
