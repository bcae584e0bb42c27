//! Discovery in services of AWS: who signs, which pages are read, what is asked after what.

use super::ask::{Asking, MAX_PAGES, header, invalid, refused};
use futures::{StreamExt as _, TryStreamExt as _};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use parapet_config::{AwsRole, AwsSd, TargetGroup};
use parapet_discovery::aws::ec2::Page;
use parapet_discovery::aws::{Call, cloud_map, ec2, ecs, failure, lightsail, sts};
use parapet_http_client::HttpClient;
use parapet_http_client::aws::{AwsCredentials, AwsPost, sign};
use parapet_ports::Error;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A role is assumed again before the time that it was given for is over.
const MARGIN_MS: i64 = 120_000;

/// The roles that were assumed, with the moment until which each is used.
#[derive(Debug, Default)]
pub(crate) struct Roles(Mutex<HashMap<String, (sts::Assumed, i64)>>);

/// Who asks one service of AWS.
#[derive(Debug)]
struct Caller<'a> {
    asking: &'a Asking<'a>,
    client: HttpClient,
    credentials: AwsCredentials,
    region: String,
    /// The service that the configured endpoint is of.
    endpoint: (&'static str, &'a str),
}

impl Asking<'_> {
    pub(super) async fn aws(&self, config: &AwsSd, client: &HttpClient) -> Result<Vec<TargetGroup>, Error> {
        let caller = self.caller(config, client).await?;
        let region = caller.region.as_str();
        match config.role {
            AwsRole::Ec2 => {
                // As in Prometheus: a role may see instances and not zones.
                let zones = match caller.call(ec2::zones()).await {
                    Ok(body) => ec2::read_zones(&body).map_err(invalid)?,
                    Err(error) => {
                        tracing::debug!(error = error.chain(), "availability zones not read");
                        Default::default()
                    }
                };
                let instances = caller
                    .pages(|next| ec2::instances(&config.filters, &[], next), ec2::read_instances)
                    .await?;
                Ok(vec![ec2::targets(config, region, &instances, &zones)])
            }
            AwsRole::Lightsail => {
                let instances = caller.pages(lightsail::instances, lightsail::read_instances).await?;
                Ok(vec![lightsail::targets(config, region, &instances)])
            }
            AwsRole::Ecs => {
                let clusters = caller.ecs(config).await?;
                Ok(vec![ecs::targets(config, region, &clusters)])
            }
            AwsRole::CloudMap => caller.cloud_map(config).await,
        }
    }

    async fn caller<'a>(&'a self, config: &'a AwsSd, client: &HttpClient) -> Result<Caller<'a>, Error> {
        let access = &config.access;
        let secret_key = self.clients.secret(&access.secret_key).await?;
        let own_key = !access.access_key.is_empty() && !secret_key.expose().is_empty();
        let mut credentials = if own_key {
            AwsCredentials {
                access_key: access.access_key.clone(),
                secret_key,
                session_token: None,
                region: access.region.clone(),
                endpoint_url: None,
            }
        } else {
            self.identity.credentials(&access.profile).await?
        };
        if own_key && access.region.is_empty() {
            let own = self.identity.credentials(&access.profile).await?;
            (credentials.region, credentials.endpoint_url) = (own.region, own.endpoint_url);
        }
        let region = if access.region.is_empty() {
            credentials.region.clone()
        } else {
            access.region.clone()
        };
        if region.is_empty() {
            let what = "could not determine AWS region: write region, or set AWS_REGION";
            return Err(invalid(what.to_owned()));
        }
        let service = match config.role {
            AwsRole::Ec2 => "ec2",
            AwsRole::Ecs => "ecs",
            AwsRole::Lightsail => "lightsail",
            AwsRole::CloudMap => "servicediscovery",
        };
        // The signature is the authorization.
        let client = HttpClient {
            headers: client.headers.clone(),
            transport: client.transport.clone(),
            ..HttpClient::default()
        };
        let mut caller = Caller {
            asking: self,
            client,
            credentials,
            region,
            endpoint: (service, access.endpoint.as_str()),
        };
        if !access.role_arn.is_empty() {
            let assumed = caller.assume(&access.role_arn, &access.external_id).await?;
            caller.credentials.access_key = assumed.access_key;
            caller.credentials.secret_key = assumed.secret_key;
            caller.credentials.session_token = Some(assumed.session_token);
        }
        Ok(caller)
    }
}

