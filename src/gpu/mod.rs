//! What the driver says of the GPUs. The only room that knows NVML, which is loaded in a forked helper and never in the
//! launcher. What it means is judged elsewhere.

mod conversation;
mod driver;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod hearing;
mod helper;
mod inventory;
mod processes;
mod scanner;
mod wire;

pub(crate) use error::GpuError;
pub(crate) use inventory::{Persistence, Scan, Upkeep};
pub(crate) use scanner::{Farewell, Scanner, Source};

#[cfg(test)]
mod tests;
