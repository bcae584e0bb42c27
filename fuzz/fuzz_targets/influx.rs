//! InfluxDB's line protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_influx::{Precision, lines};

fuzz_target!(|body: &[u8]| {
    let mut before = 0;
    for line in lines(body) {
        let number = match line {
            Ok(line) => {
                let _ = line.samples(Precision::Hours, 0, Some("db"));
                line.number
            }
            Err(fault) => fault.line,
        };
        assert!(number > before, "line {number} after line {before}");
        before = number;
    }
});
