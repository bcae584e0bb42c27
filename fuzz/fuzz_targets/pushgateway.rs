//! Pushes to the Pushgateway's API: a path, a line break, a body. The first byte says how.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_pushgateway::{Group, Grouping, check, exposition, read_families, to_json};

const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (path, body) = (String::from_utf8_lossy(&data[..end]), data.get(end + 1..).unwrap_or_default());
    let grouping = match Grouping::from_path(&path) {
        Ok(grouping) => {
            assert!(grouping.labels().get("job").is_some_and(|job| !job.is_empty()), "{path}");
            grouping
        }
        Err(_) => Grouping::from_path("job/a").expect("a path"),
    };
    let content_type = (choice & 1 == 0).then_some(PROTOBUF);
    let Ok(families) = read_families(body, content_type) else { return };
    let mut group = Group::new(grouping);
    group.push(families, choice & 2 == 0, 1_700_000_000_000);
    if check(&group, []).is_ok() {
        let text = exposition(std::slice::from_ref(&group));
        assert!(read_families(text.as_bytes(), None).is_ok(), "{text}");
    }
    group.fail(1_700_000_000_001);
    let _ = to_json(&[group]);
});
