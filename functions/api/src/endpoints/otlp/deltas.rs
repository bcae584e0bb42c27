//! The totals of delta streams in the table.
//!
//! # Invariant
//! The totals of a group are one item, read and written by compare-and-set: whatever requests run beside each other,
//! each delta is added once, in some order. Totals are written before samples are sent. A process that dies in between
//! loses no count: the client sends again, and the same request gives the same samples ([`parapet_otlp::DeltaState`]);
//! a client that does not leaves the count in the next sample.

use crate::handler::Api;
use crate::intake::Rejected;
use futures::stream::{self, StreamExt, TryStreamExt};
use parapet_model::{BatchSeries, Value};
use parapet_otlp::{Accumulated, DeltaGroup, DeltaState};
use parapet_ports::table::{Condition, Key, Write};
use parapet_ports::{Error, Kind};
use std::collections::BTreeMap;

/// Items of one transaction: their values stay within what it may hold.
const GROUPS_AT_ONCE: usize = 10;
const TRANSACTIONS_AT_ONCE: usize = 8;
/// The longest value of one item.
const MAX_STATE_BYTES: usize = 300 * 1024;
/// Native histograms take much more room than floats: their streams are spread over this many items.
const HISTOGRAM_PARTS: i64 = 16;
/// How often a write that others were quicker with is tried.
const ATTEMPTS: usize = 16;

/// Adds deltas to their totals.
pub(super) async fn accumulate(
    api: &Api,
    tenant: &str,
    id: &str,
    groups: Vec<DeltaGroup>,
) -> Result<Accumulated, Rejected> {
    let request = request_number(id);
    let items: Vec<(Key, Vec<BatchSeries>)> = items(tenant, groups).into_iter().collect();
    let chunks = items.chunks(GROUPS_AT_ONCE);
    let additions: Vec<_> = chunks.map(|chunk| add(api, request, chunk)).collect();
    let added: Vec<Accumulated> = stream::iter(additions)
        .buffered(TRANSACTIONS_AT_ONCE)
        .try_collect()
        .await
        .map_err(|error| {
            tracing::error!(error = %error.chain(), "totals of deltas could not be kept");
            Rejected::later(error)
        })?;
    Ok(added.into_iter().fold(Accumulated::default(), merge))
}

/// A number for the request, from its identity.
fn request_number(id: &str) -> u64 {
    parapet_model::Labels::from_pairs([("request", id)])
        .series_id()
        .cast_unsigned()
}

fn merge(mut all: Accumulated, one: Accumulated) -> Accumulated {
    all.series.extend(one.series);
    all.late += one.late;
    all.beyond_limit += one.beyond_limit;
    all
}

/// The deltas by the item that keeps their totals.
fn items(tenant: &str, groups: Vec<DeltaGroup>) -> BTreeMap<Key, Vec<BatchSeries>> {
    let mut items: BTreeMap<Key, Vec<BatchSeries>> = BTreeMap::new();
    for group in groups {
        for series in group.series {
            let is_native = series
                .samples
                .iter()
                .any(|one| matches!(one.value, Value::Histogram(_)));
            let sort = if is_native {
                format!(
                    "{}/{:x}",
                    group.key,
                    series.labels.series_id().rem_euclid(HISTOGRAM_PARTS)
                )
            } else {
                group.key.clone()
            };
            let key = parapet_store::keys::delta_streams(tenant, &sort);
            items.entry(key).or_default().push(series);
        }
    }
    items
}

async fn add(api: &Api, request: u64, items: &[(Key, Vec<BatchSeries>)]) -> Result<Accumulated, Error> {
    for _ in 0..ATTEMPTS {
        match try_add(api, request, items).await {
            Err(error) if error.kind() == Kind::Conflict => {}
            other => return other,
        }
    }
    Err(Error::new(
        Kind::Unavailable,
        "too many requests add to the same delta streams; send again",
    ))
}

async fn try_add(api: &Api, request: u64, items: &[(Key, Vec<BatchSeries>)]) -> Result<Accumulated, Error> {
    let limits = api.settings.otlp_deltas;
    let expires_at = (api.ports.clock.now_ms() + 2 * limits.max_stale_ms) / 1000;
    let (mut all, mut writes) = (Accumulated::default(), Vec::new());
    for (key, deltas) in items {
        let item = api.ports.table.get(key).await?;
        // What does not read is no total of ours any more: the streams begin anew, which counters may.
        let known = item.as_ref().and_then(|item| serde_json::from_str(&item.value).ok());
        let known: DeltaState = known.unwrap_or_default();
        let mut state = known.clone();
        let points: u64 = deltas.iter().map(|series| series.samples.len() as u64).sum();
        let added = state.accumulate(request, deltas.clone(), limits);
        if state != known {
            let value = serde_json::to_string(&state)
                .map_err(|error| Error::new(Kind::Internal, "totals of deltas do not encode").with_source(error))?;
            if value.len() > MAX_STATE_BYTES {
                all.beyond_limit += points;
                continue;
            }
            writes.push(Write::Put {
                key: key.clone(),
                value,
                expires_at: Some(expires_at),
                condition: item.map_or(Condition::Absent, |item| Condition::Version(item.version)),
            });
        }
        all = merge(all, added);
    }
    if !writes.is_empty() {
        api.ports.table.transact(writes).await?;
    }
    Ok(all)
}
