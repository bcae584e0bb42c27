//! What each vendor is sent, and what its answers mean, as its documentation and Alertmanager have it.

use crate::payloads::{alert, body, notification};
use crate::world::{answer, mail, next_step, next_step_on_aws, rendered};
use parapet_receivers::{Answer, Request, Step, Verdict};
use serde_json::{Value, json};

fn call(step: Step) -> Request {
    match step {
        Step::Call(request) => *request,
        other => panic!("{other:?}"),
    }
}

fn document(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    let found = request.headers.iter().find(|(header, _)| header == name);
    found.map_or("", |(_, value)| value.expose())
}

fn hash(request: &Request, field: &str) -> String {
    document(request)[field].as_str().unwrap().to_owned()
}

#[test]
fn pagerduty_version_2() {
    let integration = "  pagerduty_configs: [{routing_key_file: secret.txt, severity: '{{ .CommonLabels.severity }}', \
                       images: [{src: ''}], links: [{href: 'http://l/', text: t}], details: {note: 7, team: '{{ .Receiver }}'}}]";
    let request = rendered(integration, &notification(vec![alert("a", None)])).unwrap();
    assert_eq!(request.url.expose(), "https://events.pagerduty.com/v2/enqueue");
    let text = body(&request);
    let key = hash(&request, "dedup_key");
    assert_eq!(key.len(), 64);
    assert!(
        text.starts_with(&format!(
            r#"{{"routing_key":"from-file","dedup_key":"{key}","event_action":"trigger","payload":{{"summary":"[FIRING:1] Down (a page)","source":"Alertmanager","severity":"page","custom_details":{{"firing":[{{"#
        )),
        "{text}"
    );
    assert!(
        text.contains(r#""note":7,"num_firing":1,"num_resolved":0,"resolved":[]"#),
        "{text}"
    );
    assert!(
        text.ends_with("\"links\":[{\"href\":\"http://l/\",\"text\":\"t\"}]}\n"),
        "{text}"
    );
    let over = rendered(integration, &notification(vec![alert("a", Some(1))])).unwrap();
    assert_eq!(
        (hash(&over, "event_action"), hash(&over, "dedup_key")),
        ("resolve".to_owned(), key)
    );
    // The documented error, and the rate limit.
    let refused =
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is invalid"]}"#;
    let step = next_step(integration, &notification(vec![]), &[answer(400, refused)]);
    let error = "unexpected status code 400: Event object is invalid: 'payload.severity' is invalid".to_owned();
    assert_eq!(step, Step::Done(Verdict::Permanent { error }));
    let limited = Answer {
        retry_after: Some("30".into()),
        ..answer(429, "")
    };
    let step = next_step(integration, &notification(vec![]), &[limited]);
    assert!(
        matches!(
            step,
            Step::Done(Verdict::Retry {
                after_ms: Some(30_000),
                ..
            })
        ),
        "{step:?}"
    );
    assert_eq!(
        next_step(integration, &notification(vec![]), &[answer(202, "{}")]),
        Step::Done(Verdict::Sent)
    );
}

#[test]
fn pagerduty_version_1_and_events_that_are_too_large() {
    let integration = "  pagerduty_configs: [{service_key: k}]";
    let request = rendered(integration, &notification(vec![alert("a", None)])).unwrap();
    assert!(request.url.expose().ends_with("/generic/2010-04-15/create_event.json"));
    assert!(
        body(&request).contains(r#""event_type":"trigger","description":"#),
        "{}",
        body(&request)
    );
    assert!(
        body(&request).contains(r#""event_action":"","payload":null"#),
        "{}",
        body(&request)
    );
    let step = next_step(integration, &notification(vec![]), &[answer(403, "")]);
    assert!(matches!(step, Step::Done(Verdict::Retry { .. })), "{step:?}");
    let mut large = notification(vec![alert("a", None); 3000]);
    large.group_key = "k".into();
    let request = rendered("  pagerduty_configs: [{routing_key: k}]", &large).unwrap();
    let error = "Custom details have been removed because the original event exceeds the maximum size of 512KB";
    assert_eq!(document(&request)["payload"]["custom_details"], json!({"error": error}));
}

#[test]
fn opsgenie() {
    let integration = "  opsgenie_configs: [{api_key: 'secret://ops/key', api_url: 'http://o/', update_alerts: true, tags: 'a,,b', \
                       responders: [{name: 'x,y', type: teams}, {name: '{{ .CommonLabels.none }}', type: '{{ .CommonLabels.none }}'}]}]";
    let firing = notification(vec![alert("a", None)]);
    let create = call(next_step(integration, &firing, &[]));
    let alias = hash(&create, "alias");
    assert_eq!((create.method, create.url.expose()), ("POST", "http://o/v2/alerts"));
    assert_eq!(header(&create, "Authorization"), "GenieKey from-store");
    assert!(!format!("{create:?}").contains("from-store"));
    let created = document(&create);
    assert_eq!(
        created["responders"],
        json!([{"name": "x", "type": "team"}, {"name": "y", "type": "team"}])
    );
    assert_eq!(created["tags"], json!(["a", "b"]));
    assert_eq!(
        created["details"],
        json!({"alertname": "Down", "instance": "a", "severity": "page"})
    );
    let accepted = answer(202, r#"{"result":"Request will be processed"}"#);
    let update = call(next_step(integration, &firing, std::slice::from_ref(&accepted)));
    assert_eq!(update.method, "PUT");
    assert_eq!(
        update.url.expose(),
        format!("http://o/v2/alerts/{alias}/message?identifierType=alias")
    );
    let describe = call(next_step(integration, &firing, &[accepted.clone(), accepted.clone()]));
    assert!(describe.url.expose().contains("/description?"));
    assert_eq!(
        next_step(integration, &firing, &vec![accepted.clone(); 3]),
        Step::Done(Verdict::Sent)
    );
    let limited = next_step(
        integration,
        &firing,
        &[
            accepted,
            answer(429, r#"{"message":"You are making too many requests!"}"#),
        ],
    );
    assert!(matches!(limited, Step::Done(Verdict::Retry { .. })), "{limited:?}");
    let close = call(next_step(integration, &notification(vec![alert("a", Some(1))]), &[]));
    assert_eq!(
        close.url.expose(),
        format!("http://o/v2/alerts/{alias}/close?identifierType=alias")
    );
    assert_eq!(
        body(&close),
        "{\"source\":\"http://parapet:9090/#/alerts?receiver=team%5C.x\"}\n"
    );
}

#[test]
fn jira_creates_updates_and_moves() {
    let integration = "  jira_configs: [{api_url: 'https://jira.example/rest/api/2', project: OPS, issue_type: Bug, \
                       resolve_transition: Done, labels: [z], fields: {customfield_1: {value: '{{ .Status }}'}}, \
                       http_config: {basic_auth: {username: u, password: p}}}]";
    let firing = notification(vec![alert("a", None)]);
    let search = call(next_step(integration, &firing, &[]));
    assert_eq!(search.url.expose(), "https://jira.example/rest/api/2/search");
    let jql = hash(&search, "jql");
    assert!(
        jql.starts_with("statusCategory != Done and project=\"OPS\" and labels=\"ALERT{"),
        "{jql}"
    );
    let none = answer(200, r#"{"issues":[]}"#);
    let create = call(next_step(integration, &firing, std::slice::from_ref(&none)));
    assert_eq!(
        (create.method, create.url.expose()),
        ("POST", "https://jira.example/rest/api/2/issue")
    );
    let fields = &document(&create)["fields"];
    assert_eq!(
        (&fields["summary"], &fields["project"]),
        (&json!("[FIRING:1] Down (a page)"), &json!({"key": "OPS"}))
    );
    assert_eq!(fields["customfield_1"], json!({"value": "firing"}));
    assert_eq!(
        next_step(integration, &firing, &[none.clone(), answer(201, "{}")]),
        Step::Done(Verdict::Sent)
    );
    // Over: no issue, nothing to do; an open one is moved on.
    let over = notification(vec![alert("a", Some(1))]);
    assert_eq!(next_step(integration, &over, &[none]), Step::Done(Verdict::Sent));
    let open = answer(
        200,
        r#"{"issues":[{"key":"OPS-7","fields":{"status":{"name":"Open","statusCategory":{"key":"new"}}}}]}"#,
    );
    let mut answers = vec![open];
    assert_eq!(call(next_step(integration, &over, &answers)).method, "PUT");
    answers.push(answer(204, ""));
    let list = call(next_step(integration, &over, &answers));
    assert_eq!(
        (list.method, list.url.expose()),
        ("GET", "https://jira.example/rest/api/2/issue/OPS-7/transitions")
    );
    answers.push(answer(
        200,
        r#"{"transitions":[{"id":"11","name":"Start"},{"id":"31","name":"Done"}]}"#,
    ));
    let step = call(next_step(integration, &over, &answers));
    assert_eq!(document(&step), json!({"transition": {"id": "31"}}));
    answers.push(answer(204, ""));
    assert_eq!(next_step(integration, &over, &answers), Step::Done(Verdict::Sent));
}

#[test]
fn wechat_fetches_a_token_first() {
    let integration =
        "  wechat_configs: [{api_secret: 's&', corp_id: c, api_url: 'http://w/cgi-bin', to_user: '@all'}]";
    let firing = notification(vec![alert("a", None)]);
    let token = call(next_step(integration, &firing, &[]));
    assert_eq!(
        (token.method, token.url.expose()),
        ("GET", "http://w/cgi-bin/gettoken?corpid=c&corpsecret=s%26")
    );
    let granted = answer(200, r#"{"errcode":0,"access_token":"t"}"#);
    let send = call(next_step(integration, &firing, std::slice::from_ref(&granted)));
    assert_eq!(send.url.expose(), "http://w/cgi-bin/message/send?access_token=t");
    assert!(
        body(&send).contains(r#""touser":"@all","safe":"0","msgtype":"text","markdown":{"content":""}}"#),
        "{}",
        body(&send)
    );
    let done = |body: &str| next_step(integration, &firing, &[granted.clone(), answer(200, body)]);
    assert_eq!(done(r#"{"errcode":0,"errmsg":"ok"}"#), Step::Done(Verdict::Sent));
    assert!(matches!(
        done(r#"{"errcode":42001,"errmsg":"expired"}"#),
        Step::Done(Verdict::Retry { .. })
    ));
    assert!(matches!(
        done(r#"{"errcode":40013,"errmsg":"invalid corpid"}"#),
        Step::Done(Verdict::Permanent { .. })
    ));
}

#[test]
fn chat_receivers() {
    let firing = notification(vec![alert("a", None)]);
    let discord = rendered("  discord_configs: [{webhook_url: 'http://d/'}]", &firing).unwrap();
    assert!(
        body(&discord).starts_with(
            r#"{"content":"","embeds":[{"title":"[FIRING:1] Down (a page)","description":"\n\nAlerts Firing:"#
        ),
        "{}",
        body(&discord)
    );
    assert!(
        body(&discord).ends_with("\"color\":10038562}]}\n"),
        "{}",
        body(&discord)
    );
    let teams = rendered("  msteams_configs: [{webhook_url: 'http://t/'}]", &firing).unwrap();
    assert!(body(&teams).starts_with(r#"{"@context":"http://schema.org/extensions","type":"MessageCard","title":"#));
    let cards = rendered("  msteamsv2_configs: [{webhook_url: 'http://t/'}]", &firing).unwrap();
    assert!(body(&cards).contains(r#""contentUrl":null,"content":{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","type":"AdaptiveCard","version":"1.2","body":[{"type":"TextBlock","text":"[FIRING:1] Down (a page)","weight":"Bolder","size":"Medium","wrap":true,"style":"heading","color":"Attention"},"#), "{}", body(&cards));
    let webex = rendered(
        "  webex_configs: [{room_id: r1, http_config: {authorization: {credentials: t}}}]",
        &firing,
    )
    .unwrap();
    assert_eq!(header(&webex, "Authorization"), "Bearer t");
    assert!(body(&webex).ends_with("\"roomId\":\"r1\"}\n"));
    let rocket = rendered(
        "  rocketchat_configs: [{token: t, token_id: i, channel: '#x', api_url: 'http://r/'}]",
        &firing,
    )
    .unwrap();
    assert_eq!(rocket.url.expose(), "http://r/api/v1/chat.postMessage");
    assert_eq!(
        (header(&rocket, "X-Auth-Token"), header(&rocket, "X-User-Id")),
        ("t", "i")
    );
    let mattermost = rendered(
        "  mattermost_configs: [{webhook_url: 'http://m/', priority: {priority: high, requested_ack: true}}]",
        &firing,
    )
    .unwrap();
    assert_eq!(document(&mattermost)["priority"], json!({"priority": "standard"}));
    assert!(
        body(&mattermost).starts_with(r#"{"username":"Alertmanager","attachments":[{"fallback":"#),
        "{}",
        body(&mattermost)
    );
    let incident = rendered(
        "  incidentio_configs: [{url: 'http://i/', alert_source_token: t}]",
        &firing,
    )
    .unwrap();
    assert!(body(&incident).contains(r#""version":"1","groupKey":"#));
    assert_eq!(header(&incident, "Authorization"), "Bearer t");
    let victor = rendered(
        "  victorops_configs: [{api_key: k, routing_key: ops, api_url: 'http://v/a'}]",
        &firing,
    )
    .unwrap();
    assert_eq!(victor.url.expose(), "http://v/a/k/ops");
    assert_eq!(document(&victor)["message_type"], "CRITICAL");
}

#[test]
fn telegram() {
    let integration = "  telegram_configs: [{bot_token: b, chat_id: -100, api_url: 'http://t', message: 'x {{ (index .Alerts 0).Annotations.summary }}'}]";
    let request = rendered(integration, &notification(vec![alert("a", None)])).unwrap();
    assert_eq!(request.url.expose(), "http://t/botb/sendMessage");
    assert_eq!(
        body(&request),
        "{\"chat_id\":\"-100\",\"disable_web_page_preview\":\"true\",\"parse_mode\":\"HTML\",\"text\":\"x a \\u0026lt;b\\u0026gt; \\u0026amp; \\u0026#34;c\\u0026#34;\"}\n"
    );
    let flood = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}"#;
    let step = next_step(integration, &notification(vec![]), &[answer(429, flood)]);
    assert!(
        matches!(
            step,
            Step::Done(Verdict::Retry {
                after_ms: Some(7000),
                ..
            })
        ),
        "{step:?}"
    );
}

#[test]
fn pushover_and_sns() {
    let firing = notification(vec![alert("a", None)]);
    let pushover = rendered(
        "  pushover_configs: [{token: t, user_key: u, message: 'm', ttl: 1h}]",
        &firing,
    )
    .unwrap();
    assert_eq!(
        pushover.url.expose(),
        "https://api.pushover.net/1/messages.json?device=&expire=3600&message=m&priority=2&retry=60&sound=&\
         title=%5BFIRING%3A1%5D+Down+%28a+page%29&token=t&ttl=3600&\
         url=http%3A%2F%2Fparapet%3A9090%2F%23%2Falerts%3Freceiver%3Dteam%255C.x&url_title=&user=u"
    );
    let sns = rendered("  sns_configs: [{topic_arn: 'arn:t.fifo', sigv4: {region: eu-central-1, access_key: A, secret_key: s}, attributes: {k: v}}]", &firing).unwrap();
    assert_eq!(sns.url.expose(), "https://sns.eu-central-1.amazonaws.com/");
    let text = body(&sns);
    assert!(
        text.starts_with("Action=Publish&Message=")
            && text.contains("&MessageGroupId=")
            && text.contains("&TopicArn=arn%3At.fifo"),
        "{text}"
    );
    assert!(
        header(&sns, "Authorization")
            .starts_with("AWS4-HMAC-SHA256 Credential=A/20260102/eu-central-1/sns/aws4_request")
    );
    let error = rendered("  sns_configs: [{topic_arn: t}]", &firing).unwrap_err();
    assert!(error.to_string().starts_with("no AWS credentials"), "{error}");
}

#[test]
fn webhook_with_a_payload_of_its_own() {
    let integration = "  webhook_configs: [{url: 'http://h/', payload: {n: '{{ len .Alerts }}', all: '{{ .Alerts | toJson }}', \
                       text: 'x: {{ .Status }} y', list: ['{{ .Receiver }}', 3, true, null]}}]";
    let request = rendered(integration, &notification(vec![alert("a", None)])).unwrap();
    let document = document(&request);
    assert_eq!(document["n"], 1);
    assert_eq!(document["all"][0]["labels"]["instance"], "a");
    assert_eq!(document["list"], json!(["team\\.x", 3, true, null]));
}

#[test]
fn oauth2_fetches_a_token_first() {
    let integration = "  webhook_configs: [{url: 'http://h/', http_config: {oauth2: {client_id: c, client_secret: s, \
                       token_url: 'http://t/', scopes: [a, b]}}}]";
    let firing = notification(vec![alert("a", None)]);
    let token = call(next_step(integration, &firing, &[]));
    assert_eq!(
        (token.url.expose(), body(&token)),
        ("http://t/", "grant_type=client_credentials&scope=a+b")
    );
    assert_eq!(header(&token, "Authorization"), "Basic Yzpz");
    let granted = answer(200, r#"{"access_token":"tok","token_type":"Bearer"}"#);
    let request = call(next_step(integration, &firing, std::slice::from_ref(&granted)));
    assert_eq!(
        (request.url.expose(), header(&request, "Authorization")),
        ("http://h/", "Bearer tok")
    );
    assert_eq!(
        next_step(integration, &firing, &[granted, answer(200, "")]),
        Step::Done(Verdict::Sent)
    );
    let refused = next_step(integration, &firing, &[answer(401, "no")]);
    assert!(matches!(refused, Step::Done(Verdict::Permanent { .. })), "{refused:?}");
}

#[test]
fn email() {
    let integration = "  email_configs: [{to: 'Ops <ops@example.org>, b@example.org', from: 'a@example.org', smarthost: 'mail:587', \
                       auth_username: u, auth_password_file: secret.txt, auth_secret: 'secret://ops/key', headers: {subject: 'Größe {{ .Status }}', X-Team: ops}, \
                       text: 'a={{ len .Alerts }}', threading: {enabled: true, thread_by_date: daily}}]";
    let mail = mail(integration, &notification(vec![alert("a", None)]));
    assert_eq!(
        (mail.host.as_str(), mail.port.as_str(), mail.hello.as_str()),
        ("mail", "587", "localhost")
    );
    assert!(mail.require_tls && !mail.implicit_tls);
    assert_eq!((mail.from.as_str(), mail.to.len()), ("a@example.org", 2));
    let credentials = mail.credentials.as_ref().unwrap();
    assert_eq!(
        (
            credentials.username.as_str(),
            credentials.password.expose(),
            credentials.secret.expose()
        ),
        ("u", "from-file", "from-store")
    );
    let text = String::from_utf8(mail.message.clone()).unwrap();
    assert!(text.starts_with("From: a@example.org\r\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe_firing?=\r\nTo: Ops <ops@example.org>, b@example.org\r\nX-Team: ops\r\nMessage-Id: <"), "{text}");
    for part in [
        "-2026-01-02@alertmanager>\r\n",
        "Date: Fri, 02 Jan 2026 03:04:35 +0000\r\n",
        "MIME-Version: 1.0\r\n\r\n--",
        "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na=3D1\r\n--",
        "<title>[FIRING:1] Down (a page)</title>",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(
        text.split("\r\n").all(|line| line.len() <= 200 && !line.contains('\n')),
        "{text}"
    );
}

#[test]
fn email_through_ses() {
    let firing = notification(vec![alert("a", None)]);
    let written = "  email_configs: [{to: 'Ops <ops@example.org>, b@example.org', from: 'a@example.org', \
                   smarthost: 'email-smtp.eu-west-1.amazonaws.com:587'}]";
    let request = call(next_step_on_aws(written, &firing, &[]));
    assert_eq!(request.url.expose(), "https://email.eu-west-1.amazonaws.com/");
    let text = body(&request);
    let (start, rest) = text.split_once("&RawMessage.Data=").unwrap();
    assert_eq!(
        start,
        "Action=SendRawEmail&Destinations.member.1=ops%40example.org&Destinations.member.2=b%40example.org"
    );
    let (data, rest) = rest.split_once('&').unwrap();
    assert_eq!(rest, "Source=a%40example.org&Version=2010-12-01");
    // The beginning of the message in base64: "X-Parapet-Dedup-Key: 00ff/webhook/0/17\r\n".
    assert!(
        data.starts_with("WC1QYXJhcGV0LURlZHVwLUtleTogMDBmZi93ZWJob29rLzAvMTcNC"),
        "{data}"
    );
    let authorization = header(&request, "Authorization");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=A/20260102/eu-west-1/ses/aws4_request"),
        "{authorization}"
    );
    let said =
        |code: &str| format!("<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>");
    let verdict = |status, code: &str| next_step_on_aws(written, &firing, &[answer(status, &said(code))]);
    assert_eq!(verdict(200, ""), Step::Done(Verdict::Sent));
    assert!(matches!(verdict(400, "Throttling"), Step::Done(Verdict::Retry { .. })));
    assert!(matches!(
        verdict(503, "ServiceUnavailable"),
        Step::Done(Verdict::Retry { .. })
    ));
    let error = "unexpected status code 400: MessageRejected: m".to_owned();
    assert_eq!(
        verdict(400, "MessageRejected"),
        Step::Done(Verdict::Permanent { error })
    );
    // With somebody to log in as it is an SMTP server like any other; elsewhere SES is not meant.
    let login = written.replace("smarthost:", "auth_username: u, auth_password: p, smarthost:");
    assert_eq!(mail(&login, &firing).host, "email-smtp.eu-west-1.amazonaws.com");
    assert_eq!(
        mail(&written.replace("amazonaws.com", "example.org"), &firing).port,
        "587"
    );
    let error = rendered(written, &firing).unwrap_err().to_string();
    assert!(error.starts_with("no AWS credentials for SES"), "{error}");
}
