//! What is asked of Redis: keys and commands. The answers are read in `answers`, in the same order.

use redis::{Cmd, cmd};

use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::record::PoolRecord;
use crate::store::history::KEPT;
use crate::store::records::{Changes, EndedLines, Queued, Write, entry_key, gpu_key};
use crate::store::url::{RedisUrl, Secret};

/// Who grants GPUs at the moment, by the lock of the Go program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lock {
    #[default]
    Free,
    Ours,
    Theirs,
}

pub(super) const HISTORY: &str = "usage_history_sorted";
const QUEUE: &str = "queue";
/// What the Go program grants under.
const LOCK: &str = "allocation_lock";
/// A transaction takes moments; whoever is killed in it holds the others up for no longer than this.
const LOCKED_FOR_MS: u32 = 2000;
/// Ended ids and when: a set of its own, because the history can only be searched by time.
const ENDED: &str = "ended";

/// How many answers of a first look come before those about GPUs.
pub(super) const BEFORE_GPUS: usize = 10;

/// The keys of one pool.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn under(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn of(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn get(&self, key: &str) -> Cmd {
        cmd("GET").arg(self.of(key)).take()
    }

    /// Watches, then reads, so that whatever changes after being read is noticed at the commit. The waiters' entries
    /// are not watched: each is its own client's, and their looks must not disturb anybody.
    pub(super) fn first_look(&self, gpus: &[GpuIndex], named: Option<&LeaseId>) -> Vec<Cmd> {
        let mut watch = cmd("WATCH");
        for key in ["gpu_count", "provider", "pool", LOCK, QUEUE] {
            watch.arg(self.of(key));
        }
        for index in gpus {
            watch.arg(self.of(&gpu_key(*index)));
        }
        let mut commands = vec![
            cmd("UNWATCH"),
            watch,
            cmd("TIME"),
            self.get(LOCK),
            self.get("gpu_count"),
            self.get("provider"),
            self.get("pool"),
            cmd("ZRANGE").arg(self.of(QUEUE)).arg(0).arg(-1).arg("WITHSCORES").take(),
            // An id is never empty: asking about none is answered as not known.
            cmd("ZSCORE").arg(self.of(ENDED)).arg(named.map_or("", LeaseId::as_str)).take(),
            // Whether it is a history at all.
            cmd("ZSCORE").arg(self.of(HISTORY)).arg("").take(),
        ];
        debug_assert_eq!(commands.len(), BEFORE_GPUS, "the answers are counted");
        commands.extend(gpus.iter().map(|index| self.get(&gpu_key(*index))));
        commands
    }

    /// The GPUs that were not guessed, and what stands in the waiters' entries.
    pub(super) fn second_look(&self, gpus: &[GpuIndex], queue: &[Queued]) -> Vec<Cmd> {
        let mut commands = Vec::new();
        if !gpus.is_empty() {
            let mut watch = cmd("WATCH");
            for index in gpus {
                watch.arg(self.of(&gpu_key(*index)));
            }
            commands.push(watch);
            commands.extend(gpus.iter().map(|index| self.get(&gpu_key(*index))));
        }
        if !queue.is_empty() {
            let mut entries = cmd("MGET");
            for queued in queue {
                entries.arg(self.of(&entry_key(&queued.id)));
            }
            commands.push(entries);
        }
        commands
    }

    /// Takes the lock as the Go program does, under a name that nobody else gives it.
    pub(super) fn lock(&self, name: &str) -> Cmd {
        cmd("SET").arg(self.of(LOCK)).arg(name).arg("NX").arg("PX").arg(LOCKED_FOR_MS).take()
    }

    /// The whole commit. With no changes it still tells whether anything watched has changed. A lock of ours is given
    /// back with it: had it run out, the commit would not be made.
    pub(super) fn commit(&self, changes: &Changes, now: Timestamp, lock: Lock) -> Vec<Cmd> {
        let mut commands = vec![cmd("MULTI")];
        if lock == Lock::Ours {
            commands.push(cmd("DEL").arg(self.of(LOCK)).take());
        }
        commands.extend(changes.writes.iter().map(|write| self.write(write)));
        if !changes.ended.is_empty() {
            let kept = i64::try_from(KEPT.as_secs()).unwrap_or(i64::MAX);
            let oldest = format!("({}", now.seconds().saturating_sub(kept));
            let forget = |key| cmd("ZREMRANGEBYSCORE").arg(self.of(key)).arg("-inf").arg(&oldest).take();
            if !changes.untouched.contains(&PoolRecord::Ended) {
                commands.extend(changes.ended.iter().map(|ended| self.add(ENDED, ended, ended.id.as_str())));
                commands.push(forget(ENDED));
            }
            if !changes.untouched.contains(&PoolRecord::History) {
                for ended in &changes.ended {
                    commands.extend(ended.lines.iter().map(|line| self.add(HISTORY, ended, line)));
                }
                // The Go program gives the whole history a life of 90 days; here each line has its own.
                commands.push(cmd("PERSIST").arg(self.of(HISTORY)).take());
                commands.push(forget(HISTORY));
            }
        }
        commands.push(cmd("EXEC"));
        commands
    }

    fn add(&self, key: &str, ended: &EndedLines, line: &str) -> Cmd {
        cmd("ZADD").arg(self.of(key)).arg(seconds(ended.at)).arg(line).take()
    }

    fn write(&self, write: &Write) -> Cmd {
        match write {
            Write::Put { key, value } => cmd("SET").arg(self.of(key)).arg(value.as_slice()).take(),
            Write::Delete { key } => cmd("DEL").arg(self.of(key)).take(),
            Write::Enqueue { id, at } => cmd("ZADD").arg(self.of(QUEUE)).arg(at.0).arg(id).take(),
            Write::Dequeue { id } => cmd("ZREM").arg(self.of(QUEUE)).arg(id).take(),
        }
    }

    /// Lines whose score is at least `from` and before the end, with their scores.
    pub(super) fn history_page(&self, from: &str, end: Timestamp, limit: usize) -> Cmd {
        let end = format!("({}", seconds(end));
        let mut page = cmd("ZRANGEBYSCORE");
        page.arg(self.of(HISTORY)).arg(from).arg(end).arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit).take()
    }
}

/// A transaction that changes nothing.
pub(super) fn nothing() -> [Cmd; 2] {
    [cmd("MULTI"), cmd("EXEC")]
}

/// What a new connection begins with.
pub(super) fn hello(url: &RedisUrl, password: Option<&Secret>) -> Vec<Cmd> {
    let mut commands = Vec::new();
    match (&url.user, password) {
        (Some(user), Some(password)) => commands.push(cmd("AUTH").arg(user).arg(&password.0).take()),
        (None, Some(password)) => commands.push(cmd("AUTH").arg(&password.0).take()),
        (_, None) => {}
    }
    if url.database != 0 {
        commands.push(cmd("SELECT").arg(url.database).take());
    }
    commands
}

/// Seconds with what a score can hold of their fraction.
fn seconds(at: Timestamp) -> String {
    format!("{}.{:06}", at.seconds(), at.0.rem_euclid(1_000_000_000) / 1000)
}
