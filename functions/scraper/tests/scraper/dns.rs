//! Targets that name servers know.

use crate::world::World;
use parapet_ports::{Dns, Error, Kind};
use parapet_scraper::{Scraper, Settings, with_discovered_targets};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What servers answer to a name: a code and addresses.
#[derive(Clone, Copy, Debug)]
enum Says {
    Addresses(&'static [[u8; 4]]),
    NoSuchName,
    Failure,
    Nothing,
    Truncated,
}

#[derive(Debug, Default)]
struct Servers {
    /// By server and name.
    say: Mutex<Vec<(&'static str, &'static str, Says)>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Dns for Servers {
    async fn resolver(&self) -> Result<String, Error> {
        Ok("nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch corp\n".to_owned())
    }

    async fn ask(&self, server: SocketAddr, over_tcp: bool, message: &[u8], _: Duration) -> Result<Vec<u8>, Error> {
        // A header of 12 bytes, then the name's labels.
        let (mut at, mut name) = (12, String::new());
        while message[at] != 0 {
            let end = at + 1 + usize::from(message[at]);
            name.push_str(std::str::from_utf8(&message[at + 1..end]).unwrap());
            name.push('.');
            at = end;
        }
        let way = if over_tcp { "tcp" } else { "udp" };
        self.asked.lock().unwrap().push(format!("{way} {} {name}", server.ip()));
        let say = self.say.lock().unwrap();
        let found = say
            .iter()
            .find(|(of, known, _)| *known == name && server.ip().to_string() == *of);
        let says = found.map_or(Says::Nothing, |(_, _, says)| *says);
        let (flags, code, addresses): (u8, u8, &[[u8; 4]]) = match says {
            Says::Addresses(addresses) => (0x80, 0, addresses),
            Says::Truncated if over_tcp => (0x80, 0, &[[10, 9, 9, 9]]),
            Says::Truncated => (0x82, 0, &[]),
            Says::NoSuchName => (0x80, 3, &[]),
            Says::Failure => (0x80, 2, &[]),
            Says::Nothing => return Err(Error::new(Kind::Unavailable, "does not answer")),
        };
        let mut answer = vec![
            message[0],
            message[1],
            flags,
            code,
            0,
            1,
            0,
            addresses.len() as u8,
            0,
            0,
            0,
            0,
        ];
        answer.extend(&message[12..at + 5]);
        for address in addresses {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(address);
        }
        Ok(answer)
    }
}

#[tokio::test]
async fn servers_and_search_domains_in_turn() {
    let config = "scrape_configs:\n- job_name: j\n  dns_sd_configs: [{names: [web, db.corp.], type: A, port: 9100}]\n";
    let mut world = World::new(config);
    let servers = Arc::new(Servers::default());
    world.scraper = Scraper::new(world.ports.clone(), Settings::default()).with_dns(servers.clone());
    let say = |all: &[(&'static str, &'static str, Says)]| *servers.say.lock().unwrap() = all.to_vec();
    let after = async |minute: i64| -> Vec<String> {
        world.tick(minute).await;
        let written = parapet_config::parse("prometheus.yml", config).unwrap();
        let found = with_discovered_targets(&world.ports, &written).await.unwrap();
        let addresses = found.jobs[0].targets.iter();
        addresses
            .map(|target| target.discovered_labels.get("__address__").unwrap().to_owned())
            .collect()
    };
    let (one, two) = ("10.0.0.1", "10.0.0.2");
    say(&[
        (one, "web.corp.", Says::Failure),
        (two, "web.corp.", Says::Addresses(&[[10, 1, 0, 1], [10, 1, 0, 2]])),
        (one, "db.corp.", Says::Truncated),
    ]);
    assert_eq!(after(0).await, ["10.9.9.9:9100", "10.1.0.1:9100", "10.1.0.2:9100"]);
    let mut asked = servers.asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(
        asked,
        [
            "tcp 10.0.0.1 db.corp.",
            "udp 10.0.0.1 db.corp.",
            "udp 10.0.0.1 web.corp.",
            "udp 10.0.0.2 web.corp.",
        ]
    );
    // No server knows of web: it stays. Of db it is known that it is gone.
    say(&[(one, "db.corp.", Says::NoSuchName), (one, "web.", Says::NoSuchName)]);
    assert_eq!(after(1).await, ["10.1.0.1:9100", "10.1.0.2:9100"]);
    // Every name of web is known not to be there.
    say(&[
        (one, "db.corp.", Says::NoSuchName),
        (two, "web.corp.", Says::NoSuchName),
        (two, "web.", Says::NoSuchName),
    ]);
    assert!(after(2).await.is_empty());
    // The last of the names to ask for is the one that is there.
    say(&[
        (one, "web.corp.", Says::NoSuchName),
        (one, "web.", Says::Addresses(&[[10, 1, 0, 3]])),
        (one, "db.corp.", Says::Addresses(&[])),
    ]);
    assert_eq!(after(3).await, ["10.1.0.3:9100"]);
}
