//! Targets found in services of AWS, by a server that answers as they do.

use crate::world::{START_MS, World};
use parapet_http_client::Secret;
use parapet_http_client::aws::{AwsCredentials, AwsPost, sign};
use parapet_model::Labels;
use parapet_ports::{Clock as _, Error, FixedClock, Http, HttpRequest, HttpResponse, Identity, Kind};
use parapet_scraper::{Scraper, Settings, with_discovered_targets};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// A request as it arrived: URL, operation, body.
type Seen = (String, String, String);

#[derive(Debug)]
struct FakeAws {
    clock: Arc<FixedClock>,
    answer: fn(&str, &str) -> (u16, String),
    seen: Mutex<Vec<Seen>>,
}

/// The keys of the process, of the configuration, and of the role.
const SECRETS: [(&str, &str); 3] = [("AKPROCESS", "p"), ("AKOWN", "own"), ("AKROLE", "role")];

#[async_trait::async_trait]
impl Http for FakeAws {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let header = |name: &str| {
            request
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        let target = header("x-amz-target");
        let operation = match &target {
            Some(target) => target.rsplit('.').next().unwrap().to_owned(),
            None => body
                .split('&')
                .find_map(|pair| pair.strip_prefix("Action="))
                .unwrap()
                .to_owned(),
        };
        let authorization = header("authorization").unwrap();
        // The signature holds with the key that it names.
        let scope: Vec<&str> = authorization.split(['=', '/', ',']).collect();
        let (key, region, service) = (scope[1], scope[3], scope[4]);
        let (_, secret) = SECRETS.iter().find(|(name, _)| *name == key).unwrap();
        let credentials = AwsCredentials {
            access_key: key.to_owned(),
            secret_key: Secret::new(*secret),
            session_token: header("x-amz-security-token").map(Secret::new),
            region: String::new(),
            endpoint_url: None,
        };
        let post = AwsPost {
            service,
            region,
            url: &request.url,
            content_type: &header("content-type").unwrap(),
            target: target.as_deref(),
            body: body.as_bytes(),
        };
        let signed = sign(&credentials, &post, self.clock.now_ms()).unwrap();
        assert_eq!(signed.last().unwrap().1.expose(), authorization);
        let (status, text) = (self.answer)(&operation, &body);
        let url = format!("{key} {}", request.url);
        self.seen.lock().unwrap().push((url, operation, body));
        Ok(HttpResponse {
            status: status.try_into().unwrap(),
            headers: http::HeaderMap::new(),
            body: text.into(),
        })
    }
}

#[derive(Debug)]
struct Process;

#[async_trait::async_trait]
impl Identity for Process {
    async fn credentials(&self, profile: &str) -> Result<AwsCredentials, Error> {
        if profile == "nobody" {
            return Err(Error::new(Kind::Unavailable, "no such profile"));
        }
        Ok(AwsCredentials {
            access_key: "AKPROCESS".to_owned(),
            secret_key: Secret::new("p"),
            session_token: Some(Secret::new("t")),
            region: "eu-west-1".to_owned(),
            endpoint_url: None,
        })
    }
}

struct Fleet {
    world: World,
    aws: Arc<FakeAws>,
    config: String,
}

impl Fleet {
    fn new(section: &str, answer: fn(&str, &str) -> (u16, String)) -> Self {
        let config = format!("scrape_configs:\n- job_name: j\n  {section}\n");
        let mut world = World::new(&config);
        let aws = Arc::new(FakeAws {
            clock: world.memory.clock.clone(),
            answer,
            seen: Mutex::default(),
        });
        world.ports.http = aws.clone();
        world.scraper = Scraper::new(world.ports.clone(), Settings::default()).with_identity(Arc::new(Process));
        Self { world, aws, config }
    }

