//! What starts a run by itself: a plain value, told what happened and the time.

use crate::config::TriggerSettings;
use onsync_core::ordered::BTreeMap;
use std::time::Duration;

/// A network that comes and goes starts nothing before it has stayed for so long.
pub(crate) const ONLINE_SETTLES: Duration = Duration::from_secs(2);
/// A local write starts a run once nothing was written for so long, …
pub(crate) const WRITE_QUIET: Duration = Duration::from_secs(1);
/// … at the latest so long after the first write.
pub(crate) const WRITE_AT_MOST: Duration = Duration::from_secs(10);
/// Hints that come faster than this are gathered.
pub(crate) const HINTS_APART: Duration = Duration::from_secs(2);
/// A run that was refused, because the queue is full or its context is paused, is asked for again after so long.
const REFUSED_AGAIN: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The app started.
    Start,
    /// A user signed in.
    Login,
    /// The network came back.
    Online,
    /// The app resumed.
    Resume,
    /// Something was written here.
    Write,
    /// The interval is over.
    Interval,
    /// Somebody outside said that there is something new.
    Hint,
}

impl Occasion {
    /// Its name in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Login => "login",
            Self::Online => "online",
            Self::Resume => "resume",
            Self::Write => "write",
            Self::Interval => "interval",
            Self::Hint => "hint",
        }
    }

    /// Whether a run in back-off is tried at once: somebody acted, or the network did.
    pub(crate) fn ends_waits(self) -> bool {
        match self {
            Self::Start | Self::Login | Self::Online | Self::Resume | Self::Hint => true,
            Self::Write | Self::Interval => false,
        }
    }

    /// What the loop guard makes of the run. `by_run` says that what happened was done by a handler or listener.
    pub(crate) fn cause(self, by_run: bool) -> Cause {
        match self {
            Self::Start | Self::Login | Self::Resume => Cause::Call,
            Self::Write if by_run => Cause::Run,
            Self::Write | Self::Online | Self::Interval | Self::Hint => Cause::World,
        }
    }
}

/// Who asked for a run, for the loop guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A call: it counts as caused by a run that ended just before.
    Call,
    /// A handler or listener, by writing: it counts.
    Run,
    /// Something outside: it does not count.
    World,
}

/// A run to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) occasion: Occasion,
    pub(crate) context: String,
    /// When it happened: later runs may be caused by it.
    pub(crate) since: Duration,
}

/// Writes that no run was asked for yet.
#[derive(Clone, Copy, Debug)]
struct Written {
    first: Duration,
    last: Duration,
}

/// Which occasions count, and which of them are waiting for their moment.
#[derive(Debug)]
pub(crate) struct Triggers {
    settings: TriggerSettings,
    /// Since when the network has been back.
    online: Option<Duration>,
    written: Option<Written>,
    every: Option<Duration>,
    /// When a run was last asked for because of a hint.
    hints: BTreeMap<String, Duration>,
    /// Runs to ask for, and when.
    asks: Vec<(Duration, Due)>,
}

impl Triggers {
    pub(crate) fn new(settings: TriggerSettings) -> Self {
        Self {
            settings,
            online: None,
            written: None,
            every: None,
            hints: BTreeMap::new(),
            asks: Vec::new(),
        }
    }

    /// Something happened that needs no waiting.
    pub(crate) fn happened(&mut self, occasion: Occasion, now: Duration) {
        let context = match occasion {
            Occasion::Start => &self.settings.on_start,
            Occasion::Login => &self.settings.on_login,
            Occasion::Online => &self.settings.on_online,
            Occasion::Resume => &self.settings.on_resume,
            Occasion::Write => &self.settings.on_write,
            Occasion::Interval | Occasion::Hint => return,
        };
        if let Some(context) = context.clone() {
            self.ask(
                now,
                Due {
                    occasion,
                    context,
                    since: now,
                },
            );
        }
    }

    fn ask(&mut self, at: Duration, due: Due) {
        let same = |other: &Due| other.occasion == due.occasion && other.context == due.context;
        match self.asks.iter_mut().find(|(_, other)| same(other)) {
            Some((moment, _)) => *moment = at.min(*moment),
            None => self.asks.push((at, due)),
        }
    }

    /// Somebody outside said that a context has something to fetch. Hints that come fast are gathered.
    pub(crate) fn hinted(&mut self, context: &str, now: Duration) {
        let waits = |due: &Due| due.occasion == Occasion::Hint && due.context == context;
        if self.asks.iter().any(|(_, due)| waits(due)) {
            return;
        }
        let last = self.hints.get(context);
        let at = last.map_or(now, |last| now.max(*last + HINTS_APART));
        self.hints.insert(context.to_owned(), at);
        let due = Due {
            occasion: Occasion::Hint,
            context: context.to_owned(),
            since: now,
        };
        self.ask(at, due);
    }

    /// The network came or went.
    pub(crate) fn network(&mut self, online: bool, now: Duration) {
        self.online = (online && self.settings.on_online.is_some()).then_some(now);
    }

    /// Something that travels was written here.
    pub(crate) fn written(&mut self, now: Duration) {
        if self.settings.on_write.is_none() {
            return;
        }
        let first = self.written.map_or(now, |written| written.first);
        self.written = Some(Written { first, last: now });
    }

    /// The run was refused; it is asked for again.
    pub(crate) fn refused(&mut self, due: Due, now: Duration) {
        self.ask(now + REFUSED_AGAIN, due);
    }

