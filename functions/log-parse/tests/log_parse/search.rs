//! A search gives what a look at every record would, in order, and reads less.

use super::world::{NOW_NS, batch, everything, search, store, world};
use parapet_compactor::{Compactor, Settings};
use parapet_logs::{Level, LogRecord, Need};
use parapet_model::{Labels, MatchOp, Matcher};
use parapet_ports::memory::MemoryPorts;
use parapet_store::logs::{Columns, LogQuery, LogReader, LogReaderSettings, Order};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

const SECOND: i64 = 1_000_000_000;

/// Four batches of overlapping times, of three services.
async fn filled() -> (MemoryPorts, Vec<LogRecord>) {
    let world = world("");
    for number in 0..4_i64 {
        let line = |n: i64| {
            let at = (NOW_NS + (n * 7 + number * 3) * SECOND) / 1_000_000;
            let level = ["debug", "info", "warn", "error"][usize::try_from(n % 4).unwrap()];
            let service = ["web", "db", "queue"][usize::try_from(n % 3).unwrap()];
            // Digits as random as those of a real one.
            let trace = |salt: u64| (n * 4 + number + 1).unsigned_abs().wrapping_mul(salt);
            let trace = format!(
                "{:016x}{:016x}",
                trace(0x9e37_79b9_7f4a_7c15),
                trace(0xd1b5_4a32_d192_ed03)
            );
            format!(r#"{{"ts":{at},"level":"{level}","service":"{service}","msg":"request {n}","trace_id":"{trace}"}}"#)
        };
        let lines: Vec<String> = (0..50).map(line).collect();
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        let env = format!("e{}", number % 2);
        store(&world, vec![batch(&format!("b{number}"), &lines, &[("env", &env)])]).await;
    }
    let (all, stats) = search(&world.ports, &everything()).await;
    assert_eq!((all.len(), stats.files, stats.records), (200, 4, 200));
    (world, all)
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).unwrap()
}

#[tokio::test]
async fn what_is_asked_is_given() {
    let (world, all) = filled().await;
    let queries = [
        everything(),
        LogQuery {
            start_ns: NOW_NS + 60 * SECOND,
            end_ns: NOW_NS + 90 * SECOND,
            ..everything()
        },
        LogQuery {
            levels: Some(Level::Warning..=Level::Critical),
            ..everything()
        },
        LogQuery {
            matchers: vec![
                matcher("env", MatchOp::Equal, "e1"),
                matcher("service_name", MatchOp::Regex, "web|db"),
            ],
            ..everything()
        },
        LogQuery {
            matchers: vec![matcher("detected_level", MatchOp::NotEqual, "error")],
            columns: Columns::NONE,
            ..everything()
        },
    ];
    for merged in [false, true] {
        if merged {
            let compactor = Compactor::new(&world.ports, Settings::default());
            compactor.handle_tick(super::world::NOW_MS).await.unwrap();
        }
        for query in &queries {
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let query = LogQuery { order, ..query.clone() };
                let (found, stats) = search(&world.ports, &query).await;
                let mut want: Vec<LogRecord> = all
                    .iter()
                    .filter(|record| {
                        let in_range = (query.start_ns..=query.end_ns).contains(&record.timestamp_ns);
                        let of_level = query
                            .levels
                            .as_ref()
                            .is_none_or(|levels| levels.contains(&record.level.unwrap()));
                        let labels = record
                            .stream
                            .with("service_name", &record.service)
                            .with("detected_level", record.level.unwrap().detected());
                        in_range && of_level && query.matchers.iter().all(|matcher| matcher.matches_labels(&labels))
                    })
                    .cloned()
                    .collect();
                if order == Order::NewestFirst {
                    want.reverse();
                }
                if query.columns == Columns::NONE {
                    want = want
                        .into_iter()
                        .map(|record| LogRecord {
                            timestamp_ns: record.timestamp_ns,
                            level: record.level,
                            ..LogRecord::default()
                        })
                        .collect();
                }
                let key = |record: &LogRecord| (record.timestamp_ns, record.raw.clone());
                let sort = |mut records: Vec<LogRecord>| {
                    records.sort_by_key(key);
                    records
                };
                let times =
                    |records: &[LogRecord]| records.iter().map(|record| record.timestamp_ns).collect::<Vec<_>>();
                assert_eq!(times(&found), times(&want), "{query:?}");
                assert_eq!(sort(found), sort(want), "{query:?}");
                assert!(stats.bytes_read > 0);
            }
        }
    }
}

