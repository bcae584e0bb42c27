//! From settings to ports.

use crate::objects::S3Objects;
use crate::queues::SqsQueues;
use crate::settings::AwsSettings;
use crate::table::DynamoTable;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use parapet_ports::{Clock, Entropy, Objects, QueueReader, Queues, Table};
use std::sync::Arc;
use std::time::Duration;

/// A connection that takes longer is not coming.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// One attempt of a DynamoDB call: they take milliseconds, so a slow one is better asked anew.
const TABLE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// One attempt of an SQS call: longer than the longest poll (20 s).
const QUEUE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// One attempt of an S3 call, up to the head of the answer: a 100 MB put at 1 MB/s. A body that stalls while it is
/// read is cut off by the SDK's stalled-stream protection.
const OBJECT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(100);
/// Attempts of a call, the first included, with exponential back-off and jitter between them.
const MAX_ATTEMPTS: u32 = 5;

/// The ports of one deployed stack.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Its bucket.
    pub objects: Objects,
    /// The sending side of its queues.
    pub queues: Arc<dyn Queues>,
    /// The receiving side of its queues, for hosts that poll.
    pub reader: Arc<dyn QueueReader>,
    /// Its table.
    pub table: Arc<dyn Table>,
}

impl Aws {
    /// Builds the clients. Nothing is called yet but what the SDK needs to find a region.
    ///
    /// `clock` tells which items have expired; `entropy` gives items their versions and retries their jitter.
    pub async fn connect(settings: AwsSettings, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let config = Box::pin(load(&settings)).await;
        let timeouts = |attempt| {
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(attempt)
                .build()
        };

        // Emulators serve every bucket under one host name; AWS wants the bucket in the host name.
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(settings.endpoint_url.is_some())
            .timeout_config(timeouts(OBJECT_ATTEMPT_TIMEOUT))
            .build();
        let sqs = aws_sdk_sqs::config::Builder::from(&config)
            .timeout_config(timeouts(QUEUE_ATTEMPT_TIMEOUT))
            .build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&config)
            .timeout_config(timeouts(TABLE_ATTEMPT_TIMEOUT))
            .build();

        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let sqs = aws_sdk_sqs::Client::from_conf(sqs);
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb);
        let queues = Arc::new(SqsQueues::new(sqs, settings.queues));
        Self {
            objects: Arc::new(S3Objects::new(s3, settings.bucket)),
            queues: queues.clone(),
            reader: queues,
            table: Arc::new(DynamoTable::new(dynamodb, settings.table, clock, entropy)),
        }
    }
}

async fn load(settings: &AwsSettings) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS));
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    loader.load().await
}
