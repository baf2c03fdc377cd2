//! What stands in the way of a grant, in words. Pure.

use std::time::Duration;

use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::reservation::Kind;
use crate::model::verb::{Blocker, User, Why};

use super::clock::brief;
use super::escape::clip;
use super::people;

/// Whether the words say for how long. A message that is repeated on change leaves it out: time alone is no change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ages {
    At(Timestamp),
    Omitted,
}

/// GPUs that the same reason blocks, for the same holder.
struct Group<'a> {
    gpus: Vec<GpuIndex>,
    blockers: Vec<&'a Blocker>,
    /// Without ages, so that two runs of one holder are one group.
    reason: String,
}

fn groups(blockers: &[Blocker]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for blocker in blockers {
        let reason = reason(&[blocker], Ages::Omitted);
        match groups.iter_mut().find(|group| group.reason == reason) {
            Some(group) => {
                group.gpus.push(blocker.gpu);
                group.blockers.push(blocker);
            }
            None => groups.push(Group { gpus: vec![blocker.gpu], blockers: vec![blocker], reason }),
        }
    }
    groups
}

/// `2 reserved by alice (run, 3h 2m), 1 in use without reservation by bob`.
pub(super) fn counted(blockers: &[Blocker], ages: Ages) -> String {
    let say = |group: Group<'_>| format!("{} {}", group.gpus.len(), reason(&group.blockers, ages));
    groups(blockers).into_iter().map(say).collect::<Vec<_>>().join(", ")
}

/// `GPU 0, 1 reserved by alice (run, 3h 2m); GPU 3 in use without reservation by bob`.
pub(super) fn listed(blockers: &[Blocker], ages: Ages) -> String {
    let say = |group: Group<'_>| format!("{} {}", people::gpus(&group.gpus), reason(&group.blockers, ages));
    groups(blockers).into_iter().map(say).collect::<Vec<_>>().join("; ")
}

/// A sentence about one GPU that was asked for by its id, with the processes that show its use.
pub(super) fn sentence(blocker: &Blocker, now: Timestamp) -> String {
    let gpu = blocker.gpu;
    match &blocker.why {
        Why::Used { by } => format!("GPU {gpu} is in use without reservation{}", users_with_processes(by)),
        Why::Unknown(why) => format!("GPU {gpu} is not known to be free: {}", clip(&why.to_string(), 120)),
        Why::Damaged => format!("the record of GPU {gpu} is damaged"),
        _ => format!("GPU {gpu} is {}", reason(&[blocker], Ages::At(now))),
    }
}

/// Why GPUs of one group are blocked; ages are those of the oldest run and of the first expiry.
fn reason(group: &[&Blocker], ages: Ages) -> String {
    let Some(first) = group.first() else { return String::new() };
    match &first.why {
        Why::Reserved { by, kind, .. } => {
            format!("reserved by {} ({}{})", people::holder(by), kind.as_str(), age(group, *kind, ages))
        }
        Why::Used { by } => format!("in use without reservation{}", users(by)),
        Why::Draining => "still giving memory back".to_owned(),
        Why::SetAside { for_holder } => {
            format!("set aside for {} (ahead in line)", people::holder(for_holder))
        }
        Why::Unknown(why) => format!("unknown ({})", clip(&why.to_string(), 120)),
        Why::Seat { by } => {
            let holder = by.as_ref().map_or("somebody".to_owned(), |name| clip(name, people::NAME));
            format!("held by {holder} without a record")
        }
        Why::Damaged => "with a damaged record".to_owned(),
    }
}

fn age(group: &[&Blocker], kind: Kind, ages: Ages) -> String {
    let Ages::At(now) = ages else { return String::new() };
    let expiries = group.iter().filter_map(|blocker| match blocker.why {
        Why::Reserved { expiry, .. } => expiry,
        _ => None,
    });
    match (kind, expiries.min()) {
        (Kind::Manual, Some(expiry)) => format!(", {} left", brief(expiry.since(now))),
        _ => group
            .iter()
            .filter_map(|blocker| held_for(blocker, now))
            .max()
            .map_or(String::new(), |held| format!(", {}", brief(held))),
    }
}

fn held_for(blocker: &Blocker, now: Timestamp) -> Option<Duration> {
    match blocker.why {
        Why::Reserved { since, .. } => Some(now.since(since)),
        _ => None,
    }
}

fn users(users: &[User]) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in users.iter().filter_map(|user| user.name.as_ref()).map(|name| clip(name, people::NAME)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" by {one}"),
        [first @ .., last] => format!(" by {} and {last}", first.join(", ")),
    }
}

fn users_with_processes(users: &[User]) -> String {
    let each = users.iter().map(|user| {
        let name = user.name.as_ref().map_or("an unknown user".to_owned(), |name| clip(name, people::NAME));
        let process = people::shown(&user.process);
        let process = if process.is_empty() { process } else { format!(", {process}") };
        format!("{name} (PID {}{process})", user.pid)
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { String::new() } else { format!(" by {}", each.join(" and ")) }
}

#[cfg(test)]
pub(super) mod tests;
