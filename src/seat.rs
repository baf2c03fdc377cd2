//! Who sits on a GPU, by the kernel's word: abstract stream sockets named after UUIDs. A name exists once in a
//! network namespace and vanishes with its owner, however that dies. Knows nothing of reservations, nor of
//! the names of accounts.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen, socket, sockopt,
};

use crate::model::ids::{GpuUuid, Pid, Uid};
use crate::model::seen::Seat;
use crate::sys::abstract_name;
use crate::sys::lifeline::Lifeline;
use crate::sys::unix_table::UnixTable;

#[cfg(test)]
mod tests;

const PREFIX: &str = "canhazgpu/";

/// A seat of our own: taken until it is dropped, or until every process that inherited it is gone.
#[derive(Debug)]
pub(crate) struct TakenSeat {
    _socket: Lifeline<OwnedFd>,
}

/// Why a seat could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeatError {
    /// Somebody sits there: the GPU is not to be had, whatever the store says.
    #[error("the seat of GPU {0} is taken")]
    Taken(GpuUuid),
    #[error("cannot take the seat of GPU {uuid}: {cause}")]
    Io { uuid: GpuUuid, cause: io::Error },
}

/// Sits down on a GPU.
///
/// # Errors
/// As [`SeatError`] tells apart.
pub(crate) fn take(uuid: &GpuUuid) -> Result<TakenSeat, SeatError> {
    sit(uuid).map(|socket| TakenSeat { _socket: Lifeline::new(socket) }).map_err(|errno| match errno {
        Errno::EADDRINUSE => SeatError::Taken(uuid.clone()),
        other => SeatError::Io { uuid: uuid.clone(), cause: other.into() },
    })
}

fn sit(uuid: &GpuUuid) -> nix::Result<OwnedFd> {
    let socket = stream(SockFlag::SOCK_CLOEXEC)?;
    bind(socket.as_raw_fd(), &address(uuid)?)?;
    // Nobody ever accepts: those who connect, to learn who sits here or to be woken by the end, wait in this line
    // for good, also after they left. When it is full the seat is still taken, only by whom cannot be learnt.
    listen(&socket, Backlog::MAXCONN)?;
    Ok(socket)
}

/// Which of these GPUs somebody sits on, ourselves included. Leaves no trace at those that are taken.
pub(crate) fn taken<'a>(uuids: impl IntoIterator<Item = &'a GpuUuid>) -> BTreeSet<GpuUuid> {
    let asked = uuids.into_iter();
    match UnixTable::read() {
        Ok(table) => {
            let names = table.names(PREFIX);
            asked.filter(|uuid| names.contains(name(uuid).as_bytes())).cloned().collect()
        }
        // A /proc mounted with subset=pid has no such file.
        Err(_) => asked.filter(|uuid| owner(uuid).is_some()).cloned().collect(),
    }
}

/// Who sits on this GPU; `None` if nobody does. Each call takes a place in the seat's line of 4,096 for good, so ask
/// [`taken`] where the answer to that is enough.
pub(crate) fn owner(uuid: &GpuUuid) -> Option<Seat> {
    match reach(uuid) {
        Ok(connection) => Some(match getsockopt(&connection, sockopt::PeerCredentials) {
            Ok(peer) => Seat::Taken { uid: Uid(peer.uid()), pid: Pid(peer.pid()), account: None },
            Err(_) => Seat::TakenBySomebody,
        }),
        Err(Errno::ECONNREFUSED) => None,
        // EAGAIN: the line is full. Whatever else stands in the way does not make the seat free.
        Err(_) => Some(Seat::TakenBySomebody),
    }
}

/// A connection that polls readable and hung up the moment the seat is free; `None` if nobody sits there, or if the
/// seat's line is full.
pub(crate) fn watch(uuid: &GpuUuid) -> Option<OwnedFd> {
    reach(uuid).ok()
}

fn reach(uuid: &GpuUuid) -> nix::Result<OwnedFd> {
    let connection = stream(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    connect(connection.as_raw_fd(), &address(uuid)?)?;
    Ok(connection)
}

fn stream(flags: SockFlag) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

fn address(uuid: &GpuUuid) -> nix::Result<UnixAddr> {
    UnixAddr::new_abstract(name(uuid).as_bytes())
}

fn name(uuid: &GpuUuid) -> String {
    abstract_name::of(PREFIX, uuid.as_str())
}
