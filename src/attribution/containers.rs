//! Names of containers, and the reservations that their labels name, where the engine tells us in time.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use crate::model::ids::{LeaseId, Pid};
use crate::model::process::{Origin, Process, RESERVATION_LABEL};
use crate::sys::capture::output_within;

/// Engines whose program answers `inspect`.
const ENGINES: [&str; 2] = ["docker", "podman"];

/// Asks the engines for the containers of these processes; each has `at_most` to answer. An engine that does not
/// (no program, no permission, no daemon) leaves its containers without a name. Starts programs: for people who
/// look, never in a transaction.
pub(crate) fn name_containers(processes: &mut BTreeMap<Pid, Process>, at_most: Duration) {
    for engine in ENGINES {
        ask(engine, engine, processes, at_most);
    }
}

/// What an engine said of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    name: String,
    reservation: Option<LeaseId>,
}

fn ask(engine: &str, program: &str, processes: &mut BTreeMap<Pid, Process>, at_most: Duration) {
    let ids: BTreeSet<&str> = processes.values().filter_map(|process| id_in(engine, process)).collect();
    if ids.is_empty() {
        return;
    }
    let format = format!("{{{{.Id}}}} {{{{.Name}}}} {{{{index .Config.Labels \"{RESERVATION_LABEL}\"}}}}");
    let mut inspect = Command::new(program);
    inspect.args(["inspect", "--type", "container", "--format", &format]).args(ids);
    // It ends with an error if one of them is gone, having told of the others.
    let Some(answer) = output_within(&mut inspect, at_most) else {
        return;
    };
    let named = parse(&String::from_utf8_lossy(&answer));
    for process in processes.values_mut() {
        let Some(found) = id_in(engine, process).and_then(|id| named.get(id)).cloned() else {
            continue;
        };
        process.reservation = found.reservation;
        if let Origin::Container { name, .. } = &mut process.origin {
            *name = Some(found.name);
        }
    }
}

fn id_in<'a>(wanted: &str, process: &'a Process) -> Option<&'a str> {
    match &process.origin {
        Origin::Container { engine, id, .. } if engine == wanted => Some(id),
        _ => None,
    }
}

/// Lines of id, name and perhaps a reservation; Docker puts a slash before names.
fn parse(answer: &str) -> BTreeMap<String, Named> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (id, name) = (words.next()?, words.next()?);
        let name = name.trim_start_matches('/').to_owned();
        let label = words.next().filter(|label| *label != "<no");
        Some((id.to_owned(), Named { name, reservation: label.map(LeaseId::from) }))
    };
    answer.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests;
