//! The statements of the embedded store: records, queue and history as rows. Every one is under a transaction that
//! its caller began, but the pages of the history.

use std::ops::Range;

use rusqlite::{Connection, params};

use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::store::history::{KEPT, PAGE};
use crate::store::records::{Cell, Changes, Queued, Raw, Write};

/// Everything that makes the pool, and whether the history knows `named`.
pub(super) fn read(connection: &Connection, named: Option<&LeaseId>) -> rusqlite::Result<(Raw, bool)> {
    let mut raw = Raw::default();
    // The waiters' entries sort behind "queue:".
    let mut records = connection.prepare("SELECT key, value FROM records WHERE key < 'queue'")?;
    let mut rows = records.query([])?;
    while let Some(row) = rows.next()? {
        place(&mut raw, row.get_ref(0)?.as_str()?, Cell::Bytes(row.get_ref(1)?.as_bytes()?.to_vec()));
    }
    let mut queue = connection.prepare(
        "SELECT id, score, value FROM queue LEFT JOIN records ON key = 'queue:entry:' || id ORDER BY score, id",
    )?;
    let mut rows = queue.query([])?;
    while let Some(row) = rows.next()? {
        let entry =
            row.get_ref(2)?.as_bytes_or_null()?.map_or(Cell::Absent, |bytes| Cell::Bytes(bytes.to_vec()));
        raw.queue.push(Queued { id: row.get(0)?, score: Timestamp(row.get(1)?), entry });
    }
    let over = named.map(|id| is_over(connection, id)).transpose()?.unwrap_or(false);
    Ok((raw, over))
}

fn place(raw: &mut Raw, key: &str, cell: Cell) {
    match key {
        "gpu_count" => raw.head.gpu_count = cell,
        "provider" => raw.head.provider = cell,
        "pool" => raw.head.pool = cell,
        _ => {
            if let Some(index) = key.strip_prefix("gpu:").and_then(|index| index.parse().ok()) {
                raw.gpus.insert(GpuIndex(index), cell);
            }
        }
    }
}

fn is_over(connection: &Connection, id: &LeaseId) -> rusqlite::Result<bool> {
    let mut known = connection.prepare("SELECT EXISTS (SELECT 1 FROM history WHERE id = ?)")?;
    known.query_row([id.as_str()], |row| row.get(0))
}

/// Carries the changes out, and forgets what is too old.
pub(super) fn write(connection: &Connection, changes: &Changes, now: Timestamp) -> rusqlite::Result<()> {
    for write in &changes.writes {
        match write {
            Write::Put { key, value } => connection
                .prepare("INSERT OR REPLACE INTO records VALUES (?, ?)")?
                .execute(params![key, value])?,
            Write::Delete { key } => {
                connection.prepare("DELETE FROM records WHERE key = ?")?.execute([key])?
            }
            Write::Enqueue { id, at } => connection
                .prepare("INSERT OR REPLACE INTO queue VALUES (?, ?)")?
                .execute(params![id, at.0])?,
            Write::Dequeue { id } => connection.prepare("DELETE FROM queue WHERE id = ?")?.execute([id])?,
        };
    }
    for ended in &changes.ended {
        let mut insert = connection.prepare("INSERT INTO history VALUES (?, ?, ?)")?;
        for line in &ended.lines {
            insert.execute(params![ended.at.0, ended.id.as_str(), line])?;
        }
    }
    if !changes.ended.is_empty() {
        let kept = i64::try_from(KEPT.as_nanos()).unwrap_or(i64::MAX);
        let oldest = now.0.saturating_sub(kept);
        connection.prepare("DELETE FROM history WHERE at < ?")?.execute([oldest])?;
    }
    Ok(())
}

/// Where a page of the history begins: behind this end and row.
pub(super) type Place = (i64, i64);

/// The lines of one page, and where the next begins.
pub(super) fn page(
    connection: &Connection,
    after: Place,
    range: &Range<Timestamp>,
) -> rusqlite::Result<(Vec<String>, Option<Place>)> {
    let mut select = connection.prepare(
        "SELECT at, rowid, value FROM history WHERE at >= ? AND at < ? AND (at, rowid) > (?, ?)
         ORDER BY at, rowid LIMIT ?",
    )?;
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let from = range.start.0.max(after.0);
    let mut rows = select.query(params![from, range.end.0, after.0, after.1, limit])?;
    let (mut lines, mut last) = (Vec::with_capacity(PAGE), None);
    while let Some(row) = rows.next()? {
        last = Some((row.get(0)?, row.get(1)?));
        lines.push(row.get(2)?);
    }
    Ok((lines, last))
}
