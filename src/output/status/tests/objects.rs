//! The JSON: the Go program's fields as it writes them, and ours.

use serde_json::{Value, json as value};

use super::super::super::json::to_json;
use super::*;

fn parsed(scene: &Scene) -> Value {
    serde_json::from_str(&to_json(&json(&scene.view())).unwrap()).unwrap()
}

#[test]
fn a_run_and_a_manual_reservation_read_as_the_go_program_writes_them() {
    let labelled = Holder { label: Some("Alice L.".into()), ..holder("alice") };
    let run = Reservation {
        holder: labelled,
        started: Timestamp::from_seconds(1_795_445_461),
        heartbeat: Timestamp(1_795_445_461_685_440_543),
        note: Some("llama ablation".into()),
        ..run("alice")
    };
    let manual = Reservation {
        started: Timestamp::from_seconds(1_795_445_462),
        expiry: Some(Timestamp::from_seconds(1_795_618_262)),
        note: Some("demo".into()),
        ..manual("bob")
    };
    let objects = parsed(&Scene::default().held(run, idle(0), vec![]).held(manual, idle(0), vec![]));
    let theirs = value!([
        {
            "gpu_id": 0, "status": "IN_USE", "user": "alice (Alice L.)", "duration": "0h 0m 7s", "type": "RUN",
            "note": "llama ablation", "details": "heartbeat 0h 0m 6s ago", "validation": "no usage detected",
            "gpu_model": "NVIDIA H100", "last_heartbeat": "2026-11-23T14:51:01.685440543Z"
        },
        {
            "gpu_id": 1, "status": "IN_USE", "user": "bob", "duration": "0h 0m 6s", "type": "MANUAL",
            "note": "demo", "details": "expires in 47h 59m 54s", "validation": "no usage detected",
            "gpu_model": "NVIDIA H100", "expiry_time": "2026-11-25T14:51:02Z"
        }
    ]);
    let added = ["uuid", "memory_used_mb", "memory_total_mb", "utilization", "reservation", "processes"];
    for (ours, theirs) in objects.as_array().unwrap().iter().zip(theirs.as_array().unwrap()) {
        let mut ours = ours.as_object().unwrap().clone();
        ours.retain(|field, _| !added.contains(&field.as_str()));
        assert_eq!(&Value::Object(ours), theirs);
    }
}

#[test]
fn a_host_with_a_bit_of_everything() {
    insta::assert_snapshot!("json", to_json(&json(&busy_host().view())).unwrap());
}

#[test]
fn only_a_gpu_that_can_be_had_is_available() {
    let seat = Claim::Seated(Seat::Taken { uid: Uid(1001), pid: Pid(812), account: Some("bob".into()) });
    let scene = Scene::default()
        .nobodys(None, idle(1), vec![])
        .nobodys(None, Usage::Draining { used: Megabytes(9) }, vec![])
        .nobodys(None, in_use(9000), vec![])
        .gpu(seat, idle(1), vec![])
        .gpu(Claim::Damaged { why: "x".into() }, idle(1), vec![])
        .nobodys(None, Usage::Unknown(Unknown::Lost), vec![]);
    let objects = parsed(&scene);
    let of = |field: &str| objects.as_array().unwrap().iter().map(|o| o[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), ["AVAILABLE", "IN_USE", "UNRESERVED", "UNRESERVED", "ERROR", "ERROR"]);
    assert_eq!(of("error")[4..], [value!("record is damaged: x"), value!("GPU is lost")]);
    assert_eq!(of("unreserved_users")[3], value!(["bob"]));
    assert_eq!(of("process_info")[3], "seat held by PID 812");
}

#[test]
fn a_false_record_is_an_error_that_still_names_its_holder() {
    let objects = parsed(&grammar::doubted(Doubt::NobodyThere));
    assert_eq!(objects[0]["status"], "ERROR");
    assert_eq!(objects[0]["error"], "false record: nobody holds its seat");
    assert_eq!(objects[0]["user"], "alice");
}

#[test]
fn absent_measurements_are_absent_not_zero() {
    let objects = parsed(&Scene::default().nobodys(None, Usage::Unknown(Unknown::Lost), vec![]));
    assert_eq!(objects[0].get("memory_used_mb"), None);
    assert_eq!(objects[0].get("utilization"), None);
}

#[test]
fn slices_are_listed() {
    let on_slice = Judged { slice: Some("MIG-MIG 1g.10gb".into()), ..process(9, "bob", "python3") };
    let objects = parsed(&Scene::default().sliced(vec![slice("MIG 1g.10gb", None)], vec![on_slice]));
    assert_eq!(objects[0]["mig_slices"], value!(["MIG 1g.10gb (MIG-MIG 1g.10gb)"]));
    assert_eq!(objects[0]["processes"][0]["slice"], "MIG-MIG 1g.10gb");
}
