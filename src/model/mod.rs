//! What the program is about: devices, reservations, waiters, the pool and the rules. Pure: no I/O and no clock;
//! the actor, what was seen and the time are arguments.

pub(crate) mod device;
pub(crate) mod duration;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub(crate) mod gpu_list;
pub(crate) mod history;
pub(crate) mod identity;
pub(crate) mod ids;
pub(crate) mod occupancy;
pub(crate) mod plan;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod reservation;
pub(crate) mod seen;
pub(crate) mod share;
pub(crate) mod strategy;
pub(crate) mod verb;
pub(crate) mod waiter;
