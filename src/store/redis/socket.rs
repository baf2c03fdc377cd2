//! A socket that is never read from without a time limit, and that gives up when something is more urgent.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use crate::store::interrupt::Interrupt;

/// What a connection runs over.
#[derive(Debug)]
pub(super) struct Socket<S> {
    pub(super) stream: S,
    /// How long one answer may take.
    pub(super) limit: Duration,
    pub(super) interrupt: Interrupt,
}

impl<S: Read + AsFd> Read for Socket<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.wait_to_read(self.stream.as_fd(), self.limit)?;
        self.stream.read(buffer)
    }
}

impl<S: Write> Write for Socket<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
