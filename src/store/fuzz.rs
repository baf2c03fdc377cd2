//! Records that anybody may have written, the answers of whatever listens where Redis is expected, and URLs, for the
//! fuzzer.

use std::time::Duration;

use super::records::{Accounts, Cell, Head, Queued, Raw, Write, changes, ended, load};
use super::redis::fuzz as over_the_wire;
use super::session::Session;
use super::url::StoreUrl;
use crate::model::ids::{GpuIndex, Timestamp, Uid};

struct Nobody;

impl Accounts for Nobody {
    fn uid_of(&mut self, account: &str) -> Option<Uid> {
        u32::try_from(account.len()).ok().map(Uid)
    }
}

/// A line each: `gpu_count`, `provider`, `pool`, the GPUs from 0 on, an empty one, the entries of the queue.
pub(crate) fn records(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
    let mut cell = || lines.next().filter(|line| !line.is_empty()).map_or(Cell::Absent, Cell::Bytes);
    let head = Head { gpu_count: cell(), provider: cell(), pool: cell() };
    let gpus = (0..64).map(GpuIndex).zip(lines.by_ref().take_while(|line| !line.is_empty()).map(Cell::Bytes));
    let gpus = gpus.collect();
    let queue = (0..64).zip(lines).map(|(at, line)| Queued {
        id: format!("q{at}"),
        score: Timestamp(at),
        entry: Cell::Bytes(line),
    });
    judge(Raw { head, gpus, queue: queue.collect(), ..Raw::default() });
}

/// What was read and not changed is not written either, but for what the pool as a whole learns from its GPUs.
fn judge(raw: Raw) {
    let _ = (raw.head.members(), raw.head.owner());
    let loaded = load(raw, "candidate", &mut Nobody);
    let untouched = loaded.pool.clone();
    let changed = changes(&loaded, &untouched, Uid(1));
    let of_the_whole = |write: &Write| matches!(write, Write::Put { key, .. } if !key.contains(':'));
    assert!(changed.writes.iter().all(of_the_whole) && changed.ended.is_empty(), "{changed:?}");
}

/// What is read of the history can be written and read again.
pub(crate) fn history(bytes: &[u8]) {
    let Some(found) = ended::read(bytes, &mut Nobody) else { return };
    for line in ended::write(&found) {
        let again = ended::read(line.as_bytes(), &mut Nobody);
        assert_eq!(again.map(|again| again.reservation.id), Some(found.reservation.id.clone()));
    }
}

pub(crate) fn redis(bytes: &[u8]) {
    let Ok(session) = Session::new("redis".to_owned(), Duration::ZERO) else { return };
    if let Some(raw) = over_the_wire::first_look(&session, bytes) {
        judge(raw);
    }
}

/// What stands where a password does is never shown, whether the rest can be read or not.
pub(crate) fn urls(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let shown = match StoreUrl::parse(text) {
        Ok(url) => url.to_string(),
        Err(error) => error.to_string(),
    };
    let login = ["redis://", "rediss://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let before = login.and_then(|login| login.split_once(":hunter2-secret")).map(|(before, _)| before);
    let is_login = before.is_some_and(|before| !before.contains([':', '/', '?', '#', '@', '[']));
    // A host of that name is shown, and is no password.
    let stands_once = text.matches("hunter2-secret").count() == 1;
    assert!(!is_login || !stands_once || !shown.contains("hunter2-secret"), "{shown}");
}
