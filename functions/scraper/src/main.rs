//! The scraper function on AWS Lambda.

use parapet_adapter_aws::{Aws, AwsSettings, CredentialChain};
use parapet_function_kit::{
    BucketFiles, BucketSecrets, LogFormat, MachineDns, ProcessVars, SystemClock, SystemEntropy, init_logs,
    process_ports, run,
};
use parapet_ports::BodyMemory;
use parapet_prober::{Prober, WithProbes};
use parapet_scraper::{Scraper, Settings};
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
    let mut ports = process_ports(aws.objects, aws.queues, aws.table)?;
    let secrets = Arc::new(BucketSecrets {
        objects: ports.objects.clone(),
        vars: ProcessVars,
    });
    let prober = Prober::new(ports.config.clone(), secrets.clone(), ports.entropy.clone());
    ports.http = Arc::new(WithProbes::new(ports.http, Arc::new(prober)));
    let files = Arc::new(BucketFiles(ports.objects.clone()));
    let scraper = Scraper::with_secrets(ports.clone(), secrets, settings)
        .with_body_memory(BodyMemory::from_vars(&ProcessVars)?)
        .with_files(files)
        .with_dns(Arc::new(MachineDns))
        .with_identity(Arc::new(CredentialChain::new(ports.clock.clone())));
    run(Arc::new(scraper), ports.queues, aws.reader).await
}
