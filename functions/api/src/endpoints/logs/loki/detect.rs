//! `detected_labels`, `detected_fields` and `detected_field/…/values`: what there is to ask for.

use super::query::{bounds, now_ns};
use super::{parameters, respond};
use crate::endpoints::logs::ask::{Fault, ask};
use crate::handler::Api;
use crate::json::{Object, write_string};
use crate::request::Call;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use parapet_logs::logql::{Answer, Evaluation, Expr, Parameters, Stream, detect, plan};
use parapet_logs::{parse_bytes, parse_duration_seconds};
use parapet_model::Labels;
use parapet_store::logs::{LogQuery, Order};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many lines are looked at for their fields, where nothing is said.
const SAMPLED_LINES: usize = 100;
/// What tells that a stage failed is no field.
const ERROR: &str = "__error__";
const ERROR_DETAILS: &str = "__error_details__";
/// How many fields are told of, where nothing is said.
const FIELDS: usize = 1_000;

/// `/loki/api/v1/detected_labels`
pub(super) async fn labels(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let sets = parameters::selectors(call.form.get("query"))?;
        let streams = api.log_reader.streams(&call.tenant, start_ns, end_ns, &sets).await?;
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, value) in streams.iter().flat_map(Labels::iter) {
            values.entry(name).or_default().insert(value);
        }
        Ok::<_, Fault>(respond::bare(|object| {
            object.array("detectedLabels", &values, |out, (name, values)| {
                Object::write(out, |object| {
                    object.string("label", name);
                    object.integer("cardinality", values.len() as u64);
                });
            });
        }))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// What is known of a field.
#[derive(Debug, Default)]
struct Field {
    values: BTreeSet<String>,
    parsers: BTreeSet<&'static str>,
}

/// `/loki/api/v1/detected_fields`
pub(super) async fn fields(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (fields, limit) = detected(&api, &call).await?;
        Ok::<_, Fault>(respond::bare(|object| {
            object.array("fields", fields.iter().take(limit), |out, (name, field)| {
                Object::write(out, |object| {
                    object.string("label", name);
                    object.string("type", kind(&field.values));
                    object.integer("cardinality", field.values.len() as u64);
                    match field.parsers.is_empty() {
                        // It is the record's own.
                        true => object.field("parsers").extend_from_slice(b"null"),
                        false => object.array("parsers", &field.parsers, |out, parser| write_string(out, parser)),
                    }
                });
            });
            object.integer("limit", limit as u64);
        }))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// `/loki/api/v1/detected_field/…/values`
pub(super) async fn values(State(api): State<Arc<Api>>, Path(name): Path<String>, call: Call) -> Response {
    let answer = async {
        let (fields, limit) = detected(&api, &call).await?;
        let values = fields.get(&name).map(|field| &field.values);
        let values = values.into_iter().flatten().take(limit);
        Ok::<_, Fault>(respond::bare(|object| {
            object.array("values", values, |out, value| write_string(out, value));
            object.integer("limit", limit as u64);
        }))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// The fields of the newest lines, and how many may be told.
async fn detected(api: &Api, call: &Call) -> Result<(BTreeMap<String, Field>, usize), Fault> {
    let now_ns = now_ns(api);
    let (start_ns, end_ns) = parameters::range(&call.form, now_ns)?;
    let limit = parameters::positive(&call.form, "limit", FIELDS)?;
    let lines = parameters::positive(&call.form, "line_limit", SAMPLED_LINES)?.min(parameters::MAX_ENTRIES);
    let log = parameters::log_expression(&call.form)?;
    let parameters = Parameters {
        start_ns,
        end_ns,
        limit: lines,
        categorize: true,
        ..bounds(api, now_ns)
    };
    let (fields, _) = ask(api, &call.tenant, move |search| {
        let expr = Expr::Log(log.clone());
        let selection = plan(&expr, &parameters).swap_remove(0);
        let query = LogQuery {
            order: Order::NewestFirst,
            ..LogQuery::from(selection)
        };
        let mut evaluation = Evaluation::new(&expr, parameters)?;
        search.each(&query, |record| {
            evaluation.push(0, record)?;
            Ok(match evaluation.bound_ns() {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            })
        })?;
        match evaluation.finish()? {
            Answer::Streams(streams) => Ok(fields_of(&streams)),
            _ => Ok(BTreeMap::new()),
        }
    })
    .await?;
    Ok((fields, limit))
}

/// The fields that lines have beyond the labels of their streams: those of the record, those that stages of the query
/// found, and those that a parser would find.
fn fields_of(streams: &[Stream]) -> BTreeMap<String, Field> {
    let mut fields: BTreeMap<String, Field> = BTreeMap::new();
    let mut add = |labels: &Labels, parser: Option<&'static str>| {
        for (name, value) in labels
            .iter()
            .filter(|(name, _)| !matches!(*name, ERROR | ERROR_DETAILS))
        {
            let field = fields.entry(name.to_owned()).or_default();
            field.values.insert(value.to_owned());
            field.parsers.extend(parser);
        }
    };
    for stream in streams {
        for entry in &stream.entries {
            let (found, parser) = detect(&stream.labels, &entry.line);
            // Those of the record need no parser.
            add(&entry.metadata, None);
            add(&entry.parsed, Some(parser));
            add(&found, Some(parser));
        }
    }
    fields
}

/// The type that all of a field's values have.
fn kind(values: &BTreeSet<String>) -> &'static str {
    let all = |is: &dyn Fn(&str) -> bool| !values.is_empty() && values.iter().all(|value| is(value));
    if all(&|value| value.parse::<i64>().is_ok()) {
        "int"
    } else if all(&|value| value.parse::<f64>().is_ok()) {
        "float"
    } else if all(&|value| matches!(value, "true" | "false")) {
        "boolean"
    } else if all(&|value| parse_duration_seconds(value).is_some()) {
        "duration"
    } else if all(&|value| parse_bytes(value).is_some()) {
        "bytes"
    } else {
        "string"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_values() {
        for (values, want) in [
            (&["1", "-2"][..], "int"),
            (&["1", "2.5"], "float"),
            (&["true", "false"], "boolean"),
            (&["250ms", "1h"], "duration"),
            (&["1KB", "10MB"], "bytes"),
            (&["1", "x"], "string"),
            (&[], "string"),
        ] {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(kind(&values), want, "{values:?}");
        }
    }
}
