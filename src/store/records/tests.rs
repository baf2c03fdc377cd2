//! Records by property: nothing is lost between pool and records, and nothing that others write makes the reader
//! stumble.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::model::device::Provider;
use crate::model::identity::Identity;
use crate::model::ids::{LeaseId, Pid};
use crate::model::request::{Demand, InUse};
use crate::model::reservation::{Author, Ended, Ending, Holder, Kind, Past, Reservation, UntilExit};
use crate::model::strategy::Strategy as Ranking;

struct NoAccounts;

impl Accounts for NoAccounts {
    fn uid_of(&mut self, _: &str) -> Option<Uid> {
        None
    }
}

/// A store of bytes, as every backend is one.
fn store_after(raw: &Raw, changes: &Changes) -> Raw {
    let mut raw = raw.clone();
    for write in &changes.writes {
        match write {
            Write::Put { key, value } => *place(&mut raw, key) = Cell::Bytes(value.clone()),
            Write::Delete { key } => *place(&mut raw, key) = Cell::Absent,
            Write::Enqueue { id, at } => {
                let entry = std::mem::take(place(&mut raw, &entry_key(id)));
                raw.queue.retain(|queued| queued.id != *id);
                raw.queue.push(Queued { id: id.clone(), score: *at, entry });
            }
            Write::Dequeue { id } => raw.queue.retain(|queued| queued.id != *id),
        }
    }
    raw
}

fn place<'a>(raw: &'a mut Raw, key: &str) -> &'a mut Cell {
    if let Some(id) = key.strip_prefix("queue:entry:") {
        let at = raw.queue.iter().position(|queued| queued.id == id).unwrap_or_else(|| {
            raw.queue.push(Queued { id: id.to_owned(), score: Timestamp(0), entry: Cell::Absent });
            raw.queue.len() - 1
        });
        return &mut raw.queue[at].entry;
    }
    match key {
        "gpu_count" => &mut raw.head.gpu_count,
        "provider" => &mut raw.head.provider,
        "pool" => &mut raw.head.pool,
        _ => raw.gpus.entry(GpuIndex(key.strip_prefix("gpu:").unwrap().parse().unwrap())).or_default(),
    }
}

/// Texts as people write them: never empty, which is written as absent.
fn text() -> BoxedStrategy<String> {
    "\\PC{1,12}|[ -~]{1,12}".boxed()
}

fn at() -> impl Strategy<Value = Timestamp> {
    (0..4_102_444_800_000_000_000_i64).prop_map(Timestamp)
}

fn process() -> BoxedStrategy<Identity> {
    ("[0-9a-f-]{4}", any::<u32>(), any::<i32>(), any::<u32>())
        .prop_map(|(boot, namespace, pid, start)| Identity {
            boot,
            namespace: namespace.into(),
            pid: Pid(pid),
            start: start.into(),
        })
        .boxed()
}

fn holder() -> BoxedStrategy<Holder> {
    (option::of(any::<u32>()), text(), option::of(text()), option::of(text()))
        .prop_map(|(uid, account, login, label)| Holder { uid: uid.map(Uid), account, login, label })
        .boxed()
}

prop_compose! {
    fn held(id: LeaseId, gpus: Vec<GpuIndex>)(
        holder in holder(),
        manual in any::<bool>(),
        (started, heartbeat, expiry) in (at(), at(), option::of(at())),
        note in option::of(text()),
        command in vec(text(), 0..3),
        (launcher, child) in (option::of(process()), option::of(process())),
        network_namespace in option::of(any::<u32>().prop_map(u64::from)),
        adopted in vec(process(), 0..2),
        until_exit in any::<bool>(),
    ) -> Reservation {
        Reservation {
            id: id.clone(),
            gpus: gpus.clone(),
            holder,
            kind: if manual { Kind::Manual } else { Kind::Run },
            author: Author::Ours,
            started,
            heartbeat,
            expiry,
            note,
            command,
            launcher,
            child,
            network_namespace,
            adopted,
            until_exit: if until_exit { UntilExit::Yes } else { UntilExit::No },
        }
    }
}

fn demand() -> impl Strategy<Value = Demand> {
    prop_oneof![
        (1..9_u32).prop_map(|count| Demand::Count(NonZeroU32::new(count).unwrap())),
        btree_set(0..9_u32, 1..4).prop_map(|gpus| Demand::Exactly(gpus.into_iter().map(GpuIndex).collect())),
        Just(Demand::AllFree),
    ]
}

prop_compose! {
    fn waiting()(
        id in "[a-z]{6}",
        holder in holder(),
        demand in demand(),
        manual in any::<bool>(),
        lasts in option::of((1..i64::MAX.unsigned_abs()).prop_map(Duration::from_nanos)),
        note in option::of(text()),
        (enqueued, looked, give_up) in (at(), at(), option::of(at())),
        client in option::of(process()),
        adopts in any::<bool>(),
        share in option::of(1..9_u32),
    ) -> Waiter {
        let kind = if manual { Kind::Manual } else { Kind::Run };
        let (author, allocated) = (Author::Ours, Vec::new());
        let in_use = if adopts { InUse::Adopt } else { InUse::Avoid };
        let share = share.and_then(NonZeroU32::new);
        Waiter { id: LeaseId(id), holder, demand, in_use, share, kind, lasts, note, enqueued, looked, give_up, client, author, allocated }
    }
}

