//! Discovery: asks where targets are, keeps the answers, and makes the configuration's targets of them.
//!
//! Each discovery has an object in the bucket with the groups that it found last. The tick refreshes those that are due,
//! and writes what changed; every task reads them, kept for a while. Where an answer does not come, what was found last
//! stands.

use crate::client::Clients;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parapet_config::{Config, ConsulSd, Discovery, KubernetesSd, Mechanism, TargetGroup};
use parapet_discovery::{consul, file, http as http_sd, kubernetes};
use parapet_http_client::HttpClient;
use parapet_model::{Labels, format_float};
use parapet_ports::{Error, Files, HttpRequest, HttpResponse, Kind, Objects, Ports};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For how long the groups that were read from the bucket are used before they are read anew.
const FRESH_MS: i64 = 20_000;

/// The longest answer of one request.
const MAX_ANSWER_BYTES: u64 = 256 << 20;

/// The most pages of one list of Kubernetes: 500 objects each.
const MAX_PAGES: usize = 1_000;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a discovery found last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    groups: Vec<StoredGroup>,
}

/// A group as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredGroup {
    source: String,
    targets: Vec<Labels>,
    labels: Labels,
}

/// What this process knows of a discovery.
#[derive(Clone, Debug)]
struct Known {
    groups: Arc<Vec<TargetGroup>>,
    /// The hash of what is stored.
    version: u64,
    read_ms: i64,
    /// When this process asked last; 0 for never.
    refreshed_ms: i64,
}

/// The discoveries of a process.
#[derive(Debug, Default)]
pub(crate) struct Discoveries {
    known: Mutex<HashMap<String, Known>>,
}

/// What asking needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) clients: &'a Clients,
    pub(crate) files: &'a dyn Files,
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, in a pod.
    pub(crate) cluster: Option<(&'a str, &'a str)>,
}

impl Discoveries {
    /// Asks every discovery that is due, and stores what is found. One that fails keeps what it found before.
    pub(crate) async fn refresh(&self, asking: Asking<'_>, config: &Config) {
        let now_ms = asking.ports.clock.now_ms();
        let is_due = |discovery: &&Discovery| {
            let known = self.known(&discovery.id);
            // A tick a little early is on time.
            known.is_none_or(|known| now_ms >= known.refreshed_ms + discovery.refresh_interval_ms - 5_000)
        };
        let all = config
            .jobs
            .iter()
            .flat_map(|job| job.discoveries.iter().map(move |one| (job, one)));
        let due: Vec<_> = all
            .filter(|(_, discovery)| is_due(discovery))
            .map(|(job, discovery)| async move {
                let (mechanism, id) = (discovery.mechanism.name(), discovery.id.as_str());
                let labels = [("mechanism", mechanism.to_owned()), ("config", job.name.clone())];
                metrics::counter!("prometheus_sd_refresh_total", &labels[..1]).increment(1);
                let outcome = match asking.ask(discovery).await {
                    Ok(groups) => self.store(asking.ports, id, groups, now_ms).await,
                    Err(error) => Err(error),
                };
                metrics::gauge!("prometheus_sd_failed_configs", &labels).set(f64::from(u8::from(outcome.is_err())));
                if let Err(error) = outcome {
                    metrics::counter!("prometheus_sd_refresh_failures_total", &labels).increment(1);
                    tracing::warn!(
                        job = job.name,
                        mechanism,
                        error = error.chain(),
                        "discovery failed: what it found before stands"
                    );
                    self.touch(id, now_ms);
                }
            })
            .collect();
        futures::future::join_all(due).await;
    }

    /// A version of what was found.
    ///
    /// # Errors
    /// Where the bucket cannot be read.
    pub(crate) async fn version(&self, ports: &Ports, config: &Config) -> Result<u64, Error> {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for discovery in config.jobs.iter().flat_map(|job| &job.discoveries) {
            hasher.update(&self.current(ports, &discovery.id).await?.version.to_le_bytes());
        }
        Ok(hasher.digest())
    }

    /// The configuration with the targets that were found, and the version of that.
    ///
    /// # Errors
    /// Where the bucket cannot be read.
    pub(crate) async fn apply(&self, ports: &Ports, config: &Config) -> Result<(Config, u64), Error> {
        let mut config = config.clone();
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for job in config.jobs.iter_mut().filter(|job| !job.discoveries.is_empty()) {
            let mut found = Vec::new();
            for discovery in &job.discoveries {
                let known = self.current(ports, &discovery.id).await?;
                hasher.update(&known.version.to_le_bytes());
                found.push(known.groups);
            }
            let groups = std::mem::take(&mut job.static_groups);
            job.set_targets(groups.iter().chain(found.iter().flat_map(|groups| groups.iter())));
            job.static_groups = groups;
            for (labels, what) in &job.faulty_targets {
                tracing::warn!(job = job.name, %labels, what, "target is left out");
            }
        }
        Ok((config, hasher.digest()))
    }

