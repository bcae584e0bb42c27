//! `filter_path`: the parts of an answer that a client wants, as Elasticsearch has it for every answer.

use crate::params::Form;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header;
use serde_json::Value;

/// Leaves of an answer what its request wants.
pub(in super::super) async fn filter_path(request: Request, next: Next) -> Response {
    let form = Form::parse(request.uri().query(), None);
    let Some(paths) = form.get("filter_path").filter(|paths| !paths.is_empty()) else {
        return next.run(request).await;
    };
    let filter = Filter::parse(paths);
    let (mut parts, body) = next.run(request).await.into_parts();
    let Ok(whole) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let Ok(value) = serde_json::from_slice(&whole) else {
        return Response::from_parts(parts, whole.into());
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, filter.apply(value).to_string().into())
}

/// Paths of fields: `*` stands for any part of a name, `**` for any fields on the way.
#[derive(Debug)]
struct Filter<'a> {
    includes: Vec<Vec<&'a str>>,
    excludes: Vec<Vec<&'a str>>,
}

impl<'a> Filter<'a> {
    fn parse(paths: &'a str) -> Self {
        let (mut includes, mut excludes) = (Vec::new(), Vec::new());
        for path in paths.split(',').map(str::trim).filter(|path| !path.is_empty()) {
            match path.strip_prefix('-') {
                Some(path) => excludes.push(path.split('.').collect()),
                None => includes.push(path.split('.').collect()),
            }
        }
        Self { includes, excludes }
    }

    fn apply(&self, value: Value) -> Value {
        let [includes, excludes] =
            [&self.includes, &self.excludes].map(|paths| paths.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let kept = match includes.is_empty() {
            true => Some(value),
            false => chosen(value, &includes, true),
        };
        let left = kept.and_then(|value| chosen(value, &excludes, false));
        left.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    }
}

/// What is left of a value where the paths that lead into it are kept, or left out. Of lists each item is asked; objects
/// and lists that become empty go.
fn chosen(value: Value, paths: &[&[&str]], keep: bool) -> Option<Value> {
    if paths.iter().any(|path| matches!(path, [] | ["**"])) {
        return keep.then_some(value);
    }
    match value {
        Value::Object(fields) => {
            let was_empty = fields.is_empty();
            let fields = fields.into_iter().filter_map(|(name, value)| {
                let further: Vec<&[&str]> = paths.iter().flat_map(|path| below(path, &name)).collect();
                Some((name, chosen(value, &further, keep)?))
            });
            let fields: serde_json::Map<String, Value> = fields.collect();
            (!fields.is_empty() || was_empty && !keep).then_some(Value::Object(fields))
        }
        Value::Array(items) => {
            let was_empty = items.is_empty();
            let items: Vec<Value> = items.into_iter().filter_map(|item| chosen(item, paths, keep)).collect();
            (!items.is_empty() || was_empty && !keep).then_some(Value::Array(items))
        }
        leaf => (!keep).then_some(leaf),
    }
}

/// The rest of a path below a field: none where it does not lead there, two where `**` may end or go on.
fn below<'a>(path: &'a [&'a str], name: &str) -> Vec<&'a [&'a str]> {
    match path {
        ["**", rest @ ..] => {
            let mut further = below(rest, name);
            further.push(path);
            further
        }
        [first, rest @ ..] if has_form(first, name) => vec![rest],
        _ => Vec::new(),
    }
}

/// Whether a name has a form in which `*` stands for anything.
fn has_form(form: &str, name: &str) -> bool {
    match form.split_once('*') {
        None => form == name,
        Some((begin, rest)) => name.strip_prefix(begin).is_some_and(|left| {
            let mut ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.any(|at| has_form(rest, &left[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_of_an_answer() {
        let answer = json!({"took": 0, "errors": true, "items": [
            {"create": {"_index": "a", "status": 201}},
            {"create": {"_index": "a", "status": 400, "error": {"type": "t", "reason": "r"}}},
        ]});
        let of = |paths: &str| Filter::parse(paths).apply(answer.clone());
        let short = json!({"errors": true, "items": [
            {"create": {"status": 201}},
            {"create": {"status": 400, "error": {"type": "t", "reason": "r"}}},
        ]});
        assert_eq!(of("errors,items.*.error,items.*.status"), short);
        assert_eq!(of("-took,-items.*._index"), short);
        assert_eq!(of("err*"), json!({"errors": true}));
        assert_eq!(
            of("**.reason"),
            json!({"items": [{"create": {"error": {"reason": "r"}}}]})
        );
        assert_eq!(
            of("items.c*te.error,-**.type"),
            json!({"items": [{"create": {"error": {"reason": "r"}}}]})
        );
        assert_eq!(of("items"), json!({"items": answer["items"]}));
        assert_eq!(of("**"), answer);
        assert_eq!(of("none,took.deeper"), json!({}));
    }
}
