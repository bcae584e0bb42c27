//! Parameters as Loki reads them.

use crate::endpoints::logs::ask::Fault;
use crate::params::{Form, Time, parse_duration_ns};
use http::HeaderMap;
use parapet_logs::logql::ast::LogExpr;
use parapet_logs::logql::{Direction, Expr, parse, parse_selector};
use parapet_model::{Matcher, quote};

const HOUR_NS: i64 = 3_600_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;
/// The most entries that one query answers.
pub(in super::super) const MAX_ENTRIES: usize = 5_000;
/// How many points a metric query has about, where no step is given.
const DEFAULT_POINTS: i64 = 250;

/// A time: seconds with a fraction, seconds of up to ten digits, nanoseconds of more, or RFC 3339.
pub(in super::super) fn parse_time(text: &str) -> Option<i64> {
    let is_number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'))
    };
    if is_number(text) && !text.is_empty() {
        let number: i64 = text.parse().ok()?;
        return if text.len() <= 10 {
            number.checked_mul(SECOND_NS)
        } else {
            Some(number)
        };
    }
    // Seconds are read to the millisecond elsewhere: here to the nanosecond.
    if let Some((whole, fraction)) = text.split_once('.')
        && is_number(whole)
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        let seconds: i64 = whole.parse().ok()?;
        let nanos: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        let nanos = if whole.starts_with('-') { -nanos } else { nanos };
        return seconds.checked_mul(SECOND_NS)?.checked_add(nanos);
    }
    i64::try_from(Time::parse(text).ok()?.ns).ok()
}

fn time(form: &Form, name: &str) -> Result<Option<i64>, Fault> {
    let Some(text) = form.get(name) else { return Ok(None) };
    let time = parse_time(text).ok_or_else(|| {
        Fault::bad(format!(
            "could not parse '{name}' parameter: {} is no time; write nanoseconds or seconds since 1970, or RFC 3339",
            quote(text)
        ))
    })?;
    Ok(Some(time))
}

/// `start`, `end` and `since`: an hour before now until now, where nothing is said.
pub(in super::super) fn range(form: &Form, now_ns: i64) -> Result<(i64, i64), Fault> {
    let end = time(form, "end")?;
    let since = match form.get("since") {
        Some(text) => parse_duration_ns(text)
            .map_err(|error| Fault::bad(format!("could not parse 'since' parameter: {error}")))?,
        None => HOUR_NS,
    };
    let end_ns = end.unwrap_or(now_ns);
    // An end that lies ahead does not move the beginning.
    let start_ns = time(form, "start")?.unwrap_or(end_ns.min(now_ns).saturating_sub(since));
    if end_ns < start_ns {
        return Err(Fault::bad("end timestamp must not be before or equal to start time"));
    }
    Ok((start_ns, end_ns))
}

/// `time` of an instant query.
pub(in super::super) fn instant(form: &Form, now_ns: i64) -> Result<i64, Fault> {
    Ok(time(form, "time")?.unwrap_or(now_ns))
}

/// `limit`, at most [`MAX_ENTRIES`].
pub(in super::super) fn limit(form: &Form, default: usize) -> Result<usize, Fault> {
    let limit = positive(form, "limit", default)?;
    if limit > MAX_ENTRIES {
        return Err(Fault::bad(format!(
            "max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {MAX_ENTRIES})"
        )));
    }
    Ok(limit)
}

/// A number above zero.
pub(in super::super) fn positive(form: &Form, name: &str, default: usize) -> Result<usize, Fault> {
    let Some(text) = form.get(name) else { return Ok(default) };
    match text.parse::<i64>() {
        Ok(number @ 1..) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        Ok(_) => Err(Fault::bad(format!("{name} must be a positive value"))),
        Err(error) => Err(Fault::bad(format!(
            "could not parse '{name}' parameter: {} {error}",
            quote(text)
        ))),
    }
}

/// A number above zero, or none.
pub(in super::super) fn positive_or_none(form: &Form, name: &str) -> Result<Option<usize>, Fault> {
    form.get(name).map(|_| positive(form, name, 1)).transpose()
}

/// A number, 0 too.
pub(in super::super) fn count(form: &Form, name: &str, default: usize) -> Result<usize, Fault> {
    match form.get(name) {
        Some("0") => Ok(0),
        _ => positive(form, name, default),
    }
}

/// `direction`.
pub(in super::super) fn direction(form: &Form) -> Result<Direction, Fault> {
    match form.get("direction").unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "backward" => Ok(Direction::Backward),
        "forward" => Ok(Direction::Forward),
        other => Err(Fault::bad(format!("invalid direction '{other}'"))),
    }
}

/// The header by which a client asks for another form of the answer: a list with commas.
pub(super) const FLAGS_HEADER: &str = "x-loki-response-encoding-flags";
/// The flag that sets labels of streams, of records and of stages apart.
pub(super) const CATEGORIZE_LABELS: &str = "categorize-labels";

