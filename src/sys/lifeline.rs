//! Descriptors whose being open says that this process lives. A forked child closes them before anything else: kept
//! open there they would speak for a launcher that is dead.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, PoisonError};

static OPEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// A descriptor that is known to say so, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lifeline<T: AsRawFd>(T);

impl<T: AsRawFd> Lifeline<T> {
    pub(crate) fn new(descriptor: T) -> Self {
        open().insert(descriptor.as_raw_fd());
        Self(descriptor)
    }
}

impl<T: AsRawFd> Deref for Lifeline<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: AsRawFd> Drop for Lifeline<T> {
    fn drop(&mut self) {
        // Before it is closed: its number may be somebody else's right after.
        open().remove(&self.0.as_raw_fd());
    }
}

/// Those that are open at this moment.
pub(super) fn numbers() -> Vec<RawFd> {
    open().iter().copied().collect()
}

fn open() -> std::sync::MutexGuard<'static, BTreeSet<RawFd>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_lifeline_is_known_from_its_making_to_its_end() {
        let (_reader, writer) = nix::unistd::pipe().unwrap();
        let number = writer.as_raw_fd();
        // Borrowed: its number stays ours, and so nobody else's lifeline.
        let line = Lifeline::new(writer.as_fd());
        assert!(numbers().contains(&number));
        drop(line);
        assert!(!numbers().contains(&number));
    }
}
