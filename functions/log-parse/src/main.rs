//! The log-parse function on AWS Lambda.

use parapet_adapter_aws::{Aws, AwsSettings};
use parapet_function_kit::{LogFormat, ProcessVars, SystemClock, SystemEntropy, init_logs, process_ports, run};
use parapet_log_parse::{LogParse, Settings};
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
    run(Arc::new(LogParse::new(&ports, settings)), ports.queues, aws.reader).await
}
