//! The one word for a GPU: what its claim and its use come to together. Pure.

use crate::model::ids::Pid;
use crate::model::occupancy::{Claim, Doubt, Usage};
use crate::model::seen::Seat;

use super::GpuView;

/// What a GPU is shown as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::output) enum Condition {
    Available,
    Draining,
    Reserved,
    /// Reserved by a record that is not believed: why.
    False(String),
    Unreserved,
    /// Somebody sits on it whom the store knows nothing of: who.
    Seated {
        user: Option<String>,
        holder: String,
    },
    /// Nobody can tell: why.
    Unknown(String),
}

impl Condition {
    /// What is not known goes first: a GPU that does not answer is never shown as anything else.
    pub(in crate::output) fn of(gpu: &GpuView) -> Self {
        match (&gpu.occupancy.claim, &gpu.occupancy.usage) {
            (_, Usage::Unknown(why)) => Self::Unknown(why.to_string()),
            (Claim::Damaged { why }, _) => Self::Unknown(format!("record is damaged: {why}")),
            (Claim::Reserved { id, .. }, _) if gpu.reservation.is_none() => {
                Self::Unknown(format!("reservation {id} is not in the store"))
            }
            (Claim::Reserved { doubt: Some(doubt), .. }, _) => Self::False(false_record(doubt)),
            (Claim::Reserved { doubt: None, .. }, _) => Self::Reserved,
            (Claim::Seated(seat), _) => seated(seat),
            (Claim::Nobody { .. }, Usage::Idle { .. }) => Self::Available,
            (Claim::Nobody { .. }, Usage::Draining { .. }) => Self::Draining,
            (Claim::Nobody { .. }, Usage::InUse { .. }) => Self::Unreserved,
        }
    }
}

fn seated(seat: &Seat) -> Condition {
    let holder = match seat {
        // The kernel's word for a process of another pid namespace.
        Seat::Taken { pid: Pid(0), .. } | Seat::TakenBySomebody => "an unknown process".to_owned(),
        Seat::Taken { pid, .. } => format!("PID {pid}"),
    };
    Condition::Seated { user: seat.holder(), holder }
}

fn false_record(doubt: &Doubt) -> String {
    match doubt {
        Doubt::SeatOfAnother(seat) => {
            format!("seat held by {}", seat.holder().unwrap_or_else(|| "somebody else".to_owned()))
        }
        Doubt::NobodyThere => "nobody holds its seat".to_owned(),
    }
}
