//! The ml-exporter function on AWS Lambda.

use parapet_adapter_aws::{Aws, AwsSettings};
use parapet_function_kit::{LogFormat, ProcessVars, SystemClock, SystemEntropy, init_logs, process_ports, run};
use parapet_ml_exporter::{MlExporter, Settings};
use parapet_store::{Reader, ReaderSettings};
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
    let reader = Arc::new(Reader::new(&ports, ReaderSettings::default()));
    run(
        Arc::new(MlExporter::new(ports.clone(), reader, settings)),
        ports.queues,
        aws.reader,
    )
    .await
}
