//! `labels`, `label/…/values` and `series`.

use super::query::now_ns;
use super::{parameters, respond};
use crate::endpoints::logs::ask::Fault;
use crate::handler::Api;
use crate::json::{write_array, write_labels, write_strings};
use crate::request::Call;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// `/loki/api/v1/labels`
pub(super) async fn names(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let sets = parameters::selectors(call.form.get("query"))?;
        let names = api
            .log_reader
            .label_names(&call.tenant, start_ns, end_ns, &sets)
            .await?;
        Ok::<_, Fault>(respond::success(|out| write_strings(out, &names)))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// `/loki/api/v1/label/…/values`
pub(super) async fn values(State(api): State<Arc<Api>>, Path(name): Path<String>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let sets = parameters::selectors(call.form.get("query"))?;
        let reader = &api.log_reader;
        let values = reader
            .label_values(&call.tenant, &name, start_ns, end_ns, &sets)
            .await?;
        Ok::<_, Fault>(respond::success(|out| write_strings(out, &values)))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// `/loki/api/v1/series`
pub(super) async fn series(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let texts = call.form.all("match[]").iter().chain(call.form.all("match"));
        let sets = parameters::selectors(texts.map(String::as_str))?;
        let streams = api.log_reader.streams(&call.tenant, start_ns, end_ns, &sets).await?;
        Ok::<_, Fault>(respond::success(|out| write_array(out, &streams, write_labels)))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}
