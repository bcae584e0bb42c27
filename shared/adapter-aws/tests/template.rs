//! `template.yaml` and the code agree on queues and variables, and the template keeps the rules of queue and function.

#![allow(clippy::unwrap_used, reason = "a template that does not read is a failure")]
use parapet_ports::Queue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The template's resources: logical id to the lines below it. The file has one form, so that lines are enough.
fn resources() -> BTreeMap<String, String> {
    let template = include_str!("../../../template.yaml");
    let (_, resources) = template.split_once("\nResources:\n").unwrap();
    let (resources, _) = resources.split_once("\nOutputs:\n").unwrap();
    let mut found = BTreeMap::new();
    let mut current = String::new();
    for line in resources.lines() {
        let id = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        match id.filter(|id| id.chars().all(char::is_alphanumeric)) {
            Some(id) => current = id.to_owned(),
            None => {
                let text: &mut String = found.entry(current.clone()).or_default();
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    found
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .next()
}

/// `scrape-tasks` as `ScrapeTasks`.
fn logical_id(queue: Queue) -> String {
    let words = queue.as_str().split('-');
    words
        .map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]))
        .collect()
}

fn seconds(text: &str, name: &str, default: u32) -> u32 {
    value(text, name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn every_queue_has_its_resources_and_variables() {
    let (template, resources) = (include_str!("../../../template.yaml"), resources());
    for queue in Queue::ALL {
        let (id, name) = (logical_id(queue), queue.as_str());
        let variable = name.replace('-', "_").to_uppercase();
        for line in [
            format!("PARAPET_QUEUE_{variable}_URL: !Ref {id}Queue"),
            format!("PARAPET_DLQ_{variable}_URL: !Ref {id}DeadLetters"),
        ] {
            assert!(template.contains(&line), "the template has no {line}");
        }
        let own = &resources[&format!("{id}Queue")];
        let dead = &resources[&format!("{id}DeadLetters")];
        // Functions tell queues apart by the end of their names.
        assert_eq!(
            value(own, "QueueName"),
            Some(format!("!Sub \"${{AWS::StackName}}-{name}\"").as_str())
        );
        assert_eq!(
            value(dead, "QueueName"),
            Some(format!("!Sub \"${{AWS::StackName}}-{name}-dlq\"").as_str())
        );
        assert!(value(own, "RedrivePolicy").is_some_and(|policy| policy.contains(&format!("{id}DeadLetters.Arn"))));
        for queue in [own, dead] {
            assert_eq!(value(queue, "MaximumMessageSize"), Some("1048576"), "{name}");
            assert_eq!(value(queue, "SqsManagedSseEnabled"), Some("true"), "{name}");
        }
        assert!(
            seconds(dead, "MessageRetentionPeriod", 0) > seconds(own, "MessageRetentionPeriod", 0),
            "{name}"
        );
        for alarm in ["DeadLettersAlarm", "AgeAlarm"] {
            assert!(resources.contains_key(&format!("{id}{alarm}")), "{id}{alarm}");
        }
    }
}

#[test]
fn visibility_is_six_times_the_timeout_and_the_window() {
    let (template, resources) = (include_str!("../../../template.yaml"), resources());
    let (_, globals) = template.split_once("\nGlobals:\n").unwrap();
    let default = seconds(globals, "Timeout", 3);
    for queue in Queue::ALL {
        let id = logical_id(queue);
        let mapping = format!("Queue: !GetAtt {id}Queue.Arn");
        // The bucket names a queue too: to send to it.
        let functions = resources.iter().filter(|(id, _)| id.ends_with("Function"));
        let functions: Vec<&String> = functions
            .map(|(_, text)| text)
            .filter(|text| text.contains(&mapping))
            .collect();
        let [function] = functions[..] else {
            panic!("{id} has {} consumers", functions.len());
        };
        let (_, mapping) = function.split_once(&mapping).unwrap();
        let needed = 6 * seconds(function, "Timeout", default) + seconds(mapping, "MaximumBatchingWindowInSeconds", 0);
        let visibility = seconds(&resources[&format!("{id}Queue")], "VisibilityTimeout", 30);
        assert!(visibility >= needed, "{id}: {visibility} s is less than {needed} s");
        assert!(
            mapping.contains("FunctionResponseTypes: [ReportBatchItemFailures]"),
            "{id}"
        );
        assert!(mapping.contains("ScalingConfig: {MaximumConcurrency:"), "{id}");
    }
}

#[test]
fn every_function_has_its_own_role_log_group_and_alarm() {
    let resources = resources();
    let functions: Vec<&String> = resources.keys().filter(|id| id.ends_with("Function")).collect();
    assert_eq!(functions.len(), 8);
    for id in functions {
        let name = id.strip_suffix("Function").unwrap();
        let function = &resources[id];
        assert_eq!(
            value(function, "Role"),
            Some(format!("!GetAtt {name}Role.Arn").as_str())
        );
        for other in [
            format!("{name}Role"),
            format!("{name}Logs"),
            format!("{name}ErrorsAlarm"),
        ] {
            assert!(resources.contains_key(&other), "{other}");
        }
        let role = &resources[&format!("{name}Role")];
        assert!(!role.contains(":*\""), "{name} may do too much");
        let statements = role.split("- Sid:");
        for statement in statements.filter_map(|statement| statement.split_once("Resource: \"*\"")) {
            // Calls that list what there is take no resource; nothing else may go without.
            let statement = statement.0;
            let mut actions = statement.lines().filter_map(|line| line.trim().strip_prefix("- "));
            let lists = |action: &str| {
                [":Describe", ":List", ":GetInstances"]
                    .iter()
                    .any(|verb| action.contains(verb))
            };
            assert!(
                statement.contains("Action:\n") && actions.all(lists),
                "{name} may do too much:{statement}"
            );
        }
    }
}

/// The Rust sources below a directory, one text.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// An emulator enforces no rights: what a function sends is read off its sources.
#[test]
fn every_function_may_send_where_it_sends() {
    let resources = resources();
    let mut sends = 0;
    for name in [
        "scraper",
        "ingest",
        "log-parse",
        "rule-evaluation",
        "notifier",
        "api",
        "compactor",
        "ml-exporter",
    ] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions").join(name);
        let text = sources(&directory.join("src"));
        let mut queues: BTreeSet<String> = text
            .split("send_batch(Queue::")
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect())
            .collect();
        if text.contains("send_samples(") {
            queues.insert("Samples".to_owned());
        }
        if text.contains("send_logs(") {
            queues.insert("Logs".to_owned());
        }
        if text.contains("alerts::send(") {
            queues.insert("Alerts".to_owned());
        }
        let id: String = name
            .split('-')
            .map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]))
            .collect();
        let role = &resources[&format!("{id}Role")];
        let (send, _) = role
            .split_once("Action: sqs:SendMessage")
            .map(|(_, rest)| rest.split_once("- Sid:").unwrap_or((rest, "")))
            .unwrap_or_default();
        for queue in queues {
            assert!(
                send.contains(&format!("!GetAtt {queue}Queue.Arn")),
                "{name} may not send to {queue}"
            );
            sends += 1;
        }
    }
    assert!(sends >= 8, "{sends} are not all that is sent");
}

