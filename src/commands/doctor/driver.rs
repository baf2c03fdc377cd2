//! Whether the driver and every GPU answer, and are kept as they should be. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::gpu::{Persistence, Upkeep};
use crate::model::gpu_list;
use crate::model::ids::GpuIndex;
use crate::model::seen::{GpuSeen, Reading, Unknown};
use crate::output::{Area, Finding, Mend};

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
    /// Those that would not even tell which they are.
    pub(super) nameless: Vec<(GpuIndex, Unknown)>,
    /// Those that the pool is made of, if it is.
    pub(super) pool: Option<BTreeSet<GpuIndex>>,
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
            let mut found: Vec<_> =
                silent(answers).iter().map(|(gpu, why)| judge_silent(*gpu, why, answers)).collect();
            found.insert(0, Finding::ok(Area::Driver, greeting(answers)));
            found.extend(persistence(answers));
            found
        }
    }
}

fn greeting(answers: &Answers) -> String {
    let version = answers.upkeep.driver.as_deref().unwrap_or("of an unknown version");
    let gpus = match answers.gpus.len() + answers.nameless.len() {
        1 => "1 GPU".to_owned(),
        more => format!("{more} GPUs"),
    };
    format!("version {version} with {gpus}, asked in {} ms", answers.took.as_millis())
}

/// By index.
fn silent(answers: &Answers) -> BTreeMap<GpuIndex, Unknown> {
    let named = answers.gpus.iter().filter_map(|gpu| match &gpu.reading {
        Reading::Unknown(why) => Some((gpu.device.index, why.clone())),
        Reading::Sliced(_) => Some((gpu.device.index, Unknown::Mig)),
        Reading::Measured(_) => None,
    });
    named.chain(answers.nameless.iter().cloned()).collect()
}

fn judge_silent(index: GpuIndex, why: &Unknown, answers: &Answers) -> Finding {
    let message = format!("GPU {index}: {why}");
    if answers.pool.as_ref().is_some_and(|pool| !pool.contains(&index)) {
        return Finding::ok(Area::Driver, format!("{message}; it is not in the pool"));
    }
    let mend = match without_the_silent(answers) {
        Some(command) => Mend::run(command).and(format!("does without it; {}", advice(why))),
        None => Mend::from(advice(why)),
    };
    match why {
        Unknown::Mig => Finding::warning(Area::Driver, message, mend),
        _ => Finding::problem(Area::Driver, message, Some(mend)),
    }
}

/// The command that makes the pool of those GPUs that answer.
fn without_the_silent(answers: &Answers) -> Option<String> {
    let is_wanted = |index: &GpuIndex| answers.pool.as_ref().is_none_or(|pool| pool.contains(index));
    let answering = answers.gpus.iter().filter(|gpu| matches!(gpu.reading, Reading::Measured(_)));
    let left: Vec<String> =
        answering.map(|gpu| gpu.device.index).filter(is_wanted).map(|index| index.to_string()).collect();
    (!left.is_empty()).then(|| format!("chg admin --gpu-ids {} --force", left.join(",")))
}

const fn advice(why: &Unknown) -> &'static str {
    match why {
        Unknown::NoAnswer { .. } | Unknown::NotYet => {
            "'dmesg | grep -i xid' may tell why; it often takes a restart of the machine"
        }
        Unknown::Lost => "it fell off the bus: 'dmesg | grep -i xid' tells more; restart the machine",
        Unknown::NoPermission => "in a container, pass the GPU in; else see the devices below",
        Unknown::Missing => "'nvidia-smi -L' lists what the driver sees; it may have been taken out",
        Unknown::Mig => "or end MIG mode",
        Unknown::Error { .. } => "'nvidia-smi -q' and 'dmesg | grep NVRM' may tell more",
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
            let mend = Mend::run("sudo nvidia-smi -pm 1")
                .and("or, to last: sudo systemctl enable --now nvidia-persistenced");
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
        judge(&Facts::Answers(Answers {
            gpus,
            nameless: Vec::new(),
            pool: None,
            upkeep,
            took: Duration::from_millis(12),
        }))
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
    fn a_silent_gpu_can_be_done_without_and_is_no_problem_outside_of_the_pool() {
        let found = |pool: Option<&[u32]>| {
            let gpus = vec![idle(0), gpu(1, Reading::Unknown(Unknown::Lost)), idle(2)];
            let pool = pool.map(|pool| pool.iter().copied().map(GpuIndex).collect());
            let (upkeep, took) = (Upkeep::default(), Duration::ZERO);
            let nameless = vec![(GpuIndex(3), Unknown::NoPermission)];
            judge(&Facts::Answers(Answers { gpus, nameless, pool, upkeep, took })).remove(1)
        };
        let command = |finding: Finding| finding.mend.and_then(|mend| mend.command);
        assert_eq!(command(found(None)).as_deref(), Some("chg admin --gpu-ids 0,2 --force"));
        assert_eq!(command(found(Some(&[0, 1]))).as_deref(), Some("chg admin --gpu-ids 0 --force"));
        assert_eq!(command(found(Some(&[1]))), None);
        let outside = found(Some(&[0, 2]));
        assert_eq!(
            (outside.level, outside.message.as_str()),
            (Level::Ok, "GPU 1: GPU is lost; it is not in the pool")
        );
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
        assert_eq!(judge(&failed), [Finding::problem(Area::Driver, "it is not loaded", Some("load it"))]);
        assert_eq!(judge(&Facts::NotNeeded)[0].level, Level::Ok);
    }
}
