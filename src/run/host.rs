//! The host: adapters, functions, and what drives them.

use crate::cli::RunOptions;
use crate::run::configuration::Configuration;
use crate::run::self_metrics::SelfMetrics;
use crate::run::{pump, ticker};
use parapet_adapter_aws::{Aws, AwsSettings, CredentialChain};
use parapet_adapter_local::{Local, LocalSettings};
use parapet_compactor::Compactor;
use parapet_function_kit::{
    MachineDns, MachineFiles, MachineSecrets, ProcessVars, ReqwestHttp, SmtpMailer, SystemClock, SystemEntropy,
};
use parapet_ingest::Ingest;
use parapet_log_parse::LogParse;
use parapet_ml_exporter::MlExporter;
use parapet_notifier::{AwsSecrets, Notifier, Outlets};
use parapet_ports::{BodyMemory, Clock, Function, Ports, Queue, QueueReader, Secrets};
use parapet_prober::{Prober, WithProbes};
use parapet_rule_evaluation::RuleEvaluation;
use parapet_scraper::Scraper;
use parapet_store::{Reader, ReaderSettings};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Every function of the process with its ports.
pub(crate) struct Host {
    pub(crate) ports: Ports,
    pub(crate) reader: Arc<Reader>,
    pub(crate) queue_reader: Arc<dyn QueueReader>,
    pub(crate) external_url: String,
    /// What is scraped and what is pushed share it.
    pub(crate) body_memory: BodyMemory,
    scraper: Arc<dyn Function>,
    ingest: Arc<dyn Function>,
    log_parse: Arc<dyn Function>,
    rule_evaluation: Arc<dyn Function>,
    notifier: Arc<Notifier>,
    compactor: Arc<dyn Function>,
    ml_exporter: Arc<dyn Function>,
    pub(crate) prober: Arc<Prober>,
}

