//! The parent of a command: a pure machine, the loop that performs its actions, leftovers, status. Knows no leases.
//!
//! The way of a run, in one thread up to [`AtGate::go`]:
//!
//! ```text
//! let waiting = supervise::fork(plan)?;         // the child exists and waits; all signals are blocked and queued
//! …record waiting.pid()…                        // drop(waiting) instead: the child ends without having run
//! let running = waiting.go();                   // it becomes the program; 0, 1 and inherited descriptors are gone here
//! let settled = running.until_settled(&mut surroundings);
//! …close the seats, release in the store…
//! settled.exit()                                // returns a status, or dies of the command's signal
//! ```
//!
//! From `fork` on every signal is blocked for good, in threads that are made later too, and what arrives after the
//! command has ended stays unread: a release is never interrupted. `surroundings` is asked in this thread, and while it
//! answers no signal is passed on.

mod clock;
mod leftovers;
mod machine;
mod run;
mod settle;
mod settling;
pub(crate) mod status;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use self::clock::Clock;
use self::leftovers::Task;
use self::machine::{Company, Keyboard, Machine};
use self::run::{Parts, Supervisor};
use self::settle::Ending;
use self::status::{Outcome, Settled};
use crate::model::ids::Pid;
use crate::sys::descriptors::let_go_of_inherited;
use crate::sys::exec::{self, Gated, Image, fork_gated};
use crate::sys::inbox::Inbox;
use crate::sys::process::{adopt_orphans, leads_own_group};
use crate::sys::signal::{Recipient, Signal, SignalSet, send};
use crate::sys::terminal::{Terminal, is_all_ours};
use crate::sys::wait::{self, Status};
use crate::sys::{inherited, process};

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The file, looked up already.
    pub(crate) program: PathBuf,
    /// The words of the command, the first included, as they were typed.
    pub(crate) argv: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) options: Options,
    /// Children of this process that are no part of the command, such as a scan helper. Those that were there before
    /// this program was are found without being named.
    pub(crate) foreign_children: Vec<Pid>,
}

/// How to supervise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    /// Where the user named one, a SIGTERM is followed by a SIGKILL after it.
    pub(crate) grace: Option<Duration>,
    pub(crate) orphans: Orphans,
    pub(crate) on_lost: OnLost,
}

/// What happens to processes that outlive the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Orphans {
    /// If it failed or was asked to end, those of its session and those on a reserved GPU are ended; else those on a
    /// reserved GPU are waited for.
    #[default]
    Auto,
    /// All are ended.
    Kill,
    /// All are waited for.
    Wait,
    /// Nobody is waited for.
    Leave,
}

/// What happens to the command when its lease is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnLost {
    #[default]
    Warn,
    Terminate,
}

/// A process that outlived its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) pid: Pid,
    /// Chosen by the process itself: escape it before showing it.
    pub(crate) name: String,
}

impl Leftover {
    fn of(task: &Task) -> Self {
        Self { pid: task.pid, name: task.name.clone() }
    }
}

/// What the user should be told, on stderr; that this fails must not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// `--timeout` is over and the command is asked to end.
    TimeIsUp,
    LeaseLost {
        why: String,
        then: OnLost,
    },
    Warning(String),
    EndingLeftovers(Vec<Leftover>),
    /// The lease is kept for them; INT or TERM ends them.
    WaitingForLeftovers(Vec<Leftover>),
    /// It belongs to another user now.
    CannotEnd(Leftover),
    /// SIGKILL has not ended them: they hang in the kernel, and are waited for.
    Undying(Vec<Leftover>),
}

/// Who works on the GPUs of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct GpuUse {
    pub(crate) pids: BTreeSet<Pid>,
    /// The process of ours that found it out and may take a moment to be gone: no part of the command.
    pub(crate) helper: Option<Pid>,
}

/// What the supervisor of a command may have to know about its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The lease is somebody else's now, or gone; why.
    Lost(String),
    /// Worth a line to the user; nothing else changes.
    Warning(String),
}

/// When the surroundings want to be attended: when one of the descriptors is readable, or at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulse<'a> {
    pub(crate) descriptors: [Option<BorrowedFd<'a>>; 2],
    pub(crate) moment: Option<Instant>,
}

/// What a supervisor cannot know or do itself.
pub(crate) trait Surroundings {
    /// Which of these processes work on a GPU of the lease. Asked only when the command has ended and left some.
    fn uses_reserved_gpu(&mut self, pids: &[Pid]) -> GpuUse;
    fn say(&mut self, notice: Notice);
    /// What to wait for, beside all that concerns the command, before the next [`Surroundings::attend`].
    fn pulse(&self) -> Pulse<'_>;
    /// Called whenever the supervisor is awake. Must not block.
    fn attend(&mut self) -> Vec<News>;
    /// We were stopped, for how long is not known, and go on: show that we live. Must not block.
    fn resumed(&mut self);
}

