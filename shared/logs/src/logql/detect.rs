//! What may be asked of a line beyond what is stored of it: the fields that a parser would find.

use super::hints::ALL;
use super::row::Row;
use super::stages::{json, logfmt};
use parapet_model::Labels;

/// The fields that `| json` finds in a line of a stream, or where that fails `| logfmt`; and which of the two
/// (`parseEntry` of Loki's `detected_fields`). A field with the name of a label is `name_extracted`.
#[must_use]
pub fn detect(stream: &Labels, line: &str) -> (Labels, &'static str) {
    let bare = || Row::of_stream(stream, 0, line.into(), &ALL);
    let mut row = bare();
    json(&mut row, &[]);
    if row.error.is_empty() {
        return (row.parsed(), "json");
    }
    row = bare();
    logfmt(&mut row, false, false, &[]);
    (row.parsed(), "logfmt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_by_their_parser() {
        let stream = Labels::from_pairs([("app", "web")]);
        for (line, want, parser) in [
            (r#"{"app":1,"a":{"b":2}}"#, r#"{a_b="2", app_extracted="1"}"#, "json"),
            ("app=1 level=warn \"", r#"{app_extracted="1", level="warn"}"#, "logfmt"),
            (r#"{"cut":1,"#, "{}", "logfmt"),
            (
                "detected_level=x service_name=y",
                r#"{detected_level="x", service_name="y"}"#,
                "logfmt",
            ),
        ] {
            let (found, by) = detect(&stream, line);
            assert_eq!((found.to_string().as_str(), by), (want, parser), "{line}");
        }
    }
}
