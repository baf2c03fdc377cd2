//! What a transaction costs. Run by hand, optimised: `cargo test --release --lib store::contract::measure -- --ignored
//! --nocapture`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::scene::{Scene, end, hold, reservation, waiter};
use crate::model::ids::Timestamp;
use crate::store::session::system_time;

/// The median and the 99th percentile of `times` runs.
fn spread(times: usize, mut run: impl FnMut(usize)) -> (Duration, Duration) {
    let mut spans: Vec<Duration> = (0..times)
        .map(|turn| {
            let begun = Instant::now();
            run(turn);
            begun.elapsed()
        })
        .collect();
    spans.sort();
    (spans[times / 2], spans[times * 99 / 100])
}

fn report(what: &str, (median, p99): (Duration, Duration)) {
    writeln!(std::io::stderr(), "{what}: median {median:?}, p99 {p99:?}").unwrap();
}

fn measure(name: &str, scene: &Scene) {
    scene.pool_of(8);
    let session = |turn: usize| {
        let id = format!("lease-{turn}");
        let mut client = scene.client();
        client.change(|pool| hold(pool, reservation(&id, &[0])));
        client.change(|pool| end(pool, &id, system_time()));
    };
    report(&format!("{name}: open, two transactions, close"), spread(1000, session));
    report(&format!("{name}: open, look, close"), spread(1000, |_| drop(scene.client().look())));
    let mut client = scene.pool_of(16);
    report(
        &format!("{name}: 1 transaction, nobody waits"),
        spread(500, |turn| drop(client.change(|pool| hold(pool, reservation(&format!("w{turn}"), &[1]))))),
    );
    for waiters in [250, 500, 1000] {
        client.change(|pool| {
            pool.waiters = (0..waiters).map(|n| waiter(&format!("w-{n:06}"), 1_000_000_000 + n)).collect()
        });
        report(
            &format!("{name}: 1 transaction, {waiters} wait"),
            spread(100, |turn| {
                client.change(|pool| {
                    pool.waiters[7].looked = Timestamp(i64::try_from(turn).unwrap());
                    hold(pool, reservation(&format!("x{turn}"), &[2]));
                });
            }),
        );
    }
    client.change(|pool| pool.waiters.clear());
    for _ in 0..20 {
        let now = system_time();
        client.change(|pool| {
            for turn in 0..10_000 {
                let id = format!("lease-{}-{turn}", now.0);
                hold(pool, reservation(&id, &[3]));
                end(pool, &id, Timestamp(now.0 + turn));
            }
        });
    }
    let begun = Instant::now();
    let lines = client.history().len();
    writeln!(std::io::stderr(), "{name}: {lines} lines of history read in {:?}", begun.elapsed()).unwrap();
}

#[test]
#[ignore = "a measurement, run by hand"]
fn sqlite() {
    measure("sqlite", &Scene::sqlite());
}

#[test]
#[ignore = "a measurement, run by hand"]
fn redis() {
    if let Some(scene) = Scene::redis() {
        measure("redis", &scene);
    }
}
