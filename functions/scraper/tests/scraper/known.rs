//! Bodies that are known again give what reading them in full gives.

use crate::world::{Answer, TEXT, World, job, of};
use parapet_scraper::Settings;
use proptest::prelude::*;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// What a target says in one slot.
#[derive(Clone, Debug)]
struct Said {
    lines: Vec<Line>,
    open_metrics: bool,
    /// The lines come the other way round.
    reversed: bool,
    help: bool,
    down: bool,
}

#[derive(Clone, Debug)]
struct Line {
    series: usize,
    value: &'static str,
    /// A time of its own, seconds from the slot.
    at: Option<i64>,
}

fn said() -> impl Strategy<Value = Said> {
    let value = prop::sample::select(vec!["1", "2.5", "NaN", "-Inf", "1e3", "0x", "7"]);
    let line = (
        0..7usize,
        value,
        prop::option::weighted(0.1, prop::sample::select(vec![-5i64, 0, 3, 6_000])),
    );
    let line = line.prop_map(|(series, value, at)| Line { series, value, at });
    // As most targets do: the same series again and again.
    let same = prop::collection::vec(prop::sample::select(vec!["1", "2", "3.5", "NaN"]), 4).prop_map(|values| {
        let lines = values.into_iter().enumerate();
        let line = |(series, value)| Line {
            series,
            value,
            at: None,
        };
        lines.map(line).collect::<Vec<_>>()
    });
    let lines = prop_oneof![6 => same, 1 => prop::collection::vec(line, 0..5)];
    (
        lines,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.08),
    )
        .prop_map(|(lines, open_metrics, reversed, help, down)| Said {
            lines,
            open_metrics,
            reversed,
            help,
            down,
        })
}

impl Said {
    fn answer(&self, slot_ms: i64) -> Answer {
        if self.down {
            return Answer::Status(503);
        }
        let mut lines: Vec<String> = self
            .lines
            .iter()
            .map(|line| {
                let at = line.at.map(|seconds| slot_ms + seconds * 1000);
                let at = at.map_or(String::new(), |at| match self.open_metrics {
                    true => format!(" {}.{:03}", at / 1000, at % 1000),
                    false => format!(" {at}"),
                });
                // The series 5 is dropped, 6 is `up`, which the scraper says itself.
                let name = match line.series {
                    6 => "up".to_owned(),
                    series => format!("s{{n=\"{series}\"}}"),
                };
                format!("{name} {}{at}\n", line.value)
            })
            .collect();
        if self.reversed {
            lines.reverse();
        }
        let help = if self.help {
            "# HELP s Some.\n# TYPE s gauge\n"
        } else {
            ""
        };
        let body = format!("{help}{}", lines.concat());
        match self.open_metrics {
            true => Answer::Text(OPEN_METRICS, format!("{body}# EOF\n")),
            false => Answer::Text(TEXT, body),
        }
    }
}

/// Every series with its samples after the slots.
async fn stored(slots: &[Said], honor: bool, known_series: usize) -> (Vec<(String, Vec<(f64, String)>)>, u64) {
    let settings = Settings {
        known_series,
        ..Settings::default()
    };
    let more = format!(
        "  honor_timestamps: {honor}\n  metric_relabel_configs:\n  - {{source_labels: [n], regex: '5', action: drop}}\n"
    );
    let world = World::with_settings(&job(&["h:1"], &more), settings);
    for (n, said) in slots.iter().enumerate() {
        let task = World::task(i64::try_from(n).unwrap(), 1, 0);
        world.answer("h:1", said.answer(task.scheduled_ms()));
        world.scrape(i64::try_from(n).unwrap()).await;
    }
    let all = world.series().into_iter().map(|name| {
        let mut samples = world.samples(&name);
        if name.starts_with("scrape_duration_seconds") {
            samples.clear();
        }
        (name, samples)
    });
    (all.collect(), world.scraper.counters().snapshot().scrapes_known)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stored_does_not_depend_on_what_is_known(
        slots in prop::collection::vec(said(), 1..14),
        honor in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (known, _) = stored(&slots, honor, 1000).await;
            let (full, none) = stored(&slots, honor, 0).await;
            assert_eq!(none, 0);
            assert_eq!(known, full);
        });
    }
}

fn like(value: &'static str) -> Said {
    let lines = (0..5).map(|series| Line {
        series,
        value,
        at: None,
    });
    Said {
        lines: lines.collect(),
        open_metrics: false,
        reversed: false,
        help: true,
        down: false,
    }
}

#[tokio::test]
async fn from_the_third_scrape_on_a_body_is_known() {
    let slots: Vec<Said> = ["1", "2", "3", "NaN", "5"].into_iter().map(like).collect();
    let (series, known) = stored(&slots, true, 1000).await;
    assert_eq!(known, 3);
    let of_series = series.iter().find(|(name, _)| name.contains("n=\"4\"")).unwrap();
    let values: Vec<&str> = of_series.1.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, ["1", "2", "3", "NaN", "5"]);
}

#[tokio::test]
async fn lines_in_another_order_each_time_are_given_up() {
    let slots: Vec<Said> = (0..8)
        .map(|n| Said {
            reversed: n % 2 == 0,
            ..like("1")
        })
        .collect();
    assert_eq!(stored(&slots, true, 1000).await.1, 0);
}

#[tokio::test]
async fn a_reload_reads_bodies_in_full_again() {
    let world = World::new(&job(&["h:1"], ""));
    for n in 0..6 {
        if n == 3 {
            let drop = "  metric_relabel_configs:\n  - {source_labels: [__name__], regex: b, action: drop}\n";
            world.config.set(&job(&["h:1"], drop));
        }
        world.expose("h:1", &format!("a {n}\nb {n}\n"));
        world.scrape(n).await;
    }
    assert_eq!(world.values(&of("a")), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(world.values(&of("b")), ["0", "1", "2", "stale"]);
    assert_eq!(world.scraper.counters().snapshot().scrapes_known, 2);
}
