//! Descriptors handed from one process to another over a unix socket.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Hands `what` over without waiting; it stays open here as well.
pub(crate) fn give(to: &impl AsFd, what: &impl AsFd) -> nix::Result<()> {
    let rights = [what.as_fd().as_raw_fd()];
    let control = [ControlMessage::ScmRights(&rights)];
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<()>(to.as_fd().as_raw_fd(), &[IoSlice::new(b".")], &control, flags, None).map(drop)
}

/// What was handed to us (close-on-exec), without waiting; `None` if nothing was.
pub(crate) fn receive(from: &impl AsFd) -> Option<OwnedFd> {
    let (mut byte, mut control) = ([0], nix::cmsg_space!([std::os::fd::RawFd; 1]));
    let mut parts = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(from.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
    // SAFETY: the kernel has just made these descriptors for us, and nobody else knows them.
    let mine = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
    let rights = message.cmsgs().ok()?.filter_map(|control| match control {
        ControlMessageOwned::ScmRights(fds) => Some(fds),
        _ => None,
    });
    // All are taken over, so that none but the first stays open.
    let owned: Vec<OwnedFd> = rights.flatten().map(mine).collect();
    owned.into_iter().next()
}
