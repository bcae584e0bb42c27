//! Notifications to their receivers.

use crate::Notifier;
use crate::handler::disposition;
use crate::store::{Delivery, State, encode};
use bytes::Bytes;
use parapet_ports::{Disposition, Error, HttpRequest, Kind, Message, Outgoing, Queue};
use parapet_receivers::{Context, Request, Verdict, classify, redact, render};
use parapet_routing::{Config, Integration, Outcome};
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
        let config = match self.configuration.current(&self.ports).await {
            Ok(Some(current)) => current.config,
            Ok(None) => {
                return Disposition::Reject {
                    reason: "there is no Alertmanager configuration".to_owned(),
                };
            }
            Err(error) => return disposition(Err(error)),
        };
        disposition(self.deliver(&config, &key).await)
    }

    async fn deliver(&self, config: &Config, key: &str) -> Result<Disposition, Error> {
        let group_id = key.split('/').next().unwrap_or_default();
        let (mut delivery, version) = match self.until_agreed(|| self.claim(group_id, key)).await? {
            Claim::Ours(delivery, version) => (*delivery, version),
            Claim::Later(at_ms) => return self.look_again(key, at_ms).await,
            Claim::Settled(disposition) => return Ok(disposition),
        };
        let verdict = self.attempt(config, key, &delivery).await;
        let now_ms = self.ports.clock.now_ms();
        let attempts = delivery.attempts;
        let (integration, group_key) = (&delivery.notification.integration, &delivery.notification.group_key);
        let (error, wait_ms) = match verdict {
            Verdict::Sent => {
                tracing::info!(group = group_key, integration, delivery = key, attempts, "notified");
                delivery.state = State::Sent;
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
                self.record(key, &mut delivery, version).await?;
                self.tell_group(group_id, &delivery, Outcome::Failed { attempts, error })
                    .await?;
                self.look_again(key, next_ms).await
            }
            None => {
                delivery.state = State::GivenUp;
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
            State::Waiting | State::Claimed if delivery.not_before_ms > now_ms => {
                return Ok(Claim::Later(delivery.not_before_ms));
            }
            State::Waiting | State::Claimed => {}
        }
        let notification = &delivery.notification;
        let group = self.store().group(group_id).await?;
        let wanted = group.is_some_and(|(stored, _)| {
            let mut pending = stored.group.pending.iter();
            pending.any(|p| p.integration == notification.integration && p.flush_id == notification.flush_id)
        });
        if !wanted {
            // A later flush has made its own notification of what this one says.
            tracing::info!(delivery = key, attempts, "overtaken by a later flush");
            let settled = if attempts == 0 {
                Disposition::Done
            } else {
                given_up(&delivery)
            };
            return Ok(Claim::Settled(settled));
        }
        delivery.state = State::Claimed;
        delivery.attempts += 1;
        delivery.not_before_ms = now_ms + self.settings.max_request_timeout_ms + self.settings.lease_margin_ms;
        let version = self.store().save_delivery(key, &mut delivery, version).await?;
        Ok(Claim::Ours(Box::new(delivery), version))
    }

    /// One request to the receiver.
    async fn attempt(&self, config: &Config, key: &str, delivery: &Delivery) -> Verdict {
        let notification = &delivery.notification;
        let receiver = config.receiver(&notification.receiver);
        let Some(integration) = receiver.and_then(|receiver| receiver.integration(&notification.integration)) else {
            let (receiver, integration) = (&notification.receiver, &notification.integration);
            return Verdict::Permanent {
                error: format!("{receiver} has no {integration} in the configuration any more"),
            };
        };
        let context = Context {
            external_url: &self.settings.external_url,
            dedup_key: key,
        };
        match render(notification, integration, &context) {
            Ok(request) => self.call(integration, request, notification.give_up_at_ms).await,
            Err(error) => Verdict::Permanent {
                error: parapet_ports::error::chain(&error),
            },
        }
    }

    async fn call(&self, integration: &Integration, request: Request, give_up_at_ms: i64) -> Verdict {
        let url = request.url.expose().to_owned();
        let request = match self.http_request(request, give_up_at_ms) {
            Ok(request) => request,
            Err(error) => {
                return Verdict::Permanent {
                    error: error.to_string(),
                };
            }
        };
        match self.ports.http.call(request).await {
            Ok(answer) => {
                let header = |name: http::HeaderName| answer.headers.get(name).and_then(|value| value.to_str().ok());
                let (after, mime) = (header(http::header::RETRY_AFTER), header(http::header::CONTENT_TYPE));
                let now_ms = self.ports.clock.now_ms();
                classify(
                    &integration.kind,
                    answer.status.as_u16(),
                    after,
                    mime,
                    &answer.body,
                    now_ms,
                )
            }
            Err(error) if error.kind() == Kind::Invalid => Verdict::Permanent {
                error: redact(&error.chain(), &url),
            },
            Err(error) => Verdict::Retry {
                error: redact(&error.chain(), &url),
                after_ms: None,
            },
        }
    }

    fn http_request(&self, request: Request, give_up_at_ms: i64) -> Result<HttpRequest, Error> {
        let mut headers = http::HeaderMap::new();
        for (name, value) in &request.headers {
            let invalid = || Error::new(Kind::Invalid, format!("header {name} cannot be sent"));
            let header = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let mut value = http::HeaderValue::from_str(value.expose()).map_err(|_| invalid())?;
            value.set_sensitive(true);
            headers.append(header, value);
        }
        let timeout_ms = match request.timeout_ms {
            0 => self.settings.request_timeout_ms,
            own => own.min(self.settings.max_request_timeout_ms),
        };
        // A try does not reach into the time of the next flush, unless it begins there.
        let timeout_ms = match give_up_at_ms - self.ports.clock.now_ms() {
            left_ms @ 1_000.. => timeout_ms.min(left_ms),
            _ => timeout_ms,
        };
        Ok(HttpRequest {
            method: http::Method::from_bytes(request.method.as_bytes()).unwrap_or(http::Method::POST),
            url: request.url.expose().to_owned(),
            headers,
            body: Bytes::from(request.body),
            timeout: Duration::from_millis(timeout_ms.unsigned_abs()),
            body_limit_bytes: self.settings.answer_limit_bytes,
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
            stored
                .group
                .note_outcome(self.ports.clock.now_ms(), &delivery.notification, outcome.clone());
            if stored.group != before {
                self.store()
                    .save_group(group_id, stored, Some(version), Vec::new())
                    .await?;
            }
            Ok(())
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
