//! Why a verb was not carried out, and what to do next: the object is named, the way out is a command. Pure.

use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::record::PoolRecord;
use crate::model::request::{Demand, InUse};
use crate::model::verb::{Blocker, Refusal, Why};

use super::blockers::{Ages, counted, sentence};
use super::escape::clip;
use super::{people, share};

/// Columns for the command of somebody's run.
const COMMAND: usize = 60;
/// Columns for what is wrong with a record.
const REASON: usize = 120;

/// The message and the hint for a refusal; neither ends in a full stop.
pub(crate) fn refusal(refusal: &Refusal, now: Timestamp) -> (String, Option<String>) {
    let message = message(refusal, now);
    (message, hint(refusal))
}

fn message(refusal: &Refusal, now: Timestamp) -> String {
    match refusal {
        Refusal::Busy { share: Some(share), .. } => share::yours(share),
        Refusal::Busy { demand, available, blocked_by, .. } => busy(demand, available, blocked_by, now),
        Refusal::GaveUp { share: Some(share), .. } => {
            format!("not free in time: {}", share::yours(share))
        }
        Refusal::GaveUp { available, blocked_by, .. } => {
            with_reasons(&format!("not free in time, available {}", available.len()), blocked_by, now)
        }
        Refusal::TooMany { requested, pool } => {
            format!("requested {} of a pool of {pool}", count_of(u64::from(*requested)))
        }
        Refusal::BeyondShare { requested, limit } => {
            format!("requested {}, but one user may hold {limit} at once", count_of(u64::from(*requested)))
        }
        Refusal::NotInPool { ids, .. } => format!("{} not in the pool", is_or_are(ids)),
        Refusal::Damaged { record, why } => damage(*record, why).0,
        Refusal::NoGpus { reported, requested } => no_gpus(*reported, *requested),
        Refusal::NothingToAdopt { gpus } => format!("no process of yours runs on {}", people::gpus(gpus)),
        Refusal::OtherGpus => "the pool in this store is made of other GPUs than this machine's".to_owned(),
        Refusal::PoolExists { provider, gpus } => {
            format!("the pool is there already, with {} ({})", count_of(u64::from(*gpus)), provider.as_str())
        }
        Refusal::StillReserved { gpus } => {
            format!("{} still reserved", is_or_are(&gpus.iter().copied().collect::<Vec<_>>()))
        }
        Refusal::NotYours { gpu, holder } => {
            format!("GPU {gpu} is reserved by {}, not by you", people::holder(holder))
        }
        Refusal::NotReserved { gpus } => format!("{} not reserved", is_or_are(gpus)),
        Refusal::LiveRun { gpu, command, .. } => {
            format!("GPU {gpu} is held by a run that is alive{}", in_brackets(command))
        }
        Refusal::NotManual { gpu } => format!("GPU {gpu} is held by a run, which has no expiry to change"),
        Refusal::NoSuchLease { id } => format!("no reservation has the id {}", shown(id)),
        Refusal::NeedsAuthority => "this is for root, the store's owner and the configured admins".to_owned(),
        Refusal::Ended { id } => format!("reservation {} has ended", shown(id)),
    }
}

/// That a record of the whole pool cannot be read, and what to do about it.
pub(crate) fn damage(record: PoolRecord, why: &str) -> (String, String) {
    let key = record.key();
    let message = format!("record {key} of the store is damaged: {}", clip(why, REASON));
    (message, format!("'chg admin --reset {key}' throws it away"))
}

