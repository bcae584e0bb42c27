//! Counting logs gives what reading them one by one gives, whatever is decided without reading them.

use crate::world::{NOW_MS, world};
use parapet_log_segment::EncodeOptions;
use parapet_logs::logql::{Answer, Evaluation, Parameters, parse};
use parapet_logs::{Level, LogRecord, Steps};
use parapet_model::{Labels, MatchOp, Matcher};
use parapet_ports::Ports;
use parapet_store::logs::{LogQuery, LogReader, LogReaderSettings, LogWriter, LogWriterSettings, ParsedBatch};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

const MS: i64 = 1_000_000;
const START_NS: i64 = NOW_MS * MS;

fn record() -> impl Strategy<Value = LogRecord> {
    let level = prop_oneof![2 => Just(None), 6 => (0..5_usize).prop_map(Some)];
    let stream = prop_oneof![
        6 => "[ab]".prop_map(|app| vec![("app", app)]),
        1 => Just(vec![]),
        1 => Just(vec![("app", "a".to_owned()), ("detected_level", "odd".to_owned())]),
        1 => "[ab]".prop_map(|pod| vec![("app", "a".to_owned()), ("pod", pod)]),
    ];
    let field = prop_oneof![3 => Just(None), 1 => prop_oneof![
        Just("app"), Just("host"), Just("pod"), Just("detected_level"), Just("service_name"),
    ].prop_map(Some)];
    (0..400_i64, level, stream, "[xy]?", "[hi]?", field, "[ab]").prop_map(
        |(at, level, stream, service, host, field, value)| LogRecord {
            timestamp_ns: START_NS + at * MS,
            level: level.map(|level| Level::ALL[level]),
            service: service.into(),
            host: host.into(),
            raw: format!("line {value}").into_bytes().into(),
            stream: Labels::from_pairs(stream),
            attributes: Labels::from_pairs(field.map(|name| (name, value))),
            ..LogRecord::default()
        },
    )
}

/// Files with blocks of some rows, one batch twice.
async fn stored(ports: &Ports, files: &[Vec<LogRecord>], block_rows: u64) -> LogReader {
    let settings = LogWriterSettings {
        encode: EncodeOptions {
            block_rows,
            ..EncodeOptions::flush()
        },
        ..LogWriterSettings::default()
    };
    let writer = LogWriter::new(ports, settings);
    for (number, records) in files.iter().enumerate().chain(files.iter().enumerate().take(1)) {
        let batch = ParsedBatch {
            id: number.to_string(),
            tenant: "default".to_owned(),
            records: records.clone(),
            observations: Vec::new(),
        };
        assert!(writer.commit(vec![batch]).await.failed.is_empty());
    }
    LogReader::new(ports, LogReaderSettings::default())
}

async fn read(reader: &LogReader, query: &LogQuery) -> Vec<LogRecord> {
    let mut records = Vec::new();
    let mut visit = |record| {
        records.push(record);
        ControlFlow::Continue(())
    };
    reader.search("default", query, &mut visit).await.unwrap();
    records
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let name = prop_oneof![
        Just("app"),
        Just("service_name"),
        Just("host"),
        Just("detected_level"),
        Just("pod")
    ];
    let op = prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual)];
    (
        name,
        op,
        prop_oneof![Just("a"), Just("x"), Just("h"), Just("error"), Just("")],
    )
        .prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
}

/// Which parts of a record a kind is made of: its level, its stream's `app`, its whole origin.
type Parts = (bool, bool, bool);

fn kind((level, app, origin): Parts, record: &LogRecord) -> Option<(Option<Level>, String, String)> {
    let app = app.then(|| record.stream.get("app").unwrap_or_default().to_owned());
    let origin = origin.then(|| format!("{} {} {}", record.stream, record.service, record.host));
    // Some count for nothing.
    let counts = record.level != Some(Level::Info) || record.host.is_empty();
    counts.then(|| {
        (
            record.level.filter(|_| level),
            app.unwrap_or_default(),
            origin.unwrap_or_default(),
        )
    })
}