impl Host {
    pub(crate) async fn open(
        options: &RunOptions,
        configuration: Arc<Configuration>,
        open_files: u64,
    ) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let http = Arc::new(ReqwestHttp::new()?);
        let (entropy, config) = (Arc::new(SystemEntropy), configuration);
        let (ports, queue_reader): (Ports, Arc<dyn QueueReader>) = match &options.aws_endpoint_url {
            None => {
                let local = Local::open(&options.storage_path, clock.clone(), &LocalSettings::default())?;
                let (objects, queues, table) = (local.objects, local.queues.clone(), local.table);
                (
                    Ports {
                        objects,
                        queues,
                        table,
                        http,
                        clock,
                        entropy,
                        config,
                    },
                    local.queues,
                )
            }
            Some(endpoint_url) => {
                let settings = AwsSettings::from_vars(&ProcessVars, Some(endpoint_url.clone()))?;
                let aws = Aws::connect(settings, clock.clone(), entropy.clone()).await;
                let (objects, queues, table) = (aws.objects, aws.queues, aws.table);
                (
                    Ports {
                        objects,
                        queues,
                        table,
                        http,
                        clock,
                        entropy,
                        config,
                    },
                    aws.reader,
                )
            }
        };
        let external_url = options
            .external_url
            .clone()
            .unwrap_or_else(|| format!("http://{}", options.listen_address));
        let reader = Arc::new(Reader::new(&ports, ReaderSettings::default()));
        // The same variables as on Lambda, with what the command line says over them.
        let vars = &ProcessVars;
        let mut rules = parapet_rule_evaluation::Settings::from_vars(vars)?;
        rules.external_url.clone_from(&external_url);
        options.query.apply_to_rules(&mut rules);
        let mut log_parse = parapet_log_parse::Settings::from_vars(vars)?;
        log_parse.watch_dropped = options.aws_endpoint_url.is_none();
        let mut scraper = parapet_scraper::Settings::from_vars(vars)?;
        options.query.apply_to_scrapes(&mut scraper);
        // The rest is for the storage and for whoever asks.
        let most_scrapes = usize::try_from(open_files / 4 * 3).unwrap_or(usize::MAX);
        scraper.max_in_flight = scraper.max_in_flight.min(most_scrapes.max(1));
        let mut notifier = parapet_notifier::Settings::from_vars(vars)?;
        notifier.external_url.clone_from(&external_url);
        notifier.grammar = options.alertmanager_grammar.unwrap_or_default();
        let mut aws_credentials = Outlets::aws_from_vars(vars);
        let mut secrets: Arc<dyn Secrets> = Arc::new(MachineSecrets(ProcessVars));
        if let Some(endpoint_url) = &options.aws_endpoint_url {
            if let Some(credentials) = &mut aws_credentials {
                credentials.endpoint_url = Some(endpoint_url.clone());
            }
            secrets = AwsSecrets::behind(secrets, &ports, aws_credentials.clone(), notifier.secret_ttl_ms);
        }
        let outlets = Outlets {
            mailer: Arc::new(SmtpMailer),
            secrets,
            aws: aws_credentials,
        };
        let prober = Prober::new(ports.config.clone(), outlets.secrets.clone(), ports.entropy.clone());
        let prober = Arc::new(prober);
        let mut scraped = ports.clone();
        scraped.http = Arc::new(WithProbes::new(scraped.http, prober.clone()));
        let mut compactor = parapet_compactor::Settings::from_vars(vars)?;
        let compaction = &mut compactor.compaction;
        compaction.retention_ms = options.retention_ms;
        compaction.five_minutes_retention_ms = options.five_minutes_retention_ms;
        compaction.hour_retention_ms = options.hour_retention_ms;
        compactor.logs.retention_ms = options.logs_retention_ms;
        compaction.retention_rules = parapet_compactor::retention_rules(&options.retention_rules)
            .map_err(|error| anyhow::anyhow!("--storage.retention.rules: {error}"))?;
        if options.aws_endpoint_url.is_none() {
            let prefix = crate::storage::published_prefix(&options.storage_path)?;
            compactor.logs.url_prefix.clone_from(&prefix);
            compactor.compaction.url_prefix = prefix;
        }
        let ml_exporter = parapet_ml_exporter::Settings::from_vars(vars)?;
        let body_memory = BodyMemory::from_vars(vars)?;
        Ok(Self {
            scraper: Arc::new(
                Scraper::with_secrets(scraped, outlets.secrets.clone(), scraper)
                    .with_body_memory(body_memory.clone())
                    .with_files(Arc::new(MachineFiles))
                    .with_dns(Arc::new(MachineDns))
                    .with_identity(Arc::new(CredentialChain::new(ports.clock.clone()))),
            ),
            ingest: Arc::new(Ingest::new(&ports, parapet_ingest::Settings::from_vars(vars)?)),
            log_parse: Arc::new(LogParse::new(&ports, log_parse)),
            rule_evaluation: Arc::new(RuleEvaluation::new(ports.clone(), reader.clone(), rules)),
            notifier: Arc::new(Notifier::new(ports.clone(), notifier).with_outlets(outlets)),
            compactor: Arc::new(Compactor::new(&ports, compactor)),
            ml_exporter: Arc::new(MlExporter::new(ports.clone(), reader.clone(), ml_exporter)),
            ports,
            reader,
            queue_reader,
            external_url,
            body_memory,
            prober,
        })
    }

    /// Tells the notifier that the configuration may be another: it moves alerts at once instead of with the next tick.
    pub(crate) async fn notice_reload(&self) {
        if let Err(error) = self.notifier.notice_reload().await {
            tracing::warn!(error = error.chain(), "the next tick looks at the alert groups again");
        }
    }

    /// Tells the notifier that the configuration was read again: its groups begin anew, as Alertmanager's do.
    pub(crate) async fn reload(&self) {
        if let Err(error) = self.notifier.reload().await {
            tracing::warn!(error = error.chain(), "the next tick looks at the alert groups again");
        }
    }

    /// Starts the ticks, a pump for each queue and the watch over the queues' depth.
    pub(crate) fn start(&self, stop: &watch::Receiver<bool>, metrics: &SelfMetrics) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let ticked: Vec<(&str, Arc<dyn Function>)> = vec![
            ("scraper", self.scraper.clone()),
            ("rule-evaluation", self.rule_evaluation.clone()),
            ("log-parse", self.log_parse.clone()),
            ("notifier", self.notifier.clone()),
            ("compactor", self.compactor.clone()),
            ("ml-exporter", self.ml_exporter.clone()),
        ];
        tasks.spawn(ticker::run(ticked, self.ports.clock.clone(), stop.clone()));
        for plan in pump::PLANS {
            let pump = pump::Pump {
                queues: self.ports.queues.clone(),
                reader: self.queue_reader.clone(),
                stop: stop.clone(),
            };
            tasks.spawn(pump.run(plan, self.function_of(plan.queue)));
        }
        tasks.spawn(metrics.clone().watch_queues(self.queue_reader.clone(), stop.clone()));
        tasks
    }

    fn function_of(&self, queue: Queue) -> Arc<dyn Function> {
        match queue {
            Queue::ScrapeTasks => self.scraper.clone(),
            Queue::Samples => self.ingest.clone(),
            Queue::Logs => self.log_parse.clone(),
            Queue::RuleTasks => self.rule_evaluation.clone(),
            Queue::Alerts | Queue::Timers | Queue::Deliveries => self.notifier.clone(),
        }
    }
}
