//! InfluxDB's line protocol and pushes to the Pushgateway's API.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_influx::{Precision, lines};
use parapet_pushgateway::{Group, Grouping, check, exposition, read_families, to_json};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    if choice & 1 == 0 {
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
        return;
    }
    let Ok(families) = read_families(body, None) else { return };
    let mut group = Group::new(Grouping::from_path("job/a/instance/i").expect("a path"));
    group.push(families, true, 0);
    if check(&group, []).is_ok() {
        let text = exposition(std::slice::from_ref(&group));
        assert!(read_families(text.as_bytes(), None).is_ok(), "{text}");
    }
    let _ = to_json(&[group]);
});
