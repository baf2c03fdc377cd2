//! What a supervisor does next while its command lives. Pure: the loop in `run` says what happened and carries out the
//! answer; who is in the foreground is an argument.

use std::time::Duration;

use super::{OnLost, Options};
use crate::sys::signal::{Signal, SignalSet};
use crate::sys::wait::Status;

/// From SIGTERM (or a timeout's SIGINT) to SIGKILL, where the user named no other span.
pub(super) const GRACE: Duration = Duration::from_secs(30);
/// Who has not ended so long after SIGKILL hangs in the kernel, or is not ours to kill. To give back all the memory of a
/// large process takes seconds.
pub(super) const LAST_BREATH: Duration = Duration::from_secs(5);

/// Who is in the foreground of our terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    NoTerminal,
    Ours,
    Command,
    /// A group of the command's descendants, or one that nobody is in any more.
    Below,
    /// Somebody else, such as the shell that we were started from.
    Elsewhere,
}

/// Who sent us a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A key of the terminal, its hangup, its new size.
    Kernel,
    /// The command or its process group.
    Command,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The command was stopped.
    Stopped(Signal, Front),
    /// We could not be stopped: nobody could continue us.
    NotStopped(Front),
    Asked(Signal, Sender, Front),
    TimeIsUp,
    /// The span of the last [`Action::StartTimer`] is over.
    TimerOver,
    LeaseLost,
    Ended(Status, Front),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The process that we forked.
    Child,
    /// Its process group.
    Group,
    /// Its process group, and itself if it has left that.
    GroupAndChild,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Send(Target, Signal),
    GiveTerminal,
    TakeTerminal,
    /// Answered with [`Event::NotStopped`] if it could not be; else with the SIGCONT that ended it.
    StopSelf(Signal),
    /// The kernel has stopped the others of our group, who may have been continued since.
    StopLikeTheOthers(Signal),
    /// We may have been stopped for long: show that we live before anything else goes on.
    Renew,
    StartTimer(Duration),
    KillTree,
    SayTimeIsUp,
    /// Says who does not end.
    NameUndying,
}

pub(super) type Actions = Vec<Action>;

/// Whom the foreground belongs to, as far as we arranged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    ByUs,
    ByCommand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// It was asked to end; the step is taken when the timer is over.
    Escalating(Step),
    Killing,
}

/// How much the command was pressed to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressure {
    None,
    Interrupted,
    /// The timer runs to the SIGKILL.
    Terminated,
    Killed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Terminate,
    Kill,
}

/// Our own group is stopped along with the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Suspended {
    by: Signal,
    held: Held,
}

/// Whether standard input and output leave the keyboard to the command alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyboard {
    ForCommand,
    /// It is not our input, or a pager at the end of our pipe may want it.
    Shared,
}

/// Whether we are alone in our process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    /// A script, a make, the other end of a pipe: what the keyboard sends is for them too.
    Others,
}

/// The supervisor of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    options: Options,
    ignored: SignalSet,
    keyboard: Keyboard,
    pub(super) company: Company,
    phase: Phase,
    held: Held,
    suspended: Option<Suspended>,
    /// It was sent INT, TERM or HUP by way of us.
    pub(super) disturbed: bool,
    pub(super) timed_out: bool,
}

impl Machine {
    /// `ignored`: what we were started with as ignored. The command ignores it too, unless it chose otherwise, so it is
    /// passed on but means nothing to us.
    pub(super) fn new(options: Options, ignored: SignalSet, keyboard: Keyboard, company: Company) -> Self {
        Self {
            options,
            ignored,
            keyboard,
            company,
            phase: Phase::Running,
            held: Held::ByUs,
            suspended: None,
            disturbed: false,
            timed_out: false,
        }
    }

    /// Before the command runs: a command that reads the keyboard should find itself in the foreground.
    pub(super) fn start(&mut self, front: Front) -> Actions {
        match (front, self.keyboard) {
            (Front::Ours, Keyboard::ForCommand) => vec![self.give()],
            _ => vec![],
        }
    }

