//! The one word for a GPU: what its claim and its use come to together. Pure.

use crate::model::ids::Uid;
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
        uid: Option<Uid>,
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
            (Claim::Seated(seat), _) => seated(*seat),
            (Claim::Nobody { .. }, Usage::Idle { .. }) => Self::Available,
            (Claim::Nobody { .. }, Usage::Draining { .. }) => Self::Draining,
            (Claim::Nobody { .. }, Usage::InUse { .. }) => Self::Unreserved,
        }
    }
}

fn seated(seat: Seat) -> Condition {
    match seat {
        Seat::Taken { uid, pid } => Condition::Seated { uid: Some(uid), holder: format!("PID {pid}") },
        Seat::TakenBySomebody => Condition::Seated { uid: None, holder: "an unknown process".to_owned() },
    }
}

fn false_record(doubt: &Doubt) -> String {
    match doubt {
        Doubt::SeatOfAnother(Seat::Taken { uid, .. }) => format!("seat held by uid {uid}"),
        Doubt::SeatOfAnother(Seat::TakenBySomebody) => "seat held by somebody else".to_owned(),
        Doubt::NobodyThere => "nobody holds its seat".to_owned(),
    }
}
