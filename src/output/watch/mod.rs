//! `chg status --watch`: the status on a whole screen, again and again. What the screen shows is pure (`frame`); the
//! terminal itself is in `screen`, the waiting in `run`.

mod bars;
mod frame;
mod gpus;
mod run;
mod screen;

pub(crate) use frame::WatchView;
pub(crate) use run::{Watched, watch};
