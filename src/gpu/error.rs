//! Why the GPUs could not be asked at all. What is wrong with a single one is told in its reading.

use crate::model::seen::Unknown;

/// No scan. Different causes are different variants: each has its own way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GpuError {
    #[error("cannot load {library}: {cause}")]
    NoLibrary { library: String, cause: String },
    #[error("the NVIDIA driver is not loaded")]
    NoDriver,
    #[error("the NVIDIA driver is loaded, but /dev/nvidiactl is not here")]
    NoDevices,
    #[error("no permission to talk to the NVIDIA driver")]
    NoPermission,
    #[error("this control group may not use /dev/nvidiactl")]
    Forbidden,
    #[error("the NVIDIA driver and its library are of different versions")]
    DriverMismatch,
    #[error("the NVIDIA driver reports no GPU")]
    NoGpus,
    #[error("no answer from the NVIDIA driver in {seconds}s")]
    NoAnswer { seconds: u64 },
    #[error("the process that asks the driver: {0}")]
    Helper(String),
    #[error("the NVIDIA driver answers: {0}")]
    Other(String),
}

impl GpuError {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoLibrary { .. } => {
                "install the NVIDIA driver, or name its library with CANHAZGPU_NVML_LIB; to try the program out \
                 without GPUs, use 'chg admin --provider fake' with a --store of its own"
            }
            Self::NoDriver => "load it ('modprobe nvidia'), or restart the machine if it was just installed",
            Self::NoDevices => {
                "in a container, pass the GPUs in (--gpus all); otherwise 'sudo nvidia-modprobe -c 0 -u' makes the \
                 device files"
            }
            Self::NoPermission => {
                "the account needs read and write access to /dev/nvidiactl and /dev/nvidia0, often by a group such \
                 as video; in a container they must be passed in"
            }
            Self::Forbidden => {
                "in a container, start it anew with its GPUs (--gpus all): a reload of systemd takes them away from \
                 Docker's"
            }
            Self::DriverMismatch => {
                "the driver was updated while it was loaded: restart the machine, or, when nothing uses a GPU, \
                 reload it ('sudo modprobe -r nvidia_uvm nvidia_drm nvidia_modeset nvidia && sudo modprobe nvidia')"
            }
            Self::NoGpus => {
                "in a container, pass the GPUs in (--gpus all); otherwise see 'dmesg | grep NVRM'"
            }
            Self::NoAnswer { .. } => {
                "'dmesg | grep -i xid' tells whether a GPU hangs; a process stuck in the driver may only go away \
                 with a restart of the machine"
            }
            Self::Helper(_) | Self::Other(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// When no GPU has a name, the reason of one is the reason of all.
impl From<Unknown> for GpuError {
    fn from(why: Unknown) -> Self {
        match why {
            Unknown::NoAnswer { seconds } => Self::NoAnswer { seconds },
            Unknown::NoPermission => Self::NoPermission,
            other => Self::Other(other.to_string()),
        }
    }
}
