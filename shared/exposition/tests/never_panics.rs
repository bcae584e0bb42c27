//! Whatever a target sends, the parser answers.

use parapet_exposition::{Format, Limits, Options, Parser, Place, collect};
use proptest::prelude::*;

const SEEDS: &[&str] = &[
    "# HELP a b\\n\n# TYPE a histogram\na_bucket{le=\"1\",x=\"\\\"y\\\\\"} 1 2\n",
    "{\"a.b\",\"c d\"=\"e\"} +Inf\n",
    "# TYPE a counter\na_total{b=\"c\"} 1 2.5 # {d=\"e\"} 3 4\na_created{b=\"c\"} 5\n# UNIT a_s s\n# EOF\n",
];

fn run(body: &[u8]) {
    let small = Limits {
        labels_per_series: 2,
        ..Limits::default()
    };
    for format in [Format::PrometheusText, Format::OpenMetrics] {
        let _ = collect(Parser::new(body, format, &Limits::default()));
        for convert_classic_histograms in [false, true] {
            let options = Options {
                start_timestamps: true,
                convert_classic_histograms,
                ..Options::default()
            };
            let mut parser = Parser::new(body, format, &small).with_options(options);
            while let Ok(Some(_)) = parser.next_entry() {}
            assert!(matches!(parser.next_entry(), Ok(None)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn on_any_bytes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        run(&body);
    }

    #[test]
    fn on_bytes_of_the_formats(body in proptest::collection::vec(
        proptest::sample::select(b"ab_: \t\n#{}=,\"\\01.eE+-\0\xff\xc3\xa9HELPTYUNOF".to_vec()), 0..80)) {
        run(&body);
    }

    #[test]
    fn on_damage(seed in 0..SEEDS.len(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut body = SEEDS[seed].as_bytes().to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        body.truncate(cut.index(body.len() + 1));
        run(&body);
    }
}

#[test]
fn limits_labels_of_one_series() {
    let body = format!(
        "a{{{}}} 1\n",
        (0..1001).map(|i| format!("l{i}=\"\",")).collect::<String>()
    );
    let error = collect(Parser::new(body.as_bytes(), Format::PrometheusText, &Limits::default())).unwrap_err();
    assert_eq!(error.message, "more than 1000 labels in one series");
}

#[test]
fn says_where_the_fault_is() {
    let error = collect(Parser::new(
        b"ok 1\n\nbad{a=\"b\"} x\n",
        Format::PrometheusText,
        &Limits::default(),
    ))
    .unwrap_err();
    assert_eq!(error.place, Place::Line { line: 3, column: 12 });
    assert_eq!(
        error.to_string(),
        r#"line 3, column 12: strconv.ParseFloat: parsing "x": invalid syntax while parsing: "bad{a=\"b\"} x""#
    );
    let twice = collect(Parser::new(
        b"a{b=\"1\",b=\"2\"} 1\n",
        Format::PrometheusText,
        &Limits::default(),
    ))
    .unwrap_err();
    assert_eq!(twice.message, "label name \"b\" is not unique: invalid sample");
}

#[test]
fn many_counters_without_start_times_take_linear_time() {
    let mut body = b"# TYPE a counter\n".to_vec();
    for i in 0..50_000 {
        body.extend_from_slice(format!("a_total{{i=\"{i}\"}} 1\n").as_bytes());
    }
    body.extend_from_slice(b"# EOF\n");
    let mut parser = Parser::new(&body, Format::OpenMetrics, &Limits::default()).with_options(Options {
        start_timestamps: true,
        ..Options::default()
    });
    let mut count = 0;
    while parser.next_entry().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 50_001);
}
