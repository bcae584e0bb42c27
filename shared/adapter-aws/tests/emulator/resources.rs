//! A bucket, a table and queues of a test's own.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use parapet_adapter_aws::{Aws, AwsSettings, QueueUrls};
use parapet_ports::{Clock, Entropy, Queue};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const VISIBILITY_SECONDS: u32 = 2;
pub(crate) const MAX_RECEIVES: u32 = 3;

#[derive(Debug)]
struct WallClock;

impl Clock for WallClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap()
    }
}

#[derive(Debug)]
struct HashEntropy;

impl Entropy for HashEntropy {
    fn next_u64(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

/// The resources of one test.
pub(crate) struct Resources {
    config: SdkConfig,
    pub(crate) settings: AwsSettings,
    pub(crate) aws: Aws,
}

impl Resources {
    /// Makes the resources; `None`, with a note, where no endpoint is given.
    pub(crate) async fn make() -> Option<Self> {
        let Ok(endpoint) = std::env::var("PARAPET_TEST_ENDPOINT") else {
            eprintln!("skipped: PARAPET_TEST_ENDPOINT names no emulator");
            return None;
        };
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&endpoint)
            .region(Region::new("us-east-1"))
            .load()
            .await;
        let name = format!("parapet-test-{:016x}", HashEntropy.next_u64());
        make_bucket(&config, &name).await;
        make_table(&config, &name).await;
        let settings = AwsSettings {
            endpoint_url: Some(endpoint),
            region: Some("us-east-1".into()),
            bucket: name.clone(),
            table: name.clone(),
            queues: make_queues(&config, &name).await,
        };
        let aws = Aws::connect(settings.clone(), Arc::new(WallClock), Arc::new(HashEntropy)).await;
        Some(Self { config, settings, aws })
    }

    /// Ports on the settings as a test has changed them.
    pub(crate) async fn reconnect(&self) -> Aws {
        Aws::connect(self.settings.clone(), Arc::new(WallClock), Arc::new(HashEntropy)).await
    }

    /// Removes what was made. A test that failed leaves it for a look.
    pub(crate) async fn remove(self) {
        let s3 = s3_client(&self.config);
        let bucket = &self.settings.bucket;
        let objects = s3.list_objects_v2().bucket(bucket).send().await.unwrap();
        for object in objects.contents() {
            s3.delete_object()
                .bucket(bucket)
                .key(object.key().unwrap())
                .send()
                .await
                .unwrap();
        }
        s3.delete_bucket().bucket(bucket).send().await.unwrap();
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.config);
        dynamodb
            .delete_table()
            .table_name(&self.settings.table)
            .send()
            .await
            .unwrap();
        let sqs = aws_sdk_sqs::Client::new(&self.config);
        for urls in self.settings.queues.values() {
            sqs.delete_queue().queue_url(&urls.queue).send().await.unwrap();
            sqs.delete_queue().queue_url(&urls.dead_letters).send().await.unwrap();
        }
    }
}

fn s3_client(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

async fn make_bucket(config: &SdkConfig, name: &str) {
    s3_client(config).create_bucket().bucket(name).send().await.unwrap();
}

async fn make_table(config: &SdkConfig, name: &str) {
    let client = aws_sdk_dynamodb::Client::new(config);
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (attribute, key_type) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let kind = ScalarAttributeType::S;
        let definition = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(kind)
            .build()
            .unwrap();
        let element = KeySchemaElement::builder()
            .attribute_name(attribute)
            .key_type(key_type)
            .build()
            .unwrap();
        request = request.attribute_definitions(definition).key_schema(element);
    }
    request.send().await.unwrap();
    for _ in 0..120 {
        let table = client.describe_table().table_name(name).send().await.unwrap();
        let status = table.table().and_then(|table| table.table_status());
        if status.is_some_and(|status| status.as_str() == "ACTIVE") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name("expires_at")
        .enabled(true)
        .build()
        .unwrap();
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl)
        .send()
        .await
        .unwrap();
}

async fn make_queues(config: &SdkConfig, name: &str) -> BTreeMap<Queue, QueueUrls> {
    let client = aws_sdk_sqs::Client::new(config);
    let mut queues = BTreeMap::new();
    for queue in Queue::ALL {
        let own = format!("{name}-{}", queue.as_str());
        let size = (QueueAttributeName::MaximumMessageSize, (1024 * 1024).to_string());
        let dead = client
            .create_queue()
            .queue_name(format!("{own}-dlq"))
            .attributes(size.0.clone(), &size.1);
        let dead_letters = dead.send().await.unwrap().queue_url.unwrap();
        let arn = QueueAttributeName::QueueArn;
        let attributes = client
            .get_queue_attributes()
            .queue_url(&dead_letters)
            .attribute_names(arn.clone());
        let attributes = attributes.send().await.unwrap().attributes.unwrap();
        let redrive = format!(
            "{{\"deadLetterTargetArn\":\"{}\",\"maxReceiveCount\":{MAX_RECEIVES}}}",
            attributes[&arn]
        );
        let request = client
            .create_queue()
            .queue_name(own)
            .attributes(size.0, size.1)
            .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_SECONDS.to_string())
            .attributes(QueueAttributeName::RedrivePolicy, redrive);
        let url = request.send().await.unwrap().queue_url.unwrap();
        queues.insert(
            queue,
            QueueUrls {
                queue: url,
                dead_letters,
            },
        );
    }
    queues
}
