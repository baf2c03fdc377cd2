//! What was observed, raw: the scan of the GPUs, the owners of their processes, the seats, the life of processes.
//! Pure data; judgement about it belongs to occupancy and plan.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::device::Device;
use super::identity::{Here, Identity, Life};
use super::ids::{GpuUuid, Megabytes, Pid, Uid};
use super::process::Process;

/// What the driver said of one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GpuSeen {
    pub(crate) device: Device,
    pub(crate) reading: Reading,
}

/// A GPU's state, or why it is not known. Absence is never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reading {
    Measured(Measured),
    /// In multi-instance mode. What uses it is told by its instances.
    Sliced(Vec<Slice>),
    Unknown(Unknown),
}

impl Reading {
    /// The processes that the driver lists, with the UUID of the slice that each is on.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (&GpuProcess, Option<&str>)> {
        let (whole, slices) = match self {
            Self::Measured(measured) => (measured.processes.as_slice(), &[][..]),
            Self::Sliced(slices) => (&[][..], slices.as_slice()),
            Self::Unknown(_) => (&[][..], &[][..]),
        };
        let of_slices = slices.iter().flat_map(|slice| {
            slice.processes.iter().flatten().map(|process| (process, Some(slice.uuid.as_str())))
        });
        whole.iter().map(|process| (process, None)).chain(of_slices)
    }

    /// Forgets the other processes.
    pub(crate) fn keep_processes(&mut self, keep: impl Fn(&GpuProcess) -> bool) {
        match self {
            Self::Measured(measured) => measured.processes.retain(keep),
            Self::Sliced(slices) => {
                slices
                    .iter_mut()
                    .filter_map(|slice| slice.processes.as_mut())
                    .for_each(|list| list.retain(&keep));
            }
            Self::Unknown(_) => {}
        }
    }
}

/// A GPU that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) used: Megabytes,
    pub(crate) total: Megabytes,
    /// Percent of the time in which a kernel ran, where the GPU tells.
    pub(crate) utilization: Option<u32>,
    pub(crate) processes: Vec<GpuProcess>,
}

/// An instance of a GPU in multi-instance mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// As `nvidia-smi -L` calls its size: `MIG 1g.10gb`.
    pub(crate) profile: String,
    pub(crate) uuid: String,
    /// Where the driver tells it.
    pub(crate) used: Option<Megabytes>,
    /// Where the driver tells them.
    pub(crate) processes: Option<Vec<GpuProcess>>,
}

/// Why a GPU's state is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unknown {
    /// No answer within the scan's deadline (seconds).
    NoAnswer { seconds: u64 },
    /// It is being asked at this moment.
    NotYet,
    /// NVML_ERROR_GPU_IS_LOST: it fell off the bus.
    Lost,
    /// Multi-instance mode: slices are not supported yet.
    Mig,
    /// The driver does not show it to this user.
    NoPermission,
    /// The pool names a GPU that the driver does not report.
    Missing,
    /// Any other answer of the driver.
    Error { message: String },
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer { seconds } => write!(f, "no answer from the driver in {seconds}s"),
            Self::NotYet => f.write_str("no answer yet"),
            Self::Lost => f.write_str("GPU is lost"),
            Self::Mig => f.write_str("MIG mode: slices are not supported yet"),
            Self::NoPermission => f.write_str("no permission to ask the driver"),
            Self::Missing => f.write_str("not reported by the driver"),
            Self::Error { message } => f.write_str(message),
        }
    }
}

/// A process that the driver lists on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GpuProcess {
    pub(crate) pid: Pid,
    /// Where the driver tells it.
    pub(crate) memory: Option<Megabytes>,
    pub(crate) context: Context,
}

/// What a process does on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Context {
    /// It has a compute context, perhaps a graphics one too.
    Compute,
    /// Graphics only: a display server, a desktop.
    Graphics,
}

/// Who sits on a GPU, by the kernel's word. The caller's own seats are not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seat {
    /// SO_PEERCRED of the listener, and the account name of the uid where that was looked up and has one.
    Taken { uid: Uid, pid: Pid, account: Option<String> },
    /// Taken; by whom was not asked or cannot be known.
    TakenBySomebody,
}

impl Seat {
    /// Whose it is, as accounts are shown. The overflow uid is nobody's: it stands for one that has no number here.
    pub(crate) fn holder(&self) -> Option<String> {
        match self {
            Self::Taken { uid: Uid::OVERFLOW, .. } | Self::TakenBySomebody => None,
            Self::Taken { uid, account, .. } => Some(account.clone().unwrap_or_else(|| format!("uid {uid}"))),
        }
    }
}

/// Everything that was observed for one decision.
pub(crate) struct Seen<'a> {
    pub(crate) here: &'a Here,
    /// By index, ascending. Empty if the driver did not answer at all.
    pub(crate) gpus: &'a [GpuSeen],
    /// The processes on the GPUs, as far as /proc tells.
    pub(crate) owners: &'a BTreeMap<Pid, Process>,
    /// Looked up at the first use: a table of every socket of the host may stand behind it.
    pub(crate) seats: &'a dyn Deref<Target = BTreeMap<GpuUuid, Seat>>,
    /// The verdict on a process; looked up only for those that a decision reaches.
    pub(crate) life: &'a dyn Fn(&Identity) -> Life,
    /// Memory at or below this does not count as use (the driver's own and reserved memory).
    pub(crate) threshold: Megabytes,
}

impl Seen<'_> {
    /// What was seen of the GPU with this UUID.
    pub(crate) fn gpu(&self, uuid: &GpuUuid) -> Option<&GpuSeen> {
        self.gpus.iter().find(|seen| seen.device.uuid == *uuid)
    }
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("gpus", &self.gpus).field("seats", &**self.seats).finish_non_exhaustive()
    }
}