    /// The targets that are known after the tick of a minute, by their labels before relabelling.
    async fn targets(&self, minute: i64) -> Vec<Labels> {
        self.world.tick(minute).await;
        let written = parapet_config::parse("prometheus.yml", &self.config).unwrap();
        let found = with_discovered_targets(&self.world.ports, &written).await.unwrap();
        let targets = &found.jobs[0].targets;
        targets.iter().map(|target| target.discovered_labels.clone()).collect()
    }

    fn operations(&self) -> Vec<String> {
        let seen = self.aws.seen.lock().unwrap();
        seen.iter()
            .map(|(url, operation, _)| format!("{url} {operation}"))
            .collect()
    }
}

fn meta(labels: &Labels) -> serde_json::Value {
    let own = labels
        .iter()
        .filter(|(name, _)| name.starts_with("__meta") || *name == "__address__");
    own.map(|(name, value)| (name.to_owned(), value)).collect()
}

const ZONES: &str = "<DescribeAvailabilityZonesResponse><availabilityZoneInfo><item><zoneName>eu-west-1a</zoneName>\
                     <zoneId>euw1-az3</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>";

fn ec2(operation: &str, body: &str) -> (u16, String) {
    let page = |instances: &str, next: &str| {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
 <requestId>8f7724cf</requestId>
 <reservationSet><item><reservationId>r-1</reservationId><ownerId>123456789012</ownerId>
  <instancesSet>{instances}</instancesSet></item></reservationSet>{next}
</DescribeInstancesResponse>"#
        )
    };
    let first = "<item><instanceId>i-1</instanceId><imageId>ami-1</imageId>
 <instanceState><code>16</code><name>running</name></instanceState>
 <privateDnsName>ip-10-0-0-1.internal</privateDnsName><dnsName>ec2-1.amazonaws.com</dnsName>
 <instanceType>t3.micro</instanceType><placement><availabilityZone>eu-west-1a</availabilityZone></placement>
 <subnetId>s-1</subnetId><vpcId>vpc-1</vpcId><privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>54.0.0.1</ipAddress>
 <architecture>x86_64</architecture><instanceLifecycle>spot</instanceLifecycle><platform>windows</platform>
 <tagSet><item><key>team/a b</key><value>x</value></item><item><key>empty</key><value/></item></tagSet>
 <networkInterfaceSet>
  <item><subnetId>s-1</subnetId><attachment><deviceIndex>1</deviceIndex></attachment>
   <ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item>
    <item><ipv6Address>2001:db8::2</ipv6Address><isPrimaryIpv6>false</isPrimaryIpv6></item></ipv6AddressesSet></item>
  <item><subnetId>s-1</subnetId></item><item><subnetId>s-2</subnetId></item>
 </networkInterfaceSet></item>
 <item><instanceId>i-stopped</instanceId></item>";
    let second =
        "<item><instanceId>i-2</instanceId><imageId>ami-1</imageId><vpcId>vpc-1</vpcId><subnetId>s-1</subnetId>
 <instanceState><name>running</name></instanceState><instanceType>t3.micro</instanceType>
 <networkInterfaceSet><item><subnetId>s-1</subnetId><ipv6AddressesSet><item><ipv6Address>2001:db8::9</ipv6Address>
 </item></ipv6AddressesSet></item></networkInterfaceSet></item>";
    match operation {
        "DescribeAvailabilityZones" => (200, ZONES.to_owned()),
        "DescribeInstances" if body.contains("NextToken=more") => (200, page(second, "")),
        "DescribeInstances" => (200, page(first, "<nextToken>more</nextToken>")),
        _ => (400, String::new()),
    }
}

