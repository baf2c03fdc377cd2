//! Grants among many clients: one winner, seen by everyone at once, whole or not at all.

use std::cell::Cell;

use super::scene::{Blind, Client, Scene, end, hold, nobody, observe_nothing, open, reservation, waiter};
use super::workers::Worker;
use super::{on_each_store, wait_until};
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::pool::{Pool, SlotState};
use crate::model::seen::Seen;
use crate::model::verb::{Outcome, Verb};
use crate::store::{Confirmation, StoreError, Witness};

on_each_store!(
    everything_survives_being_written_and_read,
    a_claim_is_seen_by_everyone_at_once,
    two_claims_for_the_last_gpu_have_one_winner,
    a_client_killed_inside_a_transaction_leaves_no_trace,
    clients_killed_anywhere_leave_a_whole_pool,
    what_no_longer_holds_is_observed_again,
    a_verb_goes_through_the_store,
    a_look_changes_nothing,
);

fn everything_survives_being_written_and_read(scene: &Scene) {
    let mut client = scene.pool_of(4);
    let done = client.change(|pool| {
        hold(pool, reservation("a", &[0, 2]));
        hold(pool, reservation("b", &[3]));
        end(pool, "b", Timestamp(1_795_445_470_000_000_042));
        pool.waiters = vec![waiter("w1", 1_795_445_461_000_000_001), waiter("w2", 1_795_445_461_000_000_002)];
        pool.strategy = crate::model::strategy::Strategy::Affinity;
    });
    let seen = scene.client().look();
    assert_eq!(seen, Pool { ended: Vec::new(), ..done.pool });
    assert_eq!(seen.reservations[&LeaseId::from("a")], reservation("a", &[0, 2]));
    assert!(!seen.store_id.is_empty());
}

fn a_claim_is_seen_by_everyone_at_once(scene: &Scene) {
    let mut here = scene.pool_of(2);
    let mut other = scene.client();
    let _ = other.look();
    here.change(|pool| hold(pool, reservation("mine", &[0])));
    assert!(other.look().reservations.contains_key(&LeaseId::from("mine")), "in this process");
    assert_eq!(Worker::start(scene, "look", "").finish(), ["sees 1"], "in another process");
}

fn two_claims_for_the_last_gpu_have_one_winner(scene: &Scene) {
    const ROUNDS: usize = 25;
    let mut client = scene.pool_of(1);
    let argument = format!("{ROUNDS} {}", scene.path().display());
    let mut workers: Vec<Worker> = (0..6).map(|_| Worker::start(scene, "contend", &argument)).collect();
    for worker in &mut workers {
        assert_eq!(worker.says().as_deref(), Some("ready"));
    }
    workers.iter_mut().for_each(Worker::go);
    let mut won: Vec<String> = workers.into_iter().flat_map(Worker::finish).collect();
    won.sort();
    let mut rounds: Vec<String> = (0..ROUNDS).map(|round| format!("round-{round}")).collect();
    rounds.sort();
    assert_eq!(won, rounds, "every round has one winner");
    assert_eq!(client.history().len(), ROUNDS);
}

fn a_client_killed_inside_a_transaction_leaves_no_trace(scene: &Scene) {
    let mut client = scene.pool_of(2);
    let mut worker = Worker::start(scene, "stay-inside", "");
    assert_eq!(worker.says().as_deref(), Some("inside"));
    worker.kill();
    client.change(|pool| hold(pool, reservation("mine", &[0])));
    let held: Vec<LeaseId> = client.look().reservations.into_keys().collect();
    assert_eq!(held, [LeaseId::from("mine")]);
}

fn clients_killed_anywhere_leave_a_whole_pool(scene: &Scene) {
    let mut client = scene.pool_of(4);
    for _ in 0..8 {
        let mut worker = Worker::start(scene, "swing", "");
        assert_eq!(worker.says().as_deref(), Some("ready"));
        let before = client.history().len();
        wait_until("the worker makes changes", || client.history().len() > before);
        worker.kill();
        let pool = client.look();
        let [held] = pool.reservations.values().collect::<Vec<_>>()[..] else {
            panic!("not one reservation: {:?}", pool.reservations.keys());
        };
        assert_eq!(held.gpus, [0, 1, 2, 3].map(GpuIndex), "all of its GPUs or none");
        assert!(pool.slots.values().all(|slot| slot.state == SlotState::Held(held.id.clone())));
    }
}

/// Finds at its first confirmation that what it had seen no longer holds.
#[derive(Default)]
struct Wavering {
    observed: u32,
    confirmed: u32,
    retracted: u32,
}

