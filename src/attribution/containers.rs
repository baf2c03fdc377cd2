//! Names of containers, and the reservations that their labels name, where the engine tells us in time.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use nix::unistd::getuid;

use crate::model::ids::{LeaseId, Pid, Uid};
use crate::model::process::{Origin, Process, RESERVATION_LABEL};
use crate::sys::capture::output_within;

/// An engine, and its program that answers `inspect` as Docker's does.
#[derive(Debug, Clone, Copy)]
struct Engine<'a> {
    name: &'a str,
    program: &'a str,
    knows: Knows,
}

/// Whose containers an engine's program can tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knows {
    /// A daemon's: everybody's whom it lets in.
    All,
    /// Without a daemon, of those that the caller started. Asked about others it would first set up what the caller
    /// needs for containers of their own, a process that stays included.
    Own,
}

const ENGINES: [Engine<'_>; 3] = [
    Engine { name: "docker", program: "docker", knows: Knows::All },
    Engine { name: "podman", program: "podman", knows: Knows::Own },
    Engine { name: "containerd", program: "nerdctl", knows: Knows::Own },
];

/// Asks the engines for the containers of these processes that have no name yet, and for the labels of those that are
/// `labelled`, perhaps; each engine has `at_most` to answer. One that does not (no program, no permission, no daemon)
/// leaves its containers as they are. Starts programs: for people who look, never in a transaction.
pub(crate) fn name_containers(
    processes: &mut BTreeMap<Pid, Process>,
    labelled: &BTreeSet<Pid>,
    at_most: Duration,
) {
    let caller = Uid(getuid().as_raw());
    let nameless = |process: &Process| matches!(process.origin, Origin::Container { name: None, .. });
    let mut asked: BTreeMap<Pid, Process> = BTreeMap::new();
    for (pid, process) in
        processes.iter().filter(|(pid, process)| nameless(process) || labelled.contains(pid))
    {
        asked.insert(*pid, process.clone());
    }
    for engine in ENGINES {
        ask(engine, caller, &mut asked, at_most);
    }
    processes.append(&mut asked);
}

/// What an engine said of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    name: String,
    reservation: Option<LeaseId>,
}

fn ask(engine: Engine<'_>, caller: Uid, processes: &mut BTreeMap<Pid, Process>, at_most: Duration) {
    let ids: BTreeSet<&str> =
        processes.values().filter_map(|process| engine.id_in(process, caller)).collect();
    if ids.is_empty() {
        return;
    }
    let format = format!("{{{{.Id}}}} {{{{.Name}}}} {{{{index .Config.Labels \"{RESERVATION_LABEL}\"}}}}");
    let mut inspect = Command::new(engine.program);
    inspect.args(["inspect", "--type", "container", "--format", &format]).args(ids);
    // It ends with an error if one of them is gone, having told of the others.
    let Some(answer) = output_within(&mut inspect, at_most) else {
        return;
    };
    let named = parse(&String::from_utf8_lossy(&answer));
    for process in processes.values_mut() {
        let Some(found) = engine.id_in(process, caller).and_then(|id| named.get(id)).cloned() else {
            continue;
        };
        process.reservation = found.reservation;
        if let Origin::Container { name, .. } = &mut process.origin {
            *name = Some(found.name);
        }
    }
}

impl Engine<'_> {
    /// The id of the process's container, if this engine may tell `caller` of it.
    fn id_in<'a>(&self, process: &'a Process, caller: Uid) -> Option<&'a str> {
        match &process.origin {
            Origin::Container { engine, id, host_uid, .. } if engine == self.name => {
                let started_by = host_uid.unwrap_or(Uid::ROOT);
                (self.knows == Knows::All || started_by == caller).then_some(id)
            }
            _ => None,
        }
    }
}

/// Lines of id, name and perhaps a reservation; Docker puts a slash before names.
pub(super) fn parse(answer: &str) -> BTreeMap<String, Named> {
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
