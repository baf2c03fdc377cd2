//! What Redis answered: values into records. The questions are put in `commands`, in the same order.

use std::collections::BTreeMap;

use redis::{FromRedisValue, Value};

use super::commands::{BEFORE_GPUS, Lock};
use super::fault::{Fault, answered};
use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::record::PoolRecord;
use crate::store::records::{Cell, Head, Queued, Raw, gpu_key};
use crate::store::session::Session;
use crate::store::transaction::Commit;

/// What the first exchange of a transaction brought.
pub(super) struct FirstLook {
    pub(super) raw: Raw,
    pub(super) now: Timestamp,
    pub(super) lock: Lock,
    /// The named id has ended.
    pub(super) over: bool,
}

/// Reads the answers to [`super::commands::Keys::first_look`].
pub(super) fn first_look(
    session: &Session,
    answers: Vec<Value>,
    gpus: &[GpuIndex],
) -> Result<FirstLook, Fault> {
    let mut answers = answers;
    let of_gpus = answers.split_off(BEFORE_GPUS.min(answers.len()));
    let Ok([unwatch, watch, time, lock, gpu_count, provider, pool, queue, over, history]) =
        <[Value; BEFORE_GPUS]>::try_from(answers)
    else {
        return Err(Fault::Final(session.foreign("it answered too little")));
    };
    for (answer, key) in
        [(&unwatch, "the pool"), (&watch, "the pool"), (&time, "the time"), (&lock, "allocation_lock")]
    {
        refused(session, answer, key)?;
    }
    let mut damaged = BTreeMap::new();
    for (record, answer) in
        [(PoolRecord::Queue, &queue), (PoolRecord::Ended, &over), (PoolRecord::History, &history)]
    {
        damaged.extend(damage(session, answer, record)?.map(|why| (record, why)));
    }
    let over = !matches!(over, Value::Nil | Value::ServerError(_));
    let mut raw = Raw {
        head: Head {
            gpu_count: cell(session, gpu_count, "gpu_count")?,
            provider: cell(session, provider, "provider")?,
            pool: cell(session, pool, "pool")?,
        },
        damaged,
        queue: scored(queue).into_iter().filter_map(queued).collect(),
        ..Raw::default()
    };
    gpus_into(session, &mut raw, gpus, of_gpus)?;
    Ok(FirstLook {
        raw,
        now: clock(session, &time)?,
        lock: match lock {
            Value::Nil => Lock::Free,
            Value::BulkString(name) if name == session.candidate.as_bytes() => Lock::Ours,
            _ => Lock::Theirs,
        },
        over,
    })
}

/// Reads the answers to [`super::commands::Keys::second_look`] into `raw`.
pub(super) fn second_look(
    session: &Session,
    answers: Vec<Value>,
    gpus: &[GpuIndex],
    raw: &mut Raw,
) -> Result<(), Fault> {
    let mut answers = answers.into_iter();
    if !gpus.is_empty() {
        refused(session, &answers.next().unwrap_or(Value::Nil), "the pool")?;
        gpus_into(session, raw, gpus, answers.by_ref().take(gpus.len()).collect())?;
    }
    if let Some(entries) = answers.next() {
        refused(session, &entries, "queue:entry")?;
        let entries = entries.into_sequence().unwrap_or_default();
        for (queued, entry) in raw.queue.iter_mut().zip(entries) {
            queued.entry = cell(session, entry, "queue:entry")?;
        }
    }
    Ok(())
}

fn gpus_into(session: &Session, raw: &mut Raw, gpus: &[GpuIndex], answers: Vec<Value>) -> Result<(), Fault> {
    for (index, answer) in gpus.iter().zip(answers) {
        let cell = cell(session, answer, &gpu_key(*index))?;
        raw.gpus.insert(*index, cell);
    }
    Ok(())
}

/// How a commit ended.
pub(super) fn commit(session: &Session, answers: Vec<Value>) -> Result<Commit, Fault> {
    let mut answers = answers;
    let executed = answers.pop().unwrap_or(Value::Nil);
    // An error at queueing is told first: EXEC then only says that there was one.
    for answer in &answers {
        refused(session, answer, "the pool")?;
    }
    refused(session, &executed, "the pool")?;
    match executed {
        Value::Nil => Ok(Commit::Raced),
        Value::Array(results) => {
            results.iter().try_for_each(|result| refused(session, result, "the history or the queue"))?;
            Ok(Commit::Done)
        }
        _ => Err(Fault::Final(session.foreign("it answered EXEC with something else"))),
    }
}

/// The record `pool`, alone.
pub(super) fn pool_only(answers: Vec<Value>) -> Head {
    let pool = match answers.into_iter().next() {
        Some(Value::BulkString(bytes)) => Cell::Bytes(bytes),
        _ => Cell::Absent,
    };
    Head { pool, ..Head::default() }
}

/// Members of a sorted set, each with its score as the server writes it.
pub(super) fn scored(answer: Value) -> Vec<(Vec<u8>, String)> {
    let mut values = answer.into_sequence().unwrap_or_default().into_iter();
    let mut members = Vec::with_capacity(values.len() / 2);
    while let (Some(Value::BulkString(member)), Some(Value::BulkString(score))) =
        (values.next(), values.next())
    {
        members.push((member, String::from_utf8_lossy(&score).into_owned()));
    }
    members
}

/// A member of the queue. One whose id is no text has no entry that could be read: it stays where it is.
fn queued((id, score): (Vec<u8>, String)) -> Option<Queued> {
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
    let score = score.parse::<f64>().ok()? as i64;
    Some(Queued { id: String::from_utf8(id).ok()?, score: Timestamp(score), entry: Cell::Absent })
}

fn cell(session: &Session, answer: Value, key: &str) -> Result<Cell, Fault> {
    match answer {
        Value::Nil => Ok(Cell::Absent),
        Value::BulkString(bytes) => Ok(Cell::Bytes(bytes)),
        Value::ServerError(error) if error.code() == "WRONGTYPE" => {
            Ok(Cell::Unreadable("not a string in Redis".to_owned()))
        }
        Value::ServerError(error) => Err(answered(session, &error, key)),
        _ => Ok(Cell::Unreadable("not a string in Redis".to_owned())),
    }
}

/// Why a sorted set is none.
fn damage(session: &Session, answer: &Value, record: PoolRecord) -> Result<Option<String>, Fault> {
    match answer {
        Value::ServerError(error) if error.code() == "WRONGTYPE" => {
            Ok(Some("not a sorted set in Redis".to_owned()))
        }
        other => refused(session, other, record.key()).map(|()| None),
    }
}

fn refused(session: &Session, answer: &Value, key: &str) -> Result<(), Fault> {
    match answer {
        Value::ServerError(error) => Err(answered(session, error, key)),
        _ => Ok(()),
    }
}

/// The server's clock, to the microsecond.
fn clock(session: &Session, answer: &Value) -> Result<Timestamp, Fault> {
    let parts = <(i64, i64)>::from_redis_value_ref(answer);
    let (seconds, micros) =
        parts.map_err(|_| Fault::Final(session.foreign("it answered TIME with something else")))?;
    Ok(Timestamp(Timestamp::from_seconds(seconds).0.saturating_add(micros.saturating_mul(1000))))
}