impl Witness for Wavering {
    fn observe(&mut self, pool: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        assert!(pool.reservations.is_empty(), "the pool as it was loaded");
        self.observed += 1;
        observe_nothing(decide)
    }

    fn confirm(&mut self, pool: &mut Pool, _: &mut Outcome) -> Confirmation {
        assert_eq!(pool.reservations.len(), 1, "the pool as it is to be");
        self.confirmed += 1;
        if self.confirmed == 1 { Confirmation::Again } else { Confirmation::Commit }
    }

    fn retract(&mut self) {
        self.retracted += 1;
    }
}

fn what_no_longer_holds_is_observed_again(scene: &Scene) {
    let mut client = scene.pool_of(1);
    let mut witness = Wavering::default();
    let decisions = Cell::new(0);
    let done = client.try_change(None, &mut witness, &mut |pool, _, _| {
        decisions.set(decisions.get() + 1);
        hold(pool, reservation(&format!("try-{}", decisions.get()), &[0]));
        Outcome::Done
    });
    assert_eq!((witness.observed, witness.confirmed, witness.retracted), (2, 2, 0));
    assert!(done.unwrap().pool.reservations.contains_key(&LeaseId::from("try-2")));
    assert_eq!(client.look().reservations.into_keys().collect::<Vec<_>>(), [LeaseId::from("try-2")]);
}

fn a_verb_goes_through_the_store(scene: &Scene) {
    scene.pool_of(2);
    let mut store = open(&scene.url);
    let applied = store.apply(&nobody(), &Verb::Sweep, &mut Blind::default()).unwrap();
    assert_eq!(applied.pool, store.snapshot().unwrap().pool);
    let us = crate::store::session::system_time();
    assert!(
        us.since(applied.now).as_secs() < 60 && applied.now.since(us).as_secs() < 60,
        "the store's clock"
    );
    let expected = match scene.server {
        None => nix::unistd::geteuid().as_raw(),
        Some(_) => 1000,
    };
    assert_eq!(store.owner().unwrap(), Some(crate::model::ids::Uid(expected)));
    assert_eq!(store.descriptor().is_some(), scene.server.is_some());
}

fn a_look_changes_nothing(scene: &Scene) {
    let empty = scene.client().look();
    assert_eq!((empty.provider, empty.slots.len()), (None, 0), "no pool yet");
    let mut client = scene.pool_of(2);
    assert_eq!(client.look(), scene.client().look());
}

/// On Redis nobody holds anybody up, so somebody else may write first.
#[test]
fn a_lost_race_is_retracted_and_tried_again() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(2);
    let mut other = scene.client();
    let witness = &mut Blind::default();
    let attempts = Cell::new(0);
    client
        .try_change(None, witness, &mut |pool, _, _| {
            attempts.set(attempts.get() + 1);
            if attempts.get() == 1 {
                other.change(|pool| hold(pool, reservation("quicker", &[0])));
            }
            let free = pool.slots.iter().find(|(_, slot)| matches!(slot.state, SlotState::Free { .. }));
            let index = free.unwrap().0.0;
            hold(pool, reservation("slower", &[index]));
            Outcome::Done
        })
        .unwrap();
    assert_eq!((attempts.get(), witness.confirmed.get(), witness.retracted.get()), (2, 2, 1));
    let pool = client.look();
    assert_eq!(pool.reservations[&LeaseId::from("quicker")].gpus, [GpuIndex(0)]);
    assert_eq!(pool.reservations[&LeaseId::from("slower")].gpus, [GpuIndex(1)]);
}

/// On SQLite a writer holds the others up; one that does not go on is reported in time.
#[test]
fn a_store_that_stays_busy_is_reported() {
    let scene = Scene::sqlite();
    scene.pool_of(1);
    let mut worker = Worker::start(&scene, "stay-inside", "");
    assert_eq!(worker.says().as_deref(), Some("inside"));
    let patience = std::time::Duration::from_millis(200);
    let options = crate::store::Options { patience, ..crate::store::Options::default() };
    let mut client = Client::with(&scene.url, &options);
    let witness = &mut Blind::default();
    let refused = client.try_change(None, witness, &mut |_, _, _| Outcome::Done);
    assert!(matches!(refused, Err(StoreError::Busy { .. })), "{refused:?}");
    assert_eq!(witness.confirmed.get(), 0);
    assert!(client.look().reservations.is_empty(), "looking goes on meanwhile");
    worker.go();
    assert_eq!(worker.finish(), ["committed"]);
    assert_eq!(client.look().reservations.len(), 1);
}
