//! Something between a device and its server that does to connections what networks do.

use crate::place::Chance;
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does its answer.
    Arrives,
    /// After so many bytes of the answer the connection breaks.
    CutAfter(usize),
    /// Somebody else answers with this, whatever is asked.
    Answered(&'static str),
    /// The answer comes so much later.
    Late(Duration),
    /// The server gets it twice, at the same time; one answer comes back.
    Twice,
    /// The server gets it, and nobody hears of it.
    NoAnswer,
    /// Nobody gets it: the connection breaks at once.
    Broken,
    /// The server gets so many bytes of it, and then the connection breaks.
    RequestCutAfter(usize),
    /// The server gets it so much later, when the device may have given up.
    LateRequest(Duration),
}

impl Fate {
    /// Bad weather: half of all requests come to harm, in every way.
    fn drawn(chance: &mut Chance) -> Self {
        let bytes = |chance: &mut Chance| usize::try_from(chance.below(4_000)).unwrap();
        let late = |chance: &mut Chance| Duration::from_millis(chance.below(1_500));
        match chance.below(16) {
            0 => Self::Broken,
            1 => Self::RequestCutAfter(bytes(chance)),
            2 | 3 => Self::CutAfter(bytes(chance)),
            4 => Self::NoAnswer,
            5 => Self::Twice,
            6 => Self::Late(late(chance)),
            7 => Self::LateRequest(late(chance)),
            _ => Self::Arrives,
        }
    }

    /// The kind alone, to count it by.
    fn name(self) -> String {
        let shown = format!("{self:?}");
        shown.split('(').next().unwrap_or_default().to_owned()
    }
}

struct Shared {
    server: Mutex<String>,
    fates: Mutex<VecDeque<Fate>>,
    weather: Mutex<Weather>,
    /// How many requests are on their way, and who waits for there to be none.
    carried: (Mutex<usize>, Condvar),
}

/// Where the fates of requests without a script come from, and how often each came.
#[derive(Default)]
struct Weather {
    chance: Option<Chance>,
    met: BTreeMap<String, u32>,
}

/// Listens until the test ends.
pub(crate) struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            server: Mutex::new(server.to_owned()),
            fates: Mutex::default(),
            weather: Mutex::default(),
            carried: Default::default(),
        });
        let seen = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = seen.clone();
                *shared.carried.0.lock().unwrap() += 1;
                std::thread::spawn(move || {
                    // A connection that breaks is what this is for.
                    let _ = shared.carry(client);
                    *shared.carried.0.lock().unwrap() -= 1;
                    shared.carried.1.notify_all();
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server is elsewhere from now on.
    pub(crate) fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.shared.server.lock().unwrap());
    }

    /// What happens to the next requests; those after them arrive.
    pub(crate) fn script(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.shared.fates.lock().unwrap() = fates.into_iter().collect();
    }

    /// From now on requests come to harm as drawn from this seed.
    pub(crate) fn bad_weather(&self, seed: u64) {
        self.shared.weather.lock().unwrap().chance = Some(Chance(seed));
    }

    /// From now on requests arrive, and those on their way have come to their end. Says how often each fate was met.
    pub(crate) fn calm(&self) -> BTreeMap<String, u32> {
        self.shared.weather.lock().unwrap().chance = None;
        let (carried, bell) = &self.shared.carried;
        let left = carried.lock().unwrap();
        let patience = Duration::from_secs(60);
        let (left, _) = bell.wait_timeout_while(left, patience, |left| *left > 0).unwrap();
        assert_eq!(*left, 0, "requests that never end");
        std::mem::take(&mut self.shared.weather.lock().unwrap().met)
    }
}

impl Shared {
    fn fate(&self) -> Fate {
        if let Some(fate) = self.fates.lock().unwrap().pop_front() {
            return fate;
        }
        let mut weather = self.weather.lock().unwrap();
        let Some(chance) = &mut weather.chance else {
            return Fate::Arrives;
        };
        let fate = Fate::drawn(chance);
        *weather.met.entry(fate.name()).or_default() += 1;
        fate
    }

    /// One request: connections are closed after their answer, so that each request has a fate of its own.
    fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut first = vec![0; 16 << 10];
        let length = client.read(&mut first)?;
        if length == 0 {
            return Ok(());
        }
        let head = &first[..length];
        let line = head.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
        let mut start = head[..line].to_vec();
        start.extend_from_slice(b"Connection: close\r\n");
        start.extend_from_slice(&head[line..]);
        let fate = self.fate();
        match fate {
            Fate::Answered(text) => return finish(client, text.as_bytes()),
            Fate::Broken => return client.shutdown(Shutdown::Both),
            Fate::LateRequest(by) => std::thread::sleep(by),
            _ => {}
        }
        let address = self.server.lock().unwrap().clone();
        let mut server = TcpStream::connect(&address)?;
        if let Fate::RequestCutAfter(bytes) = fate {
            let mut part = start.as_slice().chain(&client).take(bytes as u64);
            std::io::copy(&mut part, &mut server)?;
            server.shutdown(Shutdown::Both)?;
            return client.shutdown(Shutdown::Both);
        }
        server.write_all(&start)?;
        let mut twin = match fate {
            Fate::Twice => {
                let mut twin = TcpStream::connect(&address)?;
                twin.write_all(&start)?;
                Some(twin)
            }
            _ => None,
        };
        let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
        let mut to_twin = twin.as_ref().map(TcpStream::try_clone).transpose()?;
        let request = std::thread::spawn(move || -> std::io::Result<()> {
            let mut piece = vec![0; 16 << 10];
            loop {
                let length = from.read(&mut piece)?;
                if length == 0 {
                    return Ok(());
                }
                to.write_all(&piece[..length])?;
                if let Some(twin) = &mut to_twin {
                    twin.write_all(&piece[..length])?;
                }
            }
        });
        let result = answer(fate, &mut server, &mut client);
        if let Some(twin) = &mut twin {
            let _ = std::io::copy(twin, &mut std::io::sink());
        }
        let _ = client.shutdown(Shutdown::Both);
        let _ = request.join();
        result
    }
}

/// Writes a whole answer, and waits until the other side has read it.
fn finish(mut client: TcpStream, text: &[u8]) -> std::io::Result<()> {
    client.write_all(text)?;
    client.shutdown(Shutdown::Write)?;
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    std::io::copy(&mut client, &mut std::io::sink()).map(drop)
}

/// Carries the answer to the client, or what the fate leaves of it.
fn answer(fate: Fate, server: &mut TcpStream, client: &mut TcpStream) -> std::io::Result<()> {
    match fate {
        Fate::CutAfter(bytes) => {
            let mut left = server.take(bytes as u64);
            std::io::copy(&mut left, client).map(drop)
        }
        Fate::Late(by) => {
            let mut whole = Vec::new();
            server.read_to_end(&mut whole)?;
            std::thread::sleep(by);
            client.write_all(&whole)
        }
        Fate::NoAnswer => std::io::copy(server, &mut std::io::sink()).map(drop),
        _ => std::io::copy(server, client).map(drop),
    }
}
