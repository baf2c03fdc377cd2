//! Seats across processes and users.

use std::os::fd::AsFd;
use std::process;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::sys::testing::{
    ALICE, Running, as_user, can_be_others, in_role, role, speak_and_wait, wait_until,
};

fn gpu(name: &str) -> GpuUuid {
    GpuUuid(format!("GPU-seat-test-{}-{name}", process::id()))
}

fn me() -> Seat {
    Seat::Taken {
        uid: Uid(nix::unistd::geteuid().as_raw()),
        pid: Pid(process::id().cast_signed()),
        account: None,
    }
}

#[test]
fn a_seat_is_taken_once_and_free_when_dropped() {
    let gpu = gpu("once");
    assert!(taken([&gpu]).is_empty());
    assert_eq!(owner(&gpu), None);
    let seat = take(&gpu).unwrap();
    assert!(matches!(take(&gpu), Err(SeatError::Taken(uuid)) if uuid == gpu));
    assert_eq!(taken([&gpu]), BTreeSet::from([gpu.clone()]));
    assert_eq!(owner(&gpu), Some(me()));
    drop(seat);
    is_free_soon(&gpu);
    take(&gpu).unwrap();
}

#[test]
fn a_seat_that_does_not_listen_yet_is_taken_by_somebody() {
    let gpu = gpu("bound");
    let socket = stream(SockFlag::SOCK_CLOEXEC).unwrap();
    bind(socket.as_raw_fd(), &address(&gpu).unwrap()).unwrap();
    assert_eq!(taken([&gpu]), BTreeSet::from([gpu.clone()]));
}

#[test]
fn a_seat_whose_line_is_full_is_taken_by_somebody() {
    let gpu = gpu("full");
    let socket = stream(SockFlag::SOCK_CLOEXEC).unwrap();
    bind(socket.as_raw_fd(), &address(&gpu).unwrap()).unwrap();
    listen(&socket, Backlog::new(1).unwrap()).unwrap();
    let connections: Vec<_> = std::iter::from_fn(|| watch(&gpu)).take(10).collect();
    assert!(connections.len() < 10, "the line has an end");
    assert_eq!(owner(&gpu), Some(Seat::TakenBySomebody));
    assert_eq!(taken([&gpu]).len(), 1);
}

#[test]
fn odd_uuids_have_seats_too() {
    for odd in ["", "a b", "a\nb", "ä@", "MIG-GPU-8f3c/1/0", &"x".repeat(400)] {
        let gpu = GpuUuid(format!("{}{odd}", gpu("odd")));
        let seat = take(&gpu).unwrap();
        assert_eq!(taken([&gpu]).len(), 1, "{odd:?}");
        assert_eq!(owner(&gpu), Some(me()), "{odd:?}");
        drop(seat);
        is_free_soon(&gpu);
    }
}

#[test]
fn a_killed_owners_seat_is_free_at_once_and_wakes_who_watches() {
    const NAME: &str = "seat::tests::a_killed_owners_seat_is_free_at_once_and_wakes_who_watches";
    if let Some(uuid) = role() {
        let _seat = take(&GpuUuid(uuid)).unwrap();
        speak_and_wait("");
    }
    if !can_be_others(NAME) {
        return;
    }
    let gpu = gpu("killed");
    let wrapper = as_user(ALICE, &[]);
    let words: Vec<_> = std::iter::once(wrapper.get_program()).chain(wrapper.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let (sitter, _) = Running::until_it_speaks(&mut in_role(gpu.as_str(), NAME, &words));

    assert_eq!(owner(&gpu), Some(Seat::Taken { uid: Uid(ALICE), pid: sitter.pid(), account: None }));
    assert!(matches!(take(&gpu), Err(SeatError::Taken(_))), "not even root sits down beside");
    let watch = watch(&gpu).unwrap();
    assert_eq!(events(&watch, PollTimeout::ZERO), PollFlags::empty(), "it lives");

    sitter.kill_and_reap();
    let woken = events(&watch, PollTimeout::from(10_000_u16));
    assert!(woken.contains(PollFlags::POLLIN | PollFlags::POLLHUP), "{woken:?}");
    assert_eq!(owner(&gpu), None);
    take(&gpu).unwrap();
}

#[test]
fn a_child_that_closed_the_seat_does_not_hold_it() {
    let gpu = gpu("inherited");
    let seat = take(&gpu).unwrap();
    // Close-on-exec: a command never holds the seat of the launcher that started it.
    let _command = Running::start(process::Command::new("sleep").arg("1000"));
    drop(seat);
    is_free_soon(&gpu);
    take(&gpu).unwrap();
}

/// Other tests start commands meanwhile, and what is forked holds every descriptor until its exec.
fn is_free_soon(gpu: &GpuUuid) {
    wait_until("the seat is free", || taken([gpu]).is_empty());
}

fn events(fd: &OwnedFd, timeout: PollTimeout) -> PollFlags {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, timeout).unwrap();
    polled[0].revents().unwrap_or(PollFlags::empty())
}
