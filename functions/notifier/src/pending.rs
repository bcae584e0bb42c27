//! What a flush does about notifications of earlier ones whose end is not known.
//!
//! **Invariant:** a page is doubled only where a process dies between sending it and recording that, and then under
//! the same dedup key. Therefore no flush speaks while a try holds a delivery; what was settled and not told to the
//! group counts first; and the write by which a flush speaks ends the former deliveries, so that of a flush and a try
//! that take hold at the same moment one loses. What a flush says again that is not known to have arrived bears the key
//! that it had ([`parapet_routing::Attempt`]).

use crate::Notifier;
use crate::store::{Delivery, Former, State, dedup_key};
use parapet_ports::Error;
use parapet_routing::{Group, Notification, Outcome};

impl Notifier {
    /// Before a flush: takes in what is known of pending notifications whose time is over, and answers with the
    /// deliveries that the flush overtakes. Where one is held, the group learns until when.
    pub(crate) async fn settle_pending(&self, id: &str, group: &mut Group, now_ms: i64) -> Result<Vec<Former>, Error> {
        let mut overtaken = Vec::new();
        if group.pending.iter().any(|pending| pending.give_up_at_ms > now_ms) {
            // The flush waits.
            return Ok(overtaken);
        }
        for pending in group.pending.clone() {
            let key = dedup_key(id, &pending.integration, pending.flush_id);
            let Some((mut delivery, version)) = self.store().delivery(&key).await? else {
                continue;
            };
            let Delivery {
                attempts,
                not_before_ms,
                ..
            } = delivery;
            match delivery.state {
                State::Sent => delivery.tell(group, now_ms, Outcome::Sent),
                State::GivenUp => {
                    let error = delivery.error.clone();
                    delivery.tell(group, now_ms, Outcome::GivenUp { attempts, error });
                }
                State::Claimed if not_before_ms > now_ms => group.hold(&delivery.notification, not_before_ms),
                State::Claimed | State::Waiting => {
                    delivery.unsure |= delivery.state == State::Claimed;
                    if delivery.unsure {
                        group.note_outcome(now_ms, &delivery.notification, Outcome::Unknown);
                    }
                    overtaken.push(Former { key, delivery, version });
                }
                State::Overtaken => {}
            }
        }
        if group.pending.iter().any(|pending| pending.give_up_at_ms > now_ms) {
            overtaken.clear();
        }
        Ok(overtaken)
    }

    /// After a flush: adds the settled deliveries whose keys it uses again; new keys bear the flush's own name.
    pub(crate) async fn find_revived(
        &self,
        id: &str,
        flush_id: i64,
        notifications: &[Notification],
        former: &mut Vec<Former>,
    ) -> Result<(), Error> {
        for notification in notifications {
            let key = dedup_key(id, &notification.integration, notification.flush_id);
            if notification.flush_id == flush_id || former.iter().any(|former| former.key == key) {
                continue;
            }
            if let Some((delivery, version)) = self.store().delivery(&key).await? {
                former.push(Former { key, delivery, version });
            }
        }
        Ok(())
    }
}
