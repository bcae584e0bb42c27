//! Rules for the answer to an HTTP request.

use crate::Report;
use parapet_config::modules::HttpProbe;

/// Registers the gauges that every HTTP probe has.
pub fn register(report: &mut Report) {
    report.labelled(
        "probe_http_duration_seconds",
        "Duration of http request by phase, summed over all redirects",
    );
    for (name, help) in [
        ("probe_http_content_length", "Length of http content response"),
        (
            "probe_http_uncompressed_body_length",
            "Length of uncompressed response body",
        ),
        ("probe_http_redirects", "The number of redirects"),
        ("probe_http_ssl", "Indicates if SSL was used for the final redirect"),
        ("probe_http_status_code", "Response HTTP status code"),
        (
            "probe_http_version",
            "Returns the version of HTTP of the probe response",
        ),
        ("probe_failed_due_to_regex", "Indicates if probe failed due to regex"),
    ] {
        report.gauge(name, help);
    }
}

/// Whether a status is as it has to be: one of the list, or 2xx where there is none.
pub fn is_valid_status(module: &HttpProbe, status: u16, report: &mut Report) -> bool {
    let valid = if module.valid_status_codes.is_empty() {
        (200..300).contains(&status)
    } else {
        module.valid_status_codes.contains(&u64::from(status))
    };
    if !valid {
        let wanted = if module.valid_status_codes.is_empty() {
            "2xx".to_owned()
        } else {
            format!("{:?}", module.valid_status_codes)
        };
        report.say(format!("Invalid HTTP response status code {status}, wanted {wanted}"));
    }
    valid
}

/// Whether the headers of an answer are as they have to be; `values` gives those of a name.
pub fn are_valid_headers<'a>(module: &HttpProbe, values: impl Fn(&str) -> Vec<&'a [u8]>, report: &mut Report) -> bool {
    let rules = [
        (&module.fail_if_header_matches, true),
        (&module.fail_if_header_not_matches, false),
    ];
    for (rules, fails) in rules {
        for rule in rules {
            let found = values(&rule.header);
            if found.is_empty() {
                if rule.allow_missing {
                    continue;
                }
                report.say(format!("Missing required header {}", rule.header));
                return false;
            }
            let matches = |value: &&[u8]| rule.regexp.is_match(&String::from_utf8_lossy(value));
            if found.iter().any(matches) == fails {
                let did = if fails { "matched" } else { "did not match" };
                report.say(format!(
                    "Header {} {did} regular expression {}",
                    rule.header, rule.regexp
                ));
                return false;
            }
        }
    }
    true
}

/// Whether a body is as it has to be.
pub fn is_valid_body(module: &HttpProbe, body: &[u8], report: &mut Report) -> bool {
    let text = String::from_utf8_lossy(body);
    if let Some(regex) = module.fail_if_body_matches.iter().find(|regex| regex.is_match(&text)) {
        report.say(format!("Body matched regular expression {regex}"));
        return false;
    }
    let not = module
        .fail_if_body_not_matches
        .iter()
        .find(|regex| !regex.is_match(&text));
    if let Some(regex) = not {
        report.say(format!("Body did not match regular expression {regex}"));
        return false;
    }
    true
}

/// `Last-Modified` as seconds since the epoch.
#[must_use]
pub fn last_modified(text: &str) -> Option<i64> {
    // Mon, 02 Jan 2006 15:04:05 GMT
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = words.next()?;
    let month = months.iter().position(|known| *known == month)?;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
    if words.next() != Some("GMT") || !is_time || !(1..=31).contains(&day) || !(0..10_000).contains(&year) {
        return None;
    }
    Some(
        crate::certificate::days(year, i64::try_from(month).ok()? + 1, day) * 86_400
            + hour * 3600
            + minute * 60
            + second,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_config::modules::{Modules, Prober};

    fn module(http: &str) -> HttpProbe {
        let text = format!("modules: {{m: {{prober: http, http: {http}}}}}");
        match Modules::parse("b.yml", &text).unwrap().0["m"].prober.clone() {
            Prober::Http(probe) => *probe,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn statuses_headers_and_bodies() {
        let mut report = Report::default();
        assert!(is_valid_status(&module("{}"), 204, &mut report));
        assert!(!is_valid_status(&module("{}"), 301, &mut report));
        assert!(is_valid_status(
            &module("{valid_status_codes: [301]}"),
            301,
            &mut report
        ));
        assert!(!is_valid_status(
            &module("{valid_status_codes: [301]}"),
            200,
            &mut report
        ));
        let headers = |name: &str| -> Vec<&'static [u8]> {
            match name {
                "Server" => vec![b"nginx", b"other"],
                _ => Vec::new(),
            }
        };
        for (http, want) in [
            ("{fail_if_header_matches: [{header: Server, regexp: ngi}]}", false),
            ("{fail_if_header_matches: [{header: Server, regexp: apache}]}", true),
            (
                "{fail_if_header_not_matches: [{header: Server, regexp: ^other$}]}",
                true,
            ),
            (
                "{fail_if_header_not_matches: [{header: Server, regexp: apache}]}",
                false,
            ),
            ("{fail_if_header_matches: [{header: X, regexp: a}]}", false),
            (
                "{fail_if_header_matches: [{header: X, regexp: a, allow_missing: true}]}",
                true,
            ),
        ] {
            assert_eq!(are_valid_headers(&module(http), headers, &mut report), want, "{http}");
        }
        let body = module("{fail_if_body_matches_regexp: [bad], fail_if_body_not_matches_regexp: [go+d]}");
        for (text, want) in [("good", true), ("good bad", false), ("god", true), ("gd", false)] {
            assert_eq!(is_valid_body(&body, text.as_bytes(), &mut report), want, "{text}");
        }
    }

    #[test]
    fn dates_of_http() {
        assert_eq!(last_modified("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for text in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 25:00:00 GMT",
        ] {
            assert_eq!(last_modified(text), None, "{text}");
        }
    }
}
