//! Lines that belong together: stack traces, and whatever else goes on over a line's end.

use crate::LogRecord;
use regex::bytes::Regex;

/// Joins lines into records.
#[derive(Clone, Debug)]
pub(super) struct Multiline {
    /// A line that matches begins a record.
    pub(super) starts: Option<Regex>,
    /// A line that matches goes on with the record before it.
    pub(super) continues: Option<Regex>,
    pub(super) max_lines: usize,
    pub(super) max_bytes: usize,
}

impl Multiline {
    /// Whether a line begins a record, whatever comes before it.
    pub(super) fn begins(&self, line: &[u8]) -> bool {
        let begins = self.starts.as_ref().is_some_and(|regex| regex.is_match(line));
        let goes_on = self.continues.as_ref().is_none_or(|regex| regex.is_match(line));
        begins || !goes_on
    }

    /// Joins the lines of one stream, in their order; what comes before the first beginning is a record of its own.
    /// Line breaks between joined lines are kept. A record that would grow over the limits is cut.
    pub(super) fn join(&self, lines: Vec<LogRecord>) -> Vec<LogRecord> {
        let mut joined: Vec<LogRecord> = Vec::with_capacity(lines.len());
        // The lines of the last record.
        let (mut text, mut count) = (Vec::new(), 0);
        for line in lines {
            let goes_on = !joined.is_empty()
                && !self.begins(&line.raw)
                && count < self.max_lines
                && text.len() + line.raw.len() < self.max_bytes;
            if goes_on {
                text.push(b'\n');
                text.extend_from_slice(&line.raw);
                count += 1;
            } else {
                close(&mut joined, &text, count);
                text.clear();
                text.extend_from_slice(&line.raw);
                joined.push(line);
                count = 1;
            }
        }
        close(&mut joined, &text, count);
        joined
    }
}

/// Gives the last record its lines, where they are several.
fn close(joined: &mut [LogRecord], text: &[u8], lines: usize) {
    if let Some(record) = joined.last_mut().filter(|_| lines > 1) {
        record.raw = text.to_vec().into();
    }
}
