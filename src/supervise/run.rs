//! The loop around a live command: one poll, then the machine is told what happened and its actions are carried out.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::clock::{Clock, Due};
use super::leftovers::{Life, Task, descendants, is_below, is_watched_over};
use super::machine::{Action, Actions, Company, Event, Front, Machine, Sender, Target};
use super::{Leftover, News, Notice, OnLost, Options, Surroundings};
use crate::model::ids::Pid;
use crate::sys::ear::Ear;
use crate::sys::inbox::{Inbox, Letter, Source};
use crate::sys::process::{Stop, group_of, own_pid, stop_like_the_others, stop_own_group};
use crate::sys::signal::{Recipient, Signal, SignalSet, send};
use crate::sys::terminal::{Foreground, Terminal};
use crate::sys::wait::{self, Status, Which};

/// A command that runs, and what its supervisor works with.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) child: Pid,
    /// The session that the command was started in: ours.
    pub(super) home: Pid,
    pub(super) failure: OwnedFd,
    pub(super) inbox: Inbox,
    /// What came when the command had ended already.
    pub(super) unread: Vec<Letter>,
    pub(super) terminal: Option<Terminal>,
    pub(super) machine: Machine,
    pub(super) options: Options,
    pub(super) ignored: SignalSet,
    pub(super) clock: Clock,
    /// Listens in the command's group for those that are in ours with us. Made when the terminal is handed over.
    pub(super) ear: Option<Ear>,
    /// Whether anybody is.
    /// What we have sent to our own group, and to ourselves with it.
    pub(super) passed: SignalSet,
    /// Children of ours that are not the command's.
    pub(super) foreign: BTreeSet<Pid>,
}

/// The parts at work.
pub(super) struct Supervisor<'a> {
    pub(super) parts: Parts,
    pub(super) around: &'a mut dyn Surroundings,
}