/// Who has a GPU: one of a few reservations, nobody, or nobody since a time.
fn pool() -> BoxedStrategy<Pool> {
    let gpus = btree_set(0..6_u32, 1..6);
    let shape =
        (gpus, vec(0..5_usize, 6), any::<bool>(), vec(waiting().boxed(), 0..4).boxed(), any::<bool>());
    shape
        .prop_flat_map(|(gpus, owners, bound, mut waiters, affinity)| {
            let mut groups: [Vec<GpuIndex>; 3] = Default::default();
            for (index, owner) in gpus.iter().zip(&owners) {
                if let Some(group) = groups.get_mut(*owner) {
                    group.push(GpuIndex(*index));
                }
            }
            waiters.sort_by(|a, b| (a.enqueued, &a.id).cmp(&(b.enqueued, &b.id)));
            waiters.dedup_by(|a, b| a.id == b.id);
            let [a, b, c] = groups;
            let reservations =
                (held("a".into(), a).boxed(), held("b".into(), b).boxed(), held("c".into(), c).boxed());
            (reservations, holder(), at(), at())
                .prop_map(move |((a, b, c), past, started, ended)| {
                    let mut pool = Pool {
                        provider: Some(Provider::Fake),
                        store_id: "store".into(),
                        strategy: if affinity { Ranking::Affinity } else { Ranking::Lru },
                        waiters: waiters.clone(),
                        ..Pool::default()
                    };
                    for index in &gpus {
                        let past = Past { id: "past".into(), holder: past.clone(), started, ended };
                        let was_used = index % 2 == 0;
                        let state = SlotState::Free {
                            last_released: was_used.then_some(ended),
                            past: was_used.then_some(past),
                        };
                        let uuid = bound.then(|| GpuUuid(format!("GPU-{index}")));
                        pool.slots.insert(GpuIndex(*index), Slot { uuid, state });
                    }
                    for held in [a, b, c].into_iter().filter(|held| !held.gpus.is_empty()) {
                        for index in &held.gpus {
                            pool.slots.get_mut(index).unwrap().state = SlotState::Held(held.id.clone());
                        }
                        pool.reservations.insert(held.id.clone(), held);
                    }
                    pool
                })
                .boxed()
        })
        .boxed()
}

fn loaded(raw: Raw) -> Loaded {
    load(raw, "store", &mut NoAccounts)
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way(first in pool(), second in pool()) {
        let empty = loaded(Raw::default());
        let raw = store_after(&Raw::default(), &changes(&empty, &first, Uid(7)));
        let one = loaded(raw.clone());
        prop_assert_eq!(&one.pool, &first);
        prop_assert!(changes(&one, &first, Uid(8)).is_empty(), "nothing to write");

        let raw = store_after(&raw, &changes(&one, &second, Uid(8)));
        let two = loaded(raw.clone());
        prop_assert_eq!(&two.pool, &second, "by differences too");
        prop_assert_eq!(raw.head.owner(), Some(Uid(7)), "whoever made it");
    }

    #[test]
    fn ended_reservations_are_read_back_a_gpu_at_a_time(held in held("a".into(), [1, 4].map(GpuIndex).into()), at in at()) {
        let ended = Ended { reservation: held, at, how: Ending::Revoked { by: Uid(3) } };
        for (line, gpu) in ended::write(&ended).iter().zip([1, 4].map(GpuIndex)) {
            let back = ended::read(line.as_bytes(), &mut NoAccounts).unwrap();
            prop_assert_eq!((&back.how, back.at), (&ended.how, at));
            prop_assert_eq!(&back.reservation.gpus, &[gpu]);
            prop_assert_eq!(&back.reservation.id, &ended.reservation.id);
            prop_assert_eq!(&back.reservation.holder, &ended.reservation.holder);
            prop_assert_eq!(back.reservation.started, ended.reservation.started);
        }
    }

    #[test]
    fn no_record_makes_the_reader_stumble(records in vec(mutated(), 9)) {
        let mut cells = records.into_iter().map(|text| Cell::Bytes(text.into_bytes()));
        let mut next = || cells.next().unwrap();
        let raw = Raw {
            damaged: BTreeMap::new(),
            head: Head { gpu_count: Cell::Bytes(b"4".to_vec()), provider: Cell::Absent, pool: Cell::Absent },
            gpus: (0..4).map(|index| (GpuIndex(index), next())).collect(),
            queue: (0..3).map(|n| Queued { id: format!("{n}"), score: Timestamp(n), entry: next() }).collect(),
        };
        let loaded = loaded(raw);
        prop_assert_eq!(loaded.pool.slots.len(), 4);
        let held: usize = loaded.pool.reservations.values().map(|held| held.gpus.len()).sum();
        let slots = loaded.pool.slots.values().filter(|slot| matches!(slot.state, SlotState::Held(_))).count();
        prop_assert_eq!(held, slots, "each held GPU in one reservation");
        prop_assert!(changes(&loaded, &loaded.pool.clone(), Uid(1)).is_empty(), "and nothing is rewritten");
        // As pool-wide records they may be refused, never worse.
        let head = Head { gpu_count: next(), provider: Cell::Absent, pool: next() };
        let _ = load(Raw { head, ..Raw::default() }, "store", &mut NoAccounts);
    }

    #[test]
    fn no_line_of_history_makes_the_reader_stumble(line in mutated()) {
        let _ = ended::read(line.as_bytes(), &mut NoAccounts);
    }
}

