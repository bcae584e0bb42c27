//! A body in: it parses in each format and with each option, or not; what it gives are labels, numbers and well-formed
//! spans. The first byte chooses format and options.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_exposition::{Entry, Format, Limits, Options, Parser};

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let format = match choice & 3 {
        0 => Format::PrometheusText,
        1 => Format::OpenMetrics,
        _ => Format::Protobuf,
    };
    let options = Options {
        native_histograms: choice & 4 != 0,
        classic_histograms: choice & 8 != 0,
        convert_classic_histograms: choice & 16 != 0,
        start_timestamps: choice & 32 != 0,
        type_and_unit_labels: choice & 64 != 0,
    };
    let limits = Limits {
        labels_per_series: 10,
        buckets_per_histogram: 50,
    };
    let mut parser = Parser::new(body, format, &limits).with_options(options);
    loop {
        match parser.next_entry() {
            Ok(Some(Entry::Series(series))) => {
                let _ = series.to_labels();
            }
            Ok(Some(Entry::Histogram(series))) => {
                let spans = &series.histogram.positive_spans;
                let length: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
                assert_eq!(length, series.histogram.positive_buckets.len() as u64);
                let _ = (series.to_labels(), series.histogram.validate(), series.histogram.at_schema(-4));
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                assert!(error.to_string().len() < 10_000);
                break;
            }
        }
    }
    assert!(matches!(parser.next_entry(), Ok(None)));
});
