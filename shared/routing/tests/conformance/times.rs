//! Recurring times.

use crate::cases;
use parapet_routing::{DayOfMonthRange, Location, MonthRange, TimeInterval, TimeRange, WeekdayRange, YearRange, parse};
use serde_json::Value;

/// Milliseconds since the Unix epoch of a time such as `02 Jan 06 15:04 -0700`.
fn rfc822(text: &str) -> i64 {
    // The table has one day without its leading zero.
    let padded = format!("{text:0>21}");
    chrono::DateTime::parse_from_str(&padded, "%d %b %y %H:%M %z")
        .unwrap()
        .timestamp_millis()
}

fn check_times(case: &Value, contains: impl Fn(i64) -> bool) -> usize {
    let mut ran = 0;
    for (key, want) in [("contains", true), ("excludes", false)] {
        for text in case[key].as_array().unwrap() {
            assert_eq!(contains(rfc822(text.as_str().unwrap())), want, "{text} in {case}");
            ran += 1;
        }
    }
    ran
}

#[test]
fn time_intervals() {
    let Some(data) = cases("time_interval_cases.json") else {
        return;
    };
    let mut ran = 0;
    for case in data["contains_time"].as_array().unwrap() {
        let interval = &case["interval"];
        let pairs = |key: &str, begin: &str, end: &str| -> Option<Vec<(i32, i32)>> {
            let number = |value: &Value| i32::try_from(value.as_i64().unwrap()).unwrap();
            interval[key]
                .as_array()
                .map(|list| list.iter().map(|r| (number(&r[begin]), number(&r[end]))).collect())
        };
        let minute = |(start, end): (i32, i32)| TimeRange {
            start_minute: start.unsigned_abs(),
            end_minute: end.unsigned_abs(),
        };
        let list = |key| pairs(key, "begin", "end");
        let interval = TimeInterval {
            times: pairs("times", "start_minute", "end_minute").map(|list| list.into_iter().map(minute).collect()),
            weekdays: list("weekdays").map(|list| list.into_iter().map(|(a, b)| WeekdayRange(a, b)).collect()),
            days_of_month: list("days_of_month")
                .map(|list| list.into_iter().map(|(a, b)| DayOfMonthRange(a, b)).collect()),
            months: list("months").map(|list| list.into_iter().map(|(a, b)| MonthRange(a, b)).collect()),
            years: list("years").map(|list| list.into_iter().map(|(a, b)| YearRange(a, b)).collect()),
            location: interval["location"]
                .as_str()
                .map(|name| Location::try_from(name).unwrap()),
        };
        ran += check_times(case, |at_ms| interval.contains(at_ms));
    }
    for case in data["time_range_yaml"].as_array().unwrap() {
        let parsed = serde_saphyr::from_str::<TimeRange>(case["yaml"].as_str().unwrap()).ok();
        let expect = &case["expect"];
        let want = expect["StartMinute"].as_u64().map(|start| TimeRange {
            start_minute: u32::try_from(start).unwrap(),
            end_minute: u32::try_from(expect["EndMinute"].as_u64().unwrap()).unwrap(),
        });
        assert_eq!(parsed, want, "{case}");
        ran += 1;
    }
    for case in data["yaml"].as_array().unwrap() {
        match (
            serde_saphyr::from_str::<Vec<TimeInterval>>(case["yaml"].as_str().unwrap()),
            &case["expect_error"],
        ) {
            (Ok(list), Value::Null) => {
                ran += 1 + check_times(case, |at_ms| list.iter().any(|interval| interval.contains(at_ms)));
            }
            (Err(error), Value::String(want)) => {
                assert!(error.to_string().contains(want), "{error} for {want}");
                ran += 1;
            }
            (got, want) => panic!("{got:?} for {want} in {case}"),
        }
    }
    for case in data["complete"].as_array().unwrap() {
        let interval: TimeInterval = serde_saphyr::from_str(case["yaml"].as_str().unwrap()).unwrap();
        ran += check_times(case, |at_ms| interval.contains(at_ms));
    }
    let intervals = data["mutes"]["intervals"].as_object().unwrap();
    let named: Vec<String> = intervals
        .iter()
        .map(|(name, list)| format!("{{name: {name}, time_intervals: {list}}}"))
        .collect();
    let names: Vec<&str> = intervals.keys().map(String::as_str).collect();
    let text = format!(
        "route: {{receiver: r, routes: [{{mute_time_intervals: [{}]}}]}}\nreceivers: [{{name: r}}]\ntime_intervals: [{}]",
        names.join(", "),
        named.join(", ")
    );
    let config = parse("alertmanager.yml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for case in data["mutes"]["cases"].as_array().unwrap() {
        let (time, zone) = case["now"]
            .as_str()
            .unwrap()
            .trim_end_matches(']')
            .split_once(" [")
            .unwrap();
        let zone: chrono_tz::Tz = zone.parse().unwrap();
        let local: chrono::NaiveDateTime = time.parse().unwrap();
        let at_ms = local.and_local_timezone(zone).unwrap().timestamp_millis();
        let want: Vec<&str> = case["muted_by"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(config.muted_by_time(&config.route.routes[0], at_ms), want, "{case}");
        ran += 1;
    }
    println!("time intervals: {ran} cases");
    assert!(ran >= 80);
}
