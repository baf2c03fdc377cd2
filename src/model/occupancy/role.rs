//! What a process is to the reservation of its GPU: the holder's, somebody else's on positive evidence only, or
//! unknown. Pure.

use std::time::Duration;

use crate::model::identity::{Identity, Life};
use crate::model::ids::{LeaseId, Pid, Uid};
use crate::model::process::{Origin, Process};
use crate::model::reservation::{Holder, Kind, Past, Reservation};
use crate::model::seen::{Context, Seen};

use super::Role;
use super::site::Right;

/// Daemons of the driver, as the kernel names them: cut at 15 bytes.
const DAEMONS: [&str; 3] = ["nvidia-persiste", "nv-hostengine", "dcgm-exporter"];
/// nvidia-cuda-mps-control and nvidia-cuda-mps-server, cut likewise.
const MPS: &str = "nvidia-cuda-mps";
/// Accounts below this number belong to the system, not to people (login.defs).
const FIRST_PERSON: Uid = Uid(1000);
/// By so much a process may seem to have started before its reservation: the store's clock may be another host's.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(1);

/// Whether a process belongs to the machinery of the GPU: never use by itself. Names are chosen by the processes
/// themselves, so they count only for accounts that nobody works under.
pub(super) fn is_system(process: &Process, context: Context, holder: Option<Uid>) -> bool {
    if context == Context::Graphics {
        return true;
    }
    let Some(uid) = process.uid else {
        return false;
    };
    let of_the_system = uid < FIRST_PERSON && host_uid(process).is_none();
    if process.name == MPS {
        return of_the_system || holder == Some(uid);
    }
    of_the_system && DAEMONS.contains(&process.name.as_str())
}

/// The rule for the processes of one GPU.
#[derive(Debug)]
pub(super) enum Roles<'a> {
    Nobody {
        past: Option<&'a Past>,
    },
    Held(Held<'a>),
    /// The reservation there cannot be read.
    Unreadable,
}

#[derive(Debug)]
pub(super) struct Held<'a> {
    reservation: &'a Reservation,
    seen: &'a Seen<'a>,
    /// Whether launcher or command can be looked at from here.
    examinable: bool,
    launcher: Option<Pid>,
    child: Option<Pid>,
}

/// Where a process stands to a run's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    Inside,
    Outside,
    /// The tree, or the way from the process up to it, cannot be seen from here.
    Untold,
}

impl<'a> Roles<'a> {
    pub(super) fn on(right: Right<'a>, seen: &'a Seen<'a>) -> Self {
        match right {
            Right::Nobody { past, .. } => Self::Nobody { past },
            Right::Reserved { reservation: Some(reservation), .. } => {
                Self::Held(Held::new(reservation, seen))
            }
            Right::Reserved { reservation: None, .. } | Right::Damaged { .. } => Self::Unreadable,
        }
    }

    pub(super) fn role(&self, process: &Process, context: Context) -> Role {
        let holder = if let Self::Held(held) = self { held.reservation.holder.uid } else { None };
        if is_system(process, context, holder) {
            return Role::System;
        }
        match self {
            Self::Nobody { past } => past
                .and_then(|past| orphaned_by(past, process))
                .map_or(Role::Unreserved, |of| Role::Orphan { of }),
            Self::Held(held) => held.role(process),
            Self::Unreadable => Role::Unattributed,
        }
    }
}

/// The past reservation that left `process` behind: of its holder's account, and started while it lasted.
fn orphaned_by(past: &Past, process: &Process) -> Option<LeaseId> {
    let started = process.started?;
    let while_it_lasted = past.started <= started.after(CLOCKS_DIFFER_BY) && started <= past.ended;
    (while_it_lasted && is_of(&past.holder, process)).then(|| past.id.clone())
}

impl<'a> Held<'a> {
    fn new(reservation: &'a Reservation, seen: &'a Seen<'a>) -> Self {
        let process =
            |process: &'a Option<Identity>| process.as_ref().filter(|process| seen.here.can_examine(process));
        let (launcher, child) = (process(&reservation.launcher), process(&reservation.child));
        // The number of a dead one may be another process's by now.
        let living = |process: Option<&Identity>| {
            process.filter(|process| (seen.life)(process) != Life::Dead).map(|process| process.pid)
        };
        let examinable = launcher.or(child).is_some();
        Self { reservation, seen, examinable, launcher: living(launcher), child: living(child) }
    }

