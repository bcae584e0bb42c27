use super::*;
use futures::FutureExt as _;
use futures::future::join_all;

const MIB: usize = 1024 * 1024;

/// Whether a draw is done at once.
fn is_done<T>(draw: impl Future<Output = T>) -> bool {
    draw.now_or_never().is_some()
}

#[test]
fn a_share_gives_back_what_it_took() {
    let memory = BodyMemory::new(16 * MIB);
    let share = memory.share();
    assert!(share.try_draw(MIB) && share.try_draw(8 * MIB));
    assert_eq!(share.bytes(), 9 * MIB);
    let clone = share.clone();
    drop(share);
    assert_eq!(memory.small.available_permits(), 7 * MIB);
    assert_eq!(memory.large.available_permits(), 0);
    drop(clone);
    assert_eq!(memory.small.available_permits(), 8 * MIB);
    assert_eq!(memory.large.available_permits(), 8 * MIB);
}

#[test]
fn over_the_budget_there_is_one_turn() {
    let memory = BodyMemory::new(16 * MIB);
    let (first, second) = (memory.share(), memory.share());
    assert!(first.try_draw(9 * MIB), "more than there is: it has the turn");
    assert!(first.try_draw(100 * MIB), "and needs to ask no more");
    assert!(second.try_draw(8 * MIB));
    assert!(!second.try_draw(1 + SMALL_BYTES));
    let third = memory.share();
    assert!(third.try_draw(SMALL_BYTES), "there is room for small ones");
    drop(first);
    assert!(second.try_draw(1 + SMALL_BYTES));
}

#[tokio::test]
async fn whoever_waits_gets_the_turn_or_the_memory() {
    let memory = BodyMemory::new(16 * MIB);
    let (turn, pool, waits) = (memory.share(), memory.share(), memory.share());
    assert!(turn.try_draw(20 * MIB) && pool.try_draw(8 * MIB));
    for first in [pool, turn] {
        let mut draw = Box::pin(waits.draw(8 * MIB));
        assert!(draw.as_mut().now_or_never().is_none());
        assert!(waits.is_waiting());
        drop(first);
        assert!(is_done(draw.as_mut()));
        assert!(!waits.is_waiting());
    }
    assert_eq!(waits.bytes(), 16 * MIB);
}

#[tokio::test]
async fn who_waits_is_noticed_and_takes_nothing_of_what_is_kept_for_small_ones() {
    let memory = BodyMemory::new(8 * MIB);
    let (small, large, turn, waits) = (memory.share(), memory.share(), memory.share(), memory.share());
    assert!(small.try_draw(3 * MIB) && large.try_draw(4 * MIB) && turn.try_draw(2 * MIB));
    assert!(!is_done(memory.wanted()));
    let mut draw = Box::pin(waits.draw(2 * MIB));
    assert!(draw.as_mut().now_or_never().is_none());
    assert!(is_done(memory.wanted()), "whoever can gives back");
    assert_eq!(memory.small.available_permits(), MIB);
    drop(large);
    assert!(is_done(draw.as_mut()));
    assert!(!is_done(memory.wanted()));
}

#[tokio::test]
async fn a_wait_that_is_given_up_has_taken_nothing() {
    let memory = BodyMemory::new(16 * MIB);
    let (turn, pool, waits) = (memory.share(), memory.share(), memory.share());
    assert!(turn.try_draw(20 * MIB) && pool.try_draw(6 * MIB));
    assert!(!is_done(waits.draw(8 * MIB)));
    assert!(!waits.is_waiting() && waits.bytes() == 0);
    drop((turn, pool));
    assert_eq!(memory.large.available_permits(), 8 * MIB);
    assert!(memory.turn.try_lock().is_ok());
}

/// Bodies that are all half read when the memory is used up: each ends, and never do they hold more than the budget and
/// what one of them needs.
#[tokio::test]
async fn half_read_bodies_end() {
    const BODY: usize = 10 * MIB;
    let memory = BodyMemory::new(16 * MIB);
    let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let body = async || {
        let share = memory.share();
        let mut mine = 0;
        while mine < BODY {
            share.draw(MIB / 2).await;
            mine += MIB / 2;
            let now = held.fetch_add(MIB / 2, Ordering::Relaxed) + MIB / 2;
            most.fetch_max(now, Ordering::Relaxed);
            // The others go on too.
            tokio::task::yield_now().await;
        }
        held.fetch_sub(mine, Ordering::Relaxed);
        mine
    };
    let bodies = join_all((0..50).map(|_| body())).await;
    assert_eq!(bodies, [BODY; 50]);
    let most = most.into_inner();
    assert!(
        most > 16 * MIB - BODY && most <= 16 * MIB + BODY,
        "{} MiB at the most",
        most / MIB
    );
    assert_eq!(
        (memory.small.available_permits(), memory.large.available_permits()),
        (8 * MIB, 8 * MIB)
    );
}

#[tokio::test]
async fn endless_bodies_hold_up_no_small_one() {
    let memory = BodyMemory::new(64 * MIB);
    let endless: Vec<_> = (0..7).map(|_| memory.share()).collect();
    // Each as far as it comes.
    for share in &endless {
        while share.bytes() < 1024 * MIB && share.try_draw(MIB) {}
    }
    assert!(!endless[1].try_draw(1), "the memory is used up");
    let small: Vec<_> = (0..4).map(|_| memory.share()).collect();
    assert!(small.iter().all(|share| is_done(share.draw(MIB))));
}

#[tokio::test]
async fn a_buffer_draws_before_it_grows() {
    let memory = BodyMemory::new(16 * MIB);
    let (turn, share) = (memory.share(), memory.share());
    assert!(turn.try_draw(20 * MIB));
    let mut buffer = BodyBuffer::new(Some(share.clone()));
    let piece = vec![1; MIB];
    for _ in 0..3 {
        buffer.push(&piece).await;
    }
    assert_eq!(share.bytes(), 4 * MIB, "it doubles");
    assert_eq!(buffer.bytes.capacity(), share.bytes());
    let mut more = std::io::repeat(2);
    let error = buffer.try_fill(&mut more, 100 * MIB).unwrap_err().to_string();
    assert!(error.contains("PARAPET_BODY_MEMORY_BYTES"), "{error}");
    assert_eq!(buffer.bytes.capacity(), share.bytes());
    drop(turn);
    buffer.try_fill(&mut more, 9 * MIB).unwrap();
    assert_eq!(buffer.len(), 9 * MIB + 1);
    assert_eq!(&buffer.into_bytes()[3 * MIB - 1..][..2], [1, 2]);

    let mut short = BodyBuffer::new(None);
    short.try_fill(&mut &b"short"[..], MIB).unwrap();
    short.try_push(b"er").unwrap();
    assert_eq!(&short.into_bytes()[..], b"shorter");
}

#[test]
fn the_budget_is_a_variable() {
    let of = |text: &str| {
        let vars = std::collections::BTreeMap::from([(VARIABLE.to_owned(), text.to_owned())]);
        BodyMemory::from_vars(&vars).map(|memory| memory.bytes)
    };
    assert_eq!(of("1000").unwrap(), 1000);
    assert!(of("much").unwrap_err().to_string().contains(VARIABLE));
}
