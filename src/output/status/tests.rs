//! Every form in which status is shown.

use proptest::prelude::*;

use super::super::grid::Room;
use super::super::line::Line;
use super::scene::{NOW, Scene, ago, as_role, busy_host, holder, idle, in_use, manual, process, run};
use super::*;
use crate::model::ids::{LeaseId, Megabytes, Pid, Uid};
use crate::model::occupancy::Doubt;
use crate::model::process::Origin;
use crate::model::reservation::Holder;
use crate::model::seen::{GpuProcess, Seat};

fn plain(lines: &[Line]) -> String {
    lines.iter().map(Line::plain).collect::<Vec<_>>().join("\n")
}

fn one_line(scene: &Scene) -> String {
    plain(&lines(&scene.view()))
}

fn docker(id: &str, name: Option<&str>, host_uid: Option<Uid>) -> Origin {
    Origin::Container { engine: "docker".into(), id: id.into(), name: name.map(Into::into), host_uid }
}

fn slice(profile: &str, processes: Option<Vec<GpuProcess>>) -> Slice {
    Slice { profile: profile.into(), uuid: format!("MIG-{profile}"), used: Some(Megabytes(12)), processes }
}

mod grammar;
mod hostile;
mod objects;

#[test]
fn the_table_lines_up_at_every_width() {
    insta::assert_snapshot!("table", plain(&table(&busy_host().view(), Room::Endless)));
    for columns in [60, 80, 120, 200] {
        let lines = table(&busy_host().view(), Room::of(Some(columns)));
        assert!(lines.iter().all(|line| line.width() <= columns), "{columns}");
        insta::assert_snapshot!(format!("table_{columns}"), plain(&lines));
    }
}

#[test]
fn the_lines_of_a_host_with_a_bit_of_everything() {
    insta::assert_snapshot!("lines", plain(&lines(&busy_host().view())));
}

#[test]
fn the_summary_counts_by_model() {
    assert_eq!(
        plain(&summary(&busy_host().view())),
        "6 x NVIDIA H100: 1 available, 3 in use (1 intruded), 1 in use without reservation, 1 unknown"
    );
}

#[test]
fn the_totals_count_everything() {
    assert_eq!(totals(&Scene::default().view()).plain(), "0 GPUs: 0 available, 0 in use");
    let scene = Scene::default().nobodys(None, Usage::Draining { used: Megabytes(9) }, vec![]);
    assert_eq!(totals(&scene.view()).plain(), "1 GPU: 0 available, 0 in use, 1 draining");
}

#[test]
fn a_gpu_is_found_by_uuid_even_when_its_index_changed() {
    let scene = busy_host();
    let mut view = scene.view();
    let uuid = view.gpus.remove(1).uuid.unwrap();
    let mut pool = Pool::default();
    let state = SlotState::Free { last_released: None, past: None };
    pool.slots.insert(GpuIndex(7), Slot { uuid: Some(uuid.clone()), state });
    let device = Device { uuid, index: GpuIndex(1), name: Some("moved".into()), memory: None };
    let seen = [GpuSeen { device, reading: Reading::Unknown(Unknown::Lost) }];
    let view = StatusView::new(&pool, &BTreeMap::new(), &seen, NOW);
    assert_eq!(view.gpus[0].device.as_ref().unwrap().name.as_deref(), Some("moved"));
    assert_eq!(plain(&lines(&view)), "GPU 7: UNKNOWN (not reported by the driver)", "it has no verdict");
}