#[tokio::test]
async fn instances_of_ec2() {
    let section = "ec2_sd_configs: [{port: 9100, filters: [{name: 'tag:env', values: [prod, 'a&b']}]}]";
    let fleet = Fleet::new(section, ec2);
    let targets = fleet.targets(0).await;
    assert_eq!(
        meta(&targets[0]),
        json!({
            "__address__": "10.0.0.1:9100",
            "__meta_ec2_ami": "ami-1",
            "__meta_ec2_architecture": "x86_64",
            "__meta_ec2_availability_zone": "eu-west-1a",
            "__meta_ec2_availability_zone_id": "euw1-az3",
            "__meta_ec2_default_ipv6_address": "2001:db8::1",
            "__meta_ec2_instance_id": "i-1",
            "__meta_ec2_instance_lifecycle": "spot",
            "__meta_ec2_instance_state": "running",
            "__meta_ec2_instance_type": "t3.micro",
            "__meta_ec2_ipv6_addresses": ",2001:db8::1,2001:db8::2,",
            "__meta_ec2_owner_id": "123456789012",
            "__meta_ec2_platform": "windows",
            "__meta_ec2_primary_ipv6_addresses": ",,2001:db8::1,",
            "__meta_ec2_primary_subnet_id": "s-1",
            "__meta_ec2_private_dns_name": "ip-10-0-0-1.internal",
            "__meta_ec2_private_ip": "10.0.0.1",
            "__meta_ec2_public_dns_name": "ec2-1.amazonaws.com",
            "__meta_ec2_public_ip": "54.0.0.1",
            "__meta_ec2_region": "eu-west-1",
            "__meta_ec2_subnet_id": ",s-1,s-2,",
            "__meta_ec2_tag_team_a_b": "x",
            "__meta_ec2_vpc_id": "vpc-1",
        })
    );
    assert_eq!(targets[1].get("__address__"), Some("[2001:db8::9]:9100"));
    assert_eq!(targets.len(), 2);
    let seen = fleet.aws.seen.lock().unwrap();
    assert_eq!(seen[1].0, "AKPROCESS https://ec2.eu-west-1.amazonaws.com/");
    assert_eq!(
        seen[1].2,
        "Action=DescribeInstances&Filter.1.Name=tag%3Aenv&Filter.1.Value.1=prod&Filter.1.Value.2=a%26b&Version=2016-11-15"
    );
}

#[tokio::test]
async fn a_role_is_assumed_with_a_key_of_its_own() {
    fn answer(operation: &str, body: &str) -> (u16, String) {
        match operation {
            "AssumeRole" => (
                200,
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKROLE</AccessKeyId>\
                 <SecretAccessKey>role</SecretAccessKey><SessionToken>tt</SessionToken></Credentials>\
                 </AssumeRoleResult></AssumeRoleResponse>"
                    .to_owned(),
            ),
            _ => ec2(operation, body),
        }
    }
    let section = "ec2_sd_configs: [{region: us-east-1, access_key: AKOWN, secret_key: own, role_arn: 'arn:r', external_id: e, endpoint: 'http://ec2.local:1/'}]";
    let fleet = Fleet::new(section, answer);
    assert_eq!(fleet.targets(0).await.len(), 2);
    assert_eq!(fleet.targets(1).await.len(), 2);
    let operations = fleet.operations();
    assert_eq!(operations[0], "AKOWN https://sts.us-east-1.amazonaws.com/ AssumeRole");
    assert_eq!(operations[1], "AKROLE http://ec2.local:1/ DescribeAvailabilityZones");
    let assumed = || {
        fleet
            .operations()
            .iter()
            .filter(|seen| seen.ends_with("AssumeRole"))
            .count()
    };
    assert_eq!(assumed(), 1, "the role is kept");
    // Near its end it is assumed again.
    assert_eq!(fleet.targets(14).await.len(), 2);
    assert_eq!(assumed(), 2);
    let body = fleet.aws.seen.lock().unwrap()[0].2.clone();
    assert!(
        body.contains("RoleArn=arn%3Ar") && body.contains("ExternalId=e"),
        "{body}"
    );
}