    fn known(&self, id: &str) -> Option<Known> {
        self.lock().get(id).cloned()
    }

    fn touch(&self, id: &str, now_ms: i64) {
        if let Some(known) = self.lock().get_mut(id) {
            known.refreshed_ms = now_ms;
        }
    }

    async fn current(&self, ports: &Ports, id: &str) -> Result<Known, Error> {
        let now_ms = ports.clock.now_ms();
        let known = self.known(id);
        if let Some(known) = known.clone().filter(|known| now_ms < known.read_ms + FRESH_MS) {
            return Ok(known);
        }
        let (found, version) = read(&ports.objects, id).await?;
        let fresh = Known {
            groups: match &known {
                Some(known) if known.version == version => known.groups.clone(),
                _ => Arc::new(found.groups.into_iter().map(TargetGroup::from).collect()),
            },
            version,
            read_ms: now_ms,
            refreshed_ms: known.map_or(0, |known| known.refreshed_ms),
        };
        self.lock().insert(id.to_owned(), fresh.clone());
        Ok(fresh)
    }

    async fn store(&self, ports: &Ports, id: &str, groups: Vec<TargetGroup>, now_ms: i64) -> Result<(), Error> {
        let before = self.current(ports, id).await?;
        let mut groups = groups;
        groups.sort_by(|a, b| a.source.cmp(&b.source));
        let found = Found {
            groups: groups.iter().map(StoredGroup::from).collect(),
        };
        let bytes = serde_json::to_vec(&found)
            .map_err(|error| Error::new(Kind::Internal, "target groups do not encode").with_source(error))?;
        let version = xxhash_rust::xxh3::xxh3_64(&bytes);
        if version != before.version {
            ports.objects.put(&path(id), Bytes::from(bytes).into()).await?;
        }
        let known = Known {
            groups: Arc::new(groups),
            version,
            read_ms: now_ms,
            refreshed_ms: now_ms,
        };
        self.lock().insert(id.to_owned(), known);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The configuration with the targets that were found, for whoever shows them.
///
/// # Errors
/// Where the bucket cannot be read.
pub async fn with_discovered_targets(ports: &Ports, config: &Config) -> Result<Config, Error> {
    let (config, _) = Discoveries::default().apply(ports, config).await?;
    Ok(config)
}

impl From<StoredGroup> for TargetGroup {
    fn from(stored: StoredGroup) -> Self {
        Self {
            source: stored.source,
            targets: stored.targets,
            labels: stored.labels,
        }
    }
}

impl From<&TargetGroup> for StoredGroup {
    fn from(group: &TargetGroup) -> Self {
        Self {
            source: group.source.clone(),
            targets: group.targets.clone(),
            labels: group.labels.clone(),
        }
    }
}

fn path(id: &str) -> Path {
    Path::from(format!("state/discovery/{id}"))
}

/// What was stored, and its hash; nothing where nothing was found yet.
async fn read(objects: &Objects, id: &str) -> Result<(Found, u64), Error> {
    let bytes = match objects.get(&path(id)).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok((Found::default(), 0)),
        Err(error) => return Err(error.into()),
    };
    let found = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::error!(id, %error, "discovered targets are corrupt: none until the next refresh");
        Found::default()
    });
    Ok((found, xxhash_rust::xxh3::xxh3_64(&bytes)))
}

fn invalid(what: String) -> Error {
    Error::new(Kind::Invalid, what)
}

