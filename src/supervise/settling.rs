//! The loop after the command has ended, while processes of its tree are left: waits for them or ends them, as `settle`
//! judges.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::clock::Due;
use super::leftovers::{Life, Task, children, descendants};
use super::machine::{LAST_BREATH, Pressure, Sender};
use super::run::{Lease, Supervisor};
use super::settle::{Ending, Scope, Verdict, judge};
use super::{GpuUse, Leftover, Notice, Orphans};
use crate::model::ids::Pid;
use crate::sys::inbox::Letter;
use crate::sys::pidfd::Pidfd;
use crate::sys::process::{group_of, own_pid};
use crate::sys::signal::Signal;
use crate::sys::wait;

/// How often to ask again whether somebody we wait for still uses a GPU: he may give it back without ending.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// How often to look where the kernel does not tell us that a process has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

type Name = (Pid, u64);

/// How far the leftovers are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Watching,
    /// SIGTERM was sent; the timer runs.
    Ending(Scope),
    Killing(Scope),
}

/// What was done about the leftovers so far.
struct Settling {
    ending: Ending,
    stage: Stage,
    pressure: Pressure,
    /// Who has got the signal of this stage.
    told: BTreeSet<Name>,
    /// Who is not ours to signal: nobody can wait for that.
    beyond: BTreeSet<Name>,
    ended: Vec<Leftover>,
    /// Whom we have said to wait for.
    announced: BTreeSet<Pid>,
    asked: Option<Asked>,
    /// Whether those that were killed should be gone by now, and somebody should hear that they are not.
    overdue: bool,
}

/// The last answer about GPUs, and whom it was about.
struct Asked {
    about: BTreeSet<Name>,
    at: Instant,
    on_gpu: BTreeSet<Pid>,
}

