//! Where a process came from, by the names of its cgroups: a container, a batch job, a service, a login session. Only
//! root and the managers it runs give these names, so unlike a command line they can be believed. Pure.

use crate::model::ids::Uid;
use crate::model::process::Origin;

/// What the text of /proc/PID/cgroup tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// Whose user slice encloses it, or whose batch job it is in.
    pub(super) user: Option<Uid>,
    /// Where nothing else is told: the last of two names or more that are none of systemd's.
    pub(super) name: Option<String>,
}

impl Default for Place {
    fn default() -> Self {
        Self { origin: Origin::Unknown, user: None, name: None }
    }
}

impl Place {
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        // ID:CONTROLLERS:PATH. Version 1 has a line for each hierarchy; systemd's own and version 2's are the ones
        // that follow its units, the others may say nothing.
        let mut lines: Vec<(&str, &str)> = text.lines().filter_map(controllers_and_path).collect();
        lines.sort_by_key(|(controllers, _)| !matches!(*controllers, "" | "name=systemd"));
        let places: Vec<Self> = lines.iter().map(|(_, path)| Self::of(path)).collect();
        // What holds more tells more: a container may be part of a job, and both of a service.
        let rank = |place: &Self| match place.origin {
            Origin::Container { .. } => 0,
            Origin::Job { .. } => 1,
            Origin::Service { .. } | Origin::Session { .. } => 2,
            Origin::Unknown if place.name.is_some() => 3,
            Origin::Unknown => 4,
        };
        places.into_iter().min_by_key(rank).unwrap_or_default()
    }

    fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_end_matches(" (deleted)").split('/').collect();
        // The outermost container is the one that this host's engine knows.
        let container =
            (0..parts.len()).find_map(|at| container(&parts[..at], parts[at]).map(|found| (at, found)));
        if let Some((at, (engine, id))) = container {
            let user = user_in(&parts[..at]);
            let (engine, id) = (engine.to_owned(), id.to_owned());
            let origin = Origin::Container { engine, id, name: None, host_uid: user };
            return Self { origin, user, name: None };
        }
        if let Some((user, id)) = slurm_job(&parts) {
            return Self { origin: Origin::Job { id: id.to_owned() }, user, name: None };
        }
        let user = user_in(&parts);
        let origin = match user {
            Some(uid) => of_user(uid, &parts),
            None => of_system(&parts),
        };
        let name = if origin == Origin::Unknown { name(&parts) } else { None };
        Self { origin, user, name }
    }
}

fn controllers_and_path(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    rest.split_once(':')
}

/// The engine and the id, if `part` names a container within the cgroups `above` it.
fn container<'a>(above: &[&str], part: &'a str) -> Option<(&'static str, &'a str)> {
    const BY_PREFIX: [(&str, &str); 7] = [
        ("docker-", "docker"),
        ("libpod-payload-", "podman"),
        ("libpod-", "podman"),
        ("cri-containerd-", "kubernetes"),
        ("crio-", "kubernetes"),
        ("nerdctl-", "containerd"),
        ("lxc.payload.", "lxc"),
    ];
    let name = part.strip_suffix(".scope").unwrap_or(part);
    for (prefix, engine) in BY_PREFIX {
        if let Some(id) = name.strip_prefix(prefix).filter(|id| engine == "lxc" || is_id(id)) {
            return Some((engine, id));
        }
    }
    // containerd without systemd's help: kubepods-….slice:cri-containerd:ID.
    if let Some((_, id)) = name.rsplit_once(":cri-containerd:").filter(|(_, id)| is_id(id)) {
        return Some(("kubernetes", id));
    }
    if above.last() == Some(&"lxc") && !part.is_empty() {
        return Some(("lxc", part));
    }
    if let Some(id) = nspawn(above, part) {
        return Some(("nspawn", id));
    }
    if is_id(part) {
        let within = |word: &str| above.iter().any(|part| part.starts_with(word));
        return match (within("kubepods"), within("docker")) {
            (true, _) => Some(("kubernetes", part)),
            (false, true) => Some(("docker", part)),
            (false, false) => Some(("container", part)),
        };
    }
    None
}

/// What systemd-nspawn calls a container: a service of its own, or a scope that it asked systemd for. The scopes of
/// virtual machines stand beside them.
fn nspawn<'a>(above: &[&str], part: &'a str) -> Option<&'a str> {
    if above.last() != Some(&"machine.slice") {
        return None;
    }
    let service = part.strip_prefix("systemd-nspawn@").and_then(|rest| rest.strip_suffix(".service"));
    let scope = || part.strip_prefix("machine-")?.strip_suffix(".scope").filter(|id| !id.starts_with("qemu"));
    service.or_else(scope)
}

/// The job of a step of Slurm, with its user where the path names one: `NODE_slurmstepd.scope/job_42/step_0` in
/// version 2, `slurm_NODE/uid_1000/job_42/step_0` in version 1, without the node where a machine is but one.
fn slurm_job<'a>(parts: &[&'a str]) -> Option<(Option<Uid>, &'a str)> {
    let (at, id) = parts.iter().enumerate().find_map(|(at, part)| Some((at, part.strip_prefix("job_")?)))?;
    let above = |steps: usize| at.checked_sub(steps).map_or("", |at| parts[at]);
    let user = above(1).strip_prefix("uid_").and_then(|uid| uid.parse().ok()).map(Uid);
    let is_slurms = match user {
        Some(_) => above(2) == "slurm" || above(2).starts_with("slurm_"),
        None => above(1) == "slurmstepd.scope" || above(1).ends_with("_slurmstepd.scope"),
    };
    is_slurms.then_some((user, id))
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The user of the slice `user-UID.slice`.
fn user_in(parts: &[&str]) -> Option<Uid> {
    let number = |part: &&str| part.strip_prefix("user-")?.strip_suffix(".slice")?.parse().ok();
    parts.iter().find_map(number).map(Uid)
}

fn of_user(uid: Uid, parts: &[&str]) -> Origin {
    let session = |part: &&str| part.strip_prefix("session-")?.strip_suffix(".scope").map(str::to_owned);
    if let Some(id) = parts.iter().find_map(session) {
        return Origin::Session { uid, id };
    }
    let manager = format!("user@{uid}.service");
    let of_manager = parts.iter().rev().copied().take_while(|part| *part != manager);
    let units: Vec<&str> = of_manager.collect();
    if let Some(unit) = units.iter().find(|part| part.ends_with(".service")) {
        return Origin::Service { unit: (*unit).to_owned() };
    }
    let scope = units.iter().find_map(|part| part.strip_suffix(".scope"));
    Origin::Session { uid, id: scope.unwrap_or("user").to_owned() }
}

fn of_system(parts: &[&str]) -> Origin {
    let is_unit =
        |part: &&&str| part.ends_with(".service") || part.ends_with(".scope") && **part != "init.scope";
    let unit = parts.iter().rev().find(is_unit);
    unit.map_or(Origin::Unknown, |unit| Origin::Service { unit: (*unit).to_owned() })
}

fn name(parts: &[&str]) -> Option<String> {
    let is_name = |part: &&&str| !matches!(**part, "" | "..");
    let is_systemds = |part: &&str| [".slice", ".scope", ".service"].iter().any(|kind| part.ends_with(kind));
    let several = parts.iter().filter(is_name).count() > 1 && !parts.iter().any(is_systemds);
    several.then(|| parts.last().map(|part| (*part).to_owned())).flatten()
}

#[cfg(test)]
mod tests;
