//! What every [`Queues`] with its [`QueueReader`] must do.

use crate::queue::{MAX_BODY_BYTES, MAX_DELAY_SECONDS};
use crate::{Kind, Outgoing, Queue, QueueReader, Queues, Received};
use std::collections::BTreeSet;
use std::time::Duration;

/// How the queues under test are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// How long a received message is hidden, in whole seconds. Short for a suite that really waits.
    pub visibility_seconds: u32,
    /// How often a message is received before it goes to the dead-letter queue.
    pub max_receives: u32,
}

/// Asserts every promise of [`Queues`] and [`QueueReader`] on empty queues.
///
/// `pass` lets time pass: it sleeps, or moves the clock of the adapter on. With `visibility_seconds` of 2 the suite
/// takes about 10 s of it.
///
/// # Panics
/// When the queues break a promise; the message says which.
pub async fn queue_contract(
    queues: &dyn Queues,
    reader: &dyn QueueReader,
    limits: QueueLimits,
    pass: impl AsyncFn(Duration),
) {
    let suite = Suite {
        queues,
        reader,
        limits,
        pass,
    };
    Box::pin(suite.batches_of_any_size()).await;
    Box::pin(suite.bodies_come_back()).await;
    Box::pin(suite.largest_bodies()).await;
    Box::pin(suite.limits_are_refused()).await;
    Box::pin(suite.delays_are_kept()).await;
    Box::pin(suite.undeleted_messages_come_again()).await;
    Box::pin(suite.released_messages_come_again()).await;
    Box::pin(suite.exhausted_messages_are_dead_letters()).await;
    Box::pin(suite.dead_letters_have_reasons()).await;
    Box::pin(suite.queues_are_separate()).await;
}

struct Suite<'a, P> {
    queues: &'a dyn Queues,
    reader: &'a dyn QueueReader,
    limits: QueueLimits,
    pass: P,
}

/// How often a poll is repeated before the suite says that a message is lost.
const POLLS: usize = 100;
/// What passes between two polls.
const POLL: Duration = Duration::from_millis(100);

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|received| received.message.body.as_str()).collect()
}

fn receipts(received: &[Received]) -> Vec<String> {
    received.iter().map(|received| received.receipt.clone()).collect()
}