/// Why there is no child.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("the command or its environment has a zero byte inside")]
    ZeroByte,
    #[error("cannot receive signals: {0}")]
    Signals(Errno),
    #[error("cannot start a process: {0}")]
    Fork(io::Error),
}

/// Forks the child, which waits at a gate before exec. The calling process has one thread.
pub(crate) fn fork(plan: Plan) -> Result<AtGate, SpawnError> {
    let image =
        Image::new(&plan.program, &plan.argv, &plan.env).map_err(|_zero_byte| SpawnError::ZeroByte)?;
    let mut foreign: BTreeSet<Pid> = leftovers::children().unwrap_or_default();
    foreign.extend(plan.foreign_children);
    let inbox = Inbox::open().map_err(SpawnError::Signals)?;
    // Without it orphans go to init, unsettled, as they would for a shell; every kernel since 3.4 knows it.
    let _ = adopt_orphans();
    let gated = fork_gated(&image).map_err(SpawnError::Fork)?;
    Ok(AtGate(Some(Waiting { gated, inbox, foreign, options: plan.options })))
}

/// A child that waits to become the program. Dropped, it ends without having run, and is reaped.
#[derive(Debug)]
pub(crate) struct AtGate(Option<Waiting>);

#[derive(Debug)]
struct Waiting {
    gated: Gated,
    inbox: Inbox,
    foreign: BTreeSet<Pid>,
    options: Options,
}

impl AtGate {
    /// The child; its number is its own until the run is settled.
    pub(crate) fn pid(&self) -> Pid {
        self.0.as_ref().map_or(Pid(0), |waiting| waiting.gated.pid)
    }

    /// Hands over the terminal if it is ours to give, opens the gate, and lets go of what was inherited.
    pub(crate) fn go(mut self) -> Running {
        let Some(waiting) = self.0.take() else { unreachable!("only go and drop take it, and both end it") };
        let ignored = inherited::ignored();
        let keyboard = if is_all_ours() { Keyboard::ForCommand } else { Keyboard::Shared };
        let company = if leads_own_group() && keyboard == Keyboard::ForCommand {
            Company::Alone
        } else {
            Company::Others
        };
        let mut parts = Parts {
            child: waiting.gated.pid,
            home: process::own_session(),
            failure: waiting.gated.failure,
            inbox: waiting.inbox,
            unread: Vec::new(),
            terminal: Terminal::controlling(),
            machine: Machine::new(waiting.options, ignored, keyboard, company),
            options: waiting.options,
            ignored,
            clock: Clock::start(waiting.options.timeout),
            ear: None,
            // Our own broken pipe shows as an error where we wrote.
            passed: SignalSet::EMPTY.with(Signal::PIPE),
            foreign: waiting.foreign,
        };
        parts.start();
        // If it was killed meanwhile nobody reads this; its end is seen as any other.
        let _ = nix::unistd::write(&waiting.gated.gate, &[1]);
        // Where /proc is missing the user's pipes stay open until we end; the command is not concerned.
        let _ = let_go_of_inherited();
        Running(parts)
    }
}

impl Drop for AtGate {
    fn drop(&mut self) {
        if let Some(Waiting { gated, .. }) = self.0.take() {
            drop(gated.gate);
            // It ends by itself, unless somebody stopped it.
            let _ = send(Recipient::Process(gated.pid.0), Signal::KILL);
            wait::reap_blocking(gated.pid);
        }
    }
}

/// A command that runs.
#[derive(Debug)]
pub(crate) struct Running(Parts);

impl Running {
    /// Supervises the command to its end and settles what is left of its tree; reaps it last.
    pub(crate) fn until_settled(self, surroundings: &mut dyn Surroundings) -> Settled {
        let mut supervisor = Supervisor { parts: self.0, around: surroundings };
        let (status, owed) = supervisor.until_ended();
        let ended = supervisor.settle(supervisor.parts.ending(status));
        let parts = supervisor.parts;
        wait::reap(parts.child);
        let outcome = match exec::failure(&parts.failure) {
            Some(errno) => Outcome::NotExecutable(errno),
            None if parts.machine.timed_out => Outcome::TimedOut,
            None => Outcome::of(status),
        };
        Settled { outcome, ended, owed }
    }
}

impl Parts {
    fn ending(&self, status: Status) -> Ending {
        if self.machine.is_escalating() {
            Ending::ToldToEnd
        } else if status != Status::Exited(0) || self.machine.disturbed {
            Ending::Disturbed
        } else {
            Ending::Undisturbed
        }
    }
}
