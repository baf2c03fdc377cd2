//! Test double of libnvidia-ml.so.1. As a shared library it exports the NVML symbols and answers them from a scenario
//! directory, read again at each call; as a Rust library it builds and changes such directories.

mod alive;
mod answers;
mod code;
mod exports;
mod faults;
mod files;
mod lists;
mod place;
mod scenario;
mod warden;
mod world;

pub use code::Code;
pub use files::{Driver, Fault, Gpu, Hang, Kind, Mig, MigInstance, Process};
pub use place::{ground, library, old_library};
pub use scenario::{Call, Scenario, compute};