/// Whether labels are to be told by where they come from.
pub(super) fn categorize(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(FLAGS_HEADER)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|flag| flag.trim() == CATEGORIZE_LABELS)
}

/// `step`, nanoseconds: a 250th of the range where none is given, at least a second.
pub(in super::super) fn step(form: &Form, start_ns: i64, end_ns: i64) -> Result<i64, Fault> {
    let Some(text) = form.get("step") else {
        let seconds = (end_ns - start_ns) / SECOND_NS / DEFAULT_POINTS;
        return Ok(seconds.max(1) * SECOND_NS);
    };
    let step =
        parse_duration_ns(text).map_err(|error| Fault::bad(format!("could not parse 'step' parameter: {error}")))?;
    if step <= 0 {
        return Err(Fault::bad(
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    Ok(step)
}

/// `interval`, nanoseconds; 0 for none.
pub(in super::super) fn interval(form: &Form) -> Result<i64, Fault> {
    let Some(text) = form.get("interval") else { return Ok(0) };
    let interval = parse_duration_ns(text)
        .map_err(|error| Fault::bad(format!("could not parse 'interval' parameter: {error}")))?;
    if interval < 0 {
        return Err(Fault::bad("interval must be >= 0"));
    }
    Ok(interval)
}

/// `query`, in LogQL.
pub(in super::super) fn expression(form: &Form) -> Result<Expr, Fault> {
    parse(form.get("query").unwrap_or_default()).map_err(|error| Fault::bad(error.to_string()))
}

/// `query`, which must be one of lines.
pub(in super::super) fn log_expression(form: &Form) -> Result<LogExpr, Fault> {
    match expression(form)? {
        Expr::Log(log) => Ok(log),
        Expr::Metric(_) => Err(Fault::bad(
            "only log queries are supported here; write a stream selector and stages",
        )),
    }
}

/// Selectors of streams: none stands for all.
pub(in super::super) fn selectors<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Vec<Matcher>>, Fault> {
    let mut sets = Vec::new();
    for text in texts {
        // `{}` stands for all too.
        let matchers = parse_selector(text).map_err(|error| Fault::bad(error.to_string()))?;
        if matchers.is_empty() {
            return Ok(Vec::new());
        }
        sets.push(matchers);
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(query: &str) -> Form {
        Form::parse(Some(query), None)
    }

    #[test]
    fn times_in_every_form() {
        for (text, want) in [
            ("1700000000", Some(1_700_000_000_000_000_000)),
            ("1700000000123456789", Some(1_700_000_000_123_456_789)),
            ("1700000000.5", Some(1_700_000_000_500_000_000)),
            ("1700000000.123456789", Some(1_700_000_000_123_456_789)),
            ("-1.5", Some(-1_500_000_000)),
            ("2023-11-14T22:13:20.000000001Z", Some(1_700_000_000_000_000_001)),
            ("4000000000", Some(4_000_000_000_000_000_000)),
            ("9999999999", None),
            ("soon", None),
            ("1.x", None),
        ] {
            assert_eq!(parse_time(text), want, "{text}");
        }
    }

    #[test]
    fn ranges_and_their_defaults() {
        let now = 10 * HOUR_NS;
        assert_eq!(range(&form(""), now), Ok((9 * HOUR_NS, now)));
        assert_eq!(range(&form("since=2h"), now), Ok((8 * HOUR_NS, now)));
        assert_eq!(range(&form("start=3600&end=7200"), now), Ok((HOUR_NS, 2 * HOUR_NS)));
        assert_eq!(range(&form("end=72000"), now), Ok((9 * HOUR_NS, 20 * HOUR_NS)));
        assert!(range(&form("start=7200&end=3600"), now).is_err());
        assert!(range(&form("start=x"), now).unwrap_err().reason.contains("'start'"));
        assert_eq!(step(&form(""), 0, HOUR_NS), Ok(14 * SECOND_NS));
        assert_eq!(step(&form("step=500ms"), 0, HOUR_NS), Ok(500_000_000));
        assert!(step(&form("step=0"), 0, HOUR_NS).is_err());
    }

    #[test]
    fn limits_and_directions() {
        assert_eq!(limit(&form(""), 100), Ok(100));
        assert_eq!(limit(&form("limit=5000"), 100), Ok(5_000));
        for text in ["limit=0", "limit=-1", "limit=x", "limit=5001"] {
            assert!(limit(&form(text), 100).is_err(), "{text}");
        }
        assert_eq!(direction(&form("direction=FORWARD")), Ok(Direction::Forward));
        assert!(direction(&form("direction=up")).is_err());
        assert_eq!(selectors([r#"{a="b"}"#, "{}"]), Ok(Vec::new()));
        assert_eq!(selectors([r#"{a="b"}"#]).map(|sets| sets.len()), Ok(1));
        assert!(selectors(["x"]).is_err());
    }
}
