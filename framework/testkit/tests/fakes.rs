//! The fakes do what they say.

use onsync_core::runtime::Runtime;
use onsync_core::transport::{Exchange, Transport};
use onsync_core::value::Timestamp;
use onsync_testkit::fakes::{Dice, Fate, Lossy, ManualRuntime, MemoryTransport, Rates, ScriptedServer};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn exchange() -> Exchange {
    Exchange {
        frames: Vec::new(),
        credentials: None,
        time_out: None,
    }
}

/// Sends one request through and reads the answer: how many frames came, or the error's code.
async fn send(transport: &dyn Transport) -> Result<usize, String> {
    let code = |error: onsync_core::Error| error.code().to_owned();
    let mut answer = transport.exchange(exchange()).await.map_err(code)?;
    let mut frames = 0;
    while answer.next().await.map_err(code)?.is_some() {
        frames += 1;
    }
    Ok(frames)
}

#[test]
fn sleepers_wake_in_the_order_of_time_and_nothing_waits() {
    let runtime = ManualRuntime::new(1);
    let log = Arc::new(Mutex::new(Vec::new()));
    for seconds in [30, 10, 20] {
        let (own, log) = (runtime.clone(), log.clone());
        runtime.spawn(Box::pin(async move {
            own.sleep(SECOND * seconds).await;
            log.lock().unwrap().push((seconds, own.elapsed()));
            own.sleep(SECOND * 100).await;
            log.lock().unwrap().push((seconds + 100, own.elapsed()));
        }));
    }
    runtime.run_until_idle();
    assert!(log.lock().unwrap().is_empty());
    runtime.advance(SECOND * 25);
    assert_eq!(*log.lock().unwrap(), [(10, SECOND * 10), (20, SECOND * 20)]);
    assert_eq!((runtime.elapsed(), runtime.sleeping()), (SECOND * 25, 3));
    runtime.advance(SECOND * 1000);
    let woken: Vec<u32> = log.lock().unwrap().iter().map(|(name, _)| *name).collect();
    assert_eq!(woken, [10, 20, 30, 110, 120, 130]);
    assert_eq!(
        log.lock().unwrap()[5].1,
        SECOND * 130,
        "at its own moment, not at the end"
    );
}

#[test]
fn the_clock_jumps_and_sleepers_do_not_notice() {
    let runtime = ManualRuntime::new(1);
    let sleeper = runtime.clone();
    runtime.spawn(Box::pin(async move { sleeper.sleep(SECOND * 60).await }));
    runtime.advance(SECOND * 30);
    let long_ago: Timestamp = "1999-01-01T00:00:00Z".parse().unwrap();
    runtime.set_clock(long_ago);
    assert_eq!(runtime.now(), long_ago);
    assert_eq!((runtime.elapsed(), runtime.sleeping()), (SECOND * 30, 1));
    runtime.advance(SECOND * 30);
    assert_eq!(runtime.sleeping(), 0);
    assert_eq!(runtime.now().to_string(), "1999-01-01T00:00:30.000000Z");
}

#[test]
fn a_future_that_can_never_go_on_is_told_from_one_that_sleeps() {
    let runtime = ManualRuntime::new(1);
    assert_eq!(runtime.run(std::future::pending::<()>()), None);
    let dropped = runtime.sleep(SECOND);
    assert_eq!(runtime.run(async { 7 }), Some(7));
    drop(dropped);
    assert_eq!(runtime.sleeping(), 0);
}

#[test]
fn the_same_seed_gives_the_same_randomness() {
    let uuids = |seed| {
        let runtime = ManualRuntime::new(seed);
        [runtime.random_uuid(), runtime.sortable_uuid()]
    };
    assert_eq!(uuids(1), uuids(1));
    assert_ne!(uuids(1), uuids(2));
    let mut dice = Dice::new(3);
    let rolls: Vec<u64> = (0..6000).map(|_| dice.below(6)).collect();
    for side in 0..6 {
        let count = rolls.iter().filter(|roll| **roll == side).count();
        assert!((800..1200).contains(&count), "{side} came {count} times");
    }
}

#[test]
fn each_fate_does_what_it_says() {
    let cases: [(Fate, Result<usize, &str>, usize, u64); 8] = [
        (Fate::Arrives, Ok(2), 1, 0),
        (Fate::Offline, Err("offline"), 0, 0),
        (Fate::DropRequest, Err("time_out"), 0, 0),
        (Fate::DropAnswer, Err("time_out"), 1, 0),
        (Fate::Duplicate, Ok(2), 2, 0),
        (Fate::DelayRequest(SECOND * 5), Ok(2), 1, 5),
        (Fate::DelayAnswer(SECOND * 7), Ok(2), 1, 7),
        (Fate::TruncateAfter(1), Err("answer_truncated"), 1, 0),
    ];
    for (fate, wanted, received, seconds) in cases {
        let runtime = ManualRuntime::new(1);
        let server = Arc::new(ScriptedServer::new());
        let lossy = Lossy::new(
            Arc::new(MemoryTransport::new(server.clone())),
            Arc::new(runtime.clone()),
        );
        lossy.script([fate]);
        let found = runtime.run(send(&lossy)).unwrap();
        assert_eq!(found, wanted.map_err(str::to_owned), "{fate:?}");
        assert_eq!(
            server.received().len(),
            received,
            "requests the server got: {fate:?}"
        );
        assert_eq!(runtime.elapsed().as_secs(), seconds, "{fate:?}");
        assert_eq!(
            runtime.run(send(&lossy)),
            Some(Ok(2)),
            "after the script: {fate:?}"
        );
    }
}

#[test]
fn fates_by_chance_follow_from_the_seed_and_end_when_healed() {
    let rates = Rates {
        offline: 100,
        drop_request: 100,
        drop_answer: 100,
        duplicate: 100,
        delay: 100,
        truncate: 100,
    };
    let history = |seed| {
        let runtime = ManualRuntime::new(1);
        let transport = MemoryTransport::new(Arc::new(ScriptedServer::new()));
        let lossy = Lossy::new(Arc::new(transport), Arc::new(runtime.clone()));
        lossy.by_chance(seed, rates);
        for _ in 0..200 {
            let _ = runtime.run(send(&lossy)).unwrap();
        }
        lossy.heal();
        assert_eq!(runtime.run(send(&lossy)), Some(Ok(2)), "healed");
        lossy.happened()
    };
    let first = history(5);
    assert_eq!(first, history(5));
    assert_ne!(first, history(6));
    assert!(
        first.contains(&Fate::DropAnswer) && first.contains(&Fate::Duplicate),
        "{first:?}"
    );
    let arrived = first.iter().filter(|fate| **fate == Fate::Arrives).count();
    assert!((50..120).contains(&arrived), "{arrived} of 200 arrived at 40 %");
}
