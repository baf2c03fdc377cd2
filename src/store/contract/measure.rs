//! What a transaction costs. Run by hand, optimised: `cargo test --release --lib store::contract::measure -- --ignored
//! --nocapture`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::scene::{Scene, end, hold, reservation, waiter};
use crate::model::ids::Timestamp;
use crate::store::session::system_time;

/// The median and the 99th percentile of `times` runs, and the mean of the processor's time.
fn spread(times: usize, mut run: impl FnMut(usize)) -> (Duration, Duration, Duration) {
    let busy = cpu();
    let mut spans: Vec<Duration> = (0..times)
        .map(|turn| {
            let begun = Instant::now();
            run(turn);
            begun.elapsed()
        })
        .collect();
    let busy = (cpu() - busy) / u32::try_from(times).unwrap();
    spans.sort();
    (spans[times / 2], spans[times * 99 / 100], busy)
}

/// The processor's time of this thread, which other load on the machine does not stretch.
fn cpu() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn report(what: &str, (median, p99, busy): (Duration, Duration, Duration)) {
    writeln!(std::io::stderr(), "{what}: median {median:?}, p99 {p99:?}, processor {busy:?}").unwrap();
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
    for batch in 0..20 {
        let from = system_time().0 - 3_600_000_000_000 + batch * 100_000_000_000;
        client.change(|pool| {
            for turn in 0..10_000 {
                let id = format!("lease-{batch}-{turn}");
                hold(pool, reservation(&id, &[3]));
                end(pool, &id, Timestamp(from + turn * 10_000_000));
            }
        });
    }
    let (begun, busy) = (Instant::now(), cpu());
    let lines = client.history().len();
    writeln!(
        std::io::stderr(),
        "{name}: {lines} lines of history read in {:?}, processor {:?}",
        begun.elapsed(),
        cpu() - busy
    )
    .unwrap();
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
