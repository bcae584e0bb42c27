//! The notifier function on AWS Lambda.

use parapet_adapter_aws::{Aws, AwsSettings};
use parapet_function_kit::{
    BucketSecrets, LogFormat, ProcessVars, SmtpMailer, SystemClock, SystemEntropy, init_logs, process_ports, run,
};
use parapet_notifier::{AwsSecrets, Notifier, Outlets, Settings};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_logs(&ProcessVars, LogFormat::Json, "info");
    let settings = Settings::from_vars(&ProcessVars)?;
    let aws = Aws::connect(
        AwsSettings::from_vars(&ProcessVars, None)?,
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
    )
    .await;
    let ports = process_ports(aws.objects, aws.queues, aws.table)?;
    let (nearer, aws_credentials) = (
        Arc::new(BucketSecrets {
            objects: ports.objects.clone(),
            vars: ProcessVars,
        }),
        Outlets::aws_from_vars(&ProcessVars),
    );
    let outlets = Outlets {
        mailer: Arc::new(SmtpMailer),
        secrets: AwsSecrets::behind(nearer, &ports, aws_credentials.clone(), settings.secret_ttl_ms),
        aws: aws_credentials,
    };
    let notifier = Notifier::new(ports.clone(), settings).with_outlets(outlets);
    run(Arc::new(notifier), ports.queues, aws.reader).await
}
