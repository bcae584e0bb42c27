//! Death between any two effects, and ports that fail.

use crate::world::{START_MS, World, job, of};
use parapet_ports::{
    Condition, Disposition, Error, Item, Key, Kind, Outgoing, Page, Queue, Queues, SkRange, Table, Write,
};
use parapet_scraper::Scraper;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails the n-th effect and every one after it, as a process that died does.
#[derive(Debug)]
struct Dying {
    left: AtomicI64,
    table: Arc<dyn Table>,
    queues: Arc<dyn Queues>,
}

impl Dying {
    fn step(&self) -> Result<(), Error> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            Ok(())
        } else {
            Err(Error::new(Kind::Unavailable, "died"))
        }
    }
}

#[async_trait::async_trait]
impl Table for Dying {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        self.table.get(key).await
    }
    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        self.table.query_page(pk, range, limit).await
    }
    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        self.step()?;
        self.table.transact(writes).await
    }
}

#[async_trait::async_trait]
impl Queues for Dying {
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error> {
        self.step()?;
        self.queues.send_batch(queue, messages).await
    }
    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error> {
        self.queues.send_dead_letter(queue, body, reason).await
    }
}

pub(crate) fn dying(world: &World, effects: i64) -> Scraper {
    let mut ports = world.ports.clone();
    let dying = Arc::new(Dying {
        left: AtomicI64::new(effects),
        table: ports.table,
        queues: ports.queues,
    });
    ports.table = dying.clone();
    ports.queues = dying;
    Scraper::new(ports, world.settings.clone())
}

#[tokio::test]
async fn a_task_that_dies_anywhere_and_runs_again_loses_and_doubles_nothing() {
    for effects in 0..3 {
        let mut world = World::new(&job(&["h:1"], ""));
        world.expose("h:1", "a 1\nb 1\n");
        world.scrape(0).await;
        world.expose("h:1", "a 1\n");
        let dying = dying(&world, effects);
        let healthy = std::mem::replace(&mut world.scraper, dying);
        let answer = world.run(World::task(1, 1, 0)).await;
        assert_eq!(answer == Disposition::Done, effects == 2, "{effects} effects");
        world.scraper = healthy;
        assert_eq!(world.receive(World::task(1, 1, 0), 2).await, Disposition::Done);
        world.scrape(2).await;
        assert_eq!(world.values(&of("a")), ["1"; 3], "{effects} effects");
        assert_eq!(world.values(&of("b")), ["1", "stale"], "{effects} effects");
        // A run that died may leave one set that nothing names.
        assert!(world.objects("state/series-sets").await.len() <= 2);
    }
}

#[tokio::test]
async fn a_series_that_ends_between_a_run_that_died_and_its_repeat_is_marked() {
    let mut world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\nb 1\n");
    world.scrape(0).await;
    // The first run sends its samples, `c` is new, and it dies before it writes state.
    world.expose("h:1", "a 1\nb 1\nc 1\n");
    let dying = dying(&world, 1);
    let healthy = std::mem::replace(&mut world.scraper, dying);
    world.run(World::task(1, 1, 0)).await;
    world.scraper = healthy;
    // The repeat sees no `b`, but its batch is dropped, the marker with it.
    world.expose("h:1", "a 1\n");
    assert_eq!(world.receive(World::task(1, 1, 0), 2).await, Disposition::Done);
    assert_eq!(world.values(&of("b")), ["1", "1"]);
    world.scrape(2).await;
    assert_eq!(world.values(&of("b")), ["1", "1", "stale"]);
}

#[tokio::test]
async fn a_tick_that_dies_anywhere_and_runs_again_marks_a_target_that_left() {
    for effects in 0..4 {
        let mut world = World::new(&job(&["h:1", "g:1"], ""));
        world.expose("h:1", "a 1\n");
        world.minute(0).await;
        world.config.set(&job(&["g:1"], ""));
        world.memory.clock.set_ms(START_MS + 60_000);
        let dying = dying(&world, effects);
        let healthy = std::mem::replace(&mut world.scraper, dying);
        let _ = world.scraper.handle_tick(START_MS + 60_000).await;
        world.scraper = healthy;
        world.minute(1).await;
        world.minute(2).await;
        assert_eq!(
            world.values(&of("a")),
            ["1", "1", "1", "1", "stale"],
            "{effects} effects"
        );
        assert_eq!(world.values(&of("up")).len(), 5);
    }
}

#[tokio::test]
async fn two_runs_at_once_agree() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\nb 1\n");
    world.scrape(0).await;
    world.expose("h:1", "a 1\n");
    let task = World::task(1, 1, 0);
    world.memory.clock.set_ms(task.scheduled_ms());
    let (one, two) = tokio::join!(world.run_now(task.clone()), world.run_now(task));
    assert_eq!((one, two), (Disposition::Done, Disposition::Done));
    world.scrape(2).await;
    assert_eq!(world.values(&of("b")), ["1", "stale"]);
    assert_eq!(world.values(&of("up")), ["1"; 3]);
}

#[tokio::test]
async fn rubbish_in_the_table_is_reported_and_written_over() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\n");
    world.scrape(0).await;
    let key = world.memory.table.items()[0].key.clone();
    let table = &world.ports.table;
    table.put(key, "rubbish".into(), None, Condition::Any).await.unwrap();
    world.scrape(1).await;
    world.tick(1).await;
    world.scrape(5).await;
    assert_eq!(world.values(&of("up")), ["1"; 3]);
}

#[tokio::test]
async fn a_series_set_that_is_gone_loses_its_markers_and_nothing_else() {
    use object_store::ObjectStoreExt as _;
    let mut world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\nb 1\n");
    world.scrape(0).await;
    for key in world.objects("state/series-sets").await {
        world.ports.objects.delete(&key.into()).await.unwrap();
    }
    world.restart();
    world.expose("h:1", "a 1\n");
    world.scrape(1).await;
    assert_eq!(world.values(&of("a")), ["1", "1"]);
    assert_eq!(world.values(&of("up")), ["1", "1"]);
}
