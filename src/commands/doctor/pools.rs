//! Whether this machine has another pool, whose users would not see ours. Pure.

use std::path::{Path, PathBuf};

use super::records::sitter;
use super::word;
use crate::config::Origin;
use crate::model::ids::GpuIndex;
use crate::model::seen::Seat;
use crate::output::{Area, Finding, Mend};
use crate::store::{GO_REDIS_URL, RedisUrl, Server, StoreUrl};

/// What was found out about other pools.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The store in use, if one could be chosen.
    pub(super) chosen: Option<StoreUrl>,
    /// Who named it, if anybody did.
    pub(super) origin: Option<Origin>,
    /// The machine's own stores that are there, the one that goes first before the other.
    pub(super) machines: Vec<PathBuf>,
    /// A pool of the Go program in this host's Redis: its size, as the record says it.
    pub(super) go_pool: Option<String>,
    /// A configuration of the Go program in the user's home.
    pub(super) go_config: Option<PathBuf>,
    /// Who sits on GPUs that the store in use has not given to anybody.
    pub(super) seats: Vec<(GpuIndex, Seat)>,
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(chosen) = &facts.chosen else { return Vec::new() };
    let mut found: Vec<_> = facts
        .machines
        .iter()
        .filter(|directory| *chosen != StoreUrl::Sqlite((*directory).clone()))
        .map(|directory| another(directory, facts))
        .collect();
    if let Some(gpus) = &facts.go_pool
        && !may_be_local_redis(chosen)
    {
        let message = format!(
            "the Redis on this host has a canhazgpu pool of {gpus} GPUs, whose users do not see this one"
        );
        let mend = format!(
            "let everybody use one: store = \"{GO_REDIS_URL}\" in /etc/canhazgpu/config.toml, or no Go program"
        );
        found.push(Finding::warning(Area::Pools, message, mend));
    }
    if let Some(path) = &facts.go_config {
        let message = format!("{} configures the Go canhazgpu and is not read", path.display());
        let mend = Mend::run(format!("rm {}", word(path)))
            .and("when nobody needs it; 'man canhazgpu-config' shows where settings go");
        found.push(Finding::warning(Area::Pools, message, mend));
    }
    found.extend(facts.seats.iter().map(|(gpu, seat)| {
        let message = format!("{} runs on GPU {gpu} by another store than this one", sitter(seat));
        let mend = "let everybody use one store: name it in /etc/canhazgpu/config.toml";
        Finding::problem(Area::Pools, message, Some(mend))
    }));
    if found.is_empty() {
        found.push(Finding::ok(Area::Pools, "no other pool on this machine"));
    }
    found
}

fn another(directory: &Path, facts: &Facts) -> Finding {
    let shown = directory.display();
    match &facts.origin {
        None => Finding::warning(
            Area::Pools,
            format!("{shown} is a pool of this machine too, which nobody uses any more"),
            Mend::run(format!("rm -r {}", word(directory))).and("when its reservations have ended"),
        ),
        Some(origin) => Finding::warning(
            Area::Pools,
            format!(
                "{shown} is this machine's pool, and another one is used: who uses one does not see the other"
            ),
            undo(origin),
        ),
    }
}

/// What lets go of the store that was named.
fn undo(origin: &Origin) -> Mend {
    match origin {
        Origin::Flag => Mend::from("leave --store out"),
        Origin::Environment(name) => Mend::run(format!("unset {name}")),
        file @ (Origin::File { .. } | Origin::Default) => Mend::from(format!("take it out of {file}")),
    }
}

/// A socket, or another name of this host, may lead to the same server.
fn may_be_local_redis(chosen: &StoreUrl) -> bool {
    match chosen {
        StoreUrl::Sqlite(_) => false,
        StoreUrl::Redis(RedisUrl { server, database: 0, .. }) => match server {
            Server::Unix(_) => true,
            Server::Tcp { host, port } | Server::Tls { host, port } => {
                *port == 6379 && ["localhost", "127.0.0.1", "::1"].contains(&host.as_str())
            }
        },
        StoreUrl::Redis(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{Pid, Uid};
    use crate::output::Level;

    fn facts(chosen: &str, origin: Option<Origin>) -> Facts {
        Facts { chosen: Some(StoreUrl::parse(chosen).unwrap()), origin, ..Facts::default() }
    }

    fn mends(facts: &Facts) -> Vec<String> {
        judge(facts).into_iter().filter_map(|one| one.mend).map(|mend| mend.to_string()).collect()
    }

    #[test]
    fn one_pool_is_well_whichever_it_is() {
        let machine = Facts { machines: vec!["/var/lib/c".into()], ..facts("sqlite:/var/lib/c", None) };
        let remote = facts("redis://db:6379/0", Some(Origin::Flag));
        for facts in [machine, remote] {
            assert_eq!(judge(&facts).iter().map(|one| one.level).collect::<Vec<_>>(), [Level::Ok]);
        }
    }

    #[test]
    fn a_store_beside_the_machines_is_warned_of_by_what_named_it() {
        let beside = |origin| {
            mends(&Facts { machines: vec!["/var/lib/c".into()], ..facts("sqlite:/home/a/pool", origin) })
        };
        assert_eq!(beside(Some(Origin::Environment("CANHAZGPU_STORE".into()))), ["unset CANHAZGPU_STORE"]);
        assert_eq!(beside(Some(Origin::Flag)), ["leave --store out"]);
        let file = Origin::File { path: "/home/a/c.toml".into(), line: 3 };
        assert_eq!(beside(Some(file)), ["take it out of /home/a/c.toml, line 3"]);
    }

    #[test]
    fn a_run_of_another_store_is_a_problem() {
        let seat = Seat::Taken { uid: Uid(1002), pid: Pid(77), account: Some("bob".into()) };
        let facts = Facts { seats: vec![(GpuIndex(3), seat)], ..facts("sqlite:/x", None) };
        let found = judge(&facts);
        assert_eq!(found[0].level, Level::Problem);
        assert_eq!(found[0].message, "bob (PID 77) runs on GPU 3 by another store than this one");
    }

    #[test]
    fn two_stores_of_the_machine_are_one_too_many() {
        let machines = vec!["/var/lib/c".into(), "/var/tmp/c".into()];
        let both = Facts { machines, ..facts("sqlite:/var/lib/c", None) };
        assert_eq!(mends(&both), ["rm -r /var/tmp/c  # when its reservations have ended"]);
    }

    #[test]
    fn the_go_programs_pool_counts_unless_it_may_be_the_one_in_use() {
        let table = [
            ("sqlite:/var/lib/c", 1),
            ("redis://localhost:6379/0", 0),
            ("redis://127.0.0.1:6379/0", 0),
            ("redis+unix:///run/redis.sock", 0),
            ("redis://localhost:6379/3", 1),
            ("redis://db:6379/0", 1),
        ];
        for (chosen, expected) in table {
            let facts = Facts { go_pool: Some("8".into()), ..facts(chosen, Some(Origin::Flag)) };
            assert_eq!(mends(&facts).len(), expected, "{chosen}");
        }
        let configured =
            Facts { go_config: Some("/home/a/.canhazgpu.yaml".into()), ..facts("sqlite:/x", None) };
        assert_eq!(mends(&configured).len(), 1);
    }
}
