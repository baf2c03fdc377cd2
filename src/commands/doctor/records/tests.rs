//! Every kind of record has its verdict.

use super::*;
use crate::model::device::{Device, Provider};
use crate::model::ids::{Megabytes, Pid, Timestamp, Uid};
use crate::model::occupancy::Usage;
use crate::model::pool::Slot;
use crate::model::request::{Demand, InUse};
use crate::model::reservation::{Holder, Kind};
use crate::model::seen::{Measured, Reading};
use crate::model::waiter::Waiter;

fn holder() -> Holder {
    Holder::account(7, "alice")
}

fn reservation(id: &str, gpu: u32, author: Author) -> Reservation {
    Reservation { author, ..Reservation::bare(id, holder(), &[gpu]) }
}

fn waiter(id: &str, author: Author) -> Waiter {
    Waiter {
        id: LeaseId::from(id),
        holder: holder(),
        demand: Demand::AllFree,
        in_use: InUse::Avoid,
        share: None,
        kind: Kind::Run,
        lasts: None,
        note: None,
        enqueued: Timestamp::default(),
        looked: Timestamp::default(),
        give_up: None,
        client: None,
        author,
        allocated: Vec::new(),
    }
}

fn uuid(gpu: u32) -> GpuUuid {
    GpuUuid(format!("GPU-{gpu}"))
}

/// Free GPUs 0 and 1, both reported.
fn facts() -> Facts {
    let free =
        |gpu| Slot { uuid: Some(uuid(gpu)), state: SlotState::Free { last_released: None, past: None } };
    let slots = [0, 1].map(|gpu| (GpuIndex(gpu), free(gpu))).into();
    let pool = Pool { provider: Some(Provider::Nvidia), slots, ..Pool::default() };
    Facts { swept: pool.clone(), pool, occupancies: BTreeMap::new(), gpus: vec![reported(0), reported(1)] }
}

fn reported(gpu: u32) -> GpuSeen {
    let (name, memory) = (Some("H100".to_owned()), Some(Megabytes(1)));
    let measured =
        Measured { used: Megabytes(0), total: Megabytes(1), utilization: None, processes: Vec::new() };
    let device = Device { uuid: uuid(gpu), index: GpuIndex(gpu), name, memory };
    GpuSeen { device, reading: Reading::Measured(measured) }
}

fn hold(pool: &mut Pool, held: Reservation) {
    pool.slots.get_mut(&held.gpus[0]).unwrap().state = SlotState::Held(held.id.clone());
    pool.reservations.insert(held.id.clone(), held);
}

fn only(facts: &Facts) -> (Level, String, String) {
    let mut found = judge(facts);
    assert_eq!(found.len(), 1, "{found:?}");
    let Finding { level, message, mend, .. } = found.remove(0);
    (level, message, mend.map_or(String::new(), |mend| mend.to_string()))
}

#[test]
fn records_that_are_well_are_counted() {
    let mut facts = facts();
    assert_eq!(only(&facts).1, "no reservation, no waiter, nothing stale");
    for pool in [&mut facts.pool, &mut facts.swept] {
        hold(pool, reservation("a", 0, Author::Ours));
        pool.waiters.extend([waiter("w", Author::Ours), waiter("x", Author::Ours)]);
    }
    let (level, message, _) = only(&facts);
    assert_eq!((level, message.as_str()), (Level::Ok, "1 reservation, 2 waiters, nothing stale"));
}

#[test]
fn a_damaged_record_is_a_problem_that_an_admin_resets() {
    let mut facts = facts();
    let damaged = SlotState::Damaged { why: "not JSON".into() };
    facts.pool.slots.get_mut(&GpuIndex(1)).unwrap().state = damaged;
    let (level, message, mend) = only(&facts);
    assert_eq!((level, message.as_str()), (Level::Problem, "the record of GPU 1 cannot be read: not JSON"));
    assert!(mend.starts_with("chg admin --reset gpu:1  #"), "{mend}");
}

#[test]
fn what_a_sweep_clears_away_is_stale() {
    let mut facts = facts();
    hold(&mut facts.pool, reservation("a", 1, Author::Ours));
    let (level, message, mend) = only(&facts);
    assert_eq!(level, Level::Warning);
    assert_eq!(message, "reservation a of alice (GPU 1) is over and was not cleared away yet");
    assert!(mend.contains("chg status"), "{mend}");
}

#[test]
fn waiters_that_are_gone_are_stale() {
    let mut facts = facts();
    facts.pool.waiters = vec![waiter("a", Author::Ours), waiter("b", Author::Ours)];
    facts.swept.waiters = vec![waiter("b", Author::Ours)];
    let (level, message, _) = only(&facts);
    assert_eq!((level, message.as_str()), (Level::Warning, "1 of 2 in line are gone"));
}

#[test]
fn records_of_the_go_program_are_warned_of() {
    let mut facts = facts();
    for pool in [&mut facts.pool, &mut facts.swept] {
        hold(pool, reservation("go:0:5", 0, Author::Go));
        pool.waiters.push(waiter("w", Author::Go));
    }
    let (level, message, _) = only(&facts);
    assert_eq!(level, Level::Warning);
    assert_eq!(message, "1 reserved and 1 in line by the Go canhazgpu");
}

#[test]
fn a_pool_without_uuids_is_the_go_programs() {
    let mut facts = facts();
    facts.swept.slots.values_mut().for_each(|slot| slot.uuid = None);
    facts.pool = facts.swept.clone();
    assert_eq!(only(&facts).0, Level::Warning);
}

#[test]
fn a_record_that_the_kernel_contradicts_is_a_problem() {
    let believed = |doubt| {
        let mut facts = facts();
        for pool in [&mut facts.pool, &mut facts.swept] {
            hold(pool, reservation("a", 0, Author::Ours));
        }
        let claim = Claim::Reserved { id: LeaseId::from("a"), doubt };
        let usage = Usage::Idle { used: Megabytes(0) };
        let judged = Occupancy { gpu: GpuIndex(0), claim, usage, processes: Vec::new() };
        facts.occupancies.insert(GpuIndex(0), judged);
        only(&facts)
    };
    assert_eq!(believed(None).0, Level::Ok);
    let seat = Seat::Taken { uid: Uid(1002), pid: Pid(77), account: None };
    let (level, message, mend) = believed(Some(Doubt::SeatOfAnother(seat)));
    assert_eq!(level, Level::Problem);
    assert_eq!(message, "reservation a of alice (GPU 0) is not believed: uid 1002 (PID 77) sits on GPU 0");
    assert_eq!(mend, "chg admin --release a  # as an admin");
    assert_eq!(believed(Some(Doubt::NobodyThere)).0, Level::Problem);
}

#[test]
fn gpus_of_the_pool_that_are_not_there_are_a_problem() {
    let mut facts = facts();
    facts.gpus.remove(1);
    let (level, message, mend) = only(&facts);
    assert_eq!((level, message.as_str()), (Level::Problem, "GPU 1 of the pool: not reported by the driver"));
    assert!(mend.contains("chg admin --gpus 1 --force"), "{mend}");
    facts.gpus.clear();
    assert_eq!(only(&facts).0, Level::Ok, "a driver that does not answer says nothing about them");
}

#[test]
fn gpus_outside_of_the_pool_are_told_and_well() {
    let mut facts = facts();
    facts.gpus.push(reported(2));
    let found = judge(&facts);
    assert_eq!(found.iter().map(|one| one.level).collect::<Vec<_>>(), [Level::Ok, Level::Ok]);
    assert_eq!(found[1].message, "GPU 2 of this machine: not in the pool");
}