fn ecs(operation: &str, body: &str) -> (u16, String) {
    let arn = |kind: &str, name: &str| format!("arn:aws:ecs:eu-west-1:1:{kind}/{name}");
    let interface = |address: &str, id: &str| {
        json!([{"type": "ElasticNetworkInterface", "details": [
            {"name": "subnetId", "value": "s-9"}, {"name": "networkInterfaceId", "value": id},
            {"name": "privateIPv4Address", "value": address}, {"name": "macAddress"}]}])
    };
    let asked: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let answer = match operation {
        "ListClusters" if asked["nextToken"] == "n" => json!({"clusterArns": [arn("cluster", "idle")]}),
        "ListClusters" => json!({"clusterArns": [arn("cluster", "web")], "nextToken": "n"}),
        "DescribeClusters" => json!({"clusters": [
            {"clusterArn": arn("cluster", "web"), "clusterName": "web", "tags": [{"key": "env", "value": "prod"}]},
            {"clusterArn": arn("cluster", "idle"), "clusterName": "idle"}], "failures": []}),
        "ListTasks" if body.contains("idle") => json!({"taskArns": []}),
        "ListTasks" => json!({"taskArns": [arn("task", "1"), arn("task", "2"), arn("task", "3")]}),
        "ListServices" => json!({"serviceArns": [arn("service", "front")]}),
        "DescribeServices" => json!({"services": [{"serviceName": "front", "serviceArn": arn("service", "front"),
            "status": "ACTIVE", "tags": [{"key": "tier", "value": "1"}]}]}),
        "DescribeTasks" => json!({"tasks": [
            {"taskArn": arn("task", "1"), "taskDefinitionArn": arn("task-definition", "front:3"), "group": "service:front",
             "launchType": "FARGATE", "healthStatus": "HEALTHY", "availabilityZone": "eu-west-1a",
             "desiredStatus": "RUNNING", "lastStatus": "RUNNING", "platformFamily": "Linux", "platformVersion": "1.4.0",
             "attachments": interface("10.1.0.1", "eni-1"), "tags": [{"key": "t", "value": "1"}]},
            {"taskArn": arn("task", "2"), "group": "family:batch", "launchType": "EC2", "healthStatus": "UNKNOWN",
             "containerInstanceArn": arn("container-instance", "c")},
            {"taskArn": arn("task", "3"), "launchType": "FARGATE", "attachments": interface("", "eni-2")}]}),
        "DescribeContainerInstances" => json!({"containerInstances": [
            {"containerInstanceArn": arn("container-instance", "c"), "ec2InstanceId": "i-1"}]}),
        "DescribeInstances" => return ec2(operation, "NextToken=more").1.replace("<instanceId>i-2", "<instanceId>i-1<!-- -->")
            .replace("<vpcId>", "<privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>54.0.0.1</ipAddress><tagSet><item><key>n</key><value>v</value></item></tagSet><vpcId>")
            .pipe(|text| (200, text)),
        "DescribeNetworkInterfaces" => return (200, "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item>\
            <networkInterfaceId>eni-1</networkInterfaceId><association><publicIp>54.9.9.9</publicIp></association></item>\
            <item><networkInterfaceId>eni-2</networkInterfaceId></item></networkInterfaceSet>\
            </DescribeNetworkInterfacesResponse>".to_owned()),
        _ => return (400, json!({"__type": "com.amazon#UnknownOperation", "message": operation}).to_string()),
    };
    (200, answer.to_string())
}

trait Pipe: Sized {
    fn pipe<T>(self, then: impl FnOnce(Self) -> T) -> T {
        then(self)
    }
}

impl Pipe for String {}

