//! [`Skeleton`]: a body without its numbers, by which the next body of the same target is known again.

use crate::format::Format;
use crate::number::{parse_float, parse_millis};
use crate::parser::{Entry, Limits, Options, Parser};

/// A body of a text format without the numbers in it: what stays the same from scrape to scrape. Of a body that has the
/// same skeleton only the numbers are read, which is several times as quick as reading it; its series, and all that is
/// said of them, are those of the body from which the skeleton was taken (the purpose of `scrapeCache` in Prometheus).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeleton {
    /// All bytes between the numbers.
    fixed: Box<[u8]>,
    samples: Box<[Slot]>,
}

/// Where a sample's numbers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// Where the fixed bytes before the value end.
    end: usize,
    /// Whether a space and a time follow the value.
    timed: bool,
}

impl Skeleton {
    /// The skeleton of a body; `None` where it says more than a series, a value and a time in milliseconds of any
    /// sample (an exemplar, a native histogram, a time in seconds), where the options make other samples of what is
    /// written, or where it has a fault.
    #[must_use]
    pub fn of(body: &[u8], format: Format, limits: &Limits, options: Options) -> Option<Self> {
        if format == Format::Protobuf || options.convert_classic_histograms || options.start_timestamps {
            return None;
        }
        let mut parser = Parser::new(body, format, limits).with_options(options);
        let (mut fixed, mut samples, mut from) = (Vec::with_capacity(body.len()), Vec::new(), 0);
        while let Some(entry) = parser.next_entry().ok()? {
            let series = match entry {
                Entry::Series(series) => series,
                Entry::Histogram(_) => return None,
                _ => continue,
            };
            let timed = series.timestamp_ms.is_some();
            if series.exemplar.is_some() || (timed && format != Format::PrometheusText) {
                return None;
            }
            let after = (series.raw.as_ptr() as usize).checked_sub(body.as_ptr() as usize)? + series.raw.len();
            let blanks = body.get(after..)?.iter().take_while(|b| matches!(b, b' ' | b'\t'));
            let value_at = after + blanks.count();
            fixed.extend_from_slice(body.get(from..value_at)?);
            samples.push(Slot {
                end: fixed.len(),
                timed,
            });
            let mut at = value_at;
            number(body, &mut at)?;
            if timed {
                time(body, &mut at)?;
            }
            from = at;
        }
        fixed.extend_from_slice(body.get(from..)?);
        let skeleton = Self {
            fixed: fixed.into(),
            samples: samples.into(),
        };
        // What it reads of its own body is what the parser read, or it is of no use.
        skeleton.numbers(body, |_, _| {}).then_some(skeleton)
    }

    /// Hands the numbers of each sample of a body to `sample`, in order; `false` where the body has another skeleton or a
    /// number that does not read: then the parser has to say what it is, and what was handed over means nothing.
    pub fn numbers(&self, body: &[u8], mut sample: impl FnMut(f64, Option<i64>)) -> bool {
        let (mut at, mut from) = (0, 0);
        for slot in &self.samples {
            let fixed = &self.fixed[from..slot.end];
            if !body[at..].starts_with(fixed) {
                return false;
            }
            at += fixed.len();
            from = slot.end;
            let Some(value) = number(body, &mut at) else {
                return false;
            };
            let mut timestamp_ms = None;
            if slot.timed {
                timestamp_ms = time(body, &mut at);
                if timestamp_ms.is_none() {
                    return false;
                }
            }
            sample(value, timestamp_ms);
        }
        body[at..] == self.fixed[from..]
    }

    /// How many samples a body of this skeleton has.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.samples.len()
    }

    /// The memory that it takes, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.fixed.len() + size_of_val(&*self.samples)
    }
}

/// A value: all letters, digits and signs that follow. What ends it is a fixed byte, which is what ended the value of the
/// first body.
fn number(body: &[u8], at: &mut usize) -> Option<f64> {
    let token = take(body, at, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-')
    });
    parse_float(token).ok()
}

/// A space and a time in milliseconds.
fn time(body: &[u8], at: &mut usize) -> Option<i64> {
    if body.get(*at) != Some(&b' ') {
        return None;
    }
    *at += 1;
    let token = take(body, at, |b| b.is_ascii_digit());
    if token.is_empty() {
        return None;
    }
    parse_millis(token).ok()
}

