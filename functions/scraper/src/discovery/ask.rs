//! Asking: what each mechanism sends, and what is made of the answers.

use super::Roles;
use crate::client::Clients;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use parapet_config::{ConsulSd, Discovery, KubernetesSd, Mechanism, TargetGroup};
use parapet_discovery::{consul, file, http as http_sd, kubernetes};
use parapet_http_client::HttpClient;
use parapet_model::format_float;
use parapet_ports::{Dns, Error, Files, HttpRequest, HttpResponse, Identity, Kind, Ports};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest answer of one request.
const MAX_ANSWER_BYTES: u64 = 256 << 20;

/// The most pages of one list.
pub(super) const MAX_PAGES: usize = 1_000;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What asking needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) clients: &'a Clients,
    pub(crate) files: &'a dyn Files,
    pub(crate) dns: &'a dyn Dns,
    pub(crate) identity: &'a dyn Identity,
    pub(crate) roles: &'a Roles,
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, in a pod.
    pub(crate) cluster: Option<(&'a str, &'a str)>,
}

/// What came of asking.
#[derive(Debug)]
pub(super) struct Answered {
    /// What was found.
    pub(super) groups: Vec<TargetGroup>,
    /// The sources of groups of which nothing is known now: what was found of them before stands.
    pub(super) unanswered: Vec<String>,
}

pub(super) fn invalid(what: String) -> Error {
    Error::new(Kind::Invalid, what)
}

impl Asking<'_> {
    pub(super) async fn ask(&self, discovery: &Discovery) -> Result<Answered, Error> {
        let groups = match &discovery.mechanism {
            Mechanism::File(patterns) => self.files(patterns).await?,
            Mechanism::Http(url) => self.http(url, discovery).await?,
            Mechanism::Consul(config) => self.consul(config, &discovery.http).await?,
            Mechanism::Kubernetes(config) => self.kubernetes(config, &discovery.http).await?,
            Mechanism::Aws(config) => self.aws(config, &discovery.http).await?,
            Mechanism::Dns(config) => return self.dns(config).await,
        };
        Ok(Answered {
            groups,
            unanswered: Vec::new(),
        })
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
        for (name, value) in own {
            headers.insert(name.clone(), header(name, value)?);
        }
        let answer = self.call(http::Method::GET, url, client, headers, Bytes::new()).await?;
        if answer.status == http::StatusCode::OK {
            return Ok(answer);
        }
        Err(refused(answer.status, ""))
    }

    /// One request, whatever it is answered.
    pub(super) async fn call(
        &self,
        method: http::Method,
        url: &str,
        client: &HttpClient,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<HttpResponse, Error> {
        let agent = concat!("Parapet/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let options = self.clients.prepare(client, url, TIMEOUT, &mut headers).await?;
        let request = HttpRequest {
            method,
            url: url.to_owned(),
            headers,
            body,
            timeout: TIMEOUT,
            body_limit_bytes: MAX_ANSWER_BYTES,
            memory: None,
            options,
        };
        self.ports.http.call(request).await
    }
}

/// What a status says that is no success, with what the body says of it.
pub(super) fn refused(status: http::StatusCode, details: &str) -> Error {
    let kind = if status.is_server_error() {
        Kind::Unavailable
    } else {
        Kind::Invalid
    };
    let reason = status.canonical_reason().unwrap_or_default();
    let separator = if details.is_empty() { "" } else { ": " };
    let what = format!("server returned HTTP status {} {reason}", status.as_u16());
    Error::new(kind, format!("{}{separator}{details}", what.trim_end()))
}

pub(super) fn header(name: &HeaderName, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| invalid(format!("header {name} cannot be sent")))
}
