//! How holders, users, processes and GPUs are called, everywhere the same. Pure.

use crate::model::ids::{GpuIndex, Megabytes};
use crate::model::occupancy::{Judged, Role};
use crate::model::process::{Origin, Process, short_id};
use crate::model::reservation::Holder;

use super::escape::{Within, clip_within};

/// Columns that a name of somebody's choosing may take.
pub(super) const NAME: usize = 64;

/// How a text of somebody's choosing is taken over.
type Fit = fn(&str) -> String;

/// A name as it stands in a line.
pub(super) fn shown(text: &str) -> String {
    clip_within(Within::List, text, NAME)
}

/// Somebody who holds or asks: `alice`, `alice (label)`, `root (login alice)`, `root (login alice, label)`.
pub(crate) fn holder(holder: &Holder) -> String {
    holder_as(holder, shown)
}

/// As [`holder`], letter for letter: for JSON.
pub(crate) fn exact_holder(holder: &Holder) -> String {
    holder_as(holder, str::to_owned)
}

fn holder_as(holder: &Holder, fit: Fit) -> String {
    let other_than_account = |name: &&String| **name != holder.account;
    let login = holder.login.as_ref().filter(other_than_account).map(|login| format!("login {}", fit(login)));
    let label = holder.label.as_ref().filter(other_than_account).map(|label| fit(label));
    with_more(fit(&holder.account), &login.into_iter().chain(label).collect::<Vec<_>>())
}

fn with_more(name: String, more: &[String]) -> String {
    if more.is_empty() { name } else { format!("{name} ({})", more.join(", ")) }
}

/// Whose a process is, as far as that can be told: an account, `uid 23001`, `alice (root)` under sudo, `container
/// 1a2b3c4d5e6f` or by its name.
pub(crate) fn owner(process: &Process) -> Option<String> {
    process.owner_as(shown)
}

/// `by user bob`, `by users alice and bob`, `by users alice, bob and carol`, `by container 1a2b3c4d5e6f`, `by an
/// unknown user`.
pub(crate) fn by(names: &[String]) -> String {
    match names {
        [] => "by an unknown user".to_owned(),
        [one] if is_container(one) => format!("by {one}"),
        [one] => format!("by user {one}"),
        [first @ .., last] => format!("by users {} and {last}", first.join(", ")),
    }
}

/// The distinct owners, in order of appearance.
pub(crate) fn owners<'a>(processes: impl IntoIterator<Item = &'a Judged>) -> Vec<String> {
    owners_as(processes, shown)
}

/// As [`owners`], letter for letter: for JSON.
pub(crate) fn exact_owners<'a>(processes: impl IntoIterator<Item = &'a Judged>) -> Vec<String> {
    owners_as(processes, str::to_owned)
}

fn owners_as<'a>(processes: impl IntoIterator<Item = &'a Judged>, fit: Fit) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in processes.into_iter().filter_map(|judged| judged.process.owner_as(fit)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// `PID 12345 (python3)`, with where it came from: `PID 9 (python3, container 1a2b3c4d5e6f, orphan of ID)`.
pub(crate) fn process(judged: &Judged) -> String {
    process_with(judged, origin(&judged.process.origin))
}

fn process_with(judged: &Judged, origin: Option<String>) -> String {
    let process = &judged.process;
    let name = Some(shown(&process.name)).filter(|name| !name.is_empty());
    let orphan = match &judged.role {
        Role::Orphan { of } => Some(format!("orphan of {}", shown(of.as_str()))),
        _ => None,
    };
    let about: Vec<String> = name.into_iter().chain(origin).chain(orphan).collect();
    with_more(format!("PID {}", process.pid), &about)
}

/// Where a process came from, unless its owner says that already.
pub(super) fn further_origin(process: &Process) -> Option<String> {
    let is_told = owner(process).is_some_and(|owner| is_container(&owner));
    if is_told { None } else { origin(&process.origin) }
}

fn is_container(owner: &str) -> bool {
    owner.starts_with("container ")
}

/// Where a process came from, where that says more than its user: `container 1a2b3c4d5e6f web`, `slurm job 42`,
/// `service vllm.service`.
pub(super) fn origin(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Container { id, name, .. } => Some(match name {
            Some(name) => format!("container {} {}", shown(short_id(id)), shown(name)),
            None => format!("container {}", shown(short_id(id))),
        }),
        Origin::Job { id } => Some(format!("slurm job {}", shown(id))),
        Origin::Service { unit } => Some(format!("service {}", shown(unit))),
        Origin::Session { .. } | Origin::Unknown => None,
    }
}

/// `1024MB used by PID 12345 (python3), PID 67890 (jupyter)`; without the amount where nobody knows it.
pub(crate) fn used_by(memory: Option<Megabytes>, processes: &[&Judged]) -> String {
    let used = memory.map_or("used".to_owned(), |memory| format!("{memory} used"));
    format!("{used} by {}", self::processes(processes))
}

/// `PID 12345 (python3), PID 67890 (jupyter)`.
pub(super) fn processes(processes: &[&Judged]) -> String {
    list(processes, process)
}

/// The same where their owners are told beside it.
pub(super) fn processes_beside_owners(processes: &[&Judged]) -> String {
    list(processes, |judged| process_with(judged, further_origin(&judged.process)))
}

fn list(processes: &[&Judged], tell: impl Fn(&Judged) -> String) -> String {
    if processes.is_empty() {
        return "no process that can be seen".to_owned();
    }
    processes.iter().map(|judged| tell(judged)).collect::<Vec<_>>().join(", ")
}

/// A command as people call it: without the directories of programs, and without the interpreter of an installed script.
/// `/opt/venv/bin/python3 /opt/venv/bin/vllm serve X` is `vllm serve X`.
pub(super) fn command(words: &[String]) -> String {
    let base =
        |word: &str| word.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(word).to_owned();
    let is_interpreter = |word: &str| {
        let name = base(word);
        name.starts_with("python") || ["sh", "bash", "dash", "node", "perl", "ruby"].contains(&name.as_str())
    };
    let (program, rest) = match words {
        [] => return String::new(),
        [interpreter, script, rest @ ..] if is_interpreter(interpreter) && script.starts_with('/') => {
            (script, rest)
        }
        [program, rest @ ..] => (program, rest),
    };
    std::iter::once(base(program)).chain(rest.iter().cloned()).collect::<Vec<_>>().join(" ")
}

/// `1, 3`.
pub(crate) fn comma<'a>(gpus: impl IntoIterator<Item = &'a GpuIndex>) -> String {
    gpus.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `GPU 1, 3`.
pub(crate) fn gpus<'a>(gpus: impl IntoIterator<Item = &'a GpuIndex>) -> String {
    format!("GPU {}", comma(gpus))
}

#[cfg(test)]
mod tests;
