//! Which bucket, table and queues.

use parapet_ports::vars::VarReader;
use parapet_ports::{Error, Queue, Vars};
use std::collections::BTreeMap;

/// A queue and its dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrls {
    /// The queue's URL.
    pub queue: String,
    /// The URL of its dead-letter queue.
    pub dead_letters: String,
}

/// Names of the resources of one deployed stack, and where they are.
///
/// Credentials are not among them: the SDK finds them where it always does (variables, profile, role).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSettings {
    /// `AWS_ENDPOINT_URL`: one address for every service, as emulators have; `None` for AWS itself.
    pub endpoint_url: Option<String>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`, else where an endpoint is given `us-east-1`, else as the SDK finds it.
    pub region: Option<String>,
    /// `PARAPET_BUCKET`: the bucket's name.
    pub bucket: String,
    /// `PARAPET_TABLE`: the table's name.
    pub table: String,
    /// `PARAPET_QUEUE_<NAME>_URL` and `PARAPET_DLQ_<NAME>_URL`, with `NAME` as `SCRAPE_TASKS`.
    pub queues: BTreeMap<Queue, QueueUrls>,
}

impl AwsSettings {
    /// Reads the settings from variables: those that `template.yaml` sets on functions, and that
    /// `infra/localstack/deploy` writes for a host that polls. An `endpoint_url` takes the place of the variable.
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`], naming every variable that is missing or wrong.
    pub fn from_vars(vars: &dyn Vars, endpoint_url: Option<String>) -> Result<Self, Error> {
        let mut reader = VarReader::new(vars);
        let endpoint_url = endpoint_url.or_else(|| reader.optional("AWS_ENDPOINT_URL"));
        if let Some(url) = &endpoint_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            reader.fault(format!(
                "the AWS endpoint {url:?} is not a URL, such as http://127.0.0.1:4566"
            ));
        }
        let region = reader
            .optional("AWS_REGION")
            .or_else(|| reader.optional("AWS_DEFAULT_REGION"));
        let region = region.or_else(|| endpoint_url.is_some().then(|| "us-east-1".to_owned()));
        let bucket = reader.required("PARAPET_BUCKET");
        let table = reader.required("PARAPET_TABLE");
        let queues = Queue::ALL.into_iter().map(|queue| {
            let name = queue.as_str().replace('-', "_").to_uppercase();
            let urls = QueueUrls {
                queue: reader.required(&format!("PARAPET_QUEUE_{name}_URL")),
                dead_letters: reader.required(&format!("PARAPET_DLQ_{name}_URL")),
            };
            (queue, urls)
        });
        let queues = queues.collect();
        reader.finish(Self {
            endpoint_url,
            region,
            bucket,
            table,
            queues,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars() -> BTreeMap<String, String> {
        let mut vars = BTreeMap::from([
            ("PARAPET_BUCKET".to_owned(), "b".to_owned()),
            ("PARAPET_TABLE".to_owned(), "t".to_owned()),
        ]);
        for name in [
            "SCRAPE_TASKS",
            "SAMPLES",
            "RULE_TASKS",
            "ALERTS",
            "TIMERS",
            "DELIVERIES",
            "LOGS",
        ] {
            vars.insert(format!("PARAPET_QUEUE_{name}_URL"), format!("http://sqs/{name}"));
            vars.insert(format!("PARAPET_DLQ_{name}_URL"), format!("http://sqs/{name}-dlq"));
        }
        vars
    }

    #[test]
    fn reads_what_the_template_sets() {
        let settings = AwsSettings::from_vars(&vars(), None).unwrap();
        assert_eq!((settings.bucket.as_str(), settings.table.as_str()), ("b", "t"));
        assert_eq!((settings.endpoint_url, settings.region), (None, None));
        assert_eq!(settings.queues[&Queue::RuleTasks].queue, "http://sqs/RULE_TASKS");
        assert_eq!(
            settings.queues[&Queue::RuleTasks].dead_letters,
            "http://sqs/RULE_TASKS-dlq"
        );
        assert_eq!(settings.queues.len(), Queue::ALL.len());
    }

    #[test]
    fn an_endpoint_needs_no_region() {
        let mut vars = vars();
        vars.insert("AWS_ENDPOINT_URL".into(), "http://127.0.0.1:4566".into());
        assert_eq!(
            AwsSettings::from_vars(&vars, None).unwrap().region.as_deref(),
            Some("us-east-1")
        );
        vars.insert("AWS_DEFAULT_REGION".into(), "eu-north-1".into());
        assert_eq!(
            AwsSettings::from_vars(&vars, None).unwrap().region.as_deref(),
            Some("eu-north-1")
        );
        vars.insert("AWS_REGION".into(), "eu-west-1".into());
        assert_eq!(
            AwsSettings::from_vars(&vars, None).unwrap().region.as_deref(),
            Some("eu-west-1")
        );
    }

    #[test]
    fn an_endpoint_of_the_command_line_comes_first() {
        let mut vars = vars();
        vars.insert("AWS_ENDPOINT_URL".into(), "http://127.0.0.1:4566".into());
        let settings = AwsSettings::from_vars(&vars, Some("http://127.0.0.1:4577".into())).unwrap();
        assert_eq!(settings.endpoint_url.as_deref(), Some("http://127.0.0.1:4577"));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let mut vars = vars();
        vars.remove("PARAPET_BUCKET");
        vars.remove("PARAPET_DLQ_TIMERS_URL");
        vars.insert("AWS_ENDPOINT_URL".into(), "127.0.0.1:4566".into());
        let text = AwsSettings::from_vars(&vars, None).unwrap_err().to_string();
        for fault in [
            "PARAPET_BUCKET is not set",
            "PARAPET_DLQ_TIMERS_URL is not set",
            "is not a URL",
        ] {
            assert!(text.contains(fault), "{text}");
        }
    }
}