fn hint(refusal: &Refusal) -> Option<String> {
    let hint = match refusal {
        Refusal::Busy { share: Some(_), .. } => {
            "release some first, or wait in line for that without --nonblock; the limit is max_gpus_per_user"
        }
        Refusal::BeyondShare { .. } => "ask for fewer; the limit is max_gpus_per_user",
        Refusal::Busy { in_use: InUse::Adopt, blocked_by, .. } if blocked_by.iter().any(is_used) => {
            "--force adopts jobs of your own and takes a GPU from nobody else; without --nonblock you wait in line"
        }
        Refusal::Busy { demand: Demand::Exactly(_), .. } => {
            "run 'chg status' or choose others; without --nonblock you wait in line"
        }
        Refusal::Busy { .. } => "without --nonblock you wait in line; 'chg status' shows who holds them",
        Refusal::GaveUp { .. } => "'chg queue' shows who waits; a longer --wait keeps your place for longer",
        Refusal::TooMany { .. } => "ask for fewer; 'chg status' shows the pool",
        Refusal::NotInPool { pool, .. } if pool.is_empty() => "'chg admin' makes a pool",
        Refusal::NotInPool { pool, .. } => return Some(format!("the pool has {}", people::gpus(pool))),
        Refusal::Damaged { record, why } => return Some(damage(*record, why).1),
        Refusal::NoGpus { reported: 0, .. } => {
            "'chg doctor' says why; to try it out: chg --store sqlite:/tmp/chg-try admin --gpus 4 --provider fake"
        }
        Refusal::NoGpus { .. } => "ask for as many as there are, or leave --gpus out",
        Refusal::OtherGpus => {
            "choose this machine's store with --store; 'chg admin --provider nvidia --force' makes the pool anew from this machine's"
        }
        Refusal::NothingToAdopt { .. } => {
            "'chg status' shows where your jobs run; without --until-exit, GPUs that are free are reserved"
        }
        Refusal::PoolExists { .. } => "'chg admin --force' changes it",
        Refusal::StillReserved { .. } => "'chg status' shows by whom; they have to be released first",
        Refusal::NotYours { .. } => "ask them; an admin can end it with 'chg admin --release ID'",
        Refusal::NotReserved { .. } => "'chg status' shows what is",
        Refusal::LiveRun { .. } => "it is released when its command ends; --force ends it now",
        Refusal::NotManual { .. } => "a run lasts as long as its command",
        Refusal::NoSuchLease { .. } => "'chg status --json' shows the ids",
        Refusal::NeedsAuthority => "admins are named in /etc/canhazgpu/config.toml",
        Refusal::Ended { .. } => return None,
    };
    Some(hint.to_owned())
}

const fn is_used(blocker: &Blocker) -> bool {
    matches!(blocker.why, Why::Used { .. })
}

fn busy(demand: &Demand, available: &[GpuIndex], blocked_by: &[Blocker], now: Timestamp) -> String {
    match demand {
        Demand::Exactly(wanted) => {
            let named: Vec<String> = blocked_by
                .iter()
                .filter(|blocker| wanted.contains(&blocker.gpu))
                .map(|blocker| sentence(blocker, now))
                .collect();
            // A list of which nothing blocks can only be kept waiting by its place in line.
            if named.is_empty() { format!("{} not free", is_or_are(wanted)) } else { named.join("; ") }
        }
        Demand::Count(wanted) => {
            with_reasons(&format!("requested {wanted}, available {}", available.len()), blocked_by, now)
        }
        Demand::AllFree => with_reasons("no GPU is free", blocked_by, now),
    }
}

fn with_reasons(message: &str, blocked_by: &[Blocker], now: Timestamp) -> String {
    if blocked_by.is_empty() {
        return message.to_owned();
    }
    format!("{message}: {}", counted(blocked_by, Ages::At(now)))
}

fn no_gpus(reported: u32, requested: Option<u32>) -> String {
    match (reported, requested) {
        (0, _) => "the driver reports no GPU".to_owned(),
        (_, Some(requested)) => {
            format!(
                "requested a pool of {requested}, but the driver reports {}",
                count_of(u64::from(reported))
            )
        }
        (_, None) => format!("the driver reports {} only", count_of(u64::from(reported))),
    }
}

fn count_of(gpus: u64) -> String {
    if gpus == 1 { "1 GPU".to_owned() } else { format!("{gpus} GPUs") }
}

fn is_or_are(gpus: &[GpuIndex]) -> String {
    format!("{} {}", people::gpus(gpus), if gpus.len() == 1 { "is" } else { "are" })
}

fn in_brackets(command: &[String]) -> String {
    if command.is_empty() { String::new() } else { format!(" ({})", clip(&command.join(" "), COMMAND)) }
}

fn shown(id: &LeaseId) -> String {
    clip(id.as_str(), people::NAME)
}

#[cfg(test)]
mod tests;
