//! Why a discovered target is not scraped. Prometheus does not tell; whoever looks for a target asks.

use parapet_config::ScrapeJob;
use parapet_model::Labels;
use parapet_relabel::{Action, Rule, process};

/// Which of a job's `relabel_configs`, counted from 1, dropped a target, and what it saw.
pub(super) fn of_dropped(job: &ScrapeJob, labels: &Labels) -> String {
    let rules = &job.relabel;
    let drops = |at: &usize| process(labels, &rules[..=*at]).is_none();
    let Some(at) = (0..rules.len()).find(drops) else {
        return "relabel_configs".to_owned();
    };
    // What it saw is what the ones before it left.
    let seen = process(labels, &rules[..at]).unwrap_or_else(Labels::empty);
    let number = at + 1;
    match rules.get(at) {
        Some(rule) => format!("relabel_configs, rule {number}: {}", told(rule, &seen)),
        None => format!("relabel_configs, rule {number}"),
    }
}

fn told(rule: &Rule, seen: &Labels) -> String {
    let fields = rule.fields();
    let of = |name: &str| seen.get(name).unwrap_or_default();
    let values: Vec<&str> = fields.source_labels.iter().map(|name| of(name)).collect();
    let (names, value) = (fields.source_labels.join(", "), values.join(&fields.separator));
    let saw = format!("{names} is {value:?}, which");
    let (action, regex, target) = (rule.action(), &fields.regex, &fields.target_label);
    match action {
        Action::Keep => format!("keep, {saw} does not match {regex}"),
        Action::Drop => format!("drop, {saw} matches {regex}"),
        Action::KeepEqual => format!("keepequal, {saw} is not {target}, {:?}", of(target)),
        Action::DropEqual => format!("dropequal, {saw} is {target}"),
        other => format!("{}, {names} is {value:?}", other.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_rule_and_what_it_saw() {
        let text = "scrape_configs:\n- job_name: j\n  relabel_configs:\n  \
                    - {source_labels: [env], target_label: stage, replacement: '${1}-x'}\n  \
                    - {source_labels: [stage, zone], regex: 'prod-x;.*', action: keep}\n  \
                    - {source_labels: [zone], regex: b, action: drop}\n  \
                    - {source_labels: [zone], target_label: env, action: dropequal}\n  \
                    - {source_labels: [zone], target_label: want, action: keepequal}\n";
        let job = parapet_config::parse("p.yml", text).unwrap().jobs.remove(0);
        for (env, zone, want) in [
            (
                "dev",
                "a",
                r#"relabel_configs, rule 2: keep, stage, zone is "dev-x;a", which does not match prod-x;.*"#,
            ),
            (
                "prod",
                "b",
                r#"relabel_configs, rule 3: drop, zone is "b", which matches b"#,
            ),
            (
                "prod",
                "prod",
                r#"relabel_configs, rule 4: dropequal, zone is "prod", which is env"#,
            ),
            (
                "prod",
                "a",
                r#"relabel_configs, rule 5: keepequal, zone is "a", which is not want, """#,
            ),
        ] {
            let labels = Labels::from_pairs([("env", env), ("zone", zone)]);
            assert_eq!(of_dropped(&job, &labels), want);
        }
    }
}
