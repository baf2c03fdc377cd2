//! What a store's transaction is told of the world, and what makes a run's grant count: its seats, and its command,
//! which waits at its gate. Both are there before the grant is written, or the grant is not made.

use std::collections::BTreeMap;

use super::eyes::Eyes;
use crate::attribution;
use crate::model::ids::{GpuUuid, Pid};
use crate::model::pool::Pool;
use crate::model::reservation::{Kind, Reservation};
use crate::model::seen::{Seat, Seen};
use crate::model::verb::Outcome;
use crate::seat::{self, SeatError, TakenSeat};
use crate::store::{Confirmation, Witness};
use crate::supervise::{AtGate, SpawnError};

/// Starts what a reservation was asked for.
pub(crate) trait Spawn {
    /// The command for this grant, waiting at its gate. `helper` is a child of this process that is no part of it.
    fn spawn(
        &self,
        pool: &Pool,
        reservation: &Reservation,
        helper: Option<Pid>,
    ) -> Result<AtGate, SpawnError>;
}

/// What comes with a grant.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// A run's seats; they must live as long as its launcher.
    pub(crate) seats: Vec<TakenSeat>,
    /// A run's command; none for a reservation without one.
    pub(crate) child: Option<Result<AtGate, SpawnError>>,
}

/// Observes for a verb, and takes what belongs to the grant of a run.
pub(crate) struct Observer<'a> {
    eyes: &'a Eyes,
    spawn: Option<&'a dyn Spawn>,
    taken: Taken,
    /// Seats that were refused to us in this transaction, whatever /proc shows.
    refused: BTreeMap<GpuUuid, Seat>,
    /// The kernel's refusal to let us sit down where nobody sits.
    failed: Option<SeatError>,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(eyes: &'a Eyes, spawn: Option<&'a dyn Spawn>) -> Self {
        Self { eyes, spawn, taken: Taken::default(), refused: BTreeMap::new(), failed: None }
    }

    /// What was taken for the committed grant.
    ///
    /// # Errors
    /// A seat that nobody has could not be taken: that the GPU is not to be had is this process's fault.
    pub(crate) fn into_taken(self) -> Result<Taken, SeatError> {
        self.failed.map_or(Ok(self.taken), Err)
    }

    fn take_seats(&mut self, pool: &Pool, reservation: &Reservation) -> Confirmation {
        for uuid in reservation.gpus.iter().filter_map(|gpu| pool.slots.get(gpu)?.uuid.as_ref()) {
            match seat::take(uuid) {
                Ok(seat) => self.taken.seats.push(seat),
                Err(error) => {
                    tracing::debug!(%uuid, %error, "seat refused");
                    self.taken.seats.clear();
                    self.refused.insert(uuid.clone(), Seat::TakenBySomebody);
                    if let SeatError::Io { .. } = error {
                        self.failed = Some(error);
                    }
                    return Confirmation::Again;
                }
            }
        }
        self.failed = None;
        Confirmation::Commit
    }

    /// Starts the command. The record says who it is from its first moment on: a launcher that is killed never makes
    /// a living command look dead.
    fn start(&mut self, pool: &mut Pool, reservation: &mut Reservation) {
        let Some(spawn) = self.spawn else { return };
        let child = spawn.spawn(pool, reservation, self.eyes.helper());
        if let Ok(child) = &child
            && let Some(identity) = attribution::identity_of(self.eyes.here(), child.pid())
        {
            pool.record_child(&reservation.id, &identity);
            reservation.child = Some(identity);
        }
        self.taken.child = Some(child);
    }
}

impl Witness for Observer<'_> {
    fn observe(&mut self, pool: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        self.eyes.with_seen(pool, &self.refused, |seen| decide(seen))
    }

    fn confirm(&mut self, pool: &mut Pool, outcome: &mut Outcome) -> Confirmation {
        let reservation = match outcome {
            Outcome::Granted(reservation) if reservation.kind == Kind::Run => reservation,
            _ => return Confirmation::Commit,
        };
        if self.take_seats(pool, reservation) == Confirmation::Again {
            return Confirmation::Again;
        }
        self.start(pool, reservation);
        Confirmation::Commit
    }

    fn retract(&mut self) {
        self.taken = Taken::default();
        self.refused.clear();
        self.failed = None;
    }
}
