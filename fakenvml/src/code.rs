//! NVML's return codes, as nvml.h numbers them.

use serde::{Deserialize, Serialize};

/// What a call returns. 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub u32);

impl Code {
    pub const SUCCESS: Self = Self(0);
    pub const UNINITIALIZED: Self = Self(1);
    pub const INVALID_ARGUMENT: Self = Self(2);
    pub const NOT_SUPPORTED: Self = Self(3);
    pub const NO_PERMISSION: Self = Self(4);
    pub const NOT_FOUND: Self = Self(6);
    pub const INSUFFICIENT_SIZE: Self = Self(7);
    pub const DRIVER_NOT_LOADED: Self = Self(9);
    pub const TIMEOUT: Self = Self(10);
    pub const FUNCTION_NOT_FOUND: Self = Self(13);
    pub const GPU_IS_LOST: Self = Self(15);
    pub const RESET_REQUIRED: Self = Self(16);
    pub const OPERATING_SYSTEM: Self = Self(17);
    pub const LIB_RM_VERSION_MISMATCH: Self = Self(18);
    pub const ARGUMENT_VERSION_MISMATCH: Self = Self(25);
    pub const GPU_NOT_FOUND: Self = Self(28);
    pub const UNKNOWN: Self = Self(999);
}
