use super::resources::{MAX_RECEIVES, Resources, VISIBILITY_SECONDS};
use parapet_ports::contract::{QueueLimits, queue_contract};
use parapet_ports::{Kind, Outgoing, Queue};
use std::time::Duration;

#[tokio::test]
async fn sqs_keeps_the_contract() {
    let Some(resources) = Resources::make().await else {
        return;
    };
    let limits = QueueLimits {
        visibility_seconds: VISIBILITY_SECONDS,
        max_receives: MAX_RECEIVES,
    };
    let pass = async |by: Duration| tokio::time::sleep(by).await;
    queue_contract(&*resources.aws.queues, &*resources.aws.reader, limits, pass).await;
    resources.remove().await;
}

#[tokio::test]
async fn a_long_poll_answers_when_a_message_comes() {
    let Some(resources) = Resources::make().await else {
        return;
    };
    let (queues, reader) = (resources.aws.queues.clone(), resources.aws.reader.clone());
    let waiting = tokio::spawn(async move { reader.receive(Queue::Timers, 10, 20).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sent = std::time::Instant::now();
    queues
        .send_batch(Queue::Timers, vec![Outgoing::now("wake")])
        .await
        .unwrap();
    let received = waiting.await.unwrap().unwrap();
    assert_eq!(received.len(), 1);
    assert!(sent.elapsed() < Duration::from_secs(10), "took {:?}", sent.elapsed());
    resources.remove().await;
}

#[tokio::test]
async fn a_large_receive_is_several_calls() {
    let Some(resources) = Resources::make().await else {
        return;
    };
    let messages = (0..35).map(|n| Outgoing::now(n.to_string())).collect();
    resources.aws.queues.send_batch(Queue::Samples, messages).await.unwrap();
    let received = resources.aws.reader.receive(Queue::Samples, 100, 1).await.unwrap();
    assert!(received.len() > 10, "received {}", received.len());
    resources.remove().await;
}

#[tokio::test]
async fn a_missing_queue_is_a_fault_of_set_up() {
    let Some(mut resources) = Resources::make().await else {
        return;
    };
    let urls = resources.settings.queues.clone();
    resources
        .settings
        .queues
        .get_mut(&Queue::Alerts)
        .unwrap()
        .queue
        .push_str("-nothing");
    let other = resources.reconnect().await;
    let error = other
        .queues
        .send_batch(Queue::Alerts, vec![Outgoing::now("x")])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Internal, "{}", error.chain());
    resources.settings.queues = urls;
    resources.remove().await;
}
