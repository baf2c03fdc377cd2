//! Signals by number, real-time ones and the two that the C library keeps for itself included, their dispositions and
//! the thread's mask. Straight to the kernel: glibc's wrappers refuse 32 and 33 and leave them out of a mask.

use std::fmt;
use std::ops::Sub;

use nix::errno::Errno;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Signal(pub(crate) libc::c_int);

/// The highest signal number of the kernel.
const LAST: libc::c_int = 64;

macro_rules! known {
    ($($name:ident = $number:ident),* $(,)?) => {
        impl Signal {
            $(
                #[allow(dead_code, reason = "the table is whole, whichever of them are used")]
                pub(crate) const $name: Self = Self(libc::$number);
            )*

            /// Its name, where it has one: the real-time signals do not.
            pub(crate) const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$number => Some(stringify!($number)),)*
                    _ => None,
                }
            }
        }
    };
}

known! {
    HUP = SIGHUP, INT = SIGINT, QUIT = SIGQUIT, ILL = SIGILL, TRAP = SIGTRAP, ABRT = SIGABRT, BUS = SIGBUS,
    FPE = SIGFPE, KILL = SIGKILL, USR1 = SIGUSR1, SEGV = SIGSEGV, USR2 = SIGUSR2, PIPE = SIGPIPE, ALRM = SIGALRM,
    TERM = SIGTERM, STKFLT = SIGSTKFLT, CHLD = SIGCHLD, CONT = SIGCONT, STOP = SIGSTOP, TSTP = SIGTSTP,
    TTIN = SIGTTIN, TTOU = SIGTTOU, URG = SIGURG, XCPU = SIGXCPU, XFSZ = SIGXFSZ, VTALRM = SIGVTALRM,
    PROF = SIGPROF, WINCH = SIGWINCH, IO = SIGIO, PWR = SIGPWR, SYS = SIGSYS,
}

impl Signal {
    /// Every signal there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (1..=LAST).map(Self)
    }

    const fn bit(self) -> u64 {
        1 << (self.0 - 1)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of signals, laid out as the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignalSet(pub(crate) u64);

impl SignalSet {
    pub(crate) const EMPTY: Self = Self(0);
    /// What the processor raises on the very instruction: blocking these would only make the thread spin or die.
    pub(crate) const FAULTS: Self = Self::EMPTY
        .with(Signal::ILL)
        .with(Signal::TRAP)
        .with(Signal::BUS)
        .with(Signal::FPE)
        .with(Signal::SEGV)
        .with(Signal::SYS);
    /// What the C library sends between threads: blocked, it would wait for an answer for ever.
    pub(crate) const LIBRARY: Self = Self::EMPTY.with(Signal(32)).with(Signal(33));
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) const fn with(self, signal: Signal) -> Self {
        Self(self.0 | signal.bit())
    }

    pub(crate) const fn contains(self, signal: Signal) -> bool {
        self.0 & signal.bit() != 0
    }
}

impl Sub for SignalSet {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// How [`mask`] combines a set with the mask in force.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mask {
    Block,
    Unblock,
    Set,
}

/// Changes the mask of the calling thread. Async-signal-safe.
pub(crate) fn mask(how: Mask, set: SignalSet) {
    let how = match how {
        Mask::Block => libc::SIG_BLOCK,
        Mask::Unblock => libc::SIG_UNBLOCK,
        Mask::Set => libc::SIG_SETMASK,
    };
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads eight bytes from `set`, which outlives the call, and writes nothing.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const set.0, none, size_of::<u64>()) };
}

/// The mask of the calling thread.
pub(crate) fn current_mask() -> SignalSet {
    let mut now = 0_u64;
    let none = std::ptr::null::<u64>();
    // SAFETY: the kernel writes eight bytes to `now`, which outlives the call, and reads nothing.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, none, &raw mut now, size_of::<u64>())
    };
    SignalSet(now)
}

/// Signals that wait for the calling thread to unblock them.
pub(crate) fn pending() -> SignalSet {
    let mut now = 0_u64;
    // SAFETY: the kernel writes eight bytes to `now`, which outlives the call.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut now, size_of::<u64>()) };
    SignalSet(now)
}

/// What a process does with a signal, as far as it survives exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    Default,
    Ignore,
    /// A function of this program's, which exec turns into the default.
    Caught,
}

/// The kernel's own `struct sigaction`; with a null handler and without flags the rest is zero on every architecture.
#[repr(C)]
#[derive(Default)]
struct KernelAction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

/// Async-signal-safe. SIGKILL and SIGSTOP stay as they are.
pub(crate) fn set_disposition(signal: Signal, to: Disposition) {
    let handler = if to == Disposition::Ignore { libc::SIG_IGN } else { libc::SIG_DFL };
    let action = KernelAction { handler, ..KernelAction::default() };
    let none = std::ptr::null_mut::<KernelAction>();
    // SAFETY: `action` is at least as long as the kernel's structure, whose first word is the handler; SIG_IGN and
    // SIG_DFL run no code of ours.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal.0, &raw const action, none, size_of::<u64>()) };
}

/// Async-signal-safe.
pub(crate) fn disposition(of: Signal) -> Disposition {
    let mut action = KernelAction::default();
    let none = std::ptr::null::<KernelAction>();
    // SAFETY: `action` is at least as long as what the kernel writes.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, of.0, none, &raw mut action, size_of::<u64>()) };
    match action.handler {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignore,
        _ => Disposition::Caught,
    }
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipient {
    Process(libc::pid_t),
    Group(libc::pid_t),
    OwnGroup,
}

/// kill(2) by raw number: real-time signals have no name in nix.
pub(crate) fn send(to: Recipient, signal: Signal) -> Result<(), Errno> {
    let number = match to {
        // 0 and -1 mean others than a process or group; a number that was never filled in must not reach them.
        Recipient::Process(pid) | Recipient::Group(pid) if pid <= 1 => return Err(Errno::ESRCH),
        Recipient::Process(pid) => pid,
        Recipient::Group(group) => -group,
        Recipient::OwnGroup => 0,
    };
    // SAFETY: kill has no preconditions.
    Errno::result(unsafe { libc::kill(number, signal.0) }).map(drop)
}
