//! Names, notes and records that other people chose.

use super::super::super::escape::{is_hostile, width};
use super::super::super::json::to_json;
use super::*;

/// A scene in which every text that somebody else chooses is `text`.
fn all_texts_are(text: &str) -> Scene {
    let mut intruder = as_role(Role::Intruder, process(2, text, text));
    intruder.process.origin = docker(text, Some(text), None);
    intruder.process.model = Some(text.into());
    intruder.process.command = vec![text.into()];
    let mut orphan = as_role(Role::Orphan { of: LeaseId(text.into()) }, process(3, text, text));
    orphan.process.origin = Origin::Service { unit: text.into() };
    orphan.process.login = Some(text.into());
    let [label, login] = ["label", "login"].map(|what| Some(format!("{text} {what}")));
    let holder = Holder { label, login, ..holder(text) };
    let noted = Reservation { holder, note: Some(text.into()), command: vec![text.into()], ..run("x") };
    Scene::default()
        .held(noted, in_use(9000), vec![intruder])
        .nobodys(None, in_use(9000), vec![orphan])
        .gpu(Claim::Damaged { why: text.into() }, idle(1), vec![])
        .nobodys(None, Usage::Unknown(Unknown::Error { message: text.into() }), vec![])
        .sliced(vec![slice(text, Some(vec![]))], vec![])
        .gpu(Claim::Reserved { id: LeaseId(text.into()), doubt: None }, idle(1), vec![])
}

#[test]
fn a_name_cannot_command_the_terminal_or_forge_a_line() {
    let text = "a\x1b[2J\nGPU 9: AVAILABLE (never used)\u{202e}\u{fffd}";
    let view = all_texts_are(text).view();
    assert_eq!(lines(&view).len(), 6);
    insta::assert_snapshot!(
        "hostile",
        format!("{}\n\n{}", plain(&lines(&view)), plain(&table(&view, Room::Endless)))
    );
}

/// What the lines are put together with, in order. The reason of an UNKNOWN is prose, with commas of its own.
fn structure(lines: &[Line], marks: &[char]) -> String {
    let of = |line: &Line| {
        let line = line.plain();
        let is_prose = line.contains(": UNKNOWN (");
        line.matches(|c| marks.contains(&c) && !(is_prose && c == ',')).collect::<String>()
    };
    lines.iter().map(of).collect::<Vec<_>>().join("\n")
}

proptest! {
    /// Whatever people call themselves and their processes, and whatever they note: a script that reads a line by its
    /// grammar finds the same parts in it.
    #[test]
    fn no_text_imitates_the_grammar_of_a_line(
        text in "[a-z \\[\\](),:+-]{0,12}( for 0h 1m 2s \\(run|\\), PID 9 \\(y|\\] \\[model: z)[a-z \\[\\](),]{0,12}"
    ) {
        let cut = |scene: &Scene| {
            let mut view = scene.view();
            // What follows stands in brackets of its own.
            for gpu in &mut view.gpus {
                gpu.reservation.iter_mut().for_each(|held| held.note = None);
                gpu.occupancy.processes.iter_mut().for_each(|judged| judged.process.model = None);
            }
            lines(&view)
        };
        let all = ['(', ')', '[', ']', ','];
        prop_assert_eq!(
            structure(&cut(&all_texts_are(&text)), &all),
            structure(&cut(&all_texts_are("x")), &all)
        );
        let brackets = &all[2..4];
        prop_assert_eq!(
            structure(&lines(&all_texts_are(&text).view()), brackets),
            structure(&lines(&all_texts_are("x").view()), brackets)
        );
    }
}

#[test]
fn wide_names_keep_the_columns_aligned() {
    let wide = Reservation { note: Some("x".into()), ..run("山田太郎") };
    let narrow = Reservation { note: Some("x".into()), ..run("bob") };
    let scene = Scene::default().held(wide, idle(1), vec![]).held(narrow, idle(1), vec![]);
    let starts: Vec<usize> = table(&scene.view(), Room::Endless)[1..]
        .iter()
        .map(|row| row.plain())
        .map(|row| width(&row[..row.find("15m 30s").unwrap()]))
        .collect();
    assert_eq!(starts[0], starts[1]);
}

#[test]
fn a_long_name_does_not_widen_every_row() {
    let view = all_texts_are(&"n".repeat(5000)).view();
    let widest = table(&view, Room::Endless).iter().map(Line::width).max().unwrap();
    assert!(widest < 600, "{widest}");
    let widest = table(&view, Room::of(Some(80))).iter().map(Line::width).max().unwrap();
    assert_eq!(widest, 80);
    assert!(lines(&view).iter().all(|line| line.width() < 1000));
}

proptest! {
    #[test]
    fn no_control_character_ever_leaves(text in any::<String>()) {
        let view = all_texts_are(&text).view();
        for line in lines(&view).iter().chain(&table(&view, Room::Endless)).chain(&summary(&view)) {
            let plain = line.plain();
            prop_assert!(!plain.contains(is_hostile), "{:?}", plain);
        }
        prop_assert!(!to_json(&json(&view)).unwrap().replace('\n', "").contains(is_hostile));
    }

    #[test]
    fn json_stays_exact(text in any::<String>()) {
        let json = to_json(&json(&all_texts_are(&text).view())).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(parsed[0]["processes"][0]["name"].as_str().unwrap(), &text);
        prop_assert_eq!(parsed[0]["reservation"]["command"][0].as_str().unwrap(), &text);
        prop_assert_eq!(parsed[0]["note"].as_str().unwrap_or_default(), &text);
    }
}
