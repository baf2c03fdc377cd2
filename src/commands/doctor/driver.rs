//! Whether the driver and every GPU answer, and are kept as they should be. Pure.

use std::time::Duration;

use crate::gpu::{Persistence, Upkeep};
use crate::model::gpu_list;
use crate::model::ids::GpuIndex;
use crate::model::seen::{GpuSeen, Reading, Unknown};
use crate::output::{Area, Finding};

/// What was found out about the driver.
#[derive(Debug)]
pub(super) enum Facts {
    /// The pool's GPUs are simulated.
    NotNeeded,
    Failed {
        message: String,
        hint: Option<String>,
    },
    Answers(Answers),
}

/// A driver that answers.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) gpus: Vec<GpuSeen>,
    pub(super) upkeep: Upkeep,
    /// How long all GPUs took together.
    pub(super) took: Duration,
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    match facts {
        Facts::NotNeeded => vec![Finding::ok(Area::Driver, "not needed: the pool's GPUs are simulated")],
        Facts::Failed { message, hint } => {
            vec![Finding::problem(Area::Driver, message.clone(), hint.clone())]
        }
        Facts::Answers(answers) => {
            let mut found: Vec<_> = answers.gpus.iter().filter_map(silent).collect();
            found.insert(0, Finding::ok(Area::Driver, greeting(answers)));
            found.extend(persistence(answers));
            found
        }
    }
}

fn greeting(answers: &Answers) -> String {
    let version = answers.upkeep.driver.as_deref().unwrap_or("of an unknown version");
    let gpus = match answers.gpus.len() {
        1 => "1 GPU".to_owned(),
        more => format!("{more} GPUs"),
    };
    format!("version {version} with {gpus}, asked in {} ms", answers.took.as_millis())
}

fn silent(gpu: &GpuSeen) -> Option<Finding> {
    let message = |why: &Unknown| format!("GPU {}: {why}", gpu.device.index);
    match &gpu.reading {
        Reading::Measured(_) => None,
        Reading::Sliced(_) => Some(Finding::warning(
            Area::Driver,
            message(&Unknown::Mig),
            "leave it out with 'chg admin --gpu-ids', or end MIG mode",
        )),
        Reading::Unknown(why) => {
            Some(Finding::problem(Area::Driver, message(why), Some(mend(why).to_owned())))
        }
    }
}

const fn mend(why: &Unknown) -> &'static str {
    match why {
        Unknown::NoAnswer { .. } => {
            "'dmesg | grep -i xid' may tell why; it often takes a restart of the machine"
        }
        Unknown::Lost => "it fell off the bus: 'dmesg | grep -i xid' tells more; restart the machine",
        Unknown::NoPermission => "in a container, pass the GPU in; else see the devices below",
        Unknown::Missing => "'nvidia-smi -L' lists what the driver sees; it may have been taken out",
        Unknown::Mig | Unknown::Error { .. } => "'nvidia-smi -q' and 'dmesg | grep NVRM' may tell more",
    }
}

fn persistence(answers: &Answers) -> Option<Finding> {
    let modes = &answers.upkeep.persistence;
    let off: Vec<GpuIndex> =
        modes.iter().filter(|(_, mode)| **mode == Persistence::Off).map(|(gpu, _)| *gpu).collect();
    match (off.is_empty(), modes.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Finding::ok(Area::Driver, "persistence mode is on")),
        (false, _) => {
            let gpus = gpu_list::spaced(&off);
            let message = format!(
                "persistence mode is off on GPU {gpus}: while nobody uses them, each look takes seconds"
            );
            let mend = "sudo systemctl enable --now nvidia-persistenced, or sudo nvidia-smi -pm 1";
            Some(Finding::warning(Area::Driver, message, mend))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::Device;
    use crate::model::ids::{GpuUuid, Megabytes};
    use crate::model::seen::Measured;
    use crate::output::Level;

    fn gpu(index: u32, reading: Reading) -> GpuSeen {
        let (uuid, name) = (GpuUuid(format!("GPU-{index}")), Some("H100".to_owned()));
        GpuSeen {
            device: Device { uuid, index: GpuIndex(index), name, memory: Some(Megabytes(80_000)) },
            reading,
        }
    }

    fn idle(index: u32) -> GpuSeen {
        let measured = Measured {
            used: Megabytes(0),
            total: Megabytes(80_000),
            utilization: None,
            processes: Vec::new(),
        };
        gpu(index, Reading::Measured(measured))
    }

    fn judged(gpus: Vec<GpuSeen>, persistence: &[(u32, Persistence)]) -> Vec<Finding> {
        let persistence = persistence.iter().map(|(gpu, mode)| (GpuIndex(*gpu), *mode)).collect();
        let upkeep = Upkeep { driver: Some("580.82.07".into()), persistence };
        judge(&Facts::Answers(Answers { gpus, upkeep, took: Duration::from_millis(12) }))
    }

    #[test]
    fn a_driver_that_answers_says_its_version_and_how_long_it_took() {
        let found = judged(vec![idle(0), idle(1)], &[]);
        assert_eq!(found, [Finding::ok(Area::Driver, "version 580.82.07 with 2 GPUs, asked in 12 ms")]);
    }

    #[test]
    fn a_gpu_in_slices_is_worth_a_warning() {
        let found = judged(vec![idle(0), gpu(1, Reading::Sliced(Vec::new()))], &[]);
        assert_eq!(found[1].level, Level::Warning);
        assert_eq!(found[1].message, "GPU 1: MIG mode: slices are not supported yet");
        assert!(found[1].mend.is_some());
    }

    #[test]
    fn each_gpu_that_gives_no_answer_is_a_problem() {
        let table = [
            (Unknown::NoAnswer { seconds: 5 }, Level::Problem),
            (Unknown::Lost, Level::Problem),
            (Unknown::NoPermission, Level::Problem),
            (Unknown::Error { message: "what".into() }, Level::Problem),
        ];
        for (why, level) in table {
            let found = judged(vec![idle(0), gpu(1, Reading::Unknown(why.clone()))], &[]);
            assert_eq!(found[1].level, level, "{why:?}");
            assert_eq!(found[1].message, format!("GPU 1: {why}"));
            assert!(found[1].mend.is_some(), "{why:?}");
        }
    }

    #[test]
    fn persistence_mode_is_asked_for_where_it_is_off() {
        let on = judged(vec![idle(0)], &[(0, Persistence::On)]);
        assert_eq!(on[1], Finding::ok(Area::Driver, "persistence mode is on"));
        let some = [(0, Persistence::On), (1, Persistence::Off), (2, Persistence::Off)];
        let off = judged(vec![idle(0), idle(1), idle(2)], &some);
        assert_eq!(off[1].level, Level::Warning);
        assert!(off[1].message.contains("GPU 1, 2:"), "{off:?}");
    }

    #[test]
    fn no_driver_is_a_problem_unless_none_is_needed() {
        let failed = Facts::Failed { message: "it is not loaded".into(), hint: Some("load it".into()) };
        assert_eq!(
            judge(&failed),
            [Finding::problem(Area::Driver, "it is not loaded", Some("load it".into()))]
        );
        assert_eq!(judge(&Facts::NotNeeded)[0].level, Level::Ok);
    }
}
