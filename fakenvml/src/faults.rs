//! What goes wrong on purpose. A file `faults/<function>[@<gpu>].<serial>` holds a `Fault`; `*` stands for every
//! function. All that match strike, in the order of their serials.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::code::Code;
use crate::files::{self, Fault, Hang};
use crate::warden;
use crate::world::Call;

/// How often a hanging call looks whether its fault was taken away.
const LOOK: Duration = Duration::from_millis(2);

/// The name of a fault's file, without its serial.
pub(crate) fn target(function: &str, gpu: Option<u32>) -> String {
    gpu.map_or_else(|| function.to_owned(), |gpu| format!("{function}@{gpu}"))
}

/// Carries out the faults of this call; the first code among them is its answer.
pub(crate) fn strike(dir: &Path, call: Call<'_>) -> Result<(), Code> {
    let mut answer = Ok(());
    for (path, fault) in matching(dir, call) {
        // Whoever only counts brings no room that could be too small.
        if call.counts && fault.code == Some(Code::INSUFFICIENT_SIZE) {
            continue;
        }
        // Of several calls at once, the one that removes the file has it.
        if fault.once && fs::remove_file(&path).is_err() {
            continue;
        }
        carry_out(&path, &fault);
        answer = answer.and(fault.code.map_or(Ok(()), Err));
    }
    answer
}

fn carry_out(path: &Path, fault: &Fault) {
    if fault.crash {
        std::process::abort();
    }
    thread::sleep(Duration::from_millis(fault.delay_ms));
    if fault.hang == Some(Hang::Unkillable) {
        warden::guard_against_kill(path);
    }
    while fault.hang.is_some() && path.exists() {
        thread::sleep(LOOK);
    }
}

fn matching(dir: &Path, call: Call<'_>) -> Vec<(PathBuf, Fault)> {
    let Ok(entries) = fs::read_dir(files::faults_dir(dir)) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (place, serial) = name.rsplit_once('.')?;
            strikes(place, call.function, call.gpu).then_some((serial.parse().ok()?, entry.path()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().filter_map(|(_, path)| Some((path.clone(), files::read(&path).ok()??))).collect()
}

fn strikes(place: &str, function: &str, gpu: Option<u32>) -> bool {
    let (of, at) = place.split_once('@').map_or((place, None), |(of, at)| (of, Some(at)));
    (of == "*" || of == function) && at.is_none_or(|at| gpu.is_some_and(|gpu| at == gpu.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_where_it_is_placed_and_nowhere_else() {
        assert!(strikes("nvmlInit_v2", "nvmlInit_v2", None));
        assert!(strikes("*", "nvmlDeviceGetName", Some(3)));
        assert!(strikes("*@3", "nvmlDeviceGetName", Some(3)));
        assert!(!strikes("*@3", "nvmlDeviceGetName", Some(2)));
        assert!(!strikes("*@3", "nvmlInit_v2", None));
        assert!(!strikes("nvmlDeviceGetName", "nvmlDeviceGetUUID", Some(0)));
    }
}
