//! Faults by chance, from a seed.

use parapet_ports::{Error, HttpRequest, HttpResponse, Kind, Outgoing};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How often what goes wrong.
#[derive(Debug)]
pub struct Chaos {
    pub random: StdRng,
    /// The chance that the process dies at an effect.
    pub death: f64,
    /// How often it died.
    pub deaths: usize,
}

impl Chaos {
    pub fn new(seed: u64, death: f64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            death,
            deaths: 0,
        }
    }

    /// Whether the process dies at an effect, and whether that effect still happens.
    pub fn death(&mut self) -> (bool, bool) {
        let dies = self.random.random_bool(self.death);
        self.deaths += usize::from(dies);
        (dies, self.random.random_bool(0.5))
    }

    /// How often an effect lets others go first.
    pub fn pauses(&mut self) -> u32 {
        self.random.random_range(0..3)
    }

    /// Messages that come twice, late, and after those that were sent after them.
    pub fn shuffle(&mut self, messages: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut shuffled = Vec::new();
        for message in messages {
            let delayed = |random: &mut StdRng| Outgoing {
                delay_seconds: message.delay_seconds + random.random_range(0..20),
                ..message.clone()
            };
            if self.random.random_bool(0.05) {
                shuffled.push(delayed(&mut self.random));
            }
            shuffled.push(if self.random.random_bool(0.1) {
                delayed(&mut self.random)
            } else {
                message
            });
        }
        shuffled
    }
}

/// How a receiver answers: slowly now and then, or not at all, refusing, or asking to wait. `wait` lets time pass.
pub fn answer(random: &mut StdRng, request: &HttpRequest, wait: impl Fn(i64)) -> Result<HttpResponse, Error> {
    let timeout_ms = i64::try_from(request.timeout.as_millis()).unwrap_or(i64::MAX);
    match random.random_range(0..100) {
        0..4 => {
            wait(timeout_ms);
            Err(Error::new(Kind::Unavailable, "timed out"))
        }
        4..8 => {
            wait(random.random_range(0..timeout_ms));
            crate::world::status(200)
        }
        8..12 => Err(Error::new(Kind::Unavailable, "connection refused")),
        12..16 => crate::world::status(500),
        16..18 => crate::world::status(404),
        18..20 => {
            let mut answer = crate::world::status(429)?;
            answer
                .headers
                .insert("retry-after", http::HeaderValue::from_static("7"));
            Ok(answer)
        }
        _ => crate::world::status(200),
    }
}