#[tokio::test]
async fn an_index_leaves_out_what_cannot_match() {
    let (world, all) = filled().await;
    let query = LogQuery {
        need: Need::substring(&all[17].trace_id),
        ..everything()
    };
    let (found, stats) = search(&world.ports, &query).await;
    assert!(found.contains(&all[17]));
    assert_eq!((stats.files, stats.blocks, stats.blocks_read), (4, 4, 1));
    let query = LogQuery {
        fields: vec![("trace_id".to_owned(), all[17].trace_id.to_string())],
        ..everything()
    };
    assert_eq!(search(&world.ports, &query).await.1.blocks_read, 1);
    let query = LogQuery {
        matchers: vec![matcher("env", MatchOp::Equal, "nowhere")],
        ..everything()
    };
    let (found, stats) = search(&world.ports, &query).await;
    assert_eq!((found.len(), stats.blocks_read), (0, 0), "the footer tells of streams");
}

#[tokio::test]
async fn a_search_ends_when_the_visitor_has_enough() {
    let (world, all) = filled().await;
    let reader = LogReader::new(&world.ports, LogReaderSettings::default());
    let mut found = Vec::new();
    let mut visit = |record: LogRecord| {
        found.push(record.timestamp_ns);
        match found.len() < 3 {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    };
    let query = LogQuery {
        order: Order::NewestFirst,
        ..everything()
    };
    reader.search("default", &query, &mut visit).await.unwrap();
    let want: Vec<i64> = all.iter().rev().take(3).map(|record| record.timestamp_ns).collect();
    assert_eq!(found, want);
    assert!(
        reader
            .search("a/b", &query, &mut |_| ControlFlow::Continue(()))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_streams_there_are() {
    let (world, _) = filled().await;
    let reader = LogReader::new(&world.ports, LogReaderSettings::default());
    let of = |sets: Vec<Vec<Matcher>>| {
        let reader = reader.clone();
        async move { reader.streams("default", i64::MIN, i64::MAX, &sets).await.unwrap() }
    };
    let want = |pairs: &[(&str, &str)]| -> BTreeSet<Labels> {
        let labels = pairs
            .iter()
            .map(|(env, service)| Labels::from_pairs([("env", *env), ("service_name", *service)]));
        labels.collect()
    };
    let all = [
        ("e0", "web"),
        ("e0", "db"),
        ("e0", "queue"),
        ("e1", "web"),
        ("e1", "db"),
        ("e1", "queue"),
    ];
    assert_eq!(of(Vec::new()).await, want(&all));
    let sets = vec![vec![
        matcher("env", MatchOp::Equal, "e1"),
        matcher("service_name", MatchOp::Equal, "db"),
    ]];
    assert_eq!(of(sets).await, want(&[("e1", "db")]));
    let names = reader.label_names("default", i64::MIN, i64::MAX, &[]).await.unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["env", "service_name"]);
    let values = reader
        .label_values("default", "env", i64::MIN, i64::MAX, &[])
        .await
        .unwrap();
    assert_eq!(values.into_iter().collect::<Vec<_>>(), ["e0", "e1"]);
    assert!(reader.streams("default", 0, 5, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn files_that_are_merged_during_a_search_are_found_where_they_went() {
    let (world, all) = filled().await;
    let reader = LogReader::new(
        &world.ports,
        LogReaderSettings {
            parallel_blocks: 1,
            parallel_requests: 1,
            ..LogReaderSettings::default()
        },
    );
    // Footers are in the cache; what they tell of is merged and deleted.
    let query = everything();
    reader
        .search("default", &query, &mut |_| ControlFlow::Break(()))
        .await
        .unwrap();
    let mut settings = Settings::default();
    settings.logs.grace_ms = 0;
    let compactor = Compactor::new(&world.ports, settings);
    compactor.handle_tick(super::world::NOW_MS).await.unwrap();
    world.clock.advance_ms(60_000);
    compactor.handle_tick(super::world::NOW_MS).await.unwrap();
    let mut found = Vec::new();
    let mut visit = |record| {
        found.push(record);
        ControlFlow::Continue(())
    };
    reader.search("default", &query, &mut visit).await.unwrap();
    assert_eq!(found.len(), all.len());
}
