//! `query` and `query_range`.

use super::{parameters, respond};
use crate::endpoints::logs::ask::{Fault, ask};
use crate::handler::Api;
use crate::request::Call;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use parapet_logs::logql::{Answer, Direction, Expr, Parameters, Stream};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most series of one metric query.
const MAX_SERIES: usize = 10_000;

/// `/loki/api/v1/query`
pub(super) async fn instant(State(api): State<Arc<Api>>, headers: HeaderMap, call: Call) -> Response {
    let answer = async {
        let now_ns = now_ns(&api);
        let expr = parameters::expression(&call.form)?;
        let at_ns = parameters::instant(&call.form, now_ns)?;
        let direction = parameters::direction(&call.form)?;
        let limit = parameters::limit(&call.form, 100)?;
        if matches!(expr, Expr::Log(_)) {
            return Err(Fault::bad(
                "log queries are not supported as an instant query type, please change your query to a range query type",
            ));
        }
        let parameters = Parameters {
            start_ns: at_ns,
            end_ns: at_ns,
            step_ns: 0,
            limit,
            direction,
            ..bounds(&api, now_ns)
        };
        let (answer, cost) = ask(&api, &call.tenant, move |search| search.evaluate(&expr, parameters)).await?;
        Ok(respond::answer(&answer, at_ns, &cost, parameters::categorize(&headers)))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// `/loki/api/v1/query_range`
pub(super) async fn range(State(api): State<Arc<Api>>, headers: HeaderMap, call: Call) -> Response {
    let answer = async {
        let now_ns = now_ns(&api);
        let expr = parameters::expression(&call.form)?;
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns)?;
        let direction = parameters::direction(&call.form)?;
        let limit = parameters::limit(&call.form, 100)?;
        let interval_ns = parameters::interval(&call.form)?;
        let step_ns = match expr {
            Expr::Log(_) => 0,
            Expr::Metric(_) => parameters::step(&call.form, start_ns, end_ns)?,
        };
        let (start_ns, end_ns) = whole_steps(start_ns, end_ns, step_ns);
        let parameters = Parameters {
            start_ns,
            end_ns,
            step_ns,
            limit: if interval_ns > 0 {
                parameters::MAX_ENTRIES
            } else {
                limit
            },
            direction,
            categorize: parameters::categorize(&headers),
            ..bounds(&api, now_ns)
        };
        let (mut answer, cost) = ask(&api, &call.tenant, move |search| search.evaluate(&expr, parameters)).await?;
        if let Answer::Streams(streams) = &mut answer
            && interval_ns > 0
        {
            space_out(streams, interval_ns, limit, direction);
        }
        Ok(respond::answer(&answer, end_ns, &cost, parameters.categorize))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// A range in multiples of the step, as Loki asks it of itself: from the one before the start to the one after the end.
fn whole_steps(start_ns: i64, end_ns: i64, step_ns: i64) -> (i64, i64) {
    if step_ns <= 0 {
        return (start_ns, end_ns);
    }
    let last = end_ns.saturating_add(step_ns - 1);
    (start_ns - start_ns.rem_euclid(step_ns), last - last.rem_euclid(step_ns))
}

pub(in super::super) fn now_ns(api: &Api) -> i64 {
    api.ports.clock.now_ms().saturating_mul(1_000_000)
}

/// The limits of a query.
pub(super) fn bounds(api: &Api, now_ns: i64) -> Parameters {
    Parameters {
        now_ns,
        max_series: MAX_SERIES,
        max_samples: api.settings.max_samples,
        ..Parameters::default()
    }
}

/// Keeps entries that are at least an interval apart from the one before, whatever stream they are of.
fn space_out(streams: &mut Vec<Stream>, interval_ns: i64, limit: usize, direction: Direction) {
    let times = streams.iter().flat_map(|stream| &stream.entries);
    let mut times: Vec<i64> = times.map(|entry| entry.timestamp_ns).collect();
    times.sort_unstable();
    if direction == Direction::Backward {
        times.reverse();
    }
    let (mut kept, mut last) = (BTreeSet::new(), None::<i64>);
    for time in times {
        let is_due = last.is_none_or(|last| (time - last).abs() >= interval_ns);
        if is_due && kept.len() < limit {
            kept.insert(time);
            last = Some(time);
        }
    }
    for stream in streams.iter_mut() {
        // Of several entries of one time the first is kept.
        stream.entries.retain(|entry| kept.remove(&entry.timestamp_ns));
    }
    streams.retain(|stream| !stream.entries.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_logs::logql::Entry;
    use parapet_model::Labels;

    #[test]
    fn ranges_of_whole_steps() {
        assert_eq!(whole_steps(61, 119, 60), (60, 120));
        assert_eq!(whole_steps(60, 120, 60), (60, 120));
        assert_eq!(whole_steps(-1, 1, 60), (-60, 60));
        assert_eq!(whole_steps(1, i64::MAX, 60).0, 0);
        assert_eq!(whole_steps(61, 119, 0), (61, 119));
    }

    #[test]
    fn entries_an_interval_apart() {
        let streams = |times: &[&[i64]]| -> Vec<Stream> {
            let stream = |times: &&[i64]| Stream {
                labels: Labels::empty(),
                entries: times
                    .iter()
                    .map(|time| Entry {
                        timestamp_ns: *time,
                        ..Entry::default()
                    })
                    .collect(),
            };
            times.iter().map(stream).collect()
        };
        let mut forward = streams(&[&[1, 2, 10, 11], &[3, 6]]);
        space_out(&mut forward, 5, 10, Direction::Forward);
        assert_eq!(forward, streams(&[&[1, 11], &[6]]));
        let mut backward = streams(&[&[11, 10, 2, 1], &[6, 3]]);
        space_out(&mut backward, 5, 2, Direction::Backward);
        assert_eq!(backward, streams(&[&[11], &[6]]));
    }
}
