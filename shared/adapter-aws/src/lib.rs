//! The ports on AWS: objects in S3, queues in SQS, the table in DynamoDB.
//!
//! It is the only crate that names an AWS SDK, and none of the SDK's types leave it. It does not create resources:
//! those come from `template.yaml`, and [`AwsSettings`] names them.
//!
//! ```text
//! variables ─► AwsSettings ─► Aws::connect ─► objects  (object_store::ObjectStore)
//!                                           ├► queues   (Queues)
//!                                           ├► reader   (QueueReader, for hosts that poll)
//!                                           └► table    (Table)
//! ```
//!
//! ```no_run
//! # async fn example(
//! #     vars: &dyn parapet_ports::Vars,
//! #     clock: std::sync::Arc<dyn parapet_ports::Clock>,
//! #     entropy: std::sync::Arc<dyn parapet_ports::Entropy>,
//! # ) -> Result<(), parapet_ports::Error> {
//! use parapet_adapter_aws::{Aws, AwsSettings};
//! use parapet_ports::{Outgoing, Queue, Queues};
//!
//! let aws = Aws::connect(AwsSettings::from_vars(vars, None)?, clock, entropy).await;
//! aws.queues.send_batch(Queue::Samples, vec![Outgoing::now("{}")]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Contract
//! The adapters keep the contract suites of `parapet_ports::contract` and `object_store::integration`. Calls are
//! retried by the SDK (throttling, 5xx, time-outs); what still fails is [`parapet_ports::Kind::Unavailable`].
//! A call that S3, SQS or DynamoDB refuses for a fault of set-up (no such queue, access denied) is
//! [`parapet_ports::Kind::Internal`].
#![warn(missing_docs)]

mod connect;
mod error;
mod identity;
mod objects;
mod queues;
mod settings;
mod table;

pub use connect::Aws;
pub use identity::CredentialChain;
pub use settings::{AwsSettings, QueueUrls};
