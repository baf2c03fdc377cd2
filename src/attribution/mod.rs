//! Whose processes are on the GPUs, and where they came from. The only room that reads /proc about others.

mod accounts;
mod ancestry;
mod cgroup;
mod command_lines;
mod containers;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod identity;
mod model_in_use;
mod owners;
mod proc_dir;
mod stat;
#[cfg(test)]
mod tests;

pub(crate) use accounts::{Accounts, caller};
pub(crate) use ancestry::is_own_ancestor;
pub(crate) use containers::Names;
pub(crate) use identity::{here, identity_of, life, own_identity};
pub(crate) use model_in_use::model_of;
pub(crate) use owners::{owners, tell_commands};