    #[must_use]
    pub(super) fn on(&mut self, event: Event) -> Actions {
        use Event::{Asked, Ended, LeaseLost, NotStopped, Stopped, TimeIsUp, TimerOver};
        match event {
            Stopped(by, front) => self.stopped(by, front),
            NotStopped(front) => self.not_stopped(front),
            // Whoever continued us: we would sit here stopped in all but name.
            Asked(Signal::CONT, sender, front) if sender != Sender::Command || self.suspended.is_some() => {
                self.resume(front)
            }
            // What the command sends to its parent was never meant for itself.
            Asked(_, Sender::Command, _) => vec![],
            Asked(wants @ (Signal::TTIN | Signal::TTOU), Sender::Kernel, _)
                if self.held == Held::ByCommand =>
            {
                self.yield_keyboard(wants)
            }
            Asked(signal, sender, _) => self.asked(signal, sender),
            TimeIsUp => self.time_is_up(),
            TimerOver => self.timer_over(),
            LeaseLost if self.options.on_lost == OnLost::Terminate && !self.is_escalating() => {
                self.terminate()
            }
            LeaseLost => vec![],
            Ended(_, front) => self.take_back(front).into_iter().collect(),
        }
    }

    /// If the keyboard's signal ended the command, only its group got it, but as a bare command it would have shared
    /// ours, and a script's loop around us must stop. To be asked before [`Event::Ended`].
    pub(super) fn owes_own_group(&self, status: Status) -> Option<Signal> {
        match status {
            Status::Killed(by @ (Signal::INT | Signal::QUIT)) if self.held == Held::ByCommand => Some(by),
            _ => None,
        }
    }

    /// How far the end was enforced: what is left of the tree gets no second grace.
    pub(super) fn pressure(&self) -> Pressure {
        match self.phase {
            Phase::Running => Pressure::None,
            Phase::Escalating(Step::Terminate) => Pressure::Interrupted,
            Phase::Escalating(Step::Kill) => Pressure::Terminated,
            Phase::Killing => Pressure::Killed,
        }
    }

    pub(super) fn is_escalating(&self) -> bool {
        self.phase != Phase::Running
    }

    fn stopped(&mut self, by: Signal, front: Front) -> Actions {
        let wants_terminal = matches!(by, Signal::TTIN | Signal::TTOU);
        if wants_terminal && front == Front::Ours {
            return vec![self.give(), Action::Send(Target::Group, Signal::CONT)];
        }
        if self.is_escalating() {
            // It shall end, not rest. One that wants the terminal would only stop again.
            return if wants_terminal { vec![] } else { vec![Action::Send(Target::Group, Signal::CONT)] };
        }
        if front == Front::NoTerminal {
            // Nobody is there who could continue us, and a batch job's lease must go on living.
            return vec![];
        }
        self.suspended = Some(Suspended { by, held: self.held });
        self.take_back(front).into_iter().chain([Action::StopSelf(by)]).collect()
    }

    /// Bare, the command would have been in our orphaned group and could not have been stopped by a key either.
    fn not_stopped(&mut self, front: Front) -> Actions {
        let Some(suspended) = self.suspended.take() else { return vec![] };
        match suspended.by {
            Signal::TSTP => {
                let given = self.give_back(front, suspended.held);
                given.into_iter().chain([Action::Send(Target::Group, Signal::CONT)]).collect()
            }
            Signal::TTIN | Signal::TTOU if front == Front::Ours => {
                vec![self.give(), Action::Send(Target::Group, Signal::CONT)]
            }
            // Continued, it would stop again at once; SIGSTOP was somebody's will.
            _ => vec![],
        }
    }

    fn resume(&mut self, front: Front) -> Actions {
        // A SIGCONT throws away the SIGTTIN that came before it: somebody else was stopped and brought to the foreground.
        let unheard = self.company == Company::Others && self.suspended.is_none() && front == Front::Ours;
        if unheard && self.held == Held::ByCommand {
            self.share_keyboard();
        }
        let held = self.suspended.take().map_or(self.held, |suspended| suspended.held);
        let given = self.give_back(front, held);
        if given.is_none() && front != Front::Command {
            self.held = Held::ByUs;
        }
        [Action::Renew].into_iter().chain(given).chain([Action::Send(Target::Group, Signal::CONT)]).collect()
    }

    fn give_back(&mut self, front: Front, held: Held) -> Option<Action> {
        let was_meant_to = self.keyboard == Keyboard::ForCommand || held == Held::ByCommand;
        (front == Front::Ours && was_meant_to).then(|| self.give())
    }