impl Caller<'_> {
    async fn assume(&self, role_arn: &str, external_id: &str) -> Result<sts::Assumed, Error> {
        let Roles(kept) = self.asking.roles;
        let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!(
            "{}\0{role_arn}\0{external_id}\0{}",
            self.credentials.access_key, self.region
        );
        let now_ms = self.asking.ports.clock.now_ms();
        let known = lock().get(&key).filter(|(_, until_ms)| now_ms < *until_ms).cloned();
        if let Some((assumed, _)) = known {
            return Ok(assumed);
        }
        let body = self.call(sts::assume_role(role_arn, external_id)).await?;
        let assumed = sts::assumed(&body).map_err(invalid)?;
        let until_ms = now_ms + sts::DURATION_SECONDS * 1000 - MARGIN_MS;
        let mut kept = lock();
        kept.retain(|_, (_, until_ms)| now_ms < *until_ms);
        kept.insert(key, (assumed.clone(), until_ms));
        Ok(assumed)
    }

    /// Sends a call, signed, and gives the body of a success.
    async fn call(&self, call: Call) -> Result<bytes::Bytes, Error> {
        let (of, endpoint) = self.endpoint;
        let url = if call.service == of && !endpoint.is_empty() {
            format!("{}/", endpoint.trim_end_matches('/'))
        } else {
            self.credentials.url(call.service, &self.region)
        };
        let post = AwsPost {
            service: call.service,
            region: &self.region,
            url: &url,
            content_type: call.content_type,
            target: call.target.as_deref(),
            body: call.body.as_bytes(),
        };
        let now_ms = self.asking.ports.clock.now_ms();
        let signed = sign(&self.credentials, &post, now_ms).ok_or_else(|| invalid(format!("{url} is not a URL")))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, header(&CONTENT_TYPE, call.content_type)?);
        for (name, value) in signed {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(format!("header {name} cannot be sent")))?;
            let mut value = header(&name, value.expose())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let body = bytes::Bytes::from(call.body);
        let (method, asking) = (http::Method::POST, self.asking);
        let answer = asking.call(method, &url, &self.client, headers, body).await?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let error = refused(answer.status, &failure(&answer.body).unwrap_or_default());
        let (kind, operation, region) = (error.kind(), call.operation, &self.region);
        Err(Error::new(kind, format!("{operation} in {region}")).with_source(error))
    }

    /// Every page of a list.
    async fn pages<T>(
        &self,
        ask: impl Fn(Option<&str>) -> Call,
        read: impl Fn(&[u8]) -> Result<Page<T>, String>,
    ) -> Result<Vec<T>, Error> {
        let (mut items, mut next) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let call = ask(next.as_deref());
            let operation = call.operation;
            let page = read(&self.call(call).await?).map_err(invalid)?;
            items.extend(page.items);
            match page.next {
                None => return Ok(items),
                // A server that says the same again would be asked for ever.
                Some(token) if next.as_ref() == Some(&token) => {
                    return Err(invalid(format!("{operation} gives the same page again")));
                }
                Some(token) => next = Some(token),
            }
        }
        Err(invalid(format!("a list does not end after {MAX_PAGES} pages")))
    }

    /// Many calls, some at one time; what they answer in order, one after another.
    async fn described<T: for<'de> serde::Deserialize<'de>>(
        &self,
        config: &AwsSd,
        calls: Vec<Call>,
        list: &str,
    ) -> Result<Vec<T>, Error> {
        let answers = futures::stream::iter(calls)
            .map(|call| async move {
                let body = self.call(call).await?;
                ecs::read::<T>(&body, list).map_err(invalid)
            })
            .buffered(config.request_concurrency);
        let pages: Vec<Page<T>> = answers.try_collect().await?;
        Ok(pages.into_iter().flat_map(|page| page.items).collect())
    }

    async fn ecs(&self, config: &AwsSd) -> Result<Vec<ecs::Known>, Error> {
        let arns = if config.clusters.is_empty() {
            self.pages(ecs::clusters, |body| ecs::read(body, "clusterArns")).await?
        } else {
            config.clusters.clone()
        };
        let calls = arns.chunks(ecs::BATCH).map(ecs::describe_clusters).collect();
        let clusters: Vec<ecs::Cluster> = self.described(config, calls, "clusters").await?;
        let mut all = Vec::new();
        for cluster in clusters {
            all.extend(self.cluster(config, cluster).await?);
        }
        Ok(all)
    }

    /// What is known of a cluster; `None` of one without tasks.
    async fn cluster(&self, config: &AwsSd, cluster: ecs::Cluster) -> Result<Option<ecs::Known>, Error> {
        let Some(arn) = cluster.cluster_arn.clone() else {
            return Ok(None);
        };
        let arn = arn.as_str();
        let tasks: Vec<String> = self
            .pages(|next| ecs::tasks(arn, next), |body| ecs::read(body, "taskArns"))
            .await?;
        if tasks.is_empty() {
            return Ok(None);
        }
        let services: Vec<String> = self
            .pages(|next| ecs::services(arn, next), |body| ecs::read(body, "serviceArns"))
            .await?;
        let calls = services.chunks(ecs::SERVICES_BATCH);
        let calls = calls.map(|batch| ecs::describe_services(arn, batch)).collect();
        let services = self.described(config, calls, "services").await?;
        let calls = tasks.chunks(ecs::BATCH).map(|batch| ecs::describe_tasks(arn, batch));
        let tasks: Vec<ecs::Task> = self.described(config, calls.collect(), "tasks").await?;
        let on = ecs::instances_of(&tasks);
        let calls = on.chunks(ecs::BATCH).map(|batch| ecs::describe_instances(arn, batch));
        let instances: Vec<ecs::ContainerInstance> =
            self.described(config, calls.collect(), "containerInstances").await?;
        let (mut machines, mut public_ips) = (Vec::new(), Vec::new());
        for ids in ecs::machines_of(&instances).chunks(ecs::BATCH) {
            let found = self.pages(|next| ec2::instances(&[], ids, next), ec2::read_instances);
            machines.extend(found.await?);
        }
        for ids in ecs::interfaces_of(&tasks).chunks(ecs::BATCH) {
            let found = self.pages(|next| ec2::interfaces(ids, next), ec2::read_interfaces);
            public_ips.extend(found.await?);
        }
        Ok(Some(ecs::Known {
            cluster,
            services,
            tasks,
            instances,
            machines,
            public_ips: public_ips.into_iter().collect(),
        }))
    }

    async fn cloud_map(&self, config: &AwsSd) -> Result<Vec<TargetGroup>, Error> {
        use cloud_map::{Named, read};
        let wanted = |names: &[String], found: &Named| names.is_empty() || names.contains(&found.name);
        let namespaces: Vec<Named> = self
            .pages(cloud_map::namespaces, |body| read(body, "Namespaces"))
            .await?;
        let mut groups = Vec::new();
        for namespace in namespaces.iter().filter(|found| wanted(&config.namespaces, found)) {
            let services: Vec<Named> = self
                .pages(
                    |next| cloud_map::services(namespace, next),
                    |body| read(body, "Services"),
                )
                .await?;
            for service in services.iter().filter(|found| wanted(&config.services, found)) {
                let instances: Vec<cloud_map::Instance> = self
                    .pages(
                        |next| cloud_map::instances(service, next),
                        |body| read(body, "Instances"),
                    )
                    .await?;
                groups.push(cloud_map::targets(config, &self.region, namespace, service, &instances));
            }
        }
        Ok(groups)
    }
}
