//! Wakes waiters and holders: abstract datagram sockets named after the ones, and after the GPUs of the others. A ring is a hint and may be lost or false: who hears
//! it looks at the pool, and who hears nothing looks now and then all the same.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::model::ids::{GpuUuid, LeaseId};
use crate::sys::abstract_name;

/// A bell of one's own: poll it for reading.
#[derive(Debug)]
pub(crate) struct Bell {
    socket: UnixDatagram,
}

/// Whether a bell was rung since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    Yes,
    No,
}

impl Bell {
    /// Hangs up the bell of waiter `id`, before its first look at the pool.
    ///
    /// # Errors
    /// `AddrInUse` if that bell hangs already.
    pub(crate) fn hang(id: &LeaseId) -> io::Result<Self> {
        Self::at(&address(id)?)
    }

    /// Hangs up the bell of the run that holds this GPU.
    ///
    /// # Errors
    /// `AddrInUse` if that bell hangs already.
    pub(crate) fn hang_for(gpu: &GpuUuid) -> io::Result<Self> {
        Self::at(&address_for(gpu)?)
    }

    fn at(address: &SocketAddr) -> io::Result<Self> {
        let socket = UnixDatagram::bind_addr(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Forgets the rings so far.
    pub(crate) fn drain(&self) -> Rung {
        let mut rung = Rung::No;
        // The kernel keeps about ten; the bound is for somebody who rings as fast as we listen.
        for _ in 0..1024 {
            match self.socket.recv(&mut [0]) {
                Ok(_) => rung = Rung::Yes,
                Err(interrupted) if interrupted.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        rung
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Rings the bell of waiter `id`, if it hangs in this network namespace. Never blocks: a full bell is a rung one.
pub(crate) fn ring(id: &LeaseId) {
    let _ = address(id).and_then(|address| try_ring(&address));
}

/// Rings the bell of the run that holds this GPU, as [`ring`] does.
pub(crate) fn ring_holder(gpu: &GpuUuid) {
    let _ = address_for(gpu).and_then(|address| try_ring(&address));
}

fn try_ring(address: &SocketAddr) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(&[1], address).map(drop)
}

fn address_for(gpu: &GpuUuid) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(abstract_name::of("canhazgpu/holder/", gpu.as_str()))
}

fn address(id: &LeaseId) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(abstract_name::of("canhazgpu/waiter/", id.as_str()))
}

#[cfg(test)]
mod tests {
    use std::process;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;
    use crate::sys::testing::wait_until;

    fn waiter(name: &str) -> LeaseId {
        LeaseId(format!("bell-test-{}-{name}", process::id()))
    }

    #[test]
    fn a_ring_is_heard_once_however_often_it_was_rung() {
        let id = waiter("once");
        let bell = Bell::hang(&id).unwrap();
        assert_eq!(bell.drain(), Rung::No);
        // Many more than a datagram socket holds: none of them may block.
        for _ in 0..500 {
            ring(&id);
        }
        assert_eq!(bell.drain(), Rung::Yes);
        assert_eq!(bell.drain(), Rung::No);
    }

    #[test]
    fn a_bell_is_heard_by_its_own_waiter_only() {
        let (mine, other) = (waiter("mine"), waiter("other"));
        let (my_bell, other_bell) = (Bell::hang(&mine).unwrap(), Bell::hang(&other).unwrap());
        ring(&mine);
        assert_eq!((my_bell.drain(), other_bell.drain()), (Rung::Yes, Rung::No));
    }

    #[test]
    fn ringing_where_no_bell_hangs_does_nothing() {
        let id = waiter("nobody");
        ring(&id);
        let bell = Bell::hang(&id).unwrap();
        assert_eq!(bell.drain(), Rung::No);
        let again = Bell::hang(&id).map(drop).map_err(|error| error.kind());
        assert_eq!(again, Err(io::ErrorKind::AddrInUse));
        drop(bell);
        // Other tests start commands meanwhile, and what is forked holds every descriptor until its exec.
        wait_until("the bell is gone", || Bell::hang(&id).is_ok());
    }

    #[test]
    fn a_bell_is_not_inherited_by_commands() {
        let bell = Bell::hang(&waiter("exec")).unwrap();
        let flags = fcntl(bell.as_fd(), FcntlArg::F_GETFD).unwrap();
        assert!(FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
    }
}
