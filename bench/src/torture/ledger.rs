//! What is known of every run and reservation of a round: kept by those who start them, and read from the files that
//! their commands write.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bench::Result;

use crate::judge::{Holding, Record, Standing, Told};
use crate::proc::Proc;
use crate::world::locked;

/// A command that has written nothing yet may still be on its way when its launcher is killed.
const UNBORN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Ledger {
    dir: PathBuf,
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) user: u64,
    begun: Instant,
    /// Known at once where we started it, else when its command tells.
    launcher: Option<Proc>,
    over: Option<Instant>,
    /// In another store, or given up by its own account.
    unrecorded: bool,
    released: Option<Instant>,
}

/// A lock's owner, by name and process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) process: Proc,
}

impl Ledger {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), entries: Mutex::default() }
    }

    pub(crate) fn enter(&self, name: &str, user: u64) {
        let entry = Entry {
            user,
            begun: Instant::now(),
            launcher: None,
            over: None,
            unrecorded: false,
            released: None,
        };
        locked(&self.entries).insert(name.to_owned(), entry);
    }

    pub(crate) fn launched(&self, name: &str, pid: i32) {
        self.change(name, |entry| entry.launcher = Proc::of(pid));
    }

    /// Its launcher has been waited for.
    pub(crate) fn over(&self, name: &str) {
        self.change(name, |entry| entry.over = Some(Instant::now()));
    }

    pub(crate) fn needs_no_record(&self, name: &str) {
        self.change(name, |entry| entry.unrecorded = true);
    }

    pub(crate) fn released(&self, name: &str) {
        self.change(name, |entry| entry.released = Some(Instant::now()));
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = locked(&self.entries).get_mut(name) {
            change(entry);
        }
    }

    pub(crate) fn entry(&self, name: &str) -> Option<Entry> {
        locked(&self.entries).get(name).cloned()
    }

    /// Command, launcher, and when: as the command told them.
    fn start_of(&self, name: &str) -> Option<(Proc, Proc, i64)> {
        let text = fs::read_to_string(self.dir.join(format!("started-{name}"))).ok()?;
        let mut words = text.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    }

    pub(crate) fn command_of(&self, name: &str) -> Option<Proc> {
        self.start_of(name).map(|(command, ..)| command)
    }

    pub(crate) fn launcher_of(&self, name: &str) -> Option<Proc> {
        self.entry(name)?.launcher.or_else(|| self.start_of(name).map(|(_, launcher, _)| launcher))
    }

    pub(crate) fn started_at(&self, name: &str) -> Option<i64> {
        self.start_of(name).map(|(.., at)| at)
    }

    pub(crate) fn left_by(&self, name: &str) -> Option<Proc> {
        fs::read_to_string(self.dir.join(format!("left-{name}"))).ok()?.parse().ok()
    }

    pub(crate) fn told(&self, name: &str) -> Told {
        let ended = fs::read_to_string(self.dir.join(format!("ended-{name}")));
        Told {
            started: self.dir.join(format!("started-{name}")).exists(),
            ended: ended.ok().and_then(|text| text.parse().ok()),
        }
    }

    /// Whether this holder of a lock must have a record; `None` if it is gone, or was never entered.
    pub(crate) fn holding(&self, owner: &Owner, data_lost: Option<Instant>) -> Option<Holding> {
        let entry = self.entry(&owner.name)?;
        let launcher = self.launcher_of(&owner.name);
        let is_recorded_again = launcher.is_some_and(Proc::lives) && entry.over.is_none();
        let was_lost = data_lost.is_some_and(|lost| lost >= entry.begun);
        let may = entry.unrecorded || (was_lost && !is_recorded_again);
        // What a command left behind keeps the record while its launcher waits for it, and is an orphan afterwards.
        let is_manual = owner.process.pid == std::process::id().cast_signed();
        let is_left = !is_manual && self.command_of(&owner.name) != Some(owner.process);
        let may = may || (is_left && !is_recorded_again);
        owner.process.lives().then(|| Holding {
            name: owner.name.clone(),
            record: if may { Record::May } else { Record::Must },
        })
    }

    /// How those stand who are over; all others live, or may.
    pub(crate) fn standings(&self) -> HashMap<String, Standing> {
        let over: Vec<(String, Entry)> = locked(&self.entries)
            .iter()
            .filter(|(_, entry)| entry.over.is_some() || entry.released.is_some())
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        over.into_iter().map(|(name, entry)| (name.clone(), self.standing(&name, &entry))).collect()
    }

    fn standing(&self, name: &str, entry: &Entry) -> Standing {
        if entry.released.is_some() {
            return Standing::Released;
        }
        let Some(over) = entry.over else { return Standing::Lives };
        let others = [self.command_of(name), self.left_by(name)];
        let born = others[0].is_some() || over.elapsed() > UNBORN;
        let dead = born && others.into_iter().flatten().all(|process| !process.lives());
        if dead { Standing::Dead } else { Standing::Lives }
    }

    /// Between two rounds, when all have ended.
    pub(crate) fn clear(&self) -> Result<()> {
        locked(&self.entries).clear();
        for file in fs::read_dir(&self.dir)?.flatten() {
            let name = file.file_name();
            if ["started-", "ended-", "left-"].iter().any(|kind| name.to_string_lossy().starts_with(kind)) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }
}
