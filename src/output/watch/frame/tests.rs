//! What the screen shows, at several sizes.

use proptest::prelude::*;

use super::*;
use crate::model::ids::Megabytes;
use crate::output::escape::is_hostile;
use crate::output::queue::tests::line_of_two;
use crate::output::status::scene::{NOW, Scene, as_role, busy_host, in_use, process, run};

const fn size(columns: u16, rows: u16) -> Size {
    Size { columns, rows }
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.plain().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn watched(scene: &Scene) -> WatchView {
    WatchView { host: "atlas".into(), status: scene.view(), queue: QueueView { now: NOW, waiting: vec![] } }
}

/// The scene with a line of people.
fn with_a_line(scene: &Scene) -> WatchView {
    WatchView { queue: line_of_two(), ..watched(scene) }
}

fn drawn(view: &WatchView, size: Size) -> String {
    let lines = frame(view, None, size, Strokes::Lines);
    assert!(lines.len() <= usize::from(size.rows));
    for line in &lines {
        assert!(line.width() <= usize::from(size.columns), "{}", line.plain());
    }
    text(&lines)
}

#[test]
fn every_width_has_its_layout() {
    for columns in [60, 80, 120, 200] {
        insta::assert_snapshot!(format!("{columns}"), drawn(&with_a_line(&busy_host()), size(columns, 40)));
    }
}

#[test]
fn a_low_screen_leaves_the_details_out_before_it_leaves_gpus_out() {
    let details = |rows| drawn(&watched(&busy_host()), size(80, rows)).contains("llama ablation");
    assert!(details(20));
    assert!(!details(12));
    assert!(drawn(&watched(&busy_host()), size(80, 9)).ends_with("  5  UNKNOWN"));
}

#[test]
fn what_does_not_fit_is_counted() {
    let crowd = (0..30).map(|pid| process(1000 + pid, "bob", "python3")).collect();
    let scene = busy_host().nobodys(None, in_use(9000), crowd);
    let lines = drawn(&watched(&scene), size(80, 24));
    assert_eq!(lines.lines().count(), 24);
    // Thirty of them and five of the others, of which five are shown.
    assert!(lines.ends_with("… 30 more processes"), "{lines}");
    let lines = drawn(&watched(&scene), size(80, 6));
    assert_eq!(lines.lines().count(), 6);
    assert!(lines.ends_with("… 5 more GPUs"), "{lines}");
}

#[test]
fn a_long_line_takes_half_of_what_is_left() {
    let mut view = with_a_line(&busy_host());
    let two = view.queue.waiting.clone();
    (0..20).for_each(|_| view.queue.waiting.extend(two.clone()));
    let lines = drawn(&view, size(120, 30));
    assert!(lines.contains("… 35 more waiting"), "{lines}");
    assert!(lines.contains("VLLM::EngineCore"), "{lines}");
    assert!(lines.contains(", 42 waiting"), "{lines}");
}

#[test]
fn simple_terminals_get_simple_bars() {
    let lines = text(&frame(&watched(&busy_host()), None, size(80, 24), Strokes::Ascii));
    assert!(lines.contains("[|||||         ]  36%"), "{lines}");
    assert!(!lines.contains(['━', '─']), "{lines}");
}

#[test]
fn processes_are_sorted_by_memory() {
    let with = |pid, memory: Option<u64>| {
        let mut judged = as_role(Role::Holder, process(pid, "alice", "python3"));
        judged.memory = memory.map(Megabytes);
        judged
    };
    let scene = Scene::default()
        .held(run("alice"), in_use(9000), vec![with(1, None), with(2, Some(10))])
        .held(run("alice"), in_use(9000), vec![with(3, Some(500))]);
    let lines = drawn(&watched(&scene), size(120, 24));
    let pids: Vec<&str> = lines.lines().skip(7).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(pids, ["3", "2", "1"], "{lines}");
}

#[test]
fn trouble_stands_above_the_last_view() {
    let lines = text(&frame(
        &watched(&busy_host()),
        Some("error: cannot reach \x1b Redis"),
        size(80, 24),
        Strokes::Lines,
    ));
    assert!(lines.starts_with("atlas  error: cannot reach \\u{1b} Redis "), "{lines}");
    assert!(lines.contains("AVAILABLE"));
}

proptest! {
    #[test]
    fn a_frame_never_leaves_its_screen(columns in 1_u16..200, rows in 1_u16..60, name in any::<String>()) {
        let mut stranger = process(1, &name, &name);
        stranger.process.command = vec![name.clone()];
        let scene = busy_host().held(run(&name), in_use(9000), vec![stranger]);
        let mut view = with_a_line(&scene);
        view.host.clone_from(&name);
        view.queue.waiting[0].0.holder.account.clone_from(&name);
        let lines = frame(&view, Some(&name), size(columns, rows), Strokes::Lines);
        prop_assert!(lines.len() <= usize::from(rows));
        for line in &lines {
            prop_assert!(line.width() <= usize::from(columns));
            prop_assert!(!line.plain().contains(is_hostile));
        }
    }
}