/// The ml-exporter is there only where it is asked for, with all that belongs to it, and reads what it is told to.
#[test]
fn the_ml_exporter_is_off_and_reads_its_prefixes() {
    let resources = resources();
    let template = include_str!("../../../template.yaml");
    let (_, parameter) = template.split_once("\n  MlSchedule:\n").unwrap();
    assert_eq!(value(parameter, "Default"), Some("\"\""));
    let own = resources.iter().filter(|(id, _)| id.starts_with("MlExporter"));
    let mut count = 0;
    for (id, text) in own {
        assert_eq!(value(text, "Condition"), Some("ModelsAreWatched"), "{id}");
        count += 1;
    }
    assert_eq!(count, 4);
    let role = &resources["MlExporterRole"];
    let reads: Vec<&str> = role
        .split("- Sid:")
        .filter(|text| text.contains("s3:GetObject"))
        .collect();
    let paths = reads
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split("${Bucket.Arn}/").nth(1));
    let paths: Vec<&str> = paths.map(|path| path.trim_end_matches("*\"")).collect();
    assert_eq!(
        paths,
        [
            "config/",
            "${MlRegistryPrefix}",
            "${MlDataPrefix}",
            "metrics/",
            "metrics-rollup/"
        ]
    );
    assert!(!role.contains("dynamodb:PutItem") && !role.contains("s3:DeleteObject"));
}

/// The same for the ledger: who writes and removes its files, and who reads them.
#[test]
fn the_ledger_is_written_and_read_by_right() {
    let resources = resources();
    let rights = |role: &str| -> String {
        let statements: Vec<&str> = resources[role].split("- Sid:").collect();
        let of_ledger = statements.iter().filter(|text| text.contains("/ledger/*"));
        of_ledger.copied().collect()
    };
    let notifier = rights("NotifierRole");
    assert!(
        notifier.contains("s3:PutObject") && notifier.contains("s3:DeleteObject"),
        "{notifier}"
    );
    assert!(rights("ApiRole").contains("s3:GetObject"));
    for other in [
        "ScraperRole",
        "IngestRole",
        "LogParseRole",
        "RuleEvaluationRole",
        "CompactorRole",
        "MlExporterRole",
    ] {
        assert_eq!(rights(other), "", "{other}");
    }
}
