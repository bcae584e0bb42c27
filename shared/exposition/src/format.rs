//! Which format a body is in.

use parapet_model::quote;

/// A format that [`crate::Parser`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The Prometheus text format, 0.0.4 or 1.0.0.
    PrometheusText,
    /// OpenMetrics, 0.0.1 or 1.0.0, as text.
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

/// Why the content type of an answer does not say how to read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentTypeError {
    /// There is none.
    #[error(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
    )]
    Blank,
    /// It is not of the form of a media type.
    #[error("cannot parse Content-Type {} and no fallback_scrape_protocol for target: {reason}", quote(.header))]
    Malformed {
        /// The header.
        header: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It is no exposition format.
    #[error("received unsupported Content-Type {} and no fallback_scrape_protocol specified for target", quote(.0))]
    Unsupported(String),
}

impl Format {
    /// The format that a `Content-Type` header names. Where it names none, `fallback` is taken
    /// (`fallback_scrape_protocol` of the configuration), and without one that is an error: since version 3
    /// Prometheus does not guess.
    ///
    /// # Errors
    /// [`ContentTypeError`], with Prometheus' message.
    pub fn from_content_type(header: &str, fallback: Option<Self>) -> Result<Self, ContentTypeError> {
        if header.is_empty() {
            return fallback.ok_or(ContentTypeError::Blank);
        }
        match media_type(header) {
            Err(reason) => fallback.ok_or_else(|| ContentTypeError::Malformed {
                header: header.to_owned(),
                reason,
            }),
            Ok(media_type) => match media_type.as_str() {
                "text/plain" => Ok(Self::PrometheusText),
                "application/openmetrics-text" => Ok(Self::OpenMetrics),
                "application/vnd.google.protobuf" => Ok(Self::Protobuf),
                _ => fallback.ok_or_else(|| ContentTypeError::Unsupported(header.to_owned())),
            },
        }
    }
}

/// The media type without its parameters, which must be well-formed (Go's `mime.ParseMediaType`).
fn media_type(header: &str) -> Result<String, &'static str> {
    let (media_type, mut parameters) = match header.split_once(';') {
        Some((media_type, parameters)) => (media_type, Some(parameters)),
        None => (header, None),
    };
    let media_type = media_type.trim().to_ascii_lowercase();
    let (kind, subtype) = match media_type.split_once('/') {
        Some((kind, subtype)) => (kind, Some(subtype)),
        None => (media_type.as_str(), None),
    };
    if kind.is_empty() {
        return Err("mime: no media type");
    }
    if !is_token(kind) {
        return Err("mime: expected slash after first token");
    }
    if subtype.is_some_and(str::is_empty) {
        return Err("mime: expected token after slash");
    }
    if subtype.is_some_and(|subtype| !is_token(subtype)) {
        return Err("mime: unexpected content after media subtype");
    }
    let mut names: Vec<String> = Vec::new();
    while let Some(rest) = parameters {
        let rest = rest.trim_start();
        // A semicolon at the very end is forgiven.
        if rest.is_empty() {
            break;
        }
        let (name, rest) = parameter(rest).ok_or("mime: invalid media parameter")?;
        let name = name.to_ascii_lowercase();
        if names.contains(&name) {
            return Err("mime: duplicate parameter name");
        }
        names.push(name);
        let rest = rest.trim_start();
        parameters = match rest.strip_prefix(';') {
            Some(rest) => Some(rest),
            None if rest.is_empty() => None,
            None => return Err("mime: invalid media parameter"),
        };
    }
    Ok(media_type)
}

/// One `name=value`, and what follows it.
fn parameter(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let (name, rest) = (name.trim_end(), rest.trim_start());
    if !is_token(name) {
        return None;
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let length = rest.bytes().take_while(|b| is_token_byte(*b)).count();
        return (length > 0).then(|| (name, &rest[length..]));
    };
    let mut escaped = false;
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((name, &quoted[at + 1..])),
            b'\r' | b'\n' => return None,
            _ => {}
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_content_types() {
        use Format::{OpenMetrics as O, PrometheusText as T};
        for (header, want) in [
            ("text/plain", T),
            ("text/plain; version=0.0.4", T),
            ("text/plain; version=1.0.0; escaping=allow-utf-8", T),
            ("Text/Plain;charset=\"utf-8\";", T),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", O),
            ("application/openmetrics-text", O),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                Format::Protobuf,
            ),
        ] {
            assert_eq!(Format::from_content_type(header, None), Ok(want), "{header}");
        }
        for (header, want) in [
            (
                "",
                "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target",
            ),
            (
                "text/html",
                "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target",
            ),
            (
                "text/",
                "cannot parse Content-Type \"text/\" and no fallback_scrape_protocol for target: mime: expected token after slash",
            ),
            (
                "text/plain; version",
                "cannot parse Content-Type \"text/plain; version\" and no fallback_scrape_protocol for target: mime: invalid media parameter",
            ),
            (
                "/",
                "cannot parse Content-Type \"/\" and no fallback_scrape_protocol for target: mime: no media type",
            ),
        ] {
            assert_eq!(Format::from_content_type(header, None).unwrap_err().to_string(), want);
            assert_eq!(Format::from_content_type(header, Some(O)), Ok(O), "{header}");
        }
    }
}
