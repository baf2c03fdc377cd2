//! What happens to a Redis server: killed, started again, with and without its data.

use std::time::{Duration, Instant};

use bench::Result;

use crate::random::Random;
use crate::world::{World, locked};

/// Kills the server now and then until the schedule is over; it runs when this returns.
pub(crate) fn rage(world: &World, mut random: Random, until: Instant) {
    while !world.is_stopped() {
        let calm = Duration::from_millis(random.between(2_000, 7_000));
        if Instant::now() + calm > until {
            return;
        }
        std::thread::sleep(calm);
        if let Err(error) = strike(world, &mut random) {
            world.wrong(&format!("the server cannot be started again: {error}"));
        }
    }
}

fn strike(world: &World, random: &mut Random) -> Result<()> {
    let loses_data = random.happens(40);
    let away = Duration::from_millis(random.between(0, 1_500));
    let _no_manual_reservation = loses_data.then(|| world.data.write());
    world.store_goes();
    world.note(&format!(
        "Redis is killed, for {away:?}{}",
        if loses_data { ", and loses its data" } else { "" }
    ));
    locked(&world.host).kill_redis()?;
    std::thread::sleep(away);
    let mut host = locked(&world.host);
    if loses_data {
        host.forget_redis_data()?;
    }
    host.start_redis()?;
    world.store_is_back();
    world.note("Redis is back");
    Ok(())
}