impl Asking<'_> {
    async fn ask(&self, discovery: &Discovery) -> Result<Vec<TargetGroup>, Error> {
        match &discovery.mechanism {
            Mechanism::File(patterns) => self.files(patterns).await,
            Mechanism::Http(url) => self.http(url, discovery).await,
            Mechanism::Consul(config) => self.consul(config, &discovery.http).await,
            Mechanism::Kubernetes(config) => self.kubernetes(config, &discovery.http).await,
        }
    }

    async fn files(&self, patterns: &[String]) -> Result<Vec<TargetGroup>, Error> {
        let mut groups = BTreeMap::new();
        for pattern in patterns {
            for found in self.files.matching(pattern).await? {
                let read = file::targets(&found.path, &found.text).map_err(invalid)?;
                groups.insert(found.path, read);
            }
        }
        Ok(groups.into_values().flatten().collect())
    }

    async fn http(&self, url: &str, discovery: &Discovery) -> Result<Vec<TargetGroup>, Error> {
        let seconds = format_float(discovery.refresh_interval_ms as f64 / 1000.0);
        let headers = [
            (ACCEPT, "application/json"),
            (
                HeaderName::from_static("x-prometheus-refresh-interval-seconds"),
                seconds.as_str(),
            ),
        ];
        let answer = self.get(url, &discovery.http, &headers).await?;
        let content_type = answer
            .headers
            .get(CONTENT_TYPE)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        http_sd::check_content_type(&String::from_utf8_lossy(content_type)).map_err(invalid)?;
        http_sd::targets(&answer.body, url).map_err(invalid)
    }

    async fn consul(&self, config: &ConsulSd, client: &HttpClient) -> Result<Vec<TargetGroup>, Error> {
        let token = self.clients.secret(&config.token).await?;
        let headers = [(HeaderName::from_static("x-consul-token"), token.expose())];
        let headers = if token.expose().is_empty() {
            &headers[..0]
        } else {
            &headers[..]
        };
        let catalog = self.get(&consul::services_url(config), client, headers).await?;
        let mut groups = Vec::new();
        for service in consul::services(config, &catalog.body).map_err(invalid)? {
            let instances = self
                .get(&consul::instances_url(config, &service), client, headers)
                .await?;
            groups.push(consul::targets(config, &service, &instances.body).map_err(invalid)?);
        }
        Ok(groups)
    }

    async fn kubernetes(&self, config: &KubernetesSd, client: &HttpClient) -> Result<Vec<TargetGroup>, Error> {
        let access = match (&config.api_server, &config.kubeconfig_file) {
            (Some(server), _) => kubernetes::Access {
                server: server.clone(),
                client: client.clone(),
                namespace: None,
            },
            (None, Some(path)) => {
                let found = self.files.matching(path).await?;
                let file = found.first().ok_or_else(|| invalid(format!("{path} is not there")))?;
                kubernetes::kubeconfig(&file.path, &file.text).map_err(invalid)?
            }
            (None, None) => {
                let (host, port) = self.cluster.ok_or_else(|| {
                    invalid(
                        "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT \
                         must be defined"
                            .to_owned(),
                    )
                })?;
                kubernetes::Access::in_cluster(host, port)
            }
        };
        let own_namespace = match access.namespace.as_ref().filter(|_| config.own_namespace) {
            Some(namespace) => Some(self.clients.secret(namespace).await?.expose().to_owned()),
            None => None,
        };
        let mut cluster = kubernetes::Cluster::default();
        let headers = [(ACCEPT, "application/json")];
        for list in kubernetes::lists(config, own_namespace.as_deref()) {
            let mut next = String::new();
            for page in 0.. {
                if page == MAX_PAGES {
                    return Err(invalid(format!("a list of {:?} does not end", list.resource)));
                }
                let answer = self
                    .get(&list.url(&access.server, &next), &access.client, &headers)
                    .await?;
                next = cluster.add(list.resource, &answer.body).map_err(invalid)?;
                if next.is_empty() {
                    break;
                }
            }
        }
        Ok(kubernetes::targets(config, &cluster))
    }

    async fn get(&self, url: &str, client: &HttpClient, own: &[(HeaderName, &str)]) -> Result<HttpResponse, Error> {
        let mut headers = HeaderMap::new();
        let agent = (USER_AGENT, concat!("Parapet/", env!("CARGO_PKG_VERSION")));
        for (name, value) in own.iter().chain([&agent]) {
            let value = HeaderValue::from_str(value).map_err(|_| invalid(format!("header {name} cannot be sent")))?;
            headers.insert(name.clone(), value);
        }
        let options = self.clients.prepare(client, url, TIMEOUT, &mut headers).await?;
        let request = HttpRequest {
            method: http::Method::GET,
            url: url.to_owned(),
            headers,
            body: Bytes::new(),
            timeout: TIMEOUT,
            body_limit_bytes: MAX_ANSWER_BYTES,
            options,
        };
        let answer = self.ports.http.call(request).await?;
        if answer.status == http::StatusCode::OK {
            return Ok(answer);
        }
        let reason = answer.status.canonical_reason().unwrap_or_default();
        let kind = if answer.status.is_server_error() {
            Kind::Unavailable
        } else {
            Kind::Invalid
        };
        let status = format!("server returned HTTP status {} {reason}", answer.status.as_u16());
        Err(Error::new(kind, status.trim_end()))
    }
}
