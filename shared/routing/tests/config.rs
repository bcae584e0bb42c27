//! What a person is told of a wrong configuration.
#![allow(clippy::unwrap_used)]

use parapet_routing::{IntegrationKind, parse, parse_classic_matchers, parse_matchers, parse_utf8_matchers};

fn told(text: &str) -> String {
    parse("alertmanager.yml", text).unwrap_err().to_string()
}

#[test]
fn faults_have_a_place_and_a_remedy() {
    let cases = [
        (
            "",
            "alertmanager.yml: no routes provided; write a route with a receiver",
        ),
        (
            "route:\n  reciever: ops\n",
            "alertmanager.yml:2:3: unknown field reciever; did you mean receiver?",
        ),
        (
            "route:\n  receiver: ops\n  group_wiat: 5s\nreceivers: [{name: ops}]\n",
            "alertmanager.yml:3:3: unknown field group_wiat; did you mean group_wait?",
        ),
        (
            "route: {receiver: ops}\nreceivers: [{name: ops}]\ntracing: {}\n",
            "alertmanager.yml:3:1: tracing is not supported yet; remove it",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  pagerduty_configs:\n  - severity: page\n",
            "alertmanager.yml:5:5: missing service or routing key in PagerDuty config; write routing_key: KEY",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  email_configs:\n  - to: a@b.example\n    smarthost: mail\n",
            "alertmanager.yml:6:16: address mail: missing port in address; write HOST:PORT",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  webhook_configs:\n  - url: http://h/\n    http_config:\n      \
             basic_auth: {username: u, password_ref: p}\n",
            "alertmanager.yml:7:47: password_ref has no secret manager to refer to; write password: secret://NAME",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  webhook_configs:\n  - url: https://h/\n    http_config:\n      \
             tls_config: {min_version: TLS11}\n",
            "alertmanager.yml:7:33: TLS11 is not spoken, TLS 1.2 is the oldest; write TLS12 or TLS13",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  webhook_configs:\n  - url: https://h/\n    http_config:\n      \
             proxy_url: socks5://p:1080\n",
            "alertmanager.yml:7:18: a proxy_url with the scheme socks5, other than http and https is not supported yet; remove it",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  email_configs:\n  - to: a@b.example\n    from: c@d.example\n    \
             smarthost: mail:25\n    tls_config: {max_version: TLS12}\n",
            "alertmanager.yml:8:17: max_version in the tls_config of email is not supported yet; remove it",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  webhook_configs:\n  - url: secret://\n",
            "alertmanager.yml:5:10: secret:// names no secret; write secret://NAME",
        ),
        (
            "route: {receiver: ops, group_wait: soon}\nreceivers: [{name: ops}]\n",
            "alertmanager.yml:1:36: not a valid duration string: \"soon\"; write one such as 30s, 5m or 1h30m",
        ),
        (
            "route: {receiver: ops, routes: [{matchers: ['a=~\"(\"']}]}\nreceivers: [{name: ops}]\n",
            "alertmanager.yml:1:45: \"(\" is not a regular expression in RE2 syntax; write matchers such as severity=\"page\"",
        ),
        (
            "route: {receiver: pager}\nreceivers: [{name: ops}]\n",
            "alertmanager.yml:1:19: undefined receiver \"pager\" used in route; define it under receivers",
        ),
        (
            "route: {receiver: ops}\nreceivers:\n- name: ops\n  webhook_configs: [{max_alerts: 3}]\n",
            "alertmanager.yml:4:21: one of url or url_file must be configured; write url: URL",
        ),
        (
            "route: {receiver: ops}\nroute: {receiver: ops}\n",
            "alertmanager.yml:2:1: route stands twice in one mapping; remove one",
        ),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, want)| told(text) != *want)
        .map(|(text, want)| format!("{text}\n  told {}\n  want {want}", told(text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_fault_shows_a_secret() {
    for text in [
        "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'hook.example/s3cr3t'}]}]",
        "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: {a: s3cr3t}}]}]",
        "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{api_url: 'ftp://s3cr3t'}]}]",
        "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{app_token: s3cr3t, api_url: 'http://s3cr3t/'}]}]",
        "global: {slack_api_url: 's3cr3t'}\nroute: {receiver: r}\nreceivers: [{name: r}]",
    ] {
        let told = told(text);
        assert!(!told.contains("s3cr3t"), "{told}");
    }
    let text = "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://h/s3cr3t', http_config: \
                {authorization: {credentials: s3cr3t}, http_headers: {X: {values: [s3cr3t]}}}}]}]";
    let config = parse("a.yml", text).unwrap();
    assert!(!format!("{config:?}").contains("s3cr3t"), "{config:?}");
}

#[test]
fn defaults_are_those_of_alertmanager() {
    let text = "global: {http_config: {basic_auth: {username: u, password: p}}}\nroute: {receiver: r}\nreceivers:\n\
                - name: r\n  webhook_configs: [{url: 'http://h/', timeout: 1.5s}]\n  \
                slack_configs: [{api_url: 'http://s/', http_config: {}}]";
    let config = parse("a.yml", text).unwrap();
    let options = &config.route.options;
    assert_eq!((options.group_wait_ms, options.group_interval_ms), (30_000, 300_000));
    assert_eq!(
        (options.repeat_interval_ms, config.resolve_timeout_ms),
        (14_400_000, 300_000)
    );
    let [webhook, slack] = &config.receivers[0].integrations[..] else {
        panic!()
    };
    assert_eq!(
        (webhook.key.as_str(), webhook.send_resolved, webhook.timeout_ms),
        ("webhook/0", true, 1500)
    );
    assert!(webhook.http.basic_auth.is_some());
    // Its own http_config stands in place of the global one.
    assert_eq!((slack.key.as_str(), slack.send_resolved), ("slack/0", false));
    assert!(slack.http.basic_auth.is_none());
    let IntegrationKind::Slack(slack) = &slack.kind else {
        panic!()
    };
    assert_eq!(slack.title, r#"{{ template "slack.default.title" . }}"#);
}

#[test]
fn hostile_text_is_refused_and_does_no_harm() {
    let deep = format!("route: {}{{}}", "{routes: [".repeat(5000));
    let bomb = format!("a: &a [x,x,x,x,x,x,x,x,x]\n{}route: *i\n", {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        names
            .windows(2)
            .map(|w| format!("{}: &{} [*{},*{},*{},*{}]\n", w[1], w[1], w[0], w[0], w[0], w[0]))
            .collect::<String>()
    });
    for text in [
        deep.as_str(),
        bomb.as_str(),
        "\u{0}",
        "%",
        "- a\n- b",
        "route: [1",
        "route: !!binary x",
        "? {a: b}: c",
    ] {
        assert!(parse("a.yml", text).is_err(), "{}", &text[..text.len().min(40)]);
    }
}

/// A small generator, so that a failure can be repeated.
fn next(state: &mut u64, bound: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap() % bound
}

#[test]
fn no_matcher_text_panics() {
    let alphabet: Vec<char> = "{}\"'`\\=~!,ab0_ \n\u{a0}é🙂(xuU7".chars().collect();
    let (mut state, mut good) = (7, 0);
    for _ in 0..50_000 {
        let length = next(&mut state, 14);
        let text: String = (0..length)
            .map(|_| alphabet[next(&mut state, alphabet.len())])
            .collect();
        for matchers in [
            parse_matchers(&text),
            parse_utf8_matchers(&text),
            parse_classic_matchers(&text),
        ] {
            let Ok(matchers) = matchers else { continue };
            good += 1;
            // What is printed reads as what was meant, unless a name is empty or not a word.
            let words = matchers.0.iter().all(|matcher| !matcher.name.is_empty());
            if words && let Ok(again) = parse_utf8_matchers(&matchers.to_string()) {
                assert_eq!(again, matchers, "{text:?}");
            }
        }
    }
    assert!(good > 1_000, "{good}");
}

#[test]
fn no_damaged_file_panics() {
    let good = "global: {resolve_timeout: 5m}\nroute:\n  receiver: r\n  group_by: [a, b]\n  routes:\n  - matchers: ['a=\"b\"', c=~d]\n    \
                active_time_intervals: [t]\nreceivers:\n- name: r\n  webhook_configs: [{url: 'http://h/', timeout: 1s}]\n\
                inhibit_rules: [{source_match: {a: b}, target_match_re: {c: d}, equal: [e]}]\n\
                time_intervals: [{name: t, time_intervals: [{weekdays: ['monday:friday'], days_of_month: ['1:-1'], \
                times: [{start_time: '09:00', end_time: '17:00'}], location: Europe/Berlin}]}]\n";
    parse("a.yml", good).unwrap();
    let characters: Vec<char> = good.chars().collect();
    let junk: Vec<char> = "{}[]:,'\"-&*!|>%@`#?\n\t \u{0}~9é".chars().collect();
    let (mut state, mut refused) = (3, 0);
    for _ in 0..1_000 {
        let mut text = characters.clone();
        for _ in 0..=next(&mut state, 3) {
            let at = next(&mut state, text.len());
            match next(&mut state, 3) {
                0 => drop(text.remove(at)),
                1 => text[at] = junk[next(&mut state, junk.len())],
                _ => text.truncate(at.max(1)),
            }
        }
        refused += usize::from(parse("a.yml", &text.into_iter().collect::<String>()).is_err());
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn features_choose_the_grammar() {
    use parapet_routing::{Grammar, parse_as};
    let config = |matcher: &str, group_by: &str| {
        format!(
            "route: {{receiver: r, group_by: [{group_by}], routes: [{{matchers: ['{matcher}']}}]}}\nreceivers: [{{name: r}}]\n"
        )
    };
    // What each of the three takes: matchers in UTF-8 only, in the classic grammar only, a UTF-8 name.
    let cases = [
        (config("\"a.b\"=\"c\"", "x"), [true, false, true]),
        (config("a=b=c", "x"), [true, true, false]),
        (config("a=b", "\"héllo\""), [true, false, true]),
    ];
    let grammars = ["", "classic-mode", "utf8-strict-mode"].map(|text| Grammar::from_features(text).unwrap());
    for (text, wanted) in cases {
        let got = grammars.map(|grammar| parse_as(grammar, "a.yml", &text).is_ok());
        assert_eq!(got, wanted, "{text}");
    }
    for (features, complaint) in [
        ("classic-mode,utf8-strict-mode", "exclude each other"),
        ("classic", "write classic-mode"),
        ("event-recorder", "not supported; remove it"),
    ] {
        let error = Grammar::from_features(features).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}
