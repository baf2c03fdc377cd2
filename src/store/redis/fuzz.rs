//! The answers of a server, for the fuzzer.

use redis::parse_redis_value;

use super::answers;
use super::commands::BEFORE_GPUS;
use crate::model::ids::GpuIndex;
use crate::store::records::Raw;
use crate::store::session::Session;

/// Lines as a server sends them, each paragraph an answer: those to the first and the second look.
pub(in crate::store) fn first_look(session: &Session, bytes: &[u8]) -> Option<Raw> {
    let text: Vec<&[u8]> = bytes.split(|&byte| byte == b';').collect();
    let mut values = text.iter().filter_map(|answer| parse_redis_value(answer).ok());
    let gpus = [GpuIndex(0), GpuIndex(1)];
    let first = values.by_ref().take(BEFORE_GPUS + gpus.len()).collect();
    let mut look = answers::first_look(session, first, &gpus).ok()?;
    answers::second_look(session, values.collect(), &[GpuIndex(2)], &mut look.raw).ok()?;
    Some(look.raw)
}
