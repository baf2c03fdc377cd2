//! Names of containers, and the reservations that their labels name, where the engine tells us in time.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use nix::unistd::getuid;

use self::docker::Sockets;
use crate::model::ids::{LeaseId, Pid, Uid};
use crate::model::process::{Origin, Process, RESERVATION_LABEL};
use crate::sys::capture::output_within;

pub(super) mod docker;

/// An engine without a daemon of Docker's kind, and its program that answers `inspect` as Docker's does. It is asked of
/// those that the caller started: asked about others it would first set up what the caller needs for containers of
/// their own, a process that stays included.
#[derive(Debug, Clone, Copy)]
struct Engine<'a> {
    name: &'a str,
    program: &'a str,
}

const ENGINES: [Engine<'_>; 2] =
    [Engine { name: "podman", program: "podman" }, Engine { name: "containerd", program: "nerdctl" }];

/// What the engines said of the containers on the GPUs, kept while these are looked at: its label stays as long as a
/// container does, and to learn of another name takes no question every second.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<Container, Named>);

/// Ids alone would let an account that gives a group the id of somebody else's container pass for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Container {
    engine: String,
    id: String,
    host_uid: Option<Uid>,
}

/// What an engine said of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    name: String,
    reservation: Option<LeaseId>,
}

impl Names {
    /// Asks the engines for the containers of these processes that have no name yet, and for the labels of those that
    /// are `labelled`, perhaps; each engine has `at_most` to answer. One that does not (no program, no permission, no
    /// daemon) leaves its containers as they are. May start programs: for people who look, never in a transaction.
    pub(crate) fn give(
        &mut self,
        processes: &mut BTreeMap<Pid, Process>,
        labelled: &BTreeSet<Pid>,
        at_most: Duration,
    ) {
        let caller = Uid(getuid().as_raw());
        let nameless = |process: &Process| matches!(process.origin, Origin::Container { name: None, .. });
        let asked_of = processes.iter().filter(|(pid, process)| nameless(process) || labelled.contains(pid));
        let asked: BTreeSet<Container> = asked_of.filter_map(|(_, process)| Container::of(process)).collect();
        self.0.retain(|container, _| asked.contains(container));
        let unknown: Vec<&Container> =
            asked.iter().filter(|container| !self.0.contains_key(container)).collect();
        self.0.extend(docker::ask(&Sockets::of_the_environment(caller), &unknown, at_most));
        for engine in ENGINES {
            self.0.extend(engine.ask(caller, &unknown, at_most));
        }
        for process in processes.values_mut() {
            let Some(found) = Container::of(process).and_then(|container| self.0.get(&container)) else {
                continue;
            };
            process.reservation.clone_from(&found.reservation);
            if let Origin::Container { name, .. } = &mut process.origin {
                *name = Some(found.name.clone());
            }
        }
    }
}

impl Container {
    fn of(process: &Process) -> Option<Self> {
        match &process.origin {
            Origin::Container { engine, id, host_uid, .. } => {
                Some(Self { engine: engine.clone(), id: id.clone(), host_uid: *host_uid })
            }
            _ => None,
        }
    }
}

impl Engine<'_> {
    fn ask(self, caller: Uid, containers: &[&Container], at_most: Duration) -> Vec<(Container, Named)> {
        let own = |container: &&&Container| {
            container.engine == self.name && container.host_uid.unwrap_or(Uid::ROOT) == caller
        };
        let asked: Vec<&Container> = containers.iter().filter(own).copied().collect();
        if asked.is_empty() {
            return Vec::new();
        }
        let format =
            format!("{{{{.Id}}}} {{{{.Name}}}} {{{{index .Config.Labels \"{RESERVATION_LABEL}\"}}}}");
        let mut inspect = Command::new(self.program);
        inspect.args(["inspect", "--type", "container", "--format", &format]);
        inspect.args(asked.iter().map(|container| &container.id));
        // It ends with an error if one of them is gone, having told of the others.
        let answer = output_within(&mut inspect, at_most).unwrap_or_default();
        let named = parse(&String::from_utf8_lossy(&answer));
        let told = |container: &Container| Some((container.clone(), named.get(&container.id)?.clone()));
        asked.into_iter().filter_map(told).collect()
    }
}

/// Lines of id, name and perhaps a reservation, as the programs print them.
pub(super) fn parse(answer: &str) -> BTreeMap<String, Named> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (id, name) = (words.next()?, words.next()?);
        let label = words.next().filter(|label| *label != "<no");
        Some((id.to_owned(), Named::new(name, label)))
    };
    answer.lines().filter_map(line).collect()
}

impl Named {
    /// Docker, and who does as Docker does, puts a slash before names.
    fn new(name: &str, label: Option<&str>) -> Self {
        Self { name: name.trim_start_matches('/').to_owned(), reservation: label.map(LeaseId::from) }
    }
}

#[cfg(test)]
mod tests;
