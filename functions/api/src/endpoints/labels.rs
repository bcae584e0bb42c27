//! `labels`, `label/…/values` and `series`.

use crate::endpoints::selector::{matchers_of, parse_matchers};
use crate::error::ApiError;
use crate::handler::Api;
use crate::json::{write_array, write_labels, write_strings};
use crate::request::Call;
use crate::respond::{envelope, json};
use axum::extract::State;
use axum::response::Response;
use parapet_model::quote;
use std::sync::Arc;

const TRUNCATED: &str = "results truncated due to limit";

/// Cuts to the limit (0 for none); the warning says so.
pub(crate) fn truncate<T>(items: &mut Vec<T>, limit: usize) -> Option<String> {
    (limit > 0 && items.len() > limit).then(|| {
        items.truncate(limit);
        TRUNCATED.to_owned()
    })
}

/// `/api/v1/labels`
pub(crate) async fn names(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let limit = call.form.limit()?;
    let (start_ms, end_ms) = call.form.range_ms()?;
    let sets = matchers_of(&call.form)?;
    let names = api.reader.label_names(&call.tenant, &sets, start_ms, end_ms).await?;
    Ok(strings(names, limit))
}

/// `/api/v1/label/…/values`
pub(crate) async fn values(State(api): State<Arc<Api>>, uri: http::Uri, call: Call) -> Result<Response, ApiError> {
    let name = label_name(uri.path())?;
    let limit = call.form.limit()?;
    let (start_ms, end_ms) = call.form.range_ms()?;
    let sets = matchers_of(&call.form)?;
    let values = api
        .reader
        .label_values(&call.tenant, &name, &sets, start_ms, end_ms)
        .await?;
    Ok(strings(values, limit))
}

fn strings(mut items: Vec<String>, limit: usize) -> Response {
    let warnings: Vec<String> = truncate(&mut items, limit).into_iter().collect();
    json(envelope(&warnings, &[], |out| write_strings(out, &items)))
}

/// `/api/v1/series`
pub(crate) async fn series(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let selectors = call.form.all("match[]");
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = call.form.limit()?;
    let (start_ms, end_ms) = call.form.range_ms()?;
    let sets = parse_matchers(selectors).map_err(|reason| ApiError::invalid_parameter("match[]", reason))?;
    let mut series = api.reader.series(&call.tenant, &sets, start_ms, end_ms).await?;
    let warnings: Vec<String> = truncate(&mut series, limit).into_iter().collect();
    Ok(json(envelope(&warnings, &[], |out| {
        write_array(out, &series, write_labels);
    })))
}

/// The label named by the path: percent-decoded, and `U__` names unescaped.
fn label_name(path: &str) -> Result<String, ApiError> {
    let segment = path.rsplit('/').nth(1).unwrap_or_default();
    let bytes = percent_decode(segment);
    let name = match String::from_utf8(bytes) {
        Ok(name) if name.starts_with("U__") => unescape_name(&name),
        Ok(name) => name,
        Err(error) => {
            let bytes = error.as_bytes();
            let mut text = String::new();
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                for byte in chunk.invalid() {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            }
            return Err(ApiError::bad_data(format!("invalid label name: \"{text}\"")));
        }
    };
    if name.is_empty() {
        return Err(ApiError::bad_data(format!("invalid label name: {}", quote(&name))));
    }
    Ok(name)
}

/// `%2F` and the like; a `+` stands for itself in a path.
fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// `U__host_2e_name` is `host.name`: `__` is an underscore, `_hex_` a character
/// (`model.UnescapeName` of prometheus/common). What is not of that form stays as it is.
fn unescape_name(name: &str) -> String {
    let unescape = || -> Option<String> {
        let mut out = String::new();
        let mut rest = name.strip_prefix("U__")?;
        while let Some(at) = rest.find('_') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('_') {
                out.push('_');
                rest = after;
                continue;
            }
            let end = rest.find('_')?;
            let digits = &rest[..end];
            // As upstream, which gives up on the sixth digit.
            let is_code = matches!(digits.len(), 1..=5) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_code {
                return None;
            }
            out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Some(out)
    };
    unescape().unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(segment: &str) -> Result<String, String> {
        label_name(&format!("/api/v1/label/{segment}/values")).map_err(|error| error.message)
    }

    #[test]
    fn label_names_in_paths() {
        for (segment, want) in [
            ("foo", "foo"),
            ("host.name", "host.name"),
            ("a%2Fb", "a/b"),
            ("a+b%20c", "a+b c"),
            ("100%", "100%"),
            ("U__host_2e_name", "host.name"),
            ("U__junk_0a__7b__7d__2c__3d_:_20__20_chars", "junk\n{},=:  chars"),
            ("U__a__b", "a_b"),
            ("U__bad_zz_", "U__bad_zz_"),
            ("U__open_2e", "U__open_2e"),
            ("U__far_110000_", "U__far_110000_"),
            ("U__sign_+a_", "U__sign_+a_"),
            ("U__surrogate_d800_", "U__surrogate_d800_"),
        ] {
            assert_eq!(name(segment), Ok(want.to_owned()), "{segment}");
        }
        assert_eq!(
            name("host.name%ff"),
            Err(r#"invalid label name: "host.name\xff""#.to_owned())
        );
        assert_eq!(name(""), Err(r#"invalid label name: """#.to_owned()));
    }

    #[test]
    fn truncation_warns() {
        let mut items = vec![1, 2, 3];
        assert_eq!(truncate(&mut items, 0), None);
        assert_eq!(truncate(&mut items, 3), None);
        assert_eq!(
            truncate(&mut items, 2).as_deref(),
            Some("results truncated due to limit")
        );
        assert_eq!(items, [1, 2]);
    }
}
