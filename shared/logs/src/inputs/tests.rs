use super::*;
use crate::{Level, LogRecord};
use chrono_tz::Tz;
use prost::Message as _;

/// 2024-03-10T12:00:00Z.
const NOW: i64 = 1_710_072_000_000_000_000;

#[test]
fn loki_in_json() {
    let body = r#"{"streams":[{"stream":{"app":"web"},"values":[["1710072000000000001","a\tline"],["2","b",{"trace_id":"x","n":5}]]}]}"#;
    let records = loki::parse_json(body.as_bytes()).unwrap();
    assert_eq!(
        (records[0].timestamp_ns, records[0].raw.as_ref()),
        (NOW + 1, &b"a\tline"[..])
    );
    // As Loki names the service of a stream.
    assert_eq!(records[1].stream.to_string(), r#"{app="web", service_name="web"}"#);
    assert_eq!(records[1].attributes.to_string(), r#"{n="5", trace_id="x"}"#);
    for body in [
        "",
        "[]",
        r#"{"streams":[{"values":[["x","y"]]}]}"#,
        r#"{"streams":[{"values":[["1"]]}]}"#,
    ] {
        assert!(loki::parse_json(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn loki_in_protobuf() {
    // A push of one stream with one entry, field by field.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Entry {
        #[prost(message, optional, tag = "1")]
        timestamp: Option<Time>,
        #[prost(bytes = "vec", tag = "2")]
        line: Vec<u8>,
    }
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    struct Time {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Stream {
        #[prost(string, tag = "1")]
        labels: String,
        #[prost(message, repeated, tag = "2")]
        entries: Vec<Entry>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Push {
        #[prost(message, repeated, tag = "1")]
        streams: Vec<Stream>,
    }
    let push = |labels: &str| {
        let push = Push {
            streams: vec![Stream {
                labels: labels.to_owned(),
                entries: vec![Entry {
                    timestamp: Some(Time {
                        seconds: 1_710_072_000,
                        nanos: 7,
                    }),
                    line: b"hello \xff".to_vec(),
                }],
            }],
        };
        snap::raw::Encoder::new().compress_vec(&push.encode_to_vec()).unwrap()
    };
    let records = loki::parse_protobuf(&push(r#"{app="web", env="prod"}"#), 1_000).unwrap();
    assert_eq!(
        (records[0].timestamp_ns, records[0].raw.as_ref()),
        (NOW + 7, &b"hello \xff"[..])
    );
    assert_eq!(
        records[0].stream.to_string(),
        r#"{app="web", env="prod", service_name="web"}"#
    );
    assert!(
        loki::parse_protobuf(&push("{app=~\"w\"}"), 1_000)
            .unwrap_err()
            .to_string()
            .contains("no label")
    );
    assert!(
        loki::parse_protobuf(&push("{}"), 10)
            .unwrap_err()
            .to_string()
            .contains("more than 10")
    );
    assert!(loki::parse_protobuf(b"\xff\xff\xff\xff\xff\xff", 1_000).is_err());
}

#[test]
fn bulk_bodies() {
    let body = concat!(
        r#"{"create":{"_index":"logs-a","_id":"1"}}"#,
        "\n",
        r#"{"@timestamp":"2024-03-10T12:00:00.000Z","message":"GET /","log":{"level":"warn","offset":5},"host":{"name":"h1"},"service":{"name":"shop"},"agent":{"type":"filebeat"}}"#,
        "\n",
        r#"{"index":{}}"#,
        "\n",
        r#"{"status":200}"#,
        "\n",
        r#"{"create":{}}"#,
        "\n",
        "not json\n",
        r#"{"delete":{"_id":"9"}}"#,
        "\n",
    );
    let items = bulk::parse(body.as_bytes(), "main").unwrap();
    assert_eq!(items.len(), 4);
    let first = items[0].record.as_ref().unwrap();
    assert_eq!(
        (first.timestamp_ns, first.line().as_ref(), first.level),
        (NOW, "GET /", Some(Level::Warning))
    );
    assert_eq!((&*first.host, &*first.service), ("h1", "shop"));
    assert_eq!(
        first.attributes.to_string(),
        r#"{"agent.type"="filebeat", "log.offset"="5"}"#
    );
    assert_eq!((items[0].index.as_str(), items[0].id.as_str()), ("logs-a", "1"));
    assert_eq!(items[1].index, "main");
    assert_eq!(items[1].record.as_ref().unwrap().raw.as_ref(), br#"{"status":200}"#);
    assert!(items[2].record.as_ref().unwrap_err().contains("no JSON object"));
    assert!(items[3].record.as_ref().unwrap_err().contains("only added"));
    for (body, word) in [
        ("x\n", "line [1]"),
        ("{\"create\":{}}", "missing"),
        ("{\"do\":{}}\n{}", "found [do]"),
    ] {
        assert!(
            bulk::parse(body.as_bytes(), "i")
                .unwrap_err()
                .to_string()
                .contains(word),
            "{body}"
        );
    }
}

const OTLP: &str = r#"{"resourceLogs":[{"resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"h1"}}]},
  "scopeLogs":[{"scope":{"name":"lib"},"logRecords":[{"timeUnixNano":"1710072000000000000","severityNumber":17,
    "severityText":"ERROR","body":{"stringValue":"it failed"},"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
    "attributes":[{"key":"http","value":{"kvlistValue":{"values":[{"key":"status","value":{"intValue":"503"}}]}}},
      {"key":"tags","value":{"arrayValue":{"values":[{"stringValue":"a"},{"boolValue":true}]}}}]},
   {"observedTimeUnixNano":1710072000000000001,"body":{"kvlistValue":{"values":[{"key":"a","value":{"doubleValue":1.5}}]}}}]}]}]}"#;

fn check_otlp(records: &[LogRecord]) {
    let [first, second] = records else {
        panic!("two records")
    };
    assert_eq!(
        (first.timestamp_ns, first.level, first.line().as_ref()),
        (NOW, Some(Level::Error), "it failed")
    );
    assert_eq!((&*first.service, &*first.host), ("shop", "h1"));
    assert_eq!(first.trace_id, "5b8efff798038103d269b633813fc60c");
    assert_eq!(first.stream.to_string(), r#"{service_name="shop"}"#);
    for (name, want) in [
        ("http.status", "503"),
        ("tags", r#"["a",true]"#),
        ("scope.name", "lib"),
        ("span_id", "eee19b7ec3c1b174"),
    ] {
        assert_eq!(first.attributes.get(name), Some(want), "{name}");
    }
    assert_eq!((second.timestamp_ns, second.line().as_ref()), (NOW + 1, r#"{"a":1.5}"#));
}

#[test]
fn otlp_in_both_forms() {
    check_otlp(&otlp::parse_json(OTLP.as_bytes()).unwrap());
    for body in [
        "",
        "[]",
        r#"{"resourceLogs":5}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}"#,
    ] {
        assert!(otlp::parse_json(body.as_bytes()).is_err(), "{body}");
    }
    // field 1 (resource logs) { field 2 (scope logs) { field 2 (record) { time, body "hi" } } }
    let body = [
        0x0a, 0x13, 0x12, 0x11, 0x12, 0x0f, 0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0x04, 0x0a, 0x02, b'h', b'i',
    ];
    let records = otlp::parse_protobuf(&body).unwrap();
    assert_eq!((records[0].timestamp_ns, records[0].line().as_ref()), (1, "hi"));
    assert!(otlp::parse_protobuf(b"\x0a\xff").is_err());
}

#[test]
fn otlp_values_of_each_kind() {
    let body = r#"{"resource_logs":[{"scope_logs":[{"log_records":[{
        "observed_time_unix_nano": 7, "severityNumber": "SEVERITY_NUMBER_WARN2", "body": {"bytesValue": "Y2Fm6Q=="}, "attributes": [
            {"key": "text", "value": {"stringValue": "a"}},
            {"key": "is", "value": {"boolValue": true}},
            {"key": "int", "value": {"intValue": "9007199254740993"}},
            {"key": "double", "value": {"doubleValue": 0.5}},
            {"key": "bytes", "value": {"bytesValue": "AP8="}},
            {"key": "list", "value": {"arrayValue": {"values": [{"intValue": 1}, {"kvlistValue": {"values": [{"key": "b", "value": {}}]}}]}}},
            {"key": "map", "value": {"kvlistValue": {"values": [
                {"key": "deep", "value": {"kvlistValue": {"values": [{"key": "er", "value": {"stringValue": "x"}}]}}},
                {"key": "flat", "value": {"intValue": 2}}]}}},
            {"key": "none", "value": null}, {"key": "unknown", "value": {"newValue": 1}}
        ]}]}]}]}"#;
    let records = otlp::parse_json(body.as_bytes()).unwrap();
    assert_eq!(
        (records[0].timestamp_ns, records[0].raw.as_ref()),
        (7, &b"caf\xe9"[..]),
        "bytes are the line as they are"
    );
    assert_eq!(records[0].level, Some(Level::Warning));
    let want = [
        ("bytes", "AP8="),
        ("double", "0.5"),
        ("int", "9007199254740993"),
        ("is", "true"),
        ("list", r#"[1,{"b":null}]"#),
        ("map.deep.er", "x"),
        ("map.flat", "2"),
        ("text", "a"),
    ];
    let found: Vec<(&str, &str)> = records[0].attributes.iter().collect();
    assert_eq!(found, want);
}

#[test]
fn cloudwatch_deliveries() {
    let body = r#"{"messageType":"DATA_MESSAGE","owner":"123","logGroup":"/aws/lambda/x","logStream":"s","logEvents":[{"id":"e1","timestamp":1710072000000,"message":"START"}]}"#;
    let records = cloudwatch::parse(body.as_bytes()).unwrap();
    assert_eq!((records[0].timestamp_ns, records[0].line().as_ref()), (NOW, "START"));
    assert_eq!(records[0].stream.get("log_group"), Some("/aws/lambda/x"));
    assert_eq!(
        cloudwatch::parse(br#"{"messageType":"CONTROL_MESSAGE"}"#),
        Ok(Vec::new())
    );
    assert!(cloudwatch::parse(b"x").is_err());
}

#[test]
fn syslog_of_both_kinds() {
    for (message, host, service, pid, said, time) in [
        (
            "<165>1 2024-03-10T11:00:00.003Z host.example app 8710 ID47 [x@1 a=\"b \\\"q\\\"\" c=\"d\"][y@2] \u{feff}said so",
            "host.example",
            "app",
            Some("8710"),
            "said so",
            NOW - 3_599_997_000_000,
        ),
        ("<34>1 - - - - - -", "", "", None, "", NOW),
        (
            "<34>Mar 10 11:00:00 box su[12]: 'su root' failed",
            "box",
            "su",
            Some("12"),
            "'su root' failed",
            NOW - 3_600_000_000_000,
        ),
        (
            "<13>Mar  9 12:00:00 box kernel: up",
            "box",
            "kernel",
            None,
            "up",
            NOW - 86_400_000_000_000,
        ),
        (
            "<13>2024-03-10T11:00:00+00:00 box cron[1]: ran",
            "box",
            "cron",
            Some("1"),
            "ran",
            NOW - 3_600_000_000_000,
        ),
        (
            "<13>Mar 10 11:00:00 program: no host",
            "",
            "program",
            None,
            "no host",
            NOW - 3_600_000_000_000,
        ),
        ("just a text", "", "", None, "just a text", NOW),
        ("<999>x", "", "", None, "<999>x", NOW),
    ] {
        let record = syslog::parse(message.as_bytes(), NOW, Tz::UTC);
        assert_eq!(
            (&*record.host, &*record.service, &*record.message),
            (host, service, said),
            "{message}"
        );
        assert_eq!(record.attributes.get("process.pid"), pid, "{message}");
        assert_eq!(record.timestamp_ns, time, "{message}");
        assert_eq!(record.raw, message.as_bytes());
    }
    let record = syslog::parse(b"<165>1 - - - - - [x@1 a=\"b\\]\"] z", NOW, Tz::UTC);
    assert_eq!(record.attributes.get("x@1.a"), Some("b]"));
    assert_eq!(
        (record.level, record.attributes.get("syslog.facility")),
        (Some(Level::Info), Some("local4"))
    );
}

#[test]
fn syslog_frames() {
    let (messages, taken) = syslog::frames(b"<1>a\r\n<2>b\n\n5 <3>c\n8 <4>d", 100);
    assert_eq!(messages, [&b"<1>a"[..], b"<2>b", b"<3>c\n"]);
    assert_eq!(taken, 19);
    let (messages, taken) = syslog::frames(b"0123456789", 4);
    assert_eq!((messages, taken), (vec![&b"0123"[..], b"4567"], 8));
}
