//! The envelope of an answer that succeeded.

use crate::json::{Object, write_strings};
use axum::response::{IntoResponse, Response};
use http::header;

/// The most warnings and the most remarks that one answer lists, as in Prometheus.
const MAX_ANNOTATIONS: usize = 10;

/// `{"status":"success","data":…,"warnings":[…],"infos":[…]}`; the last two only where there are any.
pub(crate) fn envelope(warnings: &[String], infos: &[String], data: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    Object::write(&mut out, |object| {
        object.string("status", "success");
        data(object.field("data"));
        write_annotations(object, "warnings", "warning", warnings);
        write_annotations(object, "infos", "info", infos);
    });
    out
}

fn write_annotations(object: &mut Object<'_>, field: &str, kind: &str, all: &[String]) {
    if all.is_empty() {
        return;
    }
    let omitted = all.len().saturating_sub(MAX_ANNOTATIONS);
    let rest = (omitted > 0).then(|| format!("{omitted} more {kind} annotations omitted"));
    let listed = all.iter().take(MAX_ANNOTATIONS).cloned();
    write_strings(object.field(field), listed.chain(rest));
}

/// An answer of JSON already written.
pub(crate) fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An answer without warnings.
pub(crate) fn success(data: impl FnOnce(&mut Vec<u8>)) -> Response {
    json(envelope(&[], &[], data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_ten_annotations() {
        let warnings: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let body = envelope(&warnings, &["i".to_owned()], |out| out.extend_from_slice(b"1"));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            concat!(
                r#"{"status":"success","data":1,"#,
                r#""warnings":["0","1","2","3","4","5","6","7","8","9","2 more warning annotations omitted"],"#,
                r#""infos":["i"]}"#
            )
        );
    }
}