    /// Starts counting the interval.
    pub(crate) fn begin(&mut self, now: Duration, chance: f64) {
        self.every = self
            .settings
            .every
            .as_ref()
            .map(|(_, interval)| now + shortened(*interval, chance));
    }

    fn write_due(&self) -> Option<Duration> {
        let written = self.written?;
        Some((written.last + WRITE_QUIET).min(written.first + WRITE_AT_MOST))
    }

    /// The next moment at which something may be due.
    pub(crate) fn next(&self) -> Option<Duration> {
        let asks = self.asks.iter().map(|(at, _)| *at);
        let online = self.online.map(|since| since + ONLINE_SETTLES);
        asks.chain(online).chain(self.write_due()).chain(self.every).min()
    }

    /// The runs to ask for now. `chance` is drawn from [0, 1).
    pub(crate) fn due(&mut self, now: Duration, chance: f64) -> Vec<Due> {
        if let Some(since) = self.online.filter(|since| *since + ONLINE_SETTLES <= now) {
            self.online = None;
            self.happened(Occasion::Online, since);
        }
        if let Some(written) = self.written
            && self.write_due().is_some_and(|at| at <= now)
        {
            self.written = None;
            self.happened(Occasion::Write, written.first);
        }
        if self.every.is_some_and(|at| at <= now)
            && let Some((context, interval)) = self.settings.every.clone()
        {
            self.every = Some(now + shortened(interval, chance));
            let due = Due {
                occasion: Occasion::Interval,
                context,
                since: now,
            };
            self.ask(now, due);
        }
        let (due, later) = self.asks.drain(..).partition(|(at, _)| *at <= now);
        self.asks = later;
        let due: Vec<(Duration, Due)> = due;
        due.into_iter().map(|(_, due)| due).collect()
    }
}

/// An interval up to a tenth shorter, so that many devices that were switched on together do not come in step.
fn shortened(interval: Duration, chance: f64) -> Duration {
    interval.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triggers() -> Triggers {
        let on = |context: &str| Some(context.to_owned());
        Triggers::new(TriggerSettings {
            on_start: on("Splash"),
            on_login: None,
            on_online: on("Online"),
            on_resume: on("Online"),
            on_write: on("Send"),
            every: Some(("Online".to_owned(), seconds(600))),
        })
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn occasions(due: &[Due]) -> Vec<&'static str> {
        due.iter().map(|due| due.occasion.as_str()).collect()
    }

    #[test]
    fn a_trigger_that_is_off_does_nothing() {
        let mut triggers = triggers();
        triggers.happened(Occasion::Login, seconds(1));
        assert_eq!(triggers.next(), None);
        triggers.happened(Occasion::Start, seconds(1));
        assert_eq!(occasions(&triggers.due(seconds(1), 0.0)), ["start"]);
        assert!(triggers.due(seconds(2), 0.0).is_empty());
    }

    #[test]
    fn a_flapping_network_is_waited_out() {
        let mut triggers = triggers();
        for second in 0..20 {
            triggers.network(second % 2 == 0, seconds(second));
            assert!(triggers.due(seconds(second), 0.0).is_empty());
        }
        triggers.network(true, seconds(20));
        assert_eq!(triggers.next(), Some(seconds(22)));
        let due = triggers.due(seconds(22), 0.0);
        assert_eq!((occasions(&due), due[0].since), (vec!["online"], seconds(20)));
        assert!(triggers.due(seconds(60), 0.0).is_empty());
    }

    #[test]
    fn writes_are_gathered_but_not_for_ever() {
        let mut triggers = triggers();
        triggers.written(seconds(5));
        assert!(triggers.due(seconds(5), 0.0).is_empty());
        assert_eq!(occasions(&triggers.due(seconds(6), 0.0)), ["write"]);
        let mut fired = Vec::new();
        for tenth in 0..250 {
            let now = seconds(100) + Duration::from_millis(tenth * 100);
            triggers.written(now);
            fired.extend(triggers.due(now, 0.0).into_iter().map(|due| (now, due.since)));
        }
        assert_eq!(fired.len(), 2, "once in ten seconds: {fired:?}");
        assert_eq!(fired[0], (seconds(110), seconds(100)));
    }

    #[test]
    fn the_interval_is_up_to_a_tenth_shorter_and_goes_on() {
        let mut triggers = triggers();
        triggers.begin(seconds(0), 0.5);
        assert_eq!(triggers.next(), Some(seconds(570)));
        assert_eq!(occasions(&triggers.due(seconds(570), 0.0)), ["interval"]);
        assert_eq!(triggers.next(), Some(seconds(1_170)));
    }

    #[test]
    fn hints_that_come_fast_are_gathered() {
        let mut triggers = triggers();
        let mut runs = 0;
        for tenth in 0..100 {
            let now = Duration::from_millis(tenth * 100);
            triggers.hinted("News", now);
            runs += triggers.due(now, 0.0).len();
        }
        assert_eq!(runs, 5, "one every two seconds of ten");
        runs += triggers.due(seconds(20), 0.0).len();
        assert_eq!(runs, 6, "the last hint is not forgotten");
        triggers.hinted("News", seconds(30));
        assert_eq!(
            triggers.due(seconds(30), 0.0).len(),
            1,
            "the first one is not delayed"
        );
    }

    #[test]
    fn what_was_refused_is_asked_for_again() {
        let mut triggers = triggers();
        triggers.written(seconds(0));
        let due = triggers.due(seconds(1), 0.0).remove(0);
        triggers.refused(due.clone(), seconds(1));
        assert!(triggers.due(seconds(5), 0.0).is_empty());
        assert_eq!(triggers.due(seconds(6), 0.0), [due]);
    }
}