impl Supervisor<'_> {
    /// Returns when nothing stands in the way of the release; who was made to end.
    pub(super) fn settle(&mut self, ending: Ending) -> Vec<Leftover> {
        let pressure = self.parts.machine.pressure();
        match pressure {
            Pressure::None | Pressure::Interrupted => self.parts.clock.stop_timer(),
            Pressure::Terminated => {}
            Pressure::Killed => self.parts.clock.start_timer(LAST_BREATH),
        }
        let mut state = Settling {
            ending,
            // Every descendant was sent its SIGKILL, wherever it lives; dying takes a moment.
            stage: if pressure == Pressure::Killed { Stage::Killing(Scope::All) } else { Stage::Watching },
            pressure,
            told: BTreeSet::new(),
            beyond: BTreeSet::new(),
            ended: Vec::new(),
            announced: BTreeSet::new(),
            asked: None,
            overdue: false,
        };
        loop {
            let mut left = self.left();
            left.retain(|task| !state.beyond.contains(&name(task)));
            let Some(scope) = self.advance(&mut state, &left) else { return state.ended };
            left.retain(|task| scope.covers(task) && !state.beyond.contains(&name(task)));
            if left.is_empty() {
                return state.ended;
            }
            if std::mem::take(&mut state.overdue) {
                self.name_undying(&left);
            }
            self.await_change(&mut state, &left);
        }
    }

    /// Who is left of the command's tree, alive. Buries those that are not.
    fn left(&mut self) -> Vec<Task> {
        let children = children();
        if let Some(children) = &children {
            // Who was buried meanwhile has left his number to somebody else.
            self.parts.foreign.retain(|pid| children.contains(pid));
        }
        let foreign = &self.parts.foreign;
        let is_ours = |pid: &Pid| *pid != self.parts.child && !foreign.contains(pid);
        if children.is_some_and(|children| !children.iter().any(is_ours)) {
            return Vec::new();
        }
        let own_group = group_of(own_pid());
        let (dead, alive): (Vec<Task>, Vec<Task>) = descendants(own_pid(), foreign)
            .into_iter()
            .filter(|task| is_ours(&task.pid))
            .partition(|task| task.life == Life::Zombie);
        for task in dead.into_iter().filter(|task| task.parent == own_pid()) {
            wait::reap(task.pid);
        }
        // Who is in our own group came from whoever was here before us: the command has a group of its own.
        alive.into_iter().filter(|task| Some(task.group) != own_group).collect()
    }

    /// One look: decides, says so, sends. `None` when nothing stands in the way any more.
    fn advance(&mut self, state: &mut Settling, left: &[Task]) -> Option<Scope> {
        if state.stage == Stage::Watching {
            let on_gpu = self.on_gpu(state, left);
            match judge(self.parts.options.orphans, state.ending, self.parts.home, left, &on_gpu) {
                Verdict::Release => return None,
                Verdict::WaitFor(scope) => {
                    self.announce(state, &scope, left);
                    return Some(scope);
                }
                Verdict::End(scope) => self.begin_ending(state, scope, left),
            }
        }
        let (scope, signal) = match &state.stage {
            Stage::Killing(scope) => (scope.clone(), Signal::KILL),
            Stage::Ending(scope) => (scope.clone(), Signal::TERM),
            Stage::Watching => return None,
        };
        for task in left.iter().filter(|task| scope.covers(task)) {
            self.end(state, task, signal);
        }
        Some(scope)
    }

    /// Only `auto` cares. Asked again when others are left than the last time, or after a while.
    fn on_gpu(&mut self, state: &mut Settling, left: &[Task]) -> BTreeSet<Pid> {
        if self.parts.options.orphans != Orphans::Auto || left.is_empty() {
            return BTreeSet::new();
        }
        let about: BTreeSet<Name> = left.iter().map(name).collect();
        if let Some(asked) = &state.asked
            && asked.about == about
            && asked.at.elapsed() < ASK_AGAIN
        {
            return asked.on_gpu.clone();
        }
        let pids: Vec<Pid> = left.iter().map(|task| task.pid).collect();
        let GpuUse { pids: on_gpu, helper } = self.around.uses_reserved_gpu(&pids);
        self.parts.foreign.extend(helper);
        state.asked = Some(Asked { about, at: Instant::now(), on_gpu: on_gpu.clone() });
        on_gpu
    }

    fn announce(&mut self, state: &mut Settling, scope: &Scope, left: &[Task]) {
        let waited: Vec<&Task> = left.iter().filter(|task| scope.covers(task)).collect();
        if waited.iter().all(|task| state.announced.contains(&task.pid)) {
            return;
        }
        state.announced.extend(waited.iter().map(|task| task.pid));
        self.around.say(Notice::WaitingForLeftovers(waited.into_iter().map(Leftover::of).collect()));
    }

    fn begin_ending(&mut self, state: &mut Settling, scope: Scope, left: &[Task]) {
        let named = left.iter().filter(|task| scope.covers(task)).map(Leftover::of).collect();
        self.around.say(Notice::EndingLeftovers(named));
        // Who was given a grace already shares what is left of it.
        if state.pressure != Pressure::Terminated {
            self.parts.clock.start_timer(self.parts.machine.grace());
        }
        state.stage = Stage::Ending(scope);
    }

    fn end(&mut self, state: &mut Settling, task: &Task, signal: Signal) {
        // SIGKILL is repeated at every look: it costs nothing and needs no memory.
        if signal != Signal::KILL && state.told.contains(&name(task)) {
            return;
        }
        let sent = task.send(signal);
        if sent == Err(Errno::EPERM) {
            state.beyond.insert(name(task));
            self.around.say(Notice::CannotEnd(Leftover::of(task)));
            return;
        }
        if signal == Signal::TERM {
            // A stopped task cannot act on it.
            let _ = task.send(Signal::CONT);
        }
        if state.told.insert(name(task)) {
            state.ended.push(Leftover::of(task));
        }
    }

    /// Sleeps until there is a reason to look again.
    fn await_change(&mut self, state: &mut Settling, covered: &[Task]) {
        let mut deaf = false;
        let mut held = Vec::new();
        for task in covered {
            match Pidfd::open(task.pid) {
                Ok(pidfd) => held.push(pidfd),
                Err(Errno::ESRCH) => return,
                Err(_) => deaf = true,
            }
        }
        let watching = state.stage == Stage::Watching && self.parts.options.orphans == Orphans::Auto;
        let patience = if deaf { Some(LOOK_AGAIN) } else { watching.then_some(ASK_AGAIN) };
        let look_at = patience.map(|span| Instant::now() + span);
        while self.hear(state) == Heard::Nothing {
            let until = [look_at, self.parts.clock.next()].into_iter().flatten().min();
            self.wait(held.iter().map(AsFd::as_fd), until);
            let late = look_at.is_some_and(|at| at <= Instant::now());
            if late || held.iter().any(Pidfd::has_ended) {
                return;
            }
        }
    }

    /// Signals, news and the clock.
    fn hear(&mut self, state: &mut Settling) -> Heard {
        let mut heard = Heard::Nothing;
        let unread = std::mem::take(&mut self.parts.unread);
        let arrived = std::iter::from_fn(|| self.parts.inbox.next());
        let letters: Vec<Letter> = unread.into_iter().chain(arrived).collect();
        for letter in letters {
            if letter.signal == Signal::CHLD {
                heard = Heard::Something;
            }
            let from_outside = matches!(self.parts.sender_of(letter), Some(Sender::Kernel | Sender::Other));
            match letter.signal {
                Signal::CONT => self.around.resumed(),
                _ if !from_outside || self.parts.ignored.contains(letter.signal) => {}
                Signal::INT | Signal::TERM => {
                    self.insist(state);
                    heard = Heard::Something;
                }
                by @ (Signal::TSTP | Signal::TTIN | Signal::TTOU) => drop(self.stop(by)),
                _ => {}
            }
        }
        for news in self.around.attend() {
            if self.report(news) == Lease::Lost && self.parts.ends_when_lost() {
                state.ending = Ending::ToldToEnd;
                heard = Heard::Something;
            }
        }
        while let Some(due) = self.parts.clock.due() {
            heard = Heard::Something;
            match due {
                Due::TimeIsUp => self.time_is_up(state),
                Due::TimerOver if matches!(state.stage, Stage::Killing(_)) => state.overdue = true,
                Due::TimerOver => self.kill(state),
            }
        }
        heard
    }

    /// Somebody wants it over: the first time they are asked to end, the second time means now.
    fn insist(&mut self, state: &mut Settling) {
        match state.stage {
            Stage::Watching => state.ending = Ending::ToldToEnd,
            Stage::Ending(_) | Stage::Killing(_) => self.kill(state),
        }
    }

    fn kill(&mut self, state: &mut Settling) {
        if let Stage::Ending(scope) = &state.stage {
            state.stage = Stage::Killing(scope.clone());
            self.parts.clock.start_timer(LAST_BREATH);
        }
    }

    fn time_is_up(&mut self, state: &mut Settling) {
        if state.stage == Stage::Watching {
            self.around.say(Notice::TimeIsUp);
            self.parts.machine.timed_out = true;
            state.ending = Ending::ToldToEnd;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
}

fn name(task: &Task) -> Name {
    (task.pid, task.start)
}
