//! `patterns`: what messages have in common, and how often each was met over time.

use super::query::now_ns;
use super::{parameters, respond};
use crate::endpoints::logs::ask::{Fault, ask};
use crate::endpoints::logs::mining::{Mined, mine};
use crate::handler::Api;
use crate::json::{Object, write_array, write_integer};
use crate::request::Call;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parapet_logs::logql::{Expr, plan};
use parapet_logs::templates::WILDCARD;
use parapet_store::logs::{Columns, LogQuery};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The most patterns of one answer.
const MAX_PATTERNS: usize = 300;

/// `/loki/api/v1/patterns`
pub(super) async fn patterns(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let now_ns = now_ns(&api);
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns)?;
        let step_ns = parameters::step(&call.form, start_ns, end_ns)?;
        let log = parameters::log_expression(&call.form)?;
        let bounds = parapet_logs::logql::Parameters {
            start_ns,
            end_ns,
            ..super::query::bounds(&api, now_ns)
        };
        let selection = plan(&Expr::Log(log), &bounds).swap_remove(0);
        let query = LogQuery {
            columns: Columns {
                message: true,
                raw: true,
                ..Columns::NONE
            },
            ..LogQuery::from(selection)
        };
        let (mined, _) = ask(&api, &call.tenant, move |search| {
            let mut mined = Mined::default();
            search.each(&query, |record| {
                let slot = record.timestamp_ns.div_euclid(step_ns) * step_ns;
                mine(&mut mined, slot, &record.message())?;
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(mined.patterns())
        })
        .await?;
        Ok::<_, Fault>(respond::success(|out| {
            write_array(out, mined.iter().take(MAX_PATTERNS), |out, pattern| {
                Object::write(out, |object| {
                    object.string("pattern", &pattern.text.replace(WILDCARD, "<_>"));
                    object.array("samples", &pattern.counts, |out, (at_ns, count)| {
                        let seconds = at_ns.div_euclid(1_000_000_000);
                        write_array(out, [i128::from(seconds), i128::from(*count)], write_integer);
                    });
                });
            });
        }))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}
