//! What a line's fields are as samples.

use crate::{Field, Line, LineFault, Precision};
use parapet_model::{Labels, METRIC_NAME, parse_float};
use std::collections::BTreeMap;

/// A sample of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct InfluxSample {
    /// `<measurement>_<field>` with the tags.
    pub labels: Labels,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The value; of `true` 1, of `false` 0.
    pub value: f64,
}

impl Line {
    /// The bytes of labels that the line's samples take: the tags stand once in it, and with each field here.
    #[must_use]
    pub fn label_bytes(&self) -> usize {
        let tags = self.tags.iter().map(|(name, value)| name.len() + value.len());
        let fields = self.fields.iter().map(|(name, _)| name.len()).sum::<usize>();
        let shared = tags.sum::<usize>() + self.measurement.len();
        shared.saturating_mul(self.fields.len()).saturating_add(fields)
    }

    /// The samples of the line's fields. Characters that names may not have are underscores; a tag without a value is
    /// none; a text that is no number is no sample. `now_ms` is the time of a line without one, `database` becomes the
    /// label `db` where no tag has that name.
    ///
    /// # Errors
    /// A timestamp that is out of range.
    pub fn samples(
        &self,
        precision: Precision,
        now_ms: i64,
        database: Option<&str>,
    ) -> Result<Vec<InfluxSample>, LineFault> {
        let timestamp_ms = match self.timestamp {
            None => now_ms,
            Some(timestamp) => precision.to_ms(timestamp).ok_or_else(|| LineFault {
                line: self.number,
                reason: format!("timestamp {timestamp} is out of range"),
            })?,
        };
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        labels.extend(database.map(|database| ("db".to_owned(), database.to_owned())));
        labels.extend(
            self.tags
                .iter()
                .map(|(name, value)| (name_of(name, false), value.clone())),
        );
        let samples = self.fields.iter().filter_map(|(name, field)| {
            let value = match field {
                Field::Number(number) => *number,
                Field::Bool(is) => f64::from(u8::from(*is)),
                Field::Text(text) => parse_float(text)?,
            };
            let name = name_of(&format!("{}_{name}", self.measurement), true);
            labels.insert(METRIC_NAME.to_owned(), name);
            let pairs = labels.iter().filter(|(_, value)| !value.is_empty());
            Some(InfluxSample {
                labels: Labels::from_sorted(pairs.map(|(name, value)| (name.as_str(), value.as_str()))),
                timestamp_ms,
                value,
            })
        });
        Ok(samples.collect())
    }
}

/// A name in the classic character set.
fn name_of(name: &str, is_metric: bool) -> String {
    let mut out: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || (is_metric && c == ':') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if out.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        out.insert(0, '_');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines;

    #[test]
    fn fields_are_series() {
        let line = lines(br#"1disk-io,host.name=a,empty=,db=own read\ bytes=1,ok=f,text="x",number="2.5" 3"#);
        let line = line.into_iter().next().unwrap().unwrap();
        let samples = line.samples(Precision::Seconds, 9, Some("telegraf")).unwrap();
        let shown: Vec<String> = samples
            .iter()
            .map(|one| format!("{} {} {}", one.labels, one.value, one.timestamp_ms))
            .collect();
        assert_eq!(
            shown,
            [
                r#"_1disk_io_read_bytes{db="own", host_name="a"} 1 3000"#,
                r#"_1disk_io_ok{db="own", host_name="a"} 0 3000"#,
                r#"_1disk_io_number{db="own", host_name="a"} 2.5 3000"#,
            ]
        );
        let plain = Line {
            timestamp: None,
            tags: Vec::new(),
            ..line.clone()
        };
        let samples = plain.samples(Precision::Seconds, 9, Some("telegraf")).unwrap();
        assert_eq!(
            (samples[0].labels.get("db"), samples[0].timestamp_ms),
            (Some("telegraf"), 9)
        );
        let far = Line {
            timestamp: Some(i64::MAX),
            ..line
        };
        assert!(far.samples(Precision::Hours, 0, None).is_err());
    }
}
