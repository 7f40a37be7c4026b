//! What can go wrong, where, and how often.

use onsync_testkit::fakes::Dice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// A message between a device and the server.
    Network,
    /// A write of a device's store.
    Device,
    /// A write of the server's store.
    Server,
}

macro_rules! faults {
    ($($variant:ident $name:literal $site:ident $most:literal $doc:literal)*) => {
        /// One kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Fault {
            $( #[doc = $doc] #[serde(rename = $name)] $variant, )*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The name in traces and reports.
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// Where it happens.
            pub fn site(self) -> Site {
                match self { $( Self::$variant => Site::$site, )* }
            }

            /// The greatest rate that is drawn for it, in ten thousand.
            fn most(self) -> u64 {
                match self { $( Self::$variant => $most, )* }
            }
        }
    };
}

faults! {
    Offline "offline" Network 900 "There is no network."
    DropRequest "request lost" Network 2500 "The request never arrives."
    DropAnswer "answer lost" Network 2500 "The server does everything; the answer is lost."
    Duplicate "request twice" Network 1500 "The request arrives twice at once."
    LateDuplicate "copy late" Network 1500 "A copy of the request arrives later, after newer ones."
    DelayRequest "request late" Network 1000 "The request takes long."
    LateRequest "request after time-out" Network 1500 "The request arrives after the device has given it up."
    DelayAnswer "answer late" Network 1000 "The answer takes long."
    Truncate "answer cut off" Network 2500 "The answer breaks off after some frames."
    BlackHole "black hole" Network 800 "Nothing comes back for a minute."
    WrongPeer "wrong peer" Network 600 "Something else answers."
    Unauthorised "401" Network 300 "The credentials are refused."
    Forbidden "403" Network 300 "The user is refused."
    Conflict "409" Network 300 "Refused with 409."
    Gone "410" Network 300 "Refused with 410."
    TooLarge "413" Network 300 "Refused as too large."
    TooMany "429" Network 400 "Refused for a while."
    Unavailable "503" Network 600 "The server has no room."
    CrashBefore "crash before write" Device 120 "The process dies before a write of its store."
    CrashAfter "crash after commit" Device 1500 "The process dies right after a commit."
    Full "store full" Device 60 "The disk is full."
    Busy "store busy" Device 300 "Another process holds the database too long."
    ServerCrashBefore "server crash before write" Server 100 "The server dies before a write."
    ServerCrashAfter "server crash after commit" Server 700 "The server dies right after a commit, before it answers."
    ServerFull "server full" Server 60 "The server's disk is full."
    ServerBusy "server busy" Server 500 "The server's database is held by somebody else."
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! phases {
    ($($variant:ident $name:literal $site:ident $doc:literal)*) => {
        /// What was under way when a fault struck.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Phase {
            $( #[doc = $doc] $variant, )*
        }

        impl Phase {
            /// Every phase.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// Where it takes place.
            pub fn site(self) -> Site {
                match self { $( Self::$variant => Site::$site, )* }
            }
        }
    };
}

phases! {
    Push "push" Network "A request with mutations that fetches nothing."
    PushPull "push and pull" Network "A request with mutations that fetches."
    Pull "pull" Network "A request that only fetches."
    Edit "edit" Device "The app writes."
    Cut "cut" Device "Mutations become durable."
    Settle "settle" Device "Outcomes are stored."
    Apply "apply" Device "A page is written."
    Upkeep "upkeep" Device "The engine's own small writes."
    Effect "effect" Server "Mutations take effect."
    Bookkeeping "bookkeeping" Server "Keys, marks, what is settled."
}

/// A cell of the grid fault × phase.
pub type Cell = (Fault, Phase);

/// Every cell that a campaign must reach.
pub fn cells() -> impl Iterator<Item = Cell> {
    let pairs = Fault::ALL
        .iter()
        .flat_map(|fault| Phase::ALL.iter().map(|phase| (*fault, *phase)));
    pairs.filter(|(fault, phase)| fault.site() == phase.site() && !impossible(*fault, *phase))
}

/// A store that is busy says so when a transaction begins, before anybody knows what the sync would write.
fn impossible(fault: Fault, phase: Phase) -> bool {
    matches!(
        (fault, phase),
        (Fault::Busy, Phase::Cut | Phase::Settle | Phase::Apply) | (Fault::ServerBusy, Phase::Effect)
    )
}

/// How often each fault happens, in ten thousand chances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates(Vec<u64>);

impl Rates {
    /// Nothing ever fails.
    pub fn none() -> Self {
        Self(vec![0; Fault::ALL.len()])
    }

    /// About half of all faults, each with a rate of its own.
    pub fn swarm(dice: &mut Dice) -> Self {
        let rate = |fault: &Fault| {
            let most = fault.most();
            let rate = most / 10 + dice.below(most);
            if dice.chance(500) { rate } else { 0 }
        };
        Self(Fault::ALL.iter().map(rate).collect())
    }

    /// Lost messages alone, for a partition.
    pub fn only(faults: &[(Fault, u64)]) -> Self {
        let mut rates = Self::none();
        for (fault, rate) in faults {
            rates.0[*fault as usize] = *rate;
        }
        rates
    }

    /// Takes faults out.
    pub fn without(&mut self, off: &BTreeSet<Fault>) {
        for fault in off {
            self.0[*fault as usize] = 0;
        }
    }

    /// The rate of a fault.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// The faults that can happen.
    pub fn on(&self) -> impl Iterator<Item = Fault> + '_ {
        Fault::ALL.iter().copied().filter(|fault| self.of(*fault) > 0)
    }
}

/// Draws faults until it is told that all is well.
pub(crate) struct Mischief {
    rates: Rates,
    healed: AtomicBool,
}

impl Mischief {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            rates,
            healed: AtomicBool::new(false),
        }
    }

    /// From now on nothing fails.
    pub(crate) fn heal(&self) {
        self.healed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.healed.load(Ordering::Relaxed)
    }

    /// One of these faults, or none.
    pub(crate) fn draw(&self, dice: &mut Dice, among: &[Fault]) -> Option<Fault> {
        if self.is_healed() {
            return None;
        }
        let mut left = dice.below(10_000);
        for fault in among {
            let rate = self.rates.of(*fault);
            if left < rate {
                return Some(*fault);
            }
            left -= rate;
        }
        None
    }
}