#[tokio::test]
async fn tasks_of_ecs() {
    let fleet = Fleet::new("ecs_sd_configs: [{port: 9100}]", ecs);
    let targets = fleet.targets(0).await;
    assert_eq!(
        meta(&targets[0]),
        json!({
            "__address__": "10.1.0.1:9100",
            "__meta_ecs_availability_zone": "eu-west-1a",
            "__meta_ecs_cluster": "web",
            "__meta_ecs_cluster_arn": "arn:aws:ecs:eu-west-1:1:cluster/web",
            "__meta_ecs_desired_status": "RUNNING",
            "__meta_ecs_health_status": "HEALTHY",
            "__meta_ecs_ip_address": "10.1.0.1",
            "__meta_ecs_last_status": "RUNNING",
            "__meta_ecs_launch_type": "FARGATE",
            "__meta_ecs_network_mode": "awsvpc",
            "__meta_ecs_platform_family": "Linux",
            "__meta_ecs_platform_version": "1.4.0",
            "__meta_ecs_public_ip": "54.9.9.9",
            "__meta_ecs_region": "eu-west-1",
            "__meta_ecs_service": "front",
            "__meta_ecs_service_arn": "arn:aws:ecs:eu-west-1:1:service/front",
            "__meta_ecs_service_status": "ACTIVE",
            "__meta_ecs_subnet_id": "s-9",
            "__meta_ecs_tag_cluster_env": "prod",
            "__meta_ecs_tag_service_tier": "1",
            "__meta_ecs_tag_task_t": "1",
            "__meta_ecs_task_arn": "arn:aws:ecs:eu-west-1:1:task/1",
            "__meta_ecs_task_definition": "arn:aws:ecs:eu-west-1:1:task-definition/front:3",
            "__meta_ecs_task_group": "service:front",
        })
    );
    assert_eq!(
        meta(&targets[1]),
        json!({
            "__address__": "10.0.0.1:9100",
            "__meta_ecs_cluster": "web",
            "__meta_ecs_cluster_arn": "arn:aws:ecs:eu-west-1:1:cluster/web",
            "__meta_ecs_container_instance_arn": "arn:aws:ecs:eu-west-1:1:container-instance/c",
            "__meta_ecs_ec2_instance_id": "i-1",
            "__meta_ecs_ec2_instance_private_ip": "10.0.0.1",
            "__meta_ecs_ec2_instance_public_ip": "54.0.0.1",
            "__meta_ecs_ec2_instance_type": "t3.micro",
            "__meta_ecs_health_status": "UNKNOWN",
            "__meta_ecs_ip_address": "10.0.0.1",
            "__meta_ecs_launch_type": "EC2",
            "__meta_ecs_network_mode": "bridge",
            "__meta_ecs_public_ip": "54.0.0.1",
            "__meta_ecs_region": "eu-west-1",
            "__meta_ecs_subnet_id": "s-1",
            "__meta_ecs_tag_cluster_env": "prod",
            "__meta_ecs_tag_ec2_n": "v",
            "__meta_ecs_task_arn": "arn:aws:ecs:eu-west-1:1:task/2",
            "__meta_ecs_task_group": "family:batch",
        })
    );
    assert_eq!(targets.len(), 2, "a task without an address is no target");
    // Clusters may be named instead of listed.
    let fleet = Fleet::new("aws_sd_configs: [{role: ecs, clusters: [web]}]", ecs);
    assert_eq!(fleet.targets(0).await.len(), 2);
    assert!(!fleet.operations().iter().any(|seen| seen.ends_with("ListClusters")));
}