impl Supervisor<'_> {
    /// Supervises until the command has ended. Its zombie is left: it keeps the number of its group from being used
    /// again. The second answer is what our own group is owed (see [`Machine::owes_own_group`]).
    pub(super) fn until_ended(&mut self) -> (Status, Option<Signal>) {
        loop {
            if let Some(status) = self.look_at_children() {
                let owed = match self.parts.ear.take() {
                    // It has told, or is telling now.
                    Some(ear) => {
                        self.parts.foreign.remove(&ear.pid());
                        self.parts.pass_to_own_group(ear.dismiss());
                        None
                    }
                    None => self.parts.machine.owes_own_group(status),
                };
                self.tell(Event::Ended(status, self.parts.closest_front()));
                return (status, owed);
            }
            self.wait([], self.parts.clock.next());
            let letters: Vec<Letter> = std::iter::from_fn(|| self.parts.inbox.next()).collect();
            if wait::ended(Which::One(self.parts.child)).is_some() {
                // Who saw the command's end may have meant those that it leaves.
                self.parts.unread = letters;
                continue;
            }
            self.parts.listen();
            for letter in letters {
                if let Some(sender) = self.parts.sender_of(letter) {
                    self.tell(Event::Asked(letter.signal, sender, self.parts.front()));
                }
            }
            for news in self.around.attend() {
                if self.report(news) == Lease::Lost {
                    self.tell(Event::LeaseLost);
                }
            }
            while let Some(due) = self.parts.clock.due() {
                self.tell(match due {
                    Due::TimeIsUp => Event::TimeIsUp,
                    Due::TimerOver => Event::TimerOver,
                });
            }
        }
    }

    /// Passes on that the command stopped, buries orphans that came to us, and sees whether the command has ended.
    fn look_at_children(&mut self) -> Option<Status> {
        while let Some(by) = wait::stopped(self.parts.child) {
            self.tell(Event::Stopped(by, self.parts.closest_front()));
        }
        while let Some((pid, status)) = wait::ended(Which::Any) {
            if pid == self.parts.child {
                return Some(status);
            }
            if self.parts.ear.as_ref().is_some_and(|ear| ear.pid() == pid) {
                self.parts.lose_ear();
            } else {
                wait::reap(pid);
                // The number may be somebody of the command's next.
                self.parts.foreign.remove(&pid);
            }
        }
        None
    }

    /// Sleeps until a signal, the lease, one of `more` or the moment. An error or a hangup of a descriptor counts too.
    pub(super) fn wait<'fd>(&self, more: impl IntoIterator<Item = BorrowedFd<'fd>>, until: Option<Instant>) {
        let pulse = self.around.pulse();
        let mut fds = vec![PollFd::new(self.parts.inbox.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.parts.ear.as_ref().map(|ear| PollFd::new(ear.as_fd(), PollFlags::POLLIN)));
        fds.extend(pulse.descriptors.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        fds.extend(more.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        let until = [until, pulse.moment].into_iter().flatten().min();
        let timeout = until.map_or(PollTimeout::NONE, |at| {
            let left = at.saturating_duration_since(Instant::now());
            // Rounded up, or the last millisecond would be a busy one; what is too long is waited for in parts.
            let millis = left.as_nanos().div_ceil(1_000_000);
            i32::try_from(millis).ok().and_then(|ms| ms.try_into().ok()).unwrap_or(PollTimeout::MAX)
        });
        // Interrupted (by a stop) or not: whoever called looks at everything.
        let _: Result<_, Errno> = poll(&mut fds, timeout);
    }

    pub(super) fn report(&mut self, news: News) -> Lease {
        match news {
            News::Lost(why) => {
                self.around.say(Notice::LeaseLost { why, then: self.parts.options.on_lost });
                Lease::Lost
            }
            News::Warning(text) => {
                self.around.say(Notice::Warning(text));
                Lease::Kept
            }
        }
    }

    /// Stops our own group along with the command. The clock stands still meanwhile.
    pub(super) fn stop(&mut self, by: Signal) -> Stop {
        // Where nobody could continue us the kernel throws away every stop but this one, so it must not be this one.
        let by = if by == Signal::STOP && !is_watched_over() { Signal::TSTP } else { by };
        self.parts.clock.paused(|| stop_own_group(by))
    }

    /// Of these, who are still there though they were sent a SIGKILL, or could not be.
    pub(super) fn name_undying(&mut self, tasks: &[Task]) {
        let mut hanging = Vec::new();
        for task in tasks.iter().filter(|task| task.life == Life::Alive) {
            match task.send(Signal::KILL) {
                Err(Errno::EPERM) => self.around.say(Notice::CannotEnd(Leftover::of(task))),
                Ok(()) => hanging.push(Leftover::of(task)),
                Err(_) => {}
            }
        }
        if !hanging.is_empty() {
            self.around.say(Notice::Undying(hanging));
        }
    }

    fn tell(&mut self, event: Event) {
        let actions = self.parts.machine.on(event);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Actions) {
        for action in actions {
            match action {
                Action::StopSelf(by) => {
                    if self.stop(by) == Stop::Discarded {
                        self.tell(Event::NotStopped(self.parts.front()));
                    }
                }
                Action::StopLikeTheOthers(by) => {
                    let Parts { clock, terminal, .. } = &mut self.parts;
                    // The job was brought back to the foreground.
                    let is_over = || terminal.as_ref().map(Terminal::foreground) == Some(Foreground::Ours);
                    clock.paused(|| stop_like_the_others(by, is_over));
                }
                Action::Renew => self.around.resumed(),
                Action::SayTimeIsUp => self.around.say(Notice::TimeIsUp),
                Action::NameUndying => self.name_undying(&descendants(own_pid(), &self.parts.foreign)),
                other => self.parts.perform(other),
            }
        }
    }
}

/// What news mean for the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    Kept,
    Lost,
}

impl Parts {
    /// Before the gate opens.
    pub(super) fn start(&mut self) {
        for action in self.machine.start(self.front()) {
            self.perform(action);
        }
    }

    /// The actions that concern the command only. That it is gone, or not ours to signal (it became root), is no
    /// failure of ours.
    fn perform(&mut self, action: Action) {
        match action {
            Action::Send(target, signal) => self.send(target, signal),
            Action::GiveTerminal => self.give_terminal(),
            Action::TakeTerminal => drop(self.terminal.as_ref().map(Terminal::take)),
            Action::StartTimer(span) => self.clock.start_timer(span),
            Action::KillTree => self.kill_tree(),
            Action::StopSelf(_)
            | Action::StopLikeTheOthers(_)
            | Action::Renew
            | Action::SayTimeIsUp
            | Action::NameUndying => {}
        }
    }

    fn give_terminal(&mut self) {
        if self.machine.company == Company::Others && self.ear.is_none() {
            // Without one they hear of a key when the command died of it (see `Machine::owes_own_group`).
            self.ear = Ear::in_group(self.child).ok();
            self.foreign.extend(self.ear.as_ref().map(Ear::pid));
        }
        if let Some(terminal) = &self.terminal {
            // If it has hung up there is no foreground to be in.
            let _ = terminal.give(self.child);
        }
    }

    fn send(&self, target: Target, signal: Signal) {
        let child = self.child.0;
        if target != Target::Child {
            let _ = send(Recipient::Group(child), signal);
        }
        let alone = target == Target::GroupAndChild && group_of(self.child) != Some(self.child);
        if target == Target::Child || alone {
            let _ = send(Recipient::Process(child), signal);
        }
    }

    /// The command, its group and whoever else descends from it. What is forked meanwhile is found once it has ended.
    fn kill_tree(&self) {
        self.send(Target::GroupAndChild, Signal::KILL);
        for task in descendants(own_pid(), &self.foreign) {
            let _ = task.send(Signal::KILL);
        }
    }

    pub(super) fn front(&self) -> Front {
        match self.terminal.as_ref().map(Terminal::foreground) {
            None | Some(Foreground::Nobody) => Front::NoTerminal,
            Some(Foreground::Ours) => Front::Ours,
            Some(Foreground::Other(group)) if group == self.child => Front::Command,
            Some(Foreground::Other(_)) => Front::Elsewhere,
        }
    }

    /// As [`Self::front`], where it makes a difference whether somebody else in the foreground is below us: then all
    /// processes are looked at.
    fn closest_front(&self) -> Front {
        match self.terminal.as_ref().map(Terminal::foreground) {
            Some(Foreground::Other(group)) if group != self.child && is_below(group, own_pid()) => {
                Front::Below
            }
            _ => self.front(),
        }
    }

    /// `None` for what is no message to us: the state of a child is looked at anyway, and a broken pipe of our own
    /// shows as an error where we wrote.
    pub(super) fn sender_of(&self, letter: Letter) -> Option<Sender> {
        match letter.source {
            _ if letter.signal == Signal::CHLD => None,
            Source::Kernel => Some(Sender::Kernel),
            // Our copy of what we have passed to our group. Others of our own number came before this program, which exec
            // put in the place of who sent them.
            Source::Process(pid) if pid == own_pid().0 && self.passed.contains(letter.signal) => None,
            Source::Process(0) => Some(Sender::Other),
            Source::Process(pid) => {
                let pid = Pid(pid);
                let commands = pid == self.child || group_of(pid) == Some(self.child);
                Some(if commands { Sender::Command } else { Sender::Other })
            }
        }
    }

    fn listen(&mut self) {
        let Some(ear) = &self.ear else { return };
        match ear.heard() {
            Some(signals) => self.pass_to_own_group(signals),
            // Somebody has killed the whole group.
            None => self.lose_ear(),
        }
    }

    /// It has ended by itself.
    fn lose_ear(&mut self) {
        if let Some(ear) = self.ear.take() {
            // Its end of the pipe is closed a moment before it can be buried.
            wait::reap_blocking(ear.pid());
            self.foreign.remove(&ear.pid());
        }
    }

    /// At once, as the keyboard would: those in our group decide by themselves what it means. We have it blocked.
    fn pass_to_own_group(&mut self, signals: Vec<Signal>) {
        for signal in signals {
            self.passed = self.passed.with(signal);
            let _ = send(Recipient::OwnGroup, signal);
        }
    }

    pub(super) fn ends_when_lost(&self) -> bool {
        self.options.on_lost == OnLost::Terminate
    }
}