    /// Somebody who shares our group, such as a pager or the program that started us, wants the terminal and was stopped
    /// for it. We stop with him, so that a shell sees the whole job stop; the command goes on. Once the job is continued
    /// the terminal is our group's, and the command has to ask for it.
    fn yield_keyboard(&mut self, wants: Signal) -> Actions {
        self.share_keyboard();
        vec![Action::StopLikeTheOthers(wants)]
    }

    fn share_keyboard(&mut self) {
        self.keyboard = Keyboard::Shared;
        self.held = Held::ByUs;
    }

    fn asked(&mut self, signal: Signal, sender: Sender) -> Actions {
        let heeded = !self.ignored.contains(signal);
        if heeded && matches!(signal, Signal::INT | Signal::TERM | Signal::HUP) {
            self.disturbed = true;
        }
        match (signal, self.phase) {
            // The second request means now.
            (Signal::TERM, Phase::Escalating(_) | Phase::Killing) if heeded => self.kill(),
            // Only who named a grace wants more than a message: a checkpoint may take minutes.
            (Signal::TERM, Phase::Running) if heeded && self.options.grace.is_some() => self.terminate(),
            // The keyboard's copy is for the group, and who left it would bare not get it either.
            (signal, _) if is_for_the_group(signal) && sender == Sender::Kernel => {
                vec![Action::Send(Target::Group, signal)]
            }
            (signal, _) if is_for_the_group(signal) => vec![Action::Send(Target::GroupAndChild, signal)],
            // Workers that share the group must not die before their leader could use them for its checkpoint.
            (signal, _) => vec![Action::Send(Target::Child, signal)],
        }
    }

    fn time_is_up(&mut self) -> Actions {
        if self.is_escalating() {
            return vec![];
        }
        self.timed_out = true;
        if self.ignored.contains(Signal::INT) {
            return [Action::SayTimeIsUp].into_iter().chain(self.terminate()).collect();
        }
        // Python turns SIGINT into KeyboardInterrupt; half of the grace belongs to who understands that, the other
        // half to who understands SIGTERM only.
        self.phase = Phase::Escalating(Step::Terminate);
        vec![
            Action::SayTimeIsUp,
            Action::Send(Target::GroupAndChild, Signal::INT),
            Action::Send(Target::Group, Signal::CONT),
            Action::StartTimer(self.grace() / 2),
        ]
    }

    fn terminate(&mut self) -> Actions {
        let interrupted = self.phase == Phase::Escalating(Step::Terminate);
        let span = if interrupted { self.grace() / 2 } else { self.grace() };
        self.phase = Phase::Escalating(Step::Kill);
        vec![
            Action::Send(Target::Child, Signal::TERM),
            // A stopped task cannot act on it.
            Action::Send(Target::Group, Signal::CONT),
            Action::StartTimer(span),
        ]
    }

    fn timer_over(&mut self) -> Actions {
        match self.phase {
            Phase::Running => vec![],
            Phase::Killing => vec![Action::NameUndying],
            Phase::Escalating(Step::Terminate) => self.terminate(),
            Phase::Escalating(Step::Kill) => self.kill(),
        }
    }

    fn kill(&mut self) -> Actions {
        self.phase = Phase::Killing;
        vec![Action::KillTree, Action::StartTimer(LAST_BREATH)]
    }

    pub(super) fn grace(&self) -> Duration {
        self.options.grace.unwrap_or(GRACE)
    }

    fn give(&mut self) -> Action {
        self.held = Held::ByCommand;
        Action::GiveTerminal
    }

    /// Where somebody else has put himself in the foreground meanwhile, as a shell does when the script around us is
    /// killed or goes on without us, it stays his: in the background he would read an error and end.
    fn take_back(&mut self, front: Front) -> Option<Action> {
        let held = std::mem::replace(&mut self.held, Held::ByUs);
        let is_free = front == Front::Command || front == Front::Below && held == Held::ByCommand;
        is_free.then_some(Action::TakeTerminal)
    }
}

/// What a keyboard or a terminal sends to all in the foreground.
fn is_for_the_group(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::INT
            | Signal::QUIT
            | Signal::TSTP
            | Signal::TTIN
            | Signal::TTOU
            | Signal::CONT
            | Signal::WINCH
    )
}

#[cfg(test)]
mod tests;
