//! What is said when all went well.

use super::super::json::to_json;
use super::super::status::scene::{NOW, ago, manual, run};
use super::*;

fn on(gpus: &[u32], reservation: Reservation) -> Reservation {
    Reservation { gpus: gpus.iter().copied().map(GpuIndex).collect(), ..reservation }
}

fn for_four_hours(gpus: &[u32]) -> Reservation {
    on(gpus, Reservation { started: NOW, expiry: Some(ago(-14_400)), ..manual("bob") })
}

#[test]
fn the_launcher_says_what_it_got_and_how_long_that_took() {
    let reservation = on(&[1, 3], run("alice"));
    assert_eq!(granted(&reservation, Duration::from_millis(900)).plain(), "reserved GPU 1, 3");
    assert_eq!(granted(&reservation, Duration::from_secs(250)).plain(), "reserved GPU 1, 3 (waited 4m 10s)");
}

#[test]
fn verbs_answer_as_the_go_program_does() {
    assert_eq!(reserved(&for_four_hours(&[1, 3])).plain(), "Reserved 2 GPU(s): [1, 3] for 4h 0m 0s");
    let two = [for_four_hours(&[3]), for_four_hours(&[1])];
    assert_eq!(released(&two).plain(), "Released 2 GPU(s): [1, 3]");
    assert_eq!(released(&[]).plain(), "Nothing to release");
    assert_eq!(short(&for_four_hours(&[1, 3])).plain(), "1,3");
}

#[test]
fn extended_reservations_are_told_by_expiry() {
    let later = Reservation { expiry: Some(ago(-3600)), ..for_four_hours(&[0]) };
    let lines: Vec<String> =
        extended(&[for_four_hours(&[2]), later, for_four_hours(&[1])], NOW).iter().map(Line::plain).collect();
    assert_eq!(
        lines,
        ["Extended 1 GPU(s): [0] (expires in 1h 0m 0s)", "Extended 2 GPU(s): [1, 2] (expires in 4h 0m 0s)"]
    );
    assert_eq!(extended(&[], NOW)[0].plain(), "Nothing to extend");
}

#[test]
fn reserve_json_is_small() {
    assert_eq!(
        to_json(&reserved_json(&for_four_hours(&[1, 3]))).unwrap().replace(['\n', ' '], ""),
        r#"{"id":"0d5c","gpus":[1,3],"started":"2026-11-23T14:51:08Z","expires":"2026-11-23T18:51:08Z"}"#
    );
}

#[test]
fn a_shell_reads_exports_literally() {
    let value = "a'b $(reboot) `x` \"\\\n c";
    let variables =
        [("PLAIN".into(), "1,3".into()), ("ODD".into(), value.into()), ("NONE".into(), "".into())];
    let script = exports(&variables) + "printf '%s|%s|%s' \"$PLAIN\" \"$ODD\" \"$NONE\"";
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("1,3|{value}|"));
    assert!(script.starts_with("export PLAIN=1,3\n"));
}
