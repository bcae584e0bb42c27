//! Every parser of foreign bytes that `parapet-logs` has: none panics, and what is printed reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_logs::LogRecord;
use parapet_logs::inputs::{bulk, cloudwatch, loki, otlp, syslog};
use parapet_logs::logql::{Evaluation, Parameters, parse};
use parapet_logs::pipeline::{Origin, Pipelines};
use parapet_logs::templates::{Miner, Options};
use parapet_logs::time::TimeFormat;

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    let record = LogRecord {
        timestamp_ns: 5,
        raw: data.to_vec().into(),
        ..LogRecord::default()
    };
    match which % 10 {
        0 => {
            if let Ok(expr) = parse(&text) {
                let printed = expr.to_string();
                assert_eq!(parse(&printed).as_ref(), Ok(&expr), "{printed}");
                let parameters = Parameters {
                    end_ns: 10,
                    ..Parameters::default()
                };
                if let Ok(mut evaluation) = Evaluation::new(&expr, parameters) {
                    for selection in 0..evaluation.selections().len() {
                        let _ = evaluation.push(selection, &record);
                    }
                    let _ = evaluation.finish();
                }
            }
        }
        1 => {
            if let Ok(filter) = parapet_logs::parse_query(&text) {
                filter.matches(&record);
                filter.need();
            }
        }
        2 => drop(loki::parse_json(data)),
        3 => drop(loki::parse_protobuf(data, 1 << 20)),
        4 => drop(bulk::parse(data, "i")),
        5 => drop(otlp::parse_json(data).or_else(|_| otlp::parse_protobuf(data))),
        6 => {
            let (messages, taken) = syslog::frames(data, 64);
            assert!(taken <= data.len());
            for message in messages {
                assert_eq!(syslog::parse(message, 5, chrono_tz::Tz::UTC).raw, message);
            }
        }
        7 => {
            let _ = Pipelines::parse("p.yml", &text);
            let _ = cloudwatch::parse(data);
        }
        8 => {
            if let Ok(format) = TimeFormat::new(&text) {
                format.parse(&text, chrono_tz::Europe::Berlin, 5);
            }
            let mut miner = Miner::new(Options::default()).expect("the default");
            data.split(|byte| *byte == b'\n').for_each(|line| miner.learn(&String::from_utf8_lossy(line)));
            miner.templates();
        }
        _ => {
            for name in Pipelines::shipped_names() {
                let pipelines = Pipelines::shipped(name).expect("a shipped one");
                let origin = Origin {
                    path: "",
                    received_ns: 5,
                };
                let outcome = pipelines.process(vec![record.clone()], origin);
                assert_eq!(outcome.records[0].raw, data);
            }
        }
    }
});
