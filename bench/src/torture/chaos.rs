//! What happens to a Redis server: killed and started again, with and without its data; stopped for a while; out of
//! memory; a replica that takes no writes; behind another password.

use std::time::Duration;

use bench::Result;
use bench::process::signal;
use bench::resp::Client;

use crate::random::Random;
use crate::world::{World, locked};

/// Does one of these. The server runs when this returns.
pub(crate) fn strike(world: &World, random: &mut Random) -> Result<()> {
    let span = Duration::from_millis(random.between(0, 1_500));
    match random.between(0, 10) {
        0..3 => crash(world, span, Data::Kept),
        3..6 => crash(world, span, Data::Lost),
        6 => {
            let pid = locked(&world.host).redis_pid().ok_or("no server")?;
            during(world, "is stopped", span, send(pid, libc::SIGSTOP), send(pid, libc::SIGCONT))
        }
        7 => {
            let limit = |bytes| move || ask(world, &["CONFIG", "SET", "maxmemory", bytes]);
            during(world, "has no memory left", span, limit("1"), limit("0"))
        }
        8 => {
            let replicas = |count| move || ask(world, &["CONFIG", "SET", "min-replicas-to-write", count]);
            during(world, "takes no writes", span, replicas("1"), replicas("0"))
        }
        _ => during(
            world,
            "wants a password",
            span,
            || ask(world, &["ACL", "SETUSER", "default", "resetpass", ">other"]),
            || {
                let mut client = Client::connect(&locked(&world.host).socket())?;
                client.ask(&["AUTH", "other"])?;
                client.ask(&["ACL", "SETUSER", "default", "nopass"])?;
                Ok(())
            },
        ),
    }
}

fn send(pid: i32, what: i32) -> impl FnOnce() -> Result<()> {
    move || {
        signal(pid, what);
        Ok(())
    }
}

fn ask(world: &World, words: &[&str]) -> Result<()> {
    let socket = locked(&world.host).socket();
    Client::connect(&socket)?.ask(words)?;
    Ok(())
}

fn during(
    world: &World,
    what: &str,
    span: Duration,
    begin: impl FnOnce() -> Result<()>,
    end: impl FnOnce() -> Result<()>,
) -> Result<()> {
    world.store_goes(false);
    world.note(&format!("Redis {what}, for {span:?}"));
    begin()?;
    std::thread::sleep(span);
    end()?;
    world.store_is_back();
    world.note("Redis is well again");
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    Kept,
    Lost,
}

/// Kills the server, and starts it again after this time.
pub(crate) fn crash(world: &World, span: Duration, data: Data) -> Result<()> {
    let _no_manual_reservation = (data == Data::Lost).then(|| world.data.write());
    world.store_goes(data == Data::Lost);
    world.note(&format!("Redis is killed, for {span:?}; its data: {data:?}"));
    locked(&world.host).kill_redis()?;
    std::thread::sleep(span);
    let mut host = locked(&world.host);
    if data == Data::Lost {
        host.forget_redis_data()?;
    }
    host.start_redis()?;
    world.store_is_back();
    world.note("Redis is back");
    Ok(())
}
