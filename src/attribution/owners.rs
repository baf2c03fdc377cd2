//! The processes on the GPUs: whose they are, what they are and where they came from, as far as /proc tells.
//! environ, exe and fd of other users cannot be read without root, so nothing depends on them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use nix::unistd::{getpgid, getsid};

use crate::model::identity::Evidence;
use crate::model::ids::{Pid, Uid};
use crate::model::process::{Origin, Process};
use crate::sys::boot::Boot;

use super::accounts::Accounts;
use super::ancestry::Ancestry;
use super::cgroup::Place;
use super::command_lines::command_lines;
use super::identity::evidence;
use super::model_in_use::model_of;
use super::proc_dir::{Proc, ProcDir};
use super::stat::{Stat, State};

/// How far up the model in use is looked for: a worker's own command line may be overwritten.
const PARENTS_FOR_MODEL: usize = 3;

/// What can be known of these processes without reading their memory: enough to judge by. Those that are not there, or
/// have ended, are left out; those that are hidden are in it by their number.
pub(crate) fn owners(pids: impl IntoIterator<Item = Pid>, accounts: &Accounts) -> BTreeMap<Pid, Process> {
    let proc = Proc::here();
    let mut look = Look { proc, accounts, boot: Boot::now(), ancestry: Ancestry::new(proc) };
    let pids: BTreeSet<Pid> = pids.into_iter().collect();
    pids.into_iter().filter_map(|pid| Some((pid, look.at(pid)?))).collect()
}

/// Adds what command lines tell: of the processes, of their parents, and of what watches over a container, which has its
/// name among its words: quicker than asking the engine, and for everybody to read. For people to look at; nothing in a
/// transaction may wait for it.
pub(crate) fn tell_commands(found: &mut BTreeMap<Pid, Process>) {
    let proc = Proc::here();
    let mut ancestry = Ancestry::new(proc);
    let near: Vec<Near> = found.values().map(|process| Near::of(process, &mut ancestry)).collect();
    let mut starts: BTreeMap<Pid, u64> =
        found.values().filter_map(|process| Some((process.pid, process.start?))).collect();
    for pid in near.iter().flat_map(|near| near.parents.iter().chain(&near.conmon)) {
        starts.extend(ancestry.start(*pid).map(|start| (*pid, start)));
    }
    let lines = command_lines(proc, starts);
    for (process, Near { parents, conmon }) in found.values_mut().zip(near) {
        let own = lines.get(&process.pid);
        let all = own.into_iter().chain(parents.iter().filter_map(|parent| lines.get(parent)));
        process.model = model_of(all.map(Vec::as_slice));
        process.command = own.cloned().unwrap_or_default();
        if let (Origin::Container { name, .. }, Some(conmon)) = (&mut process.origin, conmon) {
            let words = lines.get(&conmon).map_or(&[][..], Vec::as_slice);
            let at = words.iter().position(|word| word == "-n" || word == "--name");
            *name = at.and_then(|at| words.get(at + 1)).cloned().or(name.take());
        }
    }
}

/// Whose command lines tell something of a process besides its own.
struct Near {
    parents: Vec<Pid>,
    conmon: Option<Pid>,
}

impl Near {
    fn of(process: &Process, ancestry: &mut Ancestry) -> Self {
        let parents = ancestry.within_session(&process.ancestors, PARENTS_FOR_MODEL).to_vec();
        let is_contained = matches!(process.origin, Origin::Container { .. });
        let conmon = if is_contained { ancestry.conmon(&process.ancestors) } else { None };
        Self { parents, conmon }
    }
}

struct Look<'a> {
    proc: Proc,
    accounts: &'a Accounts,
    boot: Option<Boot>,
    ancestry: Ancestry,
}

