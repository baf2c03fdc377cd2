//! How many GPUs a command line needs, and where the real program is. Judgement is pure: variables and files are
//! asked for through [`World`]; `find` and `install` touch the file system.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use crate::model::gpu_list;
use crate::model::ids::GpuIndex;

mod accelerate;
mod container;
mod deepspeed;
mod engine;
mod find;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod install;
mod python;
mod sglang;
mod sweep;
mod torch;
mod vllm;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use container::{ContainerCall, Grant};
pub(crate) use find::{FindError, HOPS, find_real, hops, in_path};
pub(crate) use install::{InstallError, Placed, env_line, install, is_link_to_us, names, remove, usual_dir};

/// Overrides the judgement: a number of GPUs, 0 for none, or `all`.
pub(crate) const OVERRIDE: &str = "CANHAZGPU_SHIM_GPUS";

/// What a command line needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needs {
    /// No GPU: run it as it is, without a reservation.
    Nothing,
    Count(NonZeroU32),
    /// Every GPU that is free, at least one.
    AllFree,
    /// Every GPU of the pool but these.
    AllBut(Vec<GpuIndex>),
    /// Ascending, no duplicates, not empty.
    Exactly(Vec<GpuIndex>),
    /// It cannot be judged, and why. To be refused, never run unreserved in silence.
    Unclear(String),
}

/// What is to be run, on how many GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) needs: Needs,
    pub(crate) arguments: Arguments,
}

/// The program's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arguments {
    Known(Vec<OsString>),
    /// They name the GPUs that were granted, so that they are complete only after the grant.
    Container(ContainerCall),
}

/// What a judgement may ask about.
pub(crate) struct World<'a> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file, if it can be read.
    pub(crate) read: &'a dyn Fn(&Path) -> Option<String>,
}

impl World<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn home(&self, below: &str) -> Option<PathBuf> {
        self.variable("HOME").map(|home| Path::new(&home).join(below))
    }
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// A need, or why it cannot be told.
type Verdict = Result<Needs, String>;

/// Judges the arguments of the program that the shim `name` stands for; `None` if there is no such shim.
pub(crate) fn judge(name: &str, arguments: &[OsString], world: &World<'_>) -> Option<Judgement> {
    let judged = judged(name, arguments, world)?;
    let only_asks = judged.needs == Needs::Nothing && words::only_asks(&lossy(arguments));
    Some(match world.variable(OVERRIDE) {
        Some(text) if !only_asks => overridden(judged, &text, arguments),
        _ => judged,
    })
}

/// The program that a shim stands for.
pub(crate) fn program(name: &str) -> &str {
    if name == "python-gpu" { "python3" } else { name }
}

/// Whether the program takes the GPUs that CUDA_VISIBLE_DEVICES names, whatever its own options say.
pub(crate) fn obeys_variable(name: &str) -> bool {
    matches!(name, "vllm" | "torchrun" | "sglang")
}

fn judged(name: &str, arguments: &[OsString], world: &World<'_>) -> Option<Judgement> {
    let words = lossy(arguments);
    let kept = |verdict: Verdict| whole(verdict, arguments);
    Some(match name {
        "vllm" => vllm::judge(&words, arguments, 0, world),
        "torchrun" => kept(torch::needs(&words, world)),
        "accelerate" => accelerate::judge(&words, arguments, 0, world),
        "accelerate-launch" => accelerate::judge_launch(&words, arguments, 0, world),
        "deepspeed" | "ds" => deepspeed::judge(&words, arguments, world),
        "sglang" => sglang::judge(&words, arguments, world),
        "python-gpu" => python::judge(&words, arguments, world),
        "docker" => container::judge(&words, arguments, container::Engine::Docker, world),
        "podman" => container::judge(&words, arguments, container::Engine::Podman, world),
        _ => return None,
    })
}

fn lossy(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|word| OsStr::to_string_lossy(word).into_owned()).collect()
}

fn whole(verdict: Verdict, arguments: &[OsString]) -> Judgement {
    Judgement {
        needs: verdict.unwrap_or_else(Needs::Unclear),
        arguments: Arguments::Known(arguments.to_vec()),
    }
}

/// What was rewritten stays so: an option that overwrites our variables does so whoever counted.
fn overridden(judged: Judgement, text: &str, given: &[OsString]) -> Judgement {
    match text.trim() {
        "0" => whole(Ok(Needs::Nothing), given),
        "all" => Judgement { needs: Needs::AllFree, ..judged },
        number => match number.parse() {
            Ok(count) => Judgement { needs: Needs::Count(count), ..judged },
            Err(_) => {
                whole(Err(format!("{OVERRIDE} is '{number}', neither a number of GPUs nor 'all'")), given)
            }
        },
    }
}

/// GPUs that a program picks by number: what it calls 0 is the first of those that it is shown.
fn visible(ids: &str, world: &World<'_>) -> Result<Vec<GpuIndex>, String> {
    let picked = gpu_list::parse(ids).map_err(|wrong| wrong.to_string())?;
    let Some(shown) = world.variable("CUDA_VISIBLE_DEVICES") else { return Ok(picked) };
    let unclear = || format!("'{ids}' counts among CUDA_VISIBLE_DEVICES, which is '{shown}'");
    let all: Option<Vec<GpuIndex>> =
        shown.split(',').map(|id| id.trim().parse().ok().map(GpuIndex)).collect();
    let all = all.ok_or_else(unclear)?;
    let place = |id: &GpuIndex| usize::try_from(id.0).ok().and_then(|at| all.get(at).copied());
    let mut ids: Vec<GpuIndex> = picked.iter().map(place).collect::<Option<_>>().ok_or_else(unclear)?;
    ids.sort_unstable();
    Ok(ids)
}

/// A product of sizes as a need.
fn product(factors: &[u32]) -> Verdict {
    let total = factors.iter().try_fold(1_u32, |total, factor| total.checked_mul(*factor));
    let total = total.ok_or("that is far too many GPUs")?;
    NonZeroU32::new(total).map(Needs::Count).ok_or_else(|| "it asks for 0 GPUs".to_owned())
}

/// This machine's share of what several machines do together.
fn share(total: Needs, machines: u32) -> Verdict {
    match total {
        Needs::Count(count) if machines > 1 => {
            let here = count.get().checked_div(machines).filter(|here| here * machines == count.get());
            let here = here.and_then(NonZeroU32::new);
            here.map(Needs::Count)
                .ok_or_else(|| format!("{count} GPUs on {machines} machines leave no equal share"))
        }
        needs => Ok(needs),
    }
}
