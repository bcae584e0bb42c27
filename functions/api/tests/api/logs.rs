//! Logs: the ways in, Loki's query API, and the search.

mod crashes;
mod elasticsearch;
mod grafana;
mod otlp;
mod push;
pub(crate) mod query;
mod search;
mod shippers;

use crate::harness::{Answer, Harness};
use axum::body::Body;
use http::Request;
use parapet_logs::LogRecord;
use parapet_ports::{Queue, QueueReader as _};
use parapet_store::envelope;
use parapet_store::logs::RawLogs;
use std::io::Write as _;

/// 2023-11-14T22:13:20Z.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// Sends a body with headers.
pub(crate) async fn send(harness: &Harness, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let request = headers.iter().fold(Request::post(path), |request, (name, value)| {
        request.header(*name, *value)
    });
    harness.call(request.body(body.into()).unwrap()).await
}

/// What is queued, by tenant and batch.
pub(crate) async fn queued(harness: &Harness) -> Vec<(String, String, Vec<LogRecord>)> {
    let mut batches = Vec::new();
    loop {
        let received = harness.memory.queues.receive(Queue::Logs, 10, 0).await.unwrap();
        if received.is_empty() {
            return batches;
        }
        for message in received {
            for parcel in envelope::open::<RawLogs>(&message.message.body).unwrap() {
                let (tenant, id) = (parcel.tenant.clone(), parcel.id.clone());
                let lines = parcel.payload(harness.memory.ports.objects.as_ref()).await.unwrap();
                batches.push((tenant, id, lines.records));
            }
        }
    }
}

/// The lines that are queued.
pub(crate) async fn queued_lines(harness: &Harness) -> Vec<String> {
    let batches = queued(harness).await;
    let records = batches.iter().flat_map(|(_, _, records)| records);
    records.map(|record| record.line().into_owned()).collect()
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
