//! Notifications to their receivers.

use crate::Notifier;
use crate::configuration::Current;
use crate::handler::disposition;
use crate::ledger::of_try;
use crate::store::{Delivery, State, encode};
use bytes::Bytes;
use parapet_ledger::Event;
use parapet_ports::{
    Disposition, Error, HttpOptions, HttpRequest, Kind, MailCredentials, MailRequest, Message, Outgoing, Queue,
};
use parapet_receivers::{Answer, Context, Mail, RenderError, Request, Step, Verdict, next, redact, remember};
use parapet_routing::{Integration, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many requests and secrets one notification may need.
const MAX_STEPS: usize = 16;

/// A delivery's message.
#[derive(Debug, Serialize, Deserialize)]
struct DeliveryMessage {
    /// The delivery's dedup key.
    delivery: String,
}

/// The message of a delivery.
pub(crate) fn message(key: &str) -> Result<String, Error> {
    encode(&DeliveryMessage {
        delivery: key.to_owned(),
    })
}

/// What a look at a delivery says to do.
enum Claim {
    /// It is ours: send it.
    Ours(Box<Delivery>, u64),
    /// Somebody is at it, or it has to wait: look again at this moment.
    Later(i64),
    /// It is settled.
    Settled(Disposition),
}

impl Notifier {
    pub(crate) async fn take_delivery(&self, message: &Message) -> Disposition {
        let key = match serde_json::from_str::<DeliveryMessage>(&message.body) {
            Ok(message) => message.delivery,
            Err(error) => {
                return Disposition::Reject {
                    reason: format!("no delivery: {error}"),
                };
            }
        };
        let current = match self.configuration.current(&self.ports).await {
            Ok(Some(current)) => current,
            Ok(None) => {
                return Disposition::Reject {
                    reason: "there is no Alertmanager configuration".to_owned(),
                };
            }
            Err(error) => return disposition(Err(error)),
        };
        disposition(self.deliver(&current, &key).await)
    }

    async fn deliver(&self, current: &Current, key: &str) -> Result<Disposition, Error> {
        let group_id = key.split('/').next().unwrap_or_default();
        let (mut delivery, version) = match self.until_agreed(|| self.claim(group_id, key)).await? {
            Claim::Ours(delivery, version) => (*delivery, version),
            Claim::Later(at_ms) => return self.look_again(key, at_ms).await,
            Claim::Settled(disposition) => return Ok(disposition),
        };
        let (verdict, receiver_data, answer) = self.attempt(current, key, &delivery).await;
        let now_ms = self.ports.clock.now_ms();
        let attempts = delivery.attempts;
        let (integration, group_key) = (&delivery.notification.integration, &delivery.notification.group_key);
        let (error, wait_ms) = match verdict {
            Verdict::Sent => {
                tracing::info!(group = group_key, integration, delivery = key, attempts, "notified");
                delivery.state = State::Sent;
                delivery.notification.receiver_data = receiver_data;
                delivery.entries = vec![of_try(key, &delivery, Event::Sent, &answer, now_ms, None)];
                delivery.notification.alerts.clear();
                self.record(key, &mut delivery, version).await?;
                self.tell_group(group_id, &delivery, Outcome::Sent).await?;
                return Ok(Disposition::Done);
            }
            Verdict::Permanent { error } => (error, None),
            Verdict::Retry { error, after_ms } => (error, Some(after_ms.unwrap_or_else(|| self.backoff_ms(attempts)))),
        };
        tracing::warn!(
            group = group_key,
            integration,
            delivery = key,
            attempts,
            error,
            "notification failed"
        );
        delivery.error = error.clone();
        let give_up_at_ms = delivery.notification.give_up_at_ms;
        match wait_ms
            .map(|wait_ms| now_ms + wait_ms)
            .filter(|next_ms| *next_ms <= give_up_at_ms)
        {
            Some(next_ms) => {
                delivery.state = State::Waiting;
                delivery.not_before_ms = next_ms;
                delivery.entries = vec![of_try(key, &delivery, Event::Failed, &error, now_ms, Some(next_ms))];
                self.record(key, &mut delivery, version).await?;
                self.tell_group(group_id, &delivery, Outcome::Failed { attempts, error })
                    .await?;
                self.look_again(key, next_ms).await
            }
            None => {
                // Before it is recorded: who dies in between raises it again, which changes nothing.
                self.raise_failure(&delivery, now_ms).await?;
                delivery.state = State::GivenUp;
                delivery.entries = vec![of_try(key, &delivery, Event::GivenUp, &error, now_ms, None)];
                delivery.notification.alerts.clear();
                self.record(key, &mut delivery, version).await?;
                self.tell_group(group_id, &delivery, Outcome::GivenUp { attempts, error })
                    .await?;
                Ok(given_up(&delivery))
            }
        }
    }

    /// Takes hold of a delivery for the time of one try. Only one of several that try gets it.
    async fn claim(&self, group_id: &str, key: &str) -> Result<Claim, Error> {
        let Some((mut delivery, version)) = self.store().delivery(key).await? else {
            tracing::warn!(delivery = key, "a delivery that nobody remembers is dropped");
            return Ok(Claim::Settled(Disposition::Done));
        };
        let (now_ms, attempts, error) = (self.ports.clock.now_ms(), delivery.attempts, delivery.error.clone());
        match delivery.state {
            State::Sent => {
                // The former run may have ended before the group knew.
                self.tell_group(group_id, &delivery, Outcome::Sent).await?;
                return Ok(Claim::Settled(Disposition::Done));
            }
            State::GivenUp => {
                self.tell_group(group_id, &delivery, Outcome::GivenUp { attempts, error })
                    .await?;
                return Ok(Claim::Settled(given_up(&delivery)));
            }
            State::Overtaken => return Ok(Claim::Settled(overtaken(key, &delivery))),
            State::Waiting | State::Claimed if delivery.not_before_ms > now_ms => {
                return Ok(Claim::Later(delivery.not_before_ms));
            }
            State::Waiting | State::Claimed => {}
        }
        let notification = &delivery.notification;
        let group = self.store().head(group_id).await?;
        let wanted = group.is_some_and(|(stored, _)| {
            let mut pending = stored.group.pending.iter();
            pending.any(|p| p.integration == notification.integration && p.flush_id == notification.flush_id)
        });
        if !wanted {
            // A changed configuration sends its alerts elsewhere.
            return Ok(Claim::Settled(overtaken(key, &delivery)));
        }
        delivery.unsure |= delivery.state == State::Claimed;
        delivery.state = State::Claimed;
        delivery.attempts += 1;
        delivery.not_before_ms = now_ms + self.settings.max_request_timeout_ms + self.settings.lease_margin_ms;
        let version = self.store().save_delivery(key, &mut delivery, version).await?;
        Ok(Claim::Ours(Box::new(delivery), version))
    }

    /// One conversation with the receiver, in the time of one request. A verdict, what the integration asks to
    /// remember, and what it answered at last.
    async fn attempt(
        &self,
        current: &Current,
        key: &str,
        delivery: &Delivery,
    ) -> (Verdict, BTreeMap<String, String>, String) {
        let notification = &delivery.notification;
        let receiver = current.config.receiver(&notification.receiver);
        let Some(integration) = receiver.and_then(|receiver| receiver.integration(&notification.integration)) else {
            let (receiver, integration) = (&notification.receiver, &notification.integration);
            let error = format!("{receiver} has no {integration} in the configuration any more");
            return (Verdict::Permanent { error }, BTreeMap::new(), String::new());
        };
        let ends_at_ms = self.ports.clock.now_ms() + self.time_for(integration, notification.give_up_at_ms);
        let (mut answers, mut secrets) = (Vec::new(), BTreeMap::new());
        // No receiver takes more than a handful of requests, no request more than a handful of secrets.
        for _ in 0..MAX_STEPS {
            let context = Context {
                external_url: &self.settings.external_url,
                dedup_key: key,
                templates: &current.templates,
                secrets: &secrets,
                aws: self.outlets.aws.as_ref(),
                now_ms: self.ports.clock.now_ms(),
            };
            let failed = match next(notification, integration, &context, &answers) {
                Ok(Step::Call(request)) => match self.call(*request, ends_at_ms).await {
                    Ok(answer) => {
                        answers.push(answer);
                        continue;
                    }
                    Err(failed) => failed,
                },
                Ok(Step::Mail(mail)) => self.mail(*mail, ends_at_ms).await,
                Ok(Step::Done(Verdict::Sent)) => {
                    let answer = answers.last().map(|answer| format!("status {}", answer.status));
                    return (
                        Verdict::Sent,
                        remember(integration, &answers),
                        answer.unwrap_or_default(),
                    );
                }
                Ok(Step::Done(failed)) => failed,
                Err(RenderError::Secret(reference)) => match self.outlets.secret(&reference).await {
                    Ok(secret) => {
                        secrets.insert(reference, secret);
                        continue;
                    }
                    Err(error) => Verdict::Retry {
                        error: error.chain(),
                        after_ms: None,
                    },
                },
                Err(error) => Verdict::Permanent {
                    error: parapet_ports::error::chain(&error),
                },
            };
            if matches!(failed, Verdict::Permanent { .. }) && self.outlets.renew(&mut secrets).await {
                // It refused what a secret made that was changed since it was read.
                answers.clear();
                continue;
            }
            return (failed, BTreeMap::new(), "accepted".to_owned());
        }
        let error = "the receiver asks for request after request".to_owned();
        (Verdict::Permanent { error }, BTreeMap::new(), String::new())
    }

    /// How long a conversation may take, milliseconds.
    fn time_for(&self, integration: &Integration, give_up_at_ms: i64) -> i64 {
        let timeout_ms = match integration.timeout_ms {
            0 => self.settings.request_timeout_ms,
            own => own.min(self.settings.max_request_timeout_ms),
        };
        // A try does not reach into the time of the next flush, unless it begins there.
        match give_up_at_ms - self.ports.clock.now_ms() {
            left_ms @ 1_000.. => timeout_ms.min(left_ms),
            _ => timeout_ms,
        }
    }

    fn time_left(&self, ends_at_ms: i64) -> Duration {
        Duration::from_millis((ends_at_ms - self.ports.clock.now_ms()).max(1).unsigned_abs())
    }

    async fn call(&self, request: Request, ends_at_ms: i64) -> Result<Answer, Verdict> {
        let url = request.url.expose().to_owned();
        let request = self
            .http_request(request, ends_at_ms)
            .map_err(|error| Verdict::Permanent {
                error: error.to_string(),
            })?;
        match self.ports.http.call(request).await {
            Ok(answer) => {
                let header = |name: http::HeaderName| answer.headers.get(name).and_then(|value| value.to_str().ok());
                Ok(Answer {
                    status: answer.status.as_u16(),
                    retry_after: header(http::header::RETRY_AFTER).map(str::to_owned),
                    content_type: header(http::header::CONTENT_TYPE).map(str::to_owned),
                    body: answer.body.to_vec(),
                })
            }
            Err(error) => Err(failed(&error, redact(&error.chain(), &url))),
        }
    }

    async fn mail(&self, mail: Mail, ends_at_ms: i64) -> Verdict {
        let Ok(port) = mail.port.parse() else {
            let error = format!("the port of the mail server is not a number: {}", mail.port);
            return Verdict::Permanent { error };
        };
        let request = MailRequest {
            host: mail.host,
            port,
            hello: mail.hello,
            implicit_tls: mail.implicit_tls,
            require_tls: mail.require_tls,
            server_name: mail.connection.server_name.clone(),
            options: HttpOptions::of(mail.connection, &self.settings.proxies, ""),
            credentials: mail.credentials.map(|credentials| MailCredentials {
                identity: credentials.identity,
                username: credentials.username,
                password: credentials.password.expose().to_owned(),
                secret: credentials.secret.expose().to_owned(),
            }),
            from: mail.from,
            to: mail.to,
            message: mail.message,
            timeout: self.time_left(ends_at_ms),
        };
        match self.outlets.mailer.send(request).await {
            Ok(()) => Verdict::Sent,
            Err(error) => failed(&error, error.chain()),
        }
    }

    fn http_request(&self, request: Request, ends_at_ms: i64) -> Result<HttpRequest, Error> {
        let mut headers = http::HeaderMap::new();
        for (name, value) in &request.headers {
            let invalid = || Error::new(Kind::Invalid, format!("header {name} cannot be sent"));
            let header = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let mut value = http::HeaderValue::from_str(value.expose()).map_err(|_| invalid())?;
            value.set_sensitive(true);
            headers.append(header, value);
        }
        Ok(HttpRequest {
            method: http::Method::from_bytes(request.method.as_bytes()).unwrap_or(http::Method::POST),
            url: request.url.expose().to_owned(),
            headers,
            body: Bytes::from(request.body),
            timeout: self.time_left(ends_at_ms),
            body_limit_bytes: self.settings.answer_limit_bytes,
            memory: None,
            options: HttpOptions::of(request.connection, &self.settings.proxies, request.url.expose()),
        })
    }

    /// Writes what became of a try. Of a settled one the alerts are not kept: only what the group has to know. Where the claim was lost meanwhile to somebody faster, theirs holds.
    async fn record(&self, key: &str, delivery: &mut Delivery, version: u64) -> Result<(), Error> {
        match self.store().save_delivery(key, delivery, version).await {
            Err(error) if error.kind() == Kind::Conflict => {
                tracing::warn!(delivery = key, "the claim was lost before the outcome was written");
                Ok(())
            }
            result => result.map(|_| ()),
        }
    }

    /// Tells the group what became of a delivery.
    async fn tell_group(&self, group_id: &str, delivery: &Delivery, outcome: Outcome) -> Result<(), Error> {
        self.until_agreed(|| async {
            let Some((mut stored, version)) = self.store().group(group_id).await? else {
                return Ok(());
            };
            let before = stored.group.clone();
            delivery.tell(&mut stored.group, self.ports.clock.now_ms(), outcome.clone());
            if stored.group == before {
                return Ok(());
            }
            let next = stored.group.next_flush_at_ms;
            self.store()
                .save_group(group_id, stored, Some(version), Vec::new(), Vec::new())
                .await?;
            // A flush that waited for this end follows. Who dies before leaves it to the tick.
            match next.filter(|_| next != before.next_flush_at_ms) {
                Some(next_ms) => self.send_timer(group_id, next_ms).await,
                None => Ok(()),
            }
        })
        .await
    }

    /// Comes back to a delivery later. The message that asked is done: each message leaves one behind at most.
    async fn look_again(&self, key: &str, at_ms: i64) -> Result<Disposition, Error> {
        let message = Outgoing {
            body: message(key)?,
            delay_seconds: self.delay_seconds(at_ms),
        };
        self.ports.queues.send_batch(Queue::Deliveries, vec![message]).await?;
        Ok(Disposition::Done)
    }

    fn backoff_ms(&self, attempts: u32) -> i64 {
        let doubled = self
            .settings
            .first_backoff_ms
            .saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(self.settings.max_backoff_ms)
    }
}

/// What a port's failure means for a notification.
fn failed(error: &Error, shown: String) -> Verdict {
    if error.kind() == Kind::Invalid {
        Verdict::Permanent { error: shown }
    } else {
        Verdict::Retry {
            error: shown,
            after_ms: None,
        }
    }
}

/// What is not wanted any more is done, unless somebody was tried in vain.
fn overtaken(key: &str, delivery: &Delivery) -> Disposition {
    tracing::info!(
        delivery = key,
        attempts = delivery.attempts,
        "overtaken by a later flush"
    );
    if delivery.attempts == 0 {
        Disposition::Done
    } else {
        given_up(delivery)
    }
}

fn given_up(delivery: &Delivery) -> Disposition {
    let Delivery {
        notification,
        attempts,
        error,
        ..
    } = delivery;
    let (receiver, integration, group) = (
        &notification.receiver,
        &notification.integration,
        &notification.group_key,
    );
    Disposition::Reject {
        reason: format!(
            "notification of {group} to {receiver} ({integration}) given up after {attempts} tries: {error}"
        ),
    }
}