    fn role(&self, process: &Process) -> Role {
        let labelled = process.reservation.as_ref() == Some(&self.reservation.id);
        let tree = self.tree(process);
        if labelled || tree == Tree::Inside || self.has_adopted(process) {
            return Role::Holder;
        }
        let holder = &self.reservation.holder;
        if is_of(holder, process) {
            // People who share an account are told apart by the tree alone, so where that cannot be seen nobody is
            // said to be outside.
            return match (self.reservation.kind, tree) {
                (Kind::Run, Tree::Outside) => Role::HolderOutside,
                (Kind::Run, _) | (Kind::Manual, _) => Role::Holder,
            };
        }
        if is_anothers(holder, process) { Role::Intruder } else { Role::Unattributed }
    }

    fn tree(&self, process: &Process) -> Tree {
        let descends = |root: Pid| process.pid == root || process.ancestors.contains(&root);
        // The command leads a group of its own and perhaps a session. The launcher's are the shell's: whatever is
        // piped into the run is in them too.
        let joined = |child: Pid| process.session == Some(child) || process.group == Some(child);
        // The way up ends at process 1, unless it was hidden (hidepid) or leads out of the namespace.
        let whole = process.ancestors.last() == Some(&Pid(1));
        if self.launcher.is_some_and(descends)
            || self.child.is_some_and(|child| descends(child) || joined(child))
        {
            Tree::Inside
        } else if self.examinable && whole {
            Tree::Outside
        } else {
            Tree::Untold
        }
    }

    fn has_adopted(&self, process: &Process) -> bool {
        self.reservation.adopted.iter().any(|adopted| {
            adopted.pid == process.pid
                && self.seen.here.can_examine(adopted)
                && match process.start {
                    Some(start) => start == adopted.start,
                    None => (self.seen.life)(adopted) != Life::Dead,
                }
        })
    }
}

/// Whether the holder's account, or the login behind it, is the process's.
fn is_of(holder: &Holder, process: &Process) -> bool {
    let owns = |name: &String| {
        let accounts = [(process.uid, &process.account), (process.login_uid, &process.login)];
        accounts.into_iter().any(|(uid, account)| shown(uid, account).as_ref() == Some(name))
    };
    holder.login.as_ref().is_some_and(owns)
        || match holder.uid {
            Some(uid) => [process.uid, process.login_uid, host_uid(process)].contains(&Some(uid)),
            // A record of the Go program with an account that this host does not know by number.
            None => owns(&holder.account),
        }
}

/// As holders are named: accounts without a name by their number.
fn shown(uid: Option<Uid>, account: &Option<String>) -> Option<String> {
    account.clone().or_else(|| uid.map(|uid| format!("uid {uid}")))
}

/// Whether a process that is not the holder's is known to be another person's. The uid inside a container that root
/// runs is whatever its image says, and the login behind its daemon is not that of its user; root's own processes
/// may be anybody's.
fn is_anothers(holder: &Holder, process: &Process) -> bool {
    if holder.uid.is_none_or(|uid| uid == Uid::OVERFLOW) {
        return false;
    }
    let evidence = match &process.origin {
        Origin::Container { host_uid: Some(uid), .. } => [Some(*uid), None],
        Origin::Container { engine, host_uid: None, .. } if engine == "podman" => [process.login_uid, None],
        Origin::Container { host_uid: None, .. } => [None, None],
        Origin::Unknown | Origin::Job { .. } | Origin::Service { .. } | Origin::Session { .. } => {
            [process.uid, process.login_uid]
        }
    };
    evidence.into_iter().flatten().any(|uid| uid != Uid::ROOT && uid != Uid::OVERFLOW)
}

fn host_uid(process: &Process) -> Option<Uid> {
    match process.origin {
        Origin::Container { host_uid, .. } => host_uid,
        Origin::Unknown | Origin::Job { .. } | Origin::Service { .. } | Origin::Session { .. } => None,
    }
}