#[tokio::test]
async fn instances_of_lightsail_and_cloud_map() {
    fn answer(operation: &str, body: &str) -> (u16, String) {
        let answer = match operation {
            "GetInstances" if body.contains("pageToken") => {
                json!({"instances": [{"name": "b", "privateIpAddress": "10.2.0.2"}]})
            }
            "GetInstances" => json!({"nextPageToken": "2", "instances": [
                {"name": "a", "blueprintId": "ubuntu", "bundleId": "nano", "supportCode": "1/i-1", "privateIpAddress": "10.2.0.1",
                 "publicIpAddress": "54.2.0.1", "ipv6Addresses": ["2001:db8::1"], "location": {"availabilityZone": "eu-west-1a"},
                 "state": {"code": 16, "name": "running"}, "tags": [{"key": "k", "value": "v"}, {"key": "bare"}]},
                {"name": "no address"}]}),
            "ListNamespaces" => {
                json!({"Namespaces": [{"Id": "ns-1", "Name": "corp", "Type": "DNS_PRIVATE"}, {"Id": "ns-2", "Name": "other"}]})
            }
            "ListServices" => {
                assert!(body.contains("ns-1"), "{body}");
                json!({"Services": [{"Id": "srv-1", "Name": "web"}]})
            }
            "ListInstances" => json!({"Instances": [
                {"Id": "i", "Attributes": {"AWS_INSTANCE_IPV4": "10.3.0.1", "AWS_INSTANCE_PORT": "8080", "stage/x": "p"}},
                {"Id": "nowhere", "Attributes": {}}]}),
            _ => return (400, String::new()),
        };
        (200, answer.to_string())
    }
    let fleet = Fleet::new("lightsail_sd_configs: [{}]", answer);
    let targets = fleet.targets(0).await;
    assert_eq!(
        meta(&targets[0]),
        json!({
            "__address__": "10.2.0.1:80",
            "__meta_lightsail_availability_zone": "eu-west-1a",
            "__meta_lightsail_blueprint_id": "ubuntu",
            "__meta_lightsail_bundle_id": "nano",
            "__meta_lightsail_instance_name": "a",
            "__meta_lightsail_instance_state": "running",
            "__meta_lightsail_instance_support_code": "1/i-1",
            "__meta_lightsail_ipv6_addresses": ",2001:db8::1,",
            "__meta_lightsail_private_ip": "10.2.0.1",
            "__meta_lightsail_public_ip": "54.2.0.1",
            "__meta_lightsail_region": "eu-west-1",
            "__meta_lightsail_tag_k": "v",
        })
    );
    assert_eq!(targets.len(), 2);
    let fleet = Fleet::new("cloudmap_sd_configs: [{namespaces: [corp]}]", answer);
    let targets = fleet.targets(0).await;
    assert_eq!(
        targets.iter().map(meta).collect::<Vec<_>>(),
        [json!({
            "__address__": "10.3.0.1:8080",
            "__meta_cloudmap_attribute_AWS_INSTANCE_IPV4": "10.3.0.1",
            "__meta_cloudmap_attribute_AWS_INSTANCE_PORT": "8080",
            "__meta_cloudmap_attribute_stage_x": "p",
            "__meta_cloudmap_instance_id": "i",
            "__meta_cloudmap_namespace": "corp",
            "__meta_cloudmap_region": "eu-west-1",
            "__meta_cloudmap_service": "web",
        })]
    );
}

#[tokio::test]
async fn hostile_answers_change_nothing() {
    // In the first minute all is well; then each minute something else is wrong.
    static MINUTE: Mutex<i64> = Mutex::new(0);
    fn answer(operation: &str, body: &str) -> (u16, String) {
        let entity =
            r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><DescribeInstancesResponse>&a;</DescribeInstancesResponse>"#;
        match *MINUTE.lock().unwrap() {
            0 => ec2(operation, body),
            _ if operation != "DescribeInstances" => ec2(operation, body),
            1 => (
                403,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>"
                    .to_owned(),
            ),
            2 => (200, "<DescribeInstancesResponse><reservationSet>".to_owned()),
            3 => (200, entity.to_owned()),
            // The same page for ever.
            4 => (
                200,
                "<DescribeInstancesResponse><nextToken>same</nextToken></DescribeInstancesResponse>".to_owned(),
            ),
            5 => (200, "<html/>".to_owned()),
            6 => (200, "\u{0}".to_owned()),
            _ => (503, String::new()),
        }
    }
    let fleet = Fleet::new("ec2_sd_configs: [{}]", answer);
    for minute in 0..8 {
        *MINUTE.lock().unwrap() = minute;
        assert_eq!(fleet.targets(minute).await.len(), 2, "minute {minute}");
    }
    assert!(fleet.operations().len() < 30, "{}", fleet.operations().len());
    assert_eq!(fleet.world.memory.clock.now_ms(), START_MS + 7 * 60_000);
    let nobody = Fleet::new("ec2_sd_configs: [{profile: nobody}]", ec2);
    assert!(nobody.targets(0).await.is_empty() && nobody.operations().is_empty());
}