impl Look<'_> {
    fn at(&mut self, pid: Pid) -> Option<Process> {
        let Ok(dir) = self.proc.open(pid) else {
            return self.hidden(Process::unknown(pid));
        };
        let Ok(uid) = dir.uid() else {
            return self.hidden(Process::unknown(pid));
        };
        match dir.read("stat") {
            Ok(text) => match Stat::parse(&text) {
                Some(stat) if stat.state == State::Ended => None,
                Some(stat) => Some(self.shown(pid, uid, &dir, &stat)),
                None => self.hidden(self.of(pid, uid)),
            },
            // hidepid=1 shows whose it is and nothing else.
            Err(refused) if refused.kind() == io::ErrorKind::PermissionDenied => {
                self.hidden(self.of(pid, uid))
            }
            // The process with this directory is gone; hidden or not, another may have its number.
            Err(_) => self.hidden(Process::unknown(pid)),
        }
    }

    /// A process that /proc says nothing more about.
    fn hidden(&self, known: Process) -> Option<Process> {
        let number = Some(nix::unistd::Pid::from_raw(known.pid.0));
        // These two ask for no permission.
        let session = getsid(number).ok().map(|pid| Pid(pid.as_raw()));
        let group = getpgid(number).ok().map(|pid| Pid(pid.as_raw()));
        match evidence(self.proc, known.pid) {
            Evidence::Gone => None,
            Evidence::Running { start, .. } => Some(Process { session, group, start, ..known }),
        }
    }

    fn of(&self, pid: Pid, uid: Uid) -> Process {
        Process { uid: Some(uid), account: self.accounts.name_of(uid), ..Process::unknown(pid) }
    }

    fn shown(&mut self, pid: Pid, uid: Uid, dir: &ProcDir, stat: &Stat) -> Process {
        let place = dir.read("cgroup").map(|text| Place::parse(&text)).unwrap_or_default();
        let login_uid = login_uid(dir, &place);
        let ancestors = self.ancestry.above(stat);
        let origin = self.told_by_shim(place, &ancestors);
        let through = self.ancestry.keeper(&ancestors);
        Process {
            login_uid,
            login: login_uid.and_then(|uid| self.accounts.name_of(uid)),
            name: name(dir),
            started: self.boot.and_then(|boot| boot.moment(stat.start)),
            start: Some(stat.start),
            origin: self.told_by_conmon(origin, &ancestors),
            ancestors,
            session: Some(stat.session),
            group: Some(stat.group),
            through,
            ..self.of(pid, uid)
        }
    }

    /// What `ctr` and programs like it start has a name of their choosing in a group of root's: that it is a container is
    /// told by the process that containerd leaves above it, root's too.
    fn told_by_shim(&mut self, place: Place, above: &[Pid]) -> Origin {
        let Place { origin: Origin::Unknown, name: Some(id), .. } = place else { return place.origin };
        let shim = self.ancestry.shim(above).and_then(|pid| self.proc.open(pid).ok());
        match shim.and_then(|dir| dir.uid().ok()) {
            Some(Uid::ROOT) => {
                Origin::Container { engine: "containerd".to_owned(), id, name: None, host_uid: None }
            }
            _ => Origin::Unknown,
        }
    }

    /// Podman and CRI-O leave a process of whoever started a container above it.
    fn told_by_conmon(&mut self, origin: Origin, above: &[Pid]) -> Origin {
        let Origin::Container { engine, id, name, host_uid } = origin else { return origin };
        let conmon = self.ancestry.conmon(above).and_then(|pid| self.proc.open(pid).ok());
        let starter = conmon.and_then(|dir| dir.uid().ok()).filter(|uid| *uid != Uid::ROOT);
        Origin::Container { engine, id, name, host_uid: host_uid.or(starter) }
    }
}

/// Who logged in: survives su and sudo. Kernels without audit tell by the user slice alone.
pub(super) fn login_uid(dir: &ProcDir, place: &Place) -> Option<Uid> {
    let told = dir.read("loginuid").ok().and_then(|text| login_in(&text));
    told.or(place.user)
}

/// The text of /proc/PID/loginuid; all ones where nobody logged in, as in a service.
pub(super) fn login_in(text: &[u8]) -> Option<Uid> {
    let number: u32 = str::from_utf8(text).ok()?.trim().parse().ok()?;
    (number != u32::MAX).then_some(Uid(number))
}

fn name(dir: &ProcDir) -> String {
    let name = dir.read("comm").unwrap_or_default();
    String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned()
}
