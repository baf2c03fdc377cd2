//! What this process was started with and a command must be started with as well: signal mask, ignored signals, closed
//! standard descriptors. Recorded before `main`, because Rust's runtime ignores SIGPIPE and opens /dev/null on 0-2.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use super::signal::{Disposition, Signal, SignalSet, current_mask, disposition};

static MASK: AtomicU64 = AtomicU64::new(0);
static IGNORED: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicU8 = AtomicU8::new(0);

// SAFETY: the loader calls each pointer of this section once, in the only thread, after the C library is ready;
// `record` needs nothing else: system calls and atomics.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

extern "C" fn record() {
    MASK.store(current_mask().0, Relaxed);
    let ignored = Signal::all()
        .filter(|signal| disposition(*signal) == Disposition::Ignore)
        .fold(SignalSet::EMPTY, SignalSet::with);
    IGNORED.store(ignored.0, Relaxed);
    let closed = (0..3).filter(|fd| is_closed(*fd)).fold(0, |bits, fd| bits | 1 << fd);
    CLOSED.store(closed, Relaxed);
}

fn is_closed(fd: libc::c_int) -> bool {
    // SAFETY: asking for the flags of a number has no preconditions; a closed one is answered with -1.
    unsafe { libc::fcntl(fd, libc::F_GETFD) < 0 }
}

/// What was blocked when this program was started.
pub(crate) fn mask() -> SignalSet {
    SignalSet(MASK.load(Relaxed))
}

/// What was ignored when this program was started.
pub(crate) fn ignored() -> SignalSet {
    SignalSet(IGNORED.load(Relaxed))
}

/// Which of 0-2 were closed when this program was started.
pub(crate) fn closed() -> [bool; 3] {
    let bits = CLOSED.load(Relaxed);
    [0, 1, 2].map(|fd| bits & 1 << fd != 0)
}
