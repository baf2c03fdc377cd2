//! What the screen shows, at several sizes.

use proptest::prelude::*;

use super::*;
use crate::model::ids::Megabytes;
use crate::output::escape::is_hostile;
use crate::output::status::scene::{Scene, as_role, busy_host, in_use, process, run};

const fn size(columns: u16, rows: u16) -> Size {
    Size { columns, rows }
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.plain().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn sixty_columns_are_enough() {
    let lines = frame(&busy_host().view(), None, size(60, 24));
    assert!(lines.iter().all(|line| line.width() <= 60));
    insta::assert_snapshot!("narrow", text(&lines));
}

#[test]
fn a_wide_screen_tells_more() {
    insta::assert_snapshot!("wide", text(&frame(&busy_host().view(), None, size(120, 30))));
}

#[test]
fn what_does_not_fit_is_counted() {
    let crowd = (0..30).map(|pid| process(1000 + pid, "bob", "python3")).collect();
    let scene = busy_host().nobodys(None, in_use(9000), crowd);
    let lines = text(&frame(&scene.view(), None, size(80, 18)));
    assert_eq!(lines.lines().count(), 18);
    assert!(lines.ends_with("… 30 more processes"), "{lines}");
    let lines = text(&frame(&scene.view(), None, size(80, 6)));
    assert_eq!(lines.lines().count(), 6);
    assert!(lines.ends_with("… 5 more GPUs"), "{lines}");
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
    let lines = text(&frame(&scene.view(), None, size(80, 24)));
    let pids: Vec<&str> = lines.lines().skip(7).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(pids, ["3", "2", "1"], "{lines}");
}

#[test]
fn trouble_stands_above_the_last_view() {
    let lines = text(&frame(&busy_host().view(), Some("error: cannot reach \x1b Redis"), size(80, 24)));
    assert!(lines.starts_with("error: cannot reach \\u{1b} Redis "), "{lines}");
    assert!(lines.contains("AVAILABLE"));
}

proptest! {
    #[test]
    fn a_frame_never_leaves_its_screen(columns in 1_u16..200, rows in 1_u16..60, name in any::<String>()) {
        let mut stranger = process(1, &name, &name);
        stranger.process.command = vec![name.clone()];
        let scene = busy_host().held(run(&name), in_use(9000), vec![stranger]);
        let lines = frame(&scene.view(), Some(&name), size(columns, rows));
        prop_assert!(lines.len() <= usize::from(rows));
        for line in &lines {
            prop_assert!(line.width() <= usize::from(columns));
            prop_assert!(!line.plain().contains(is_hostile));
        }
    }
}
