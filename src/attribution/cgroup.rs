//! Where a process came from, by the names of its cgroups: a container, a service, a login session. Only root and
//! the managers it runs give these names, so unlike a command line they can be believed. Pure.

use crate::model::ids::Uid;
use crate::model::process::Origin;

/// What the text of /proc/PID/cgroup tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// Whose user slice encloses it.
    pub(super) user: Option<Uid>,
}

impl Default for Place {
    fn default() -> Self {
        Self { origin: Origin::Unknown, user: None }
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
        let is_container = |place: &&Self| matches!(place.origin, Origin::Container { .. });
        let tells = |place: &&Self| place.origin != Origin::Unknown;
        let best = places.iter().find(is_container).or_else(|| places.iter().find(tells));
        best.cloned().unwrap_or_default()
    }

    fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_end_matches(" (deleted)").split('/').collect();
        // The outermost container is the one that this host's engine knows.
        let container =
            (0..parts.len()).find_map(|at| container(&parts[..at], parts[at]).map(|found| (at, found)));
        if let Some((at, (engine, id))) = container {
            let user = user_in(&parts[..at]);
            let (engine, id) = (engine.to_owned(), id.to_owned());
            return Self { origin: Origin::Container { engine, id, name: None, host_uid: user }, user };
        }
        let user = user_in(&parts);
        let origin = match user {
            Some(uid) => of_user(uid, &parts),
            None => of_system(&parts),
        };
        Self { origin, user }
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

#[cfg(test)]
mod tests;
