//! A `prometheus.yml` in: a configuration, or an error with its place. The same of a module file of probes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parapet_config::parse("d/p.yml", text) {
        Ok(config) => {
            for target in config.jobs.iter().flat_map(|job| &job.targets) {
                assert!(target.timeout_ms <= target.interval_ms);
            }
        }
        Err(error) => assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty()),
    }
    if let Err(error) = parapet_config::modules::Modules::parse("d/b.yml", text) {
        assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty());
    }
});