#[inline]
fn take<'a>(body: &'a [u8], at: &mut usize, class: impl Fn(u8) -> bool) -> &'a [u8] {
    let rest = &body[*at..];
    let length = rest.iter().position(|b| !class(*b)).unwrap_or(rest.len());
    *at += length;
    &rest[..length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(body: &str, format: Format) -> Option<Skeleton> {
        Skeleton::of(body.as_bytes(), format, &Limits::default(), Options::default())
    }

    fn numbers(skeleton: &Skeleton, body: &str) -> Option<Vec<(u64, Option<i64>)>> {
        let mut out = Vec::new();
        skeleton
            .numbers(body.as_bytes(), |value, at| out.push((value.to_bits(), at)))
            .then_some(out)
    }

    fn parsed(body: &str, format: Format) -> Option<Vec<(u64, Option<i64>)>> {
        let mut parser = Parser::new(body.as_bytes(), format, &Limits::default());
        let mut out = Vec::new();
        while let Some(entry) = parser.next_entry().ok()? {
            if let Entry::Series(series) = entry {
                out.push((series.value.to_bits(), series.timestamp_ms));
            }
        }
        Some(out)
    }

    const BODY: &str =
        "# HELP a Some 1.\n# TYPE a counter\na{x=\"1 2\"} 1\na{x=\"b\"}\t2.5e+3 1700000000000\n\n b NaN\n# end\nc 0";

    #[test]
    fn another_body_of_the_same_kind_gives_its_numbers() {
        let skeleton = of(BODY, Format::PrometheusText).unwrap();
        assert_eq!(skeleton.sample_count(), 4);
        let next = BODY
            .replace("} 1\n", "} -Inf\n")
            .replace("1700000000000", "5")
            .replace("NaN", "7");
        for body in [BODY, &next] {
            let got = numbers(&skeleton, body);
            assert!(got.is_some(), "{body}");
            assert_eq!(got, parsed(body, Format::PrometheusText), "{body}");
        }
    }

    #[test]
    fn a_body_that_differs_otherwise_is_not_taken_for_it() {
        let skeleton = of(BODY, Format::PrometheusText).unwrap();
        for (from, to) in [
            ("counter", "gauge"),
            ("x=\"b\"", "x=\"c\""),
            ("NaN", "-NaN"),
            ("NaN", ""),
            ("NaN", "1_0"),
            ("NaN", "1 5"),
            ("2.5e+3 1700000000000", "2.5e+3"),
            ("1700000000000", "17000000000000000000000"),
            ("1700000000000", "1.5"),
            ("# end\n", "# end\n# more\n"),
            ("c 0", "c 0\n"),
            ("c 0", "c 0 1"),
            ("c 0", ""),
        ] {
            let body = BODY.replacen(from, to, 1);
            assert_ne!(body, BODY);
            assert_eq!(numbers(&skeleton, &body), None, "{from} {to}");
        }
    }

    #[test]
    fn what_says_more_than_numbers_has_none() {
        let text = Format::PrometheusText;
        assert!(of("a 1\nb", text).is_none());
        assert!(of("a 1  5\n", text).is_none(), "two spaces before the time");
        let open = Format::OpenMetrics;
        assert!(of("a 1\n# EOF\n", open).is_some());
        assert!(of("a 1 2.5\n# EOF\n", open).is_none());
        assert!(of("# TYPE a counter\na_total 1 # {} 1\n# EOF\n", open).is_none());
        let options = Options {
            start_timestamps: true,
            ..Options::default()
        };
        assert!(Skeleton::of(b"a 1\n", text, &Limits::default(), options).is_none());
    }

    proptest! {
        /// Whatever is taken for a body of the skeleton reads as the parser reads it.
        #[test]
        fn never_reads_what_the_parser_does_not(
            first in "(a|b\\{c=\"d\"\\}|# x|\n| |\t|1|2\\.5|NaN|e|\\+|-|\\{|\"){1,14}",
            second in "(a|b\\{c=\"d\"\\}|# x|\n| |\t|1|2\\.5|NaN|e|\\+|-|\\{|\"){1,14}",
            open in any::<bool>(),
        ) {
            let format = if open { Format::OpenMetrics } else { Format::PrometheusText };
            let (first, second) = if open { (first + "\n# EOF\n", second + "\n# EOF\n") } else { (first, second) };
            if let Some(skeleton) = of(&first, format) {
                prop_assert_eq!(numbers(&skeleton, &first), parsed(&first, format));
                if let Some(got) = numbers(&skeleton, &second) {
                    prop_assert_eq!(Some(got), parsed(&second, format));
                }
            }
        }

        #[test]
        fn other_numbers_in_the_same_body(values in prop::collection::vec("[-+]?[0-9]{1,18}(\\.[0-9]{1,5})?(e[-+]?[0-9]{1,3})?", 1..6)) {
            let body = |values: &[String]| -> String {
                values.iter().enumerate().map(|(n, value)| format!("m{{n=\"{n}\"}} {value}\n")).collect()
            };
            let ones = vec!["1".to_owned(); values.len()];
            let skeleton = of(&body(&ones), Format::PrometheusText).unwrap();
            let next = body(&values);
            prop_assert_eq!(numbers(&skeleton, &next), parsed(&next, Format::PrometheusText));
        }
    }
}
