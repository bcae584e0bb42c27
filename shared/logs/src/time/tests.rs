use super::*;

/// 2024-03-10T12:00:00Z.
const NOW: i64 = 1_710_072_000_000_000_000;

fn parse(format: &str, text: &str, zone: &str) -> Option<String> {
    let zone = parse_zone(zone).unwrap();
    let time = TimeFormat::new(format).unwrap().parse(text, zone, NOW)?;
    let text = chrono::DateTime::from_timestamp_nanos(time).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    Some(text)
}

#[test]
fn formats_of_every_family() {
    for (format, text, zone, want) in [
        (
            "RFC3339",
            "2024-03-10T11:22:33.123456789+01:00",
            "UTC",
            "2024-03-10T10:22:33.123456789Z",
        ),
        ("RFC3339", "2024-03-10 11:22:33Z", "UTC", "2024-03-10T11:22:33Z"),
        ("ISO8601", "2015-07-29 17:41:44,747", "UTC", "2015-07-29T17:41:44.747Z"),
        ("ISO8601", "20150729T174144Z", "UTC", "2015-07-29T17:41:44Z"),
        ("ISO8601", "2015-07-29", "Europe/Berlin", "2015-07-28T22:00:00Z"),
        (
            "2006-01-02 15:04:05",
            "2024-03-10 11:22:33.5",
            "Europe/Berlin",
            "2024-03-10T10:22:33.500Z",
        ),
        (
            "2006-01-02T15:04:05.000Z07:00",
            "2024-03-10T11:22:33.5Z",
            "UTC",
            "2024-03-10T11:22:33.500Z",
        ),
        (
            "02/Jan/2006:15:04:05 -0700",
            "17/May/2015:10:05:03 +0200",
            "UTC",
            "2015-05-17T08:05:03Z",
        ),
        (
            "Mon Jan _2 15:04:05 2006",
            "Sun Dec  4 04:47:44 2005",
            "UTC",
            "2005-12-04T04:47:44Z",
        ),
        ("3:04PM", "3:04PM", "UTC", "2024-03-10T15:04:00Z"),
        (
            "RFC1123",
            "Mon, 02 Jan 2006 15:04:05 MST",
            "UTC",
            "2006-01-02T22:04:05Z",
        ),
        (
            "%Y-%m-%d %H:%M:%S,%f",
            "2024-03-10 11:22:33,5",
            "UTC",
            "2024-03-10T11:22:33.500Z",
        ),
        (
            "%d/%b/%y:%T %z",
            "17/May/15:10:05:03 +0000",
            "UTC",
            "2015-05-17T10:05:03Z",
        ),
        ("%s", "1710072000.25", "UTC", "2024-03-10T12:00:00.250Z"),
        ("%y%m%d %H%M%S", "081109 203615", "UTC", "2008-11-09T20:36:15Z"),
        (
            "%Y-%m-%d %H:%M:%S %Z",
            "2024-07-01 12:00:00 Europe/Berlin",
            "UTC",
            "2024-07-01T10:00:00Z",
        ),
        ("%Y %j", "2024 061", "UTC", "2024-03-01T00:00:00Z"),
        (
            "%Y-%m-%d-%H.%M.%S.%f",
            "2005-06-03-15.42.50.675872",
            "UTC",
            "2005-06-03T15:42:50.675872Z",
        ),
        (
            "yyyy-MM-dd HH:mm:ss,SSS",
            "2015-10-18 18:01:47,978",
            "UTC",
            "2015-10-18T18:01:47.978Z",
        ),
        (
            "yyyyMMdd-H:m:s:SSS",
            "20171224-1:2:35:789",
            "UTC",
            "2017-12-24T01:02:35.789Z",
        ),
        (
            "yyyy-MM-dd'T'HH:mm:ssXXX",
            "2015-10-18T18:01:47+02:00",
            "UTC",
            "2015-10-18T16:01:47Z",
        ),
        ("yy/MM/dd HH:mm:ss", "17/06/09 20:10:40", "UTC", "2017-06-09T20:10:40Z"),
        ("Unix", "1710072000", "UTC", "2024-03-10T12:00:00Z"),
        ("UnixMs", "1710072000123", "UTC", "2024-03-10T12:00:00.123Z"),
        ("UNIX_MS", "1710072000123.5", "UTC", "2024-03-10T12:00:00.123500Z"),
        ("Epoch", "1710072000123456", "UTC", "2024-03-10T12:00:00.123456Z"),
    ] {
        assert_eq!(parse(format, text, zone).as_deref(), Some(want), "{format} {text}");
    }
}

#[test]
fn what_is_missing_comes_from_the_time_of_arrival() {
    for (text, want) in [
        ("Mar 10 11:00:00", "2024-03-10T11:00:00Z"),
        ("Mar 11 11:00:00", "2024-03-11T11:00:00Z"),
        ("Mar 12 11:00:00", "2023-03-12T11:00:00Z"),
        ("Dec 31 23:59:59", "2023-12-31T23:59:59Z"),
        ("Feb 29 00:00:00", "2024-02-29T00:00:00Z"),
    ] {
        assert_eq!(parse("Syslog", text, "UTC").as_deref(), Some(want), "{text}");
    }
    assert_eq!(parse("%H:%M", "09:30", "UTC").as_deref(), Some("2024-03-10T09:30:00Z"));
}

#[test]
fn changes_of_clocks() {
    // Put forward: 02:30 is not there. Put back: 02:30 is there twice.
    for (text, want) in [
        ("2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),
        ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),
    ] {
        assert_eq!(parse("%F %T", text, "Europe/Berlin").as_deref(), Some(want), "{text}");
    }
    assert_eq!(
        parse("%F %T", "2016-12-31 23:59:60", "UTC").as_deref(),
        Some("2016-12-31T23:59:59.999999999Z")
    );
}

#[test]
fn refuses() {
    for (format, text) in [
        ("RFC3339", "2024-13-10T11:22:33Z"),
        ("RFC3339", "yesterday"),
        ("RFC3339", "2024-03-10T11:22:33Zx"),
        ("Unix", "99999999999999999999"),
        ("%H:%M %p", "13:00 PM"),
        ("Syslog", "Foo 10 11:00:00"),
    ] {
        assert_eq!(parse(format, text, "UTC"), None, "{format} {text}");
    }
    for format in ["", "%Q", "'abc", "hello", "---"] {
        assert!(TimeFormat::new(format).is_err(), "{format}");
    }
    assert!(parse_zone("Mars/Olympus").unwrap_err().contains("Europe/Berlin"));
}
