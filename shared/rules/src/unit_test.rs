//! Unit tests of rules, in promtool's format and with its verdicts (`cmd/promtool/unittest.go` of Prometheus).
//!
//! Reading rule files is the caller's: [`UnitTests::rule_files`] says which. A test loads its series, evaluates every
//! group at every interval in the order that is asked for, and compares alerts and expressions at the times that it
//! names.
//!
//! ```
//! use parapet_rules::unit_test::UnitTests;
//!
//! let rules = parapet_rules::parse("r.yml", "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 2m}]}]")?;
//! let tests = UnitTests::parse("t.yml", "
//! rule_files: [r.yml]
//! tests:
//! - input_series: [{series: 'up{job=\"node\"}', values: '0x10'}]
//!   alert_rule_test:
//!   - {eval_time: 2m, alertname: Down, exp_alerts: [{exp_labels: {job: node}}]}
//! ")?;
//! assert!(tests.run(&rules, |_| true).iter().all(|outcome| outcome.failures.is_empty()));
//! # Ok::<(), parapet_rules::RulesError>(())
//! ```

mod failure;
mod file;
mod run;
mod samples;

pub use failure::Failure;

use file::TestCase;

/// A file of unit tests.
#[derive(Debug)]
pub struct UnitTests {
    rule_files: Vec<String>,
    evaluation_interval_ms: i64,
    group_eval_order: Vec<String>,
    fuzzy_compare: bool,
    tests: Vec<TestCase>,
}

/// What became of one test.
#[derive(Debug)]
pub struct TestOutcome {
    /// Its name, or `unnamed#` and its number in the file.
    pub name: String,
    /// What was not as expected; empty where the test passes.
    pub failures: Vec<Failure>,
}

impl UnitTests {
    /// The patterns of `rule_files`, relative to the directory of the test file.
    #[must_use]
    pub fn rule_files(&self) -> &[String] {
        &self.rule_files
    }

    /// Runs the tests whose names `chosen` takes. `groups` are those of the rule files, in their order.
    pub fn run(&self, groups: &[crate::RuleGroup], chosen: impl Fn(&str) -> bool) -> Vec<TestOutcome> {
        let mut ordered: Vec<&crate::RuleGroup> = groups.iter().collect();
        let place = |group: &crate::RuleGroup| self.group_eval_order.iter().position(|name| *name == group.name);
        // Groups that are not named come last, in the order of the files.
        ordered.sort_by_key(|group| place(group).unwrap_or(usize::MAX));
        let mut outcomes = Vec::new();
        for (number, test) in self.tests.iter().enumerate() {
            if !chosen(&test.name) {
                continue;
            }
            let name = match test.name.as_str() {
                "" => format!("unnamed#{number}"),
                name => name.to_owned(),
            };
            outcomes.push(TestOutcome {
                name,
                failures: run::run(self, test, &ordered),
            });
        }
        outcomes
    }
}