const QUERIES: [&str; 14] = [
    r#"sum(count_over_time({app="a"}[50ms]))"#,
    r#"sum by (app) (rate({app=~".+"}[31ms] offset 7ms))"#,
    r#"sum by (detected_level, service_name) (count_over_time({app=~"a|b"}[40ms]))"#,
    r#"count_over_time({app="a"}[60ms])"#,
    r#"count_over_time({host="h"}[60ms])"#,
    r#"sum by (host) (count_over_time({host=~"h|i"} | detected_level="error" [60ms]))"#,
    r#"sum without (app) (count_over_time({app="a"} | drop host [25ms]))"#,
    r#"absent_over_time({app="b", service_name="x"}[10ms])"#,
    r#"sum by (app) (count_over_time({app="a", detected_level="error"}[20ms])) / 3"#,
    r#"sum(rate({app="a"}[50ms])) - sum(rate({app="b"}[20ms]))"#,
    r#"count_over_time({app="a"} | keep app [50ms])"#,
    // Labels that may be fields: read record by record.
    r#"sum by (pod) (count_over_time({app="a"}[50ms]))"#,
    r#"count_over_time({app="a"} | host="h" [50ms])"#,
    r#"sum by (detected_level) (count_over_time({app="a"} |= "line a" [50ms]))"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn counts_are_those_of_records(
        files in prop::collection::vec(prop::collection::vec(record(), 1..40), 1..4),
        block_rows in 1..12_u64,
        (start, end) in (-20..400_i64, 0..420_i64),
        (width, begins) in (1..120_i64, prop::collection::vec(-50..50_i64, 0..3)),
        matchers in prop::collection::vec(matcher(), 0..3),
        levels in prop::option::of((0..5_usize, 0..5_usize)),
        parts in any::<Parts>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let world = world();
            let reader = stored(&world.ports, &files, block_rows).await;
            let query = LogQuery {
                start_ns: START_NS + start * MS,
                end_ns: START_NS + end * MS,
                matchers,
                levels: levels.map(|(low, high)| Level::ALL[low]..=Level::ALL[high]),
                ..LogQuery::default()
            };
            let steps = Steps::new(width * MS, begins.iter().map(|begin| START_NS + begin * MS).collect());
            let kind = |record: &LogRecord| kind(parts, record);
            let mut one_by_one = BTreeMap::new();
            for record in read(&reader, &query).await {
                if let Some(kind) = kind(&record) {
                    *one_by_one.entry((steps.last_ns(record.timestamp_ns), kind)).or_insert(0) += 1;
                }
            }
            let (counts, stats) = reader.count("default", &query, &steps, &kind, &|_| true).await.unwrap();
            let mut counted = BTreeMap::new();
            for count in counts {
                for (time_ns, records) in count.steps {
                    assert!((query.start_ns..=query.end_ns).contains(&time_ns));
                    *counted.entry((steps.last_ns(time_ns), count.kind.clone())).or_insert(0) += records;
                }
            }
            assert_eq!(counted, one_by_one);
            assert_eq!(stats.records, one_by_one.values().sum::<u64>());
        });
    }

    #[test]
    fn logql_counts_as_it_does_record_by_record(
        files in prop::collection::vec(prop::collection::vec(record(), 1..40), 1..4),
        block_rows in 1..12_u64,
        (start, length, step) in (0..400_i64, 0..300_i64, prop_oneof![Just(0), 1..70_i64]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let world = world();
            let reader = stored(&world.ports, &files, block_rows).await;
            let everything = LogQuery { end_ns: i64::MAX, ..LogQuery::default() };
            let records = read(&reader, &everything).await;
            let start_ns = START_NS + start * MS;
            let end_ns = if step == 0 { start_ns } else { start_ns + length * MS };
            let parameters = Parameters { start_ns, end_ns, step_ns: step * MS, ..Parameters::default() };
            for (number, text) in QUERIES.into_iter().enumerate() {
                let expr = parse(text).unwrap();
                let mut evaluation = Evaluation::new(&expr, parameters).unwrap();
                for number in 0..evaluation.selections().len() {
                    records.iter().for_each(|record| evaluation.push(number, record).unwrap());
                }
                assert_eq!(evaluation.selections()[0].steps.is_some(), number < 11, "{text}");
                let wanted: Answer = evaluation.finish().unwrap();
                let (found, _) = reader.answer("default", &expr, parameters, &|| true).await.unwrap();
                assert_eq!(found, wanted, "{text}");
            }
        });
    }
}

/// What footers tell is not read.
#[tokio::test]
async fn of_a_block_no_more_is_read_than_tells() {
    let world = world();
    let records = (0..100).map(|number: i64| LogRecord {
        timestamp_ns: START_NS + number,
        level: Some(if number < 50 {
            Level::Info
        } else {
            Level::ALL[usize::try_from(number % 5).unwrap()]
        }),
        stream: Labels::from_pairs([("app", if number < 90 { "a" } else { "b" })]),
        raw: b"x".to_vec().into(),
        ..LogRecord::default()
    });
    let reader = stored(&world.ports, &[records.collect()], 10).await;
    let query = LogQuery {
        start_ns: START_NS,
        end_ns: START_NS + 99,
        ..LogQuery::default()
    };
    let read = async |width: i64, kind: fn(&LogRecord) -> Option<bool>| {
        let steps = Steps::new(width, vec![START_NS]);
        let counted = reader.count("default", &query, &steps, &kind, &|_| true).await.unwrap();
        counted.1.blocks_read
    };
    assert_eq!(read(100, |_| Some(true)).await, 0);
    assert_eq!(
        read(100, |record| (record.stream.get("app") == Some("b")).then_some(true)).await,
        0
    );
    assert_eq!(
        read(100, |record| Some(record.level == Some(Level::Info))).await,
        5,
        "blocks of many levels"
    );
    assert_eq!(read(100, |_| None).await, 0);
    assert_eq!(read(25, |_| Some(true)).await, 2, "blocks in which a step ends");
}
