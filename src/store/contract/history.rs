//! The history: ended ids stay known, lines come in order and in pages, old ones go.

use super::on_each_store;
use super::scene::{Blind, Client, Scene, end, hold, reservation};
use super::workers::Worker;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::reservation::Ending;
use crate::model::verb::Outcome;
use crate::store::session::system_time;

on_each_store!(
    an_ended_id_stays_known,
    history_comes_in_order_and_in_pages,
    history_is_forgotten_after_ninety_days,
);

fn knows_as_ended(client: &mut Client, id: &str) -> bool {
    let mut known = false;
    let done = client.try_change(Some(id), &mut Blind::default(), &mut |pool, _, _| {
        known = pool.known_ended.contains(&LeaseId::from(id));
        Outcome::Done
    });
    done.unwrap();
    known
}

fn an_ended_id_stays_known(scene: &Scene) {
    let mut client = scene.pool_of(1);
    client.change(|pool| hold(pool, reservation("a", &[0])));
    assert!(!knows_as_ended(&mut client, "a"));
    client.change(|pool| end(pool, "a", system_time()));
    assert!(knows_as_ended(&mut client, "a"));
    assert!(knows_as_ended(&mut scene.client(), "a"), "by everybody");
    assert!(!knows_as_ended(&mut client, "b"));
    assert!(client.look().known_ended.is_empty());
    assert_eq!(Worker::start(scene, "hold", "b").finish(), ["held"]);
}

fn history_comes_in_order_and_in_pages(scene: &Scene) {
    const MANY: i64 = 2_500;
    let mut client = scene.pool_of(2);
    let begin = system_time().seconds() - 10_000;
    client.change(|pool| {
        for turn in 0..MANY {
            let id = format!("lease-{turn}");
            hold(pool, reservation(&id, &[0, 1]));
            // More of them within one second than a page holds.
            end(pool, &id, Timestamp(begin * 1_000_000_000 + turn / 2 * 400_000));
        }
    });
    let all = client.history();
    assert_eq!(all.len(), usize::try_from(MANY).unwrap() * 2, "one a GPU");
    assert!(all.is_sorted_by_key(|ended| ended.at));
    let last = &all[all.len() - 1];
    assert_eq!(last.how, Ending::Exited { status: 3 });
    assert_eq!(last.reservation.holder, reservation("x", &[]).holder);
    assert_eq!(last.reservation.started, reservation("x", &[]).started);
    let gpus: std::collections::BTreeSet<GpuIndex> =
        all.iter().flat_map(|ended| ended.reservation.gpus.clone()).collect();
    assert_eq!(gpus.len(), 2);

    let from = Timestamp(begin * 1_000_000_000 + 400_000);
    let mut some = Vec::new();
    client.backend.history(from..Timestamp(from.0 + 800_000), &mut |ended| some.push(ended.at)).unwrap();
    assert_eq!(some.len(), 8, "the start is in, the end is out");
    assert!(some.iter().all(|at| (from..Timestamp(from.0 + 800_000)).contains(at)));
}

fn history_is_forgotten_after_ninety_days(scene: &Scene) {
    const DAY: i64 = 86_400_000_000_000;
    let mut client = scene.pool_of(1);
    let now = system_time();
    for (id, days) in [("old", 91), ("young", 89), ("new", 0)] {
        client.change(|pool| hold(pool, reservation(id, &[0])));
        client.change(|pool| end(pool, id, Timestamp(now.0 - days * DAY)));
    }
    let kept: Vec<String> = client.history().into_iter().map(|ended| ended.reservation.id.0).collect();
    assert_eq!(kept, ["young", "new"]);
    assert!(!knows_as_ended(&mut client, "old"));
    assert!(knows_as_ended(&mut client, "young"));
}
