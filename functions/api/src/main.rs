//! The api function on AWS Lambda, behind its function URL.

use parapet_adapter_aws::{Aws, AwsSettings};
use parapet_api::{Api, Settings, router};
use parapet_function_kit::{
    BucketSecrets, LogFormat, ProcessVars, SystemClock, SystemEntropy, init_logs, process_ports,
};
use parapet_ports::BodyMemory;
use parapet_prober::Prober;
use parapet_store::{Reader, ReaderSettings};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
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
    let secrets = Arc::new(BucketSecrets {
        objects: ports.objects.clone(),
        vars: ProcessVars,
    });
    let prober = Prober::new(ports.config.clone(), secrets, ports.entropy.clone());
    let api = Api::new(ports, reader, settings).with_body_memory(BodyMemory::from_vars(&ProcessVars)?);
    let api = router(Arc::new(api));
    lambda_http::run(api.merge(parapet_prober::router(Arc::new(prober)))).await
}