impl<P: AsyncFn(Duration)> Suite<'_, P> {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) {
        self.queues.send_batch(queue, messages).await.expect("send_batch");
    }

    async fn receive(&self, queue: Queue, max: usize) -> Vec<Received> {
        let received = self.reader.receive(queue, max, 0).await.expect("receive");
        assert!(received.len() <= max, "a receive gives at most max messages");
        received
    }

    /// Polls until something comes.
    async fn receive_some(&self, queue: Queue) -> Vec<Received> {
        for _ in 0..POLLS {
            let received = self.receive(queue, 10).await;
            if !received.is_empty() {
                return received;
            }
            (self.pass)(POLL).await;
        }
        panic!("a message of {} never came", queue.as_str());
    }

    async fn delete(&self, queue: Queue, received: &[Received]) {
        self.reader.delete(queue, receipts(received)).await.expect("delete");
    }

    /// Receives and deletes until `count` different bodies have come: at-least-once allows repeats.
    async fn take(&self, queue: Queue, count: usize) -> BTreeSet<String> {
        let mut taken = BTreeSet::new();
        while taken.len() < count {
            let received = self.receive_some(queue).await;
            self.delete(queue, &received).await;
            taken.extend(received.into_iter().map(|received| received.message.body));
        }
        taken
    }

    /// Polls until the queue says that it holds `depth` messages: the count is allowed to lag.
    async fn expect_depth(&self, queue: Queue, depth: u64, promise: &str) {
        let mut last = 0;
        for _ in 0..POLLS {
            last = self.reader.depth(queue).await.expect("depth");
            if last == depth {
                return;
            }
            (self.pass)(POLL).await;
        }
        panic!("{promise}: expected a depth of {depth}, got {last}");
    }

    async fn expect_dead_letters(&self, queue: Queue, count: usize) -> Vec<(String, String)> {
        let mut letters = Vec::new();
        for _ in 0..POLLS {
            letters = self.reader.dead_letters(queue, count + 10).await.expect("dead_letters");
            if letters.len() >= count {
                break;
            }
            (self.pass)(POLL).await;
        }
        assert_eq!(letters.len(), count, "dead letters of {}: {letters:?}", queue.as_str());
        letters
    }

    async fn batches_of_any_size(&self) {
        let queue = Queue::Samples;
        self.send(queue, Vec::new()).await;
        self.expect_depth(queue, 0, "an empty batch sends nothing").await;

        let sent: BTreeSet<String> = (0..25).map(|n| format!("message {n}")).collect();
        self.send(queue, sent.iter().map(Outgoing::now).collect()).await;
        self.expect_depth(queue, 25, "every message of a batch waits").await;
        assert_eq!(self.take(queue, 25).await, sent, "every message of a batch comes");
        self.expect_depth(queue, 0, "deleted messages are gone").await;
        assert_eq!(
            bodies(&self.receive(queue, 10).await),
            Vec::<&str>::new(),
            "a deleted message does not come again"
        );
        self.reader
            .delete(queue, Vec::new())
            .await
            .expect("a delete of nothing");
        self.reader
            .release(queue, Vec::new(), 0)
            .await
            .expect("a release of nothing");

        self.send(queue, (0..3).map(|_| Outgoing::now("the same")).collect())
            .await;
        self.expect_depth(queue, 3, "equal bodies are messages of their own")
            .await;
        let mut ids = BTreeSet::new();
        while ids.len() < 3 {
            for received in self.receive(queue, 1).await {
                self.delete(queue, std::slice::from_ref(&received)).await;
                self.delete(queue, std::slice::from_ref(&received)).await; // A second time is no error.
                ids.insert(received.message.id);
            }
            (self.pass)(Duration::from_millis(1)).await;
        }
        assert_eq!(ids.len(), 3, "messages have ids of their own");
    }

    async fn bodies_come_back(&self) {
        let queue = Queue::Alerts;
        let sent: BTreeSet<String> = [
            "x",
            " leading and trailing ",
            "{\"json\":\"\\u0000\",\"quote\":\"\\\"\"}",
            "lines\nand\ttabs\r\n",
            "<xml attr=\"&amp;\">&lt;]]></xml>",
            "żółw, 東京, 🦜🦜, e\u{301}, \u{202e}reversed, \u{fffd}, \u{10fffd}",
            "percent %20 plus + equals =",
        ]
        .map(str::to_owned)
        .into();
        self.send(queue, sent.iter().map(Outgoing::now).collect()).await;
        assert_eq!(
            self.take(queue, sent.len()).await,
            sent,
            "a body comes back byte for byte"
        );
    }

    async fn largest_bodies(&self) {
        let queue = Queue::Samples;
        // More than one call of SQS takes, and in bytes of UTF-8, not characters.
        let sent: BTreeSet<String> = ["a", "b", "ż"].map(|c| c.repeat(MAX_BODY_BYTES / c.len())).into();
        let small = Outgoing::now("small");
        let batch = sent.iter().map(Outgoing::now).chain([small]).collect();
        self.send(queue, batch).await;
        let taken = self.take(queue, 4).await;
        assert!(
            sent.iter().all(|body| taken.contains(body)),
            "a body at the limit comes back"
        );
        assert!(taken.contains("small"), "and its batch-mate");
    }

    async fn limits_are_refused(&self) {
        let queue = Queue::RuleTasks;
        let refused = async |message: Outgoing, promise: &str| {
            let batch = vec![Outgoing::now("before"), message, Outgoing::now("after")];
            match self.queues.send_batch(queue, batch).await {
                Ok(()) => panic!("{promise} is refused"),
                Err(error) => assert_eq!(error.kind(), Kind::Invalid, "{promise}: {}", error.chain()),
            }
        };
        refused(Outgoing::now("x".repeat(MAX_BODY_BYTES + 1)), "a body over the limit").await;
        refused(
            Outgoing::now("ż".repeat(MAX_BODY_BYTES / 2 + 1)),
            "a body over the limit in bytes",
        )
        .await;
        refused(Outgoing::now(""), "an empty body").await;
        refused(Outgoing::now("nul \u{0}"), "a control character").await;
        let late = Outgoing {
            body: "late".into(),
            delay_seconds: MAX_DELAY_SECONDS + 1,
        };
        refused(late, "a delay over the limit").await;
        self.expect_depth(queue, 0, "nothing of a refused batch is sent").await;
    }

    async fn delays_are_kept(&self) {
        let queue = Queue::ScrapeTasks;
        let delayed = |body: &str, delay_seconds| Outgoing {
            body: body.into(),
            delay_seconds,
        };
        let batch = vec![
            delayed("later", 2),
            delayed("now", 0),
            delayed("at the limit", MAX_DELAY_SECONDS),
        ];
        self.send(queue, batch).await;
        self.expect_depth(queue, 3, "delayed messages count").await;
        // A poll cannot show *when* a message became visible, so the delay is bounded from below by what passed.
        assert_eq!(
            self.take(queue, 1).await,
            BTreeSet::from(["now".to_owned()]),
            "a message without delay comes first"
        );
        let mut passed = Duration::ZERO;
        let received = loop {
            let received = self.receive(queue, 10).await;
            if !received.is_empty() {
                break received;
            }
            assert!(
                passed < Duration::from_secs(20),
                "a delayed message comes when its delay has passed"
            );
            (self.pass)(POLL).await;
            passed += POLL;
        };
        assert_eq!(
            bodies(&received),
            ["later"],
            "a message does not come before its delay has passed"
        );
        assert!(passed >= Duration::from_millis(500), "a delay of 2 s took {passed:?}");
        self.delete(queue, &received).await;
        self.expect_depth(queue, 1, "a message delayed by 15 minutes still waits")
            .await;
    }

    async fn undeleted_messages_come_again(&self) {
        let queue = Queue::Timers;
        self.send(queue, vec![Outgoing::now("again")]).await;
        let first = self.receive_some(queue).await;
        assert_eq!(first[0].message.receive_count, 1, "receives are counted from 1");
        assert_eq!(
            bodies(&self.receive(queue, 10).await),
            Vec::<&str>::new(),
            "a received message is hidden"
        );
        self.expect_depth(queue, 1, "a message in flight counts").await;

        (self.pass)(Duration::from_secs(self.limits.visibility_seconds.into())).await;
        let second = self.receive_some(queue).await;
        assert_eq!(bodies(&second), ["again"], "a message that was not deleted comes again");
        assert_eq!(second[0].message.receive_count, 2, "receives are counted");
        assert_eq!(second[0].message.id, first[0].message.id, "it is the same message");
        assert_ne!(second[0].receipt, first[0].receipt, "each receive has its own receipt");
        self.delete(queue, &second).await;
        self.expect_depth(queue, 0, "deleted messages are gone").await;
    }

    async fn released_messages_come_again(&self) {
        let queue = Queue::Alerts;
        let sent: Vec<Outgoing> = (0..12).map(|n| Outgoing::now(n.to_string())).collect();
        self.send(queue, sent).await;
        let mut held = Vec::new();
        while held.len() < 12 {
            held.extend(self.receive_some(queue).await);
        }
        self.reader.release(queue, receipts(&held), 0).await.expect("release");
        let mut again = self.receive_some(queue).await;
        while again.len() < 12 {
            again.extend(self.receive_some(queue).await);
        }
        assert!(
            again.iter().all(|received| received.message.receive_count == 2),
            "a released message comes at once"
        );

        let (released, deleted) = again.split_at(1);
        self.delete(queue, deleted).await;
        self.reader
            .release(queue, receipts(released), 1)
            .await
            .expect("release with a delay");
        assert_eq!(
            bodies(&self.receive(queue, 10).await),
            Vec::<&str>::new(),
            "a release with a delay hides"
        );
        let last = self.receive_some(queue).await;
        assert_eq!(bodies(&last), bodies(released), "and comes when the delay has passed");
        self.delete(queue, &last).await;
        self.expect_depth(queue, 0, "deleted messages are gone").await;
    }

    async fn exhausted_messages_are_dead_letters(&self) {
        let queue = Queue::Deliveries;
        self.send(queue, vec![Outgoing::now("poison ☠")]).await;
        for count in 1..=self.limits.max_receives {
            let received = self.receive_some(queue).await;
            assert_eq!(received[0].message.receive_count, count, "receives are counted");
            self.reader
                .release(queue, receipts(&received), 0)
                .await
                .expect("release");
        }
        for _ in 0..3 {
            let received = self.receive(queue, 10).await;
            assert_eq!(
                bodies(&received),
                Vec::<&str>::new(),
                "a message is received at most max_receives times"
            );
        }
        let letters = self.expect_dead_letters(queue, 1).await;
        assert_eq!(letters[0].0, "poison ☠", "a dead letter keeps its body");
        assert!(!letters[0].1.is_empty(), "a dead letter has a reason");
        self.expect_depth(queue, 0, "a dead letter has left its queue").await;
    }

    async fn dead_letters_have_reasons(&self) {
        let queue = Queue::RuleTasks;
        assert_eq!(self.expect_dead_letters(queue, 0).await, Vec::new());
        let dead = async |body: &str, reason: &str| {
            let sent = self.queues.send_dead_letter(queue, body.into(), reason.into()).await;
            sent.expect("send_dead_letter");
        };
        dead("first", "field `group`: żółw ⚠").await;
        dead("second", "").await;
        dead("third", "a control \u{1} in a reason").await;
        dead(&"f".repeat(MAX_BODY_BYTES), &"long ".repeat(10_000)).await;
        let letters = self.expect_dead_letters(queue, 4).await;
        // Order is about: services stamp letters to the millisecond at best.
        let reason = |body: &str| {
            letters
                .iter()
                .find(|letter| letter.0 == body)
                .map(|letter| letter.1.as_str())
        };
        assert_eq!(reason("first"), Some("field `group`: żółw ⚠"), "a reason comes back");
        assert!(reason("second").is_some(), "an empty reason is borne");
        let third = reason("third").unwrap_or_default();
        assert!(
            third.starts_with("a control "),
            "a reason with a control character is borne"
        );
        let long = reason(&"f".repeat(MAX_BODY_BYTES)).unwrap_or_default();
        assert!(
            long.starts_with("long long "),
            "a long reason may be shortened, and its body is whole"
        );

        assert_eq!(
            self.expect_dead_letters(queue, 4).await.len(),
            4,
            "looking does not remove"
        );
        assert_eq!(
            self.reader.dead_letters(queue, 2).await.expect("dead_letters").len(),
            2,
            "at most max"
        );
        self.expect_depth(queue, 0, "dead letters are not of the queue").await;
    }

    async fn queues_are_separate(&self) {
        for queue in Queue::ALL {
            if queue == Queue::ScrapeTasks {
                continue; // Holds the message delayed by 15 minutes.
            }
            self.send(queue, vec![Outgoing::now(queue.as_str())]).await;
        }
        for queue in Queue::ALL {
            if queue != Queue::ScrapeTasks {
                let own = BTreeSet::from([queue.as_str().to_owned()]);
                assert_eq!(self.take(queue, 1).await, own, "a queue gives its own messages");
            }
            let left = self.receive(queue, 10).await;
            assert_eq!(bodies(&left), Vec::<&str>::new(), "nothing is left over");
        }
    }
}
