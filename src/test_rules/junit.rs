//! The JUnit report of a run, in the form of promtool's.

use super::FileOutcome;
use std::fmt::Write as _;

/// A suite for each file, a case for each test.
pub(super) fn report(outcomes: &[FileOutcome]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for outcome in outcomes {
        let name = escape(&outcome.name);
        match &outcome.tests {
            Ok(tests) => {
                let failed = tests.iter().filter(|test| !test.failures.is_empty()).count();
                let _ = writeln!(
                    xml,
                    "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\">",
                    tests.len()
                );
                for test in tests {
                    let _ = writeln!(xml, "    <testcase name=\"{}\">", escape(&test.name));
                    for failure in &test.failures {
                        let _ = writeln!(xml, "      <failure message=\"{}\"/>", escape(&failure.to_string()));
                    }
                    xml.push_str("    </testcase>\n");
                }
            }
            Err(message) => {
                let _ = writeln!(
                    xml,
                    "  <testsuite name=\"{name}\" tests=\"0\" failures=\"0\" errors=\"1\">\n    <error message=\"{}\"/>",
                    escape(message)
                );
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml + "</testsuites>\n"
}

/// Text as an attribute's value.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_read_is_an_error() {
        let outcome = FileOutcome {
            name: "a<b.yml".to_owned(),
            tests: Err("line \"1\"\nis bad".to_owned()),
        };
        assert_eq!(
            report(&[outcome]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"a&lt;b.yml\" tests=\"0\" failures=\"0\" errors=\"1\">\n    <error message=\"line &quot;1&quot;&#10;is bad\"/>\n  </testsuite>\n</testsuites>\n"
        );
    }
}
