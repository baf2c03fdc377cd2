//! How much of other people's processes the caller can see. Pure.

use crate::output::{Area, Finding, Mend};

/// What was found out about /proc.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) hiding: Hiding,
    pub(super) caller: Caller,
    pub(super) namespace: Namespace,
}

/// The mount option hidepid of /proc, see proc(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hiding {
    /// hidepid=0.
    Nothing,
    /// hidepid=1: everything but who owns a process.
    Contents,
    /// hidepid=2 or 4: that it exists.
    Existence,
}

/// Whether what is hidden is hidden from the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Root, or a member of the group that the mount option gid names.
    Exempt,
    Anybody,
}

/// Which processes there are to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Machine,
    Container,
}

/// What one mount of /proc hides, and the group that it is shown to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) hiding: Hiding,
    pub(super) group: Option<u32>,
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = vec![hiding(facts)];
    if facts.namespace == Namespace::Container {
        found.push(Finding::warning(
            Area::Processes,
            "this is a container: processes outside of it are not seen, only the memory that they use",
            "use chg on the machine itself, or start the container with its processes (--pid=host)",
        ));
    }
    found
}

fn hiding(facts: &Facts) -> Finding {
    match (facts.hiding, facts.caller) {
        (Hiding::Nothing, _) | (_, Caller::Exempt) => {
            Finding::ok(Area::Processes, "whose processes use a GPU can be seen")
        }
        (Hiding::Contents, Caller::Anybody) => Finding::ok(
            Area::Processes,
            "whose processes use a GPU can be seen; their commands are hidden (hidepid=1)",
        ),
        (Hiding::Existence, Caller::Anybody) => Finding::warning(
            Area::Processes,
            "whose processes use a GPU is hidden (hidepid=2)",
            Mend::run("sudo mount -o remount,hidepid=1 /proc")
                .and("or have an account in the group that its option gid names"),
        ),
    }
}

/// Reads what /proc/self/mountinfo says of /proc: the last mount there is the one that is seen. See proc(5): ten or more
/// columns, the mount point fifth, and behind a lone `-` the type, the source and the super block's options.
pub(super) fn mount(mountinfo: &str) -> Option<Mount> {
    let of_proc = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        let mut filesystem = filesystem.split(' ');
        let is_proc = point == "/proc" && filesystem.next() == Some("proc");
        is_proc.then(|| options(filesystem.nth(1).unwrap_or_default()))
    };
    mountinfo.lines().rev().find_map(of_proc)
}

fn options(text: &str) -> Mount {
    let value = |name: &str| text.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
    let hiding = match value("hidepid") {
        // By name since Linux 5.8.
        Some("1" | "noaccess") => Hiding::Contents,
        Some("2" | "4" | "invisible" | "ptraceable") => Hiding::Existence,
        _ => Hiding::Nothing,
    };
    Mount { hiding, group: value("gid").and_then(|gid| gid.parse().ok()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Level;

    #[test]
    fn the_last_proc_of_the_mounts_counts() {
        let line =
            |options: &str| format!("24 31 0:22 / /proc rw,nosuid shared:13 - proc proc rw{options}\n");
        let other = "31 1 8:1 / / rw - ext4 /dev/sda1 rw,hidepid=2\n40 31 0:9 / /jail/proc rw - proc proc rw,hidepid=2\n";
        let seen = |options: &[&str]| {
            mount(&(other.to_owned() + &options.iter().map(|text| line(text)).collect::<String>()))
        };
        let told = |hiding, group| Some(Mount { hiding, group });
        assert_eq!(seen(&[]), None);
        assert_eq!(seen(&[""]), told(Hiding::Nothing, None));
        assert_eq!(seen(&[",hidepid=noaccess"]), told(Hiding::Contents, None));
        assert_eq!(seen(&[",gid=27,hidepid=invisible"]), told(Hiding::Existence, Some(27)));
        assert_eq!(seen(&[",hidepid=2"]), told(Hiding::Existence, None));
        assert_eq!(seen(&[",hidepid=2", ",hidepid=0"]), told(Hiding::Nothing, None));
    }

    #[test]
    fn only_what_is_hidden_from_the_caller_is_warned_of() {
        let level = |hiding, caller, namespace| {
            judge(&Facts { hiding, caller, namespace }).iter().map(|one| one.level).max()
        };
        let table = [
            (Hiding::Nothing, Caller::Anybody, Namespace::Machine, Level::Ok),
            (Hiding::Contents, Caller::Anybody, Namespace::Machine, Level::Ok),
            (Hiding::Existence, Caller::Anybody, Namespace::Machine, Level::Warning),
            (Hiding::Existence, Caller::Exempt, Namespace::Machine, Level::Ok),
            (Hiding::Nothing, Caller::Exempt, Namespace::Container, Level::Warning),
        ];
        for (hiding, caller, namespace, expected) in table {
            assert_eq!(
                level(hiding, caller, namespace),
                Some(expected),
                "{hiding:?} {caller:?} {namespace:?}"
            );
        }
    }
}