/// Records as both programs write them.
const EXAMPLES: [&str; 7] = [
    r#"{"user":"carol","actual_user":"carol","start_time":"2026-11-23T14:51:04.194367062Z","last_heartbeat":"2026-11-23T14:51:08.193677832Z","type":"run","expiry_time":null,"last_released":null,"partial_queue_id":"107024fc"}"#,
    r#"{"expiry_time":1795618262,"type":"manual","user":"bob","start_time":1795445462,"note":"demo","actual_user":"bob"}"#,
    r#"{"last_released":"2025-06-30T09:00:00.5-08:00"}"#,
    r#"{"id":"8fd4c49d","user":"dave","actual_user":"dave","requested_count":1,"requested_ids":[3],"allocated_gpus":[],"reservation_type":"manual","expiry_duration":14399999376851,"note":"later","enqueue_time":"2026-11-23T14:51:05.195625337Z","last_heartbeat":"2026-11-23T14:51:05.195979796Z"}"#,
    r#"{"user":"alice","gpu_id":0,"start_time":"2026-11-23T14:51:00Z","end_time":"2026-11-23T14:51:00.618770377Z","duration_seconds":0.618770377,"reservation_type":"manual"}"#,
    r#"{"id":"a","uid":1000,"user":"L","actual_user":"alice","label":"L","gpus":[0],"start_time":1795445461,"start_ns":5,"last_heartbeat":1795445462,"type":"run","launcher":{"boot":"b","namespace":1,"pid":2,"start":3},"command":["x"],"until_exit":true}"#,
    r#"{"id":"store","owner":0,"strategy":"affinity","gpus":{"0":"GPU-0"},"members":[0,2]}"#,
];

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec(("[a-z_]{0,6}", inner), 0..4).prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// Any JSON, any text, or a record with a field replaced, taken out or cut off.
fn mutated() -> BoxedStrategy<String> {
    let example = || (0..EXAMPLES.len()).prop_map(|at| EXAMPLES[at]);
    let replaced = (example(), any::<prop::sample::Index>(), json()).prop_map(|(text, at, value)| {
        let mut record: Json = serde_json::from_str(text).unwrap();
        let fields = record.as_object_mut().unwrap();
        let name = fields.keys().nth(at.index(fields.len())).unwrap().clone();
        fields.insert(name, value);
        record.to_string()
    });
    let cut = (example(), any::<prop::sample::Index>())
        .prop_map(|(text, at)| text[..at.index(text.len())].to_owned());
    prop_oneof![
        replaced,
        cut,
        json().prop_map(|value| value.to_string()),
        "\\PC{0,40}",
        example().prop_map(str::to_owned)
    ]
    .boxed()
}

#[test]
fn a_reservation_whose_record_was_overwritten_on_one_gpu_keeps_the_others() {
    let ours = r#"{"id":"a","user":"u","gpus":[0,1],"start_time":10,"last_heartbeat":20,"type":"run"}"#;
    let go = r#"{"user":"bob","start_time":15,"type":"run"}"#;
    let cell = |text: &str| Cell::Bytes(text.as_bytes().to_vec());
    let head = Head { gpu_count: cell("2"), ..Head::default() };
    let gpus = [(GpuIndex(0), cell(ours)), (GpuIndex(1), cell(go))].into();
    let pool = loaded(Raw { head, gpus, ..Raw::default() }).pool;
    assert_eq!(pool.reservations[&LeaseId::from("a")].gpus, [GpuIndex(0)]);
    assert_eq!(pool.reservations[&LeaseId::from("go:1:15")].gpus, [GpuIndex(1)]);
}

#[test]
fn a_store_that_has_no_name_gets_one_with_the_first_write() {
    let empty = loaded(Raw::default());
    assert!(changes(&empty, &empty.pool.clone(), Uid(1)).is_empty());
    let go =
        Raw { head: Head { gpu_count: Cell::Bytes(b"1".to_vec()), ..Head::default() }, ..Raw::default() };
    let adopted = loaded(go);
    let mut pool = adopted.pool.clone();
    pool.strategy = Ranking::Affinity;
    let written = changes(&adopted, &pool, Uid(1));
    let [Write::Put { key, value }] = &written.writes[..] else { panic!("{written:?}") };
    assert_eq!(key, "pool");
    let record: Json = serde_json::from_slice(value).unwrap();
    assert_eq!(record, serde_json::json!({"id": "store", "strategy": "affinity"}), "made by nobody of us");
}
