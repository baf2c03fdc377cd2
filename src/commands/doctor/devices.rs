//! Whether the caller may open the driver's device files. Pure.

use crate::output::{Area, Finding, Mend};

/// What was found out about device files.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) need: Need,
    pub(super) nodes: Vec<Node>,
}

/// Whether anything hangs on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Need {
    /// The driver answers, so that they ought to be there.
    #[default]
    DriverAnswers,
    /// It does not: where files are missing it has said why.
    DriverFails,
    /// The pool's GPUs are simulated.
    Simulated,
}

/// A file of the driver's below /dev.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) access: Access,
}

/// Whether it can be read and written.
#[derive(Debug, Clone)]
pub(super) enum Access {
    Granted,
    Denied { mode: u32, group: String },
}

const CONTROL: &str = "/dev/nvidiactl";
const MEMORY: &str = "/dev/nvidia-uvm";

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    if facts.need == Need::Simulated {
        return Vec::new();
    }
    let denied: Vec<_> = facts.nodes.iter().filter_map(denied).collect();
    if !denied.is_empty() {
        return denied;
    }
    let is_there = |path: &str| facts.nodes.iter().any(|node| node.path == path);
    match (is_there(CONTROL), is_there(MEMORY), facts.need) {
        (true, true, _) => {
            let message = format!("{} files of /dev/nvidia* can be read and written", facts.nodes.len());
            vec![Finding::ok(Area::Devices, message)]
        }
        (true, false, Need::DriverAnswers) => vec![missing(MEMORY)],
        (false, _, Need::DriverAnswers) => vec![missing(CONTROL)],
        // Asked by root, the library makes the first file even where there is no driver.
        (_, _, Need::DriverFails | Need::Simulated) => Vec::new(),
    }
}

fn missing(path: &str) -> Finding {
    let message = format!("{path} is not there: CUDA programs will find no GPU");
    let mend = Mend::run("sudo nvidia-modprobe -c 0 -u").and("in a container, pass the GPUs in (--gpus all)");
    Finding::warning(Area::Devices, message, mend)
}

/// The read and write bits of the group.
const GROUP_MAY: u32 = 0o060;

fn denied(node: &Node) -> Option<Finding> {
    let Access::Denied { mode, group } = &node.access else { return None };
    let message = format!("{} cannot be read and written: mode {mode:04o}, group {group}", node.path);
    let mend = if mode & GROUP_MAY == GROUP_MAY && group != "root" {
        Mend::run(format!("sudo usermod -aG {group} \"$USER\"")).and("then log in again")
    } else {
        Mend::run(format!("sudo chmod 0666 {}", node.path))
            .and("and the same in the driver's options (NVreg_DeviceFileMode)")
    };
    Some(Finding::problem(Area::Devices, message, Some(mend)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Level;

    fn node(path: &str, access: Access) -> Node {
        Node { path: path.to_owned(), access }
    }

    fn judged(need: Need, nodes: &[&str]) -> Vec<Level> {
        let nodes = nodes.iter().map(|path| node(path, Access::Granted)).collect();
        judge(&Facts { need, nodes }).iter().map(|one| one.level).collect()
    }

    #[test]
    fn what_is_missing_counts_only_where_the_driver_answers() {
        let all = [CONTROL, MEMORY, "/dev/nvidia0"];
        assert_eq!(judged(Need::DriverAnswers, &all), [Level::Ok]);
        assert_eq!(judged(Need::DriverFails, &all), [Level::Ok]);
        assert_eq!(judged(Need::DriverAnswers, &[]), [Level::Warning]);
        assert_eq!(judged(Need::DriverFails, &[]), []);
        assert_eq!(judged(Need::DriverFails, &[CONTROL]), []);
        assert_eq!(judged(Need::Simulated, &[]), []);
        assert_eq!(judged(Need::DriverAnswers, &[CONTROL, "/dev/nvidia0"]), [Level::Warning]);
    }

    #[test]
    fn what_is_denied_is_a_problem_and_the_group_is_the_way_in_where_it_has_the_right() {
        let mend = |mode, group: &str| {
            let denied = Access::Denied { mode, group: group.to_owned() };
            let nodes = vec![node(CONTROL, Access::Granted), node("/dev/nvidia0", denied)];
            let found = judge(&Facts { need: Need::DriverAnswers, nodes });
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].level, Level::Problem);
            found[0].mend.as_ref().unwrap().to_string()
        };
        assert_eq!(mend(0o660, "video"), "sudo usermod -aG video \"$USER\"  # then log in again");
        assert!(mend(0o660, "root").starts_with("sudo chmod 0666 /dev/nvidia0"));
        assert!(mend(0o600, "video").starts_with("sudo chmod 0666 /dev/nvidia0"));
    }
}
