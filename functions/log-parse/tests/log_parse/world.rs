//! What the tests share: ports in memory, and what is stored behind them.

use parapet_log_parse::{LogParse, Settings};
use parapet_logs::LogRecord;
use parapet_model::Labels;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, Disposition, Message, Ports, Queue, SourceFile};
use parapet_store::logs::{LogBatch, LogQuery, LogReader, LogReaderSettings, LogStats, RawLogs, send_logs};
use std::ops::ControlFlow;

/// 2026-11-21 12:00 UTC.
pub(crate) const NOW_MS: i64 = 1_795_262_400_000;
pub(crate) const NOW_NS: i64 = NOW_MS * 1_000_000;

/// Ports with a pipeline file; an empty one for none.
pub(crate) fn world(pipelines: &str) -> MemoryPorts {
    let file = SourceFile {
        path: "pipelines.yml".to_owned(),
        text: pipelines.to_owned(),
    };
    let config = ConfigFiles {
        pipelines: (!pipelines.is_empty()).then_some(file),
        version: "1".to_owned(),
        ..ConfigFiles::default()
    };
    MemoryPorts::new(NOW_MS, config)
}

/// Lines of one stream.
pub(crate) fn batch(id: &str, lines: &[&[u8]], labels: &[(&str, &str)]) -> LogBatch {
    let stream = Labels::from_pairs(labels.iter().copied());
    let records = lines.iter().map(|line| LogRecord {
        raw: line.to_vec().into(),
        stream: stream.clone(),
        ..LogRecord::default()
    });
    LogBatch {
        id: id.to_owned(),
        tenant: "default".to_owned(),
        lines: RawLogs {
            path: String::new(),
            received_ns: NOW_NS,
            records: records.collect(),
        },
    }
}

/// The messages that wait in the logs queue.
pub(crate) fn waiting(world: &MemoryPorts) -> Vec<Message> {
    let drained = world.queues.drain(Queue::Logs).into_iter();
    drained.map(|(_, message)| message).collect()
}

pub(crate) async fn messages(world: &MemoryPorts, batches: Vec<LogBatch>) -> Vec<Message> {
    send_logs(&world.ports, batches).await.unwrap();
    waiting(world)
}

/// Sends and handles.
pub(crate) async fn store(world: &MemoryPorts, batches: Vec<LogBatch>) {
    let messages = messages(world, batches).await;
    let answers = LogParse::new(&world.ports, Settings::default())
        .handle_batch(messages)
        .await;
    assert!(answers.iter().all(|answer| *answer == Disposition::Done), "{answers:?}");
}

pub(crate) fn everything() -> LogQuery {
    LogQuery {
        start_ns: i64::MIN,
        end_ns: i64::MAX,
        ..LogQuery::default()
    }
}

pub(crate) async fn search(ports: &Ports, query: &LogQuery) -> (Vec<LogRecord>, LogStats) {
    let reader = LogReader::new(ports, LogReaderSettings::default());
    let mut records = Vec::new();
    let mut visit = |record| {
        records.push(record);
        ControlFlow::Continue(())
    };
    let stats = reader.search("default", query, &mut visit).await.unwrap();
    (records, stats)
}

/// Every line there is, sorted.
pub(crate) async fn lines(ports: &Ports) -> Vec<String> {
    let (records, _) = search(ports, &everything()).await;
    let mut lines: Vec<String> = records.iter().map(|record| record.line().into_owned()).collect();
    lines.sort();
    lines
}
