//! What a store's transaction is told of the world, and the seats that make a grant count.

use std::collections::BTreeMap;

use super::eyes::Eyes;
use crate::model::ids::GpuUuid;
use crate::model::pool::Pool;
use crate::model::reservation::{Kind, Reservation};
use crate::model::seen::{Seat, Seen};
use crate::model::verb::Outcome;
use crate::seat::{self, TakenSeat};
use crate::store::{Confirmation, Witness};

/// Observes for a verb, and takes the seats of a run that it is granted.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    eyes: &'a Eyes,
    seats: Vec<TakenSeat>,
    /// Seats that were refused to us in this transaction, whatever /proc shows.
    refused: BTreeMap<GpuUuid, Seat>,
}

impl<'a> Observer<'a> {
    pub(crate) const fn new(eyes: &'a Eyes) -> Self {
        Self { eyes, seats: Vec::new(), refused: BTreeMap::new() }
    }

    /// The seats of the committed grant.
    pub(crate) fn into_seats(self) -> Vec<TakenSeat> {
        self.seats
    }

    fn take_seats(&mut self, pool: &Pool, reservation: &Reservation) -> Confirmation {
        for uuid in reservation.gpus.iter().filter_map(|gpu| pool.slots.get(gpu)?.uuid.as_ref()) {
            match seat::take(uuid) {
                Ok(seat) => self.seats.push(seat),
                Err(error) => {
                    tracing::debug!(%uuid, %error, "seat refused");
                    self.seats.clear();
                    self.refused.insert(uuid.clone(), Seat::TakenBySomebody);
                    return Confirmation::Again;
                }
            }
        }
        Confirmation::Commit
    }
}

impl Witness for Observer<'_> {
    fn observe(&mut self, pool: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        self.eyes.with_seen(pool, &self.refused, |seen| decide(seen))
    }

    fn confirm(&mut self, pool: &Pool, outcome: &Outcome) -> Confirmation {
        match outcome {
            Outcome::Granted(reservation) if reservation.kind == Kind::Run => {
                self.take_seats(pool, reservation)
            }
            _ => Confirmation::Commit,
        }
    }

    fn retract(&mut self) {
        self.seats.clear();
        self.refused.clear();
    }
}
