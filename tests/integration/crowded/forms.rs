//! Every form of status shows the crowd as it is, in time, wherever it is printed.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Crowd;
use crate::support::glass::Glass;
use crate::support::host::{Store, ageless};
use crate::support::job::{Ended, Job};

#[test]
fn every_form_of_status_shows_it_right() {
    play(Store::Sqlite);
}

#[test]
fn on_redis_too_every_form_of_status_shows_it_right() {
    play(Store::Redis);
}

fn play(store: Store) {
    let Some(crowd) = Crowd::on(store) else { return };
    within(Duration::from_secs(2), &crowd, &crowd.expected()[..5]);
    crowd.slow_down();
    // All at once, since each waits for the slow GPU.
    let watches = WATCHES.map(|(columns, rows)| on_glass(&crowd, &["status", "--watch", "1"], columns, rows));
    let narrow = on_glass(&crowd, &["status", "-o", "table"], 60, 40);
    let lines = on_glass(&crowd, &["status"], 200, 40);
    let forms = [&["status", "-o", "table"][..], &["status", "--summary"], &["status", "--json"]];
    let forms = forms.map(|words| crowd.starts(words));
    let piped = crowd.starts(&["status", "--watch", "1"]);
    within(Duration::from_secs(6), &crowd, &crowd.expected());
    in_all_other_forms(&crowd, forms.map(Job::finish));
    piped.prints("\n\n");
    in_a_table(&piped.stdout());
    for watch in watches {
        on_screen(&crowd, watch);
    }
    at_the_width_of_a_page(&crowd, narrow);
    in_coloured_lines(&crowd, lines);
}

/// All is shown in less than this. Several tries, since a machine under load may take longer once, and may give an engine
/// up before it tells a name.
fn within(this: Duration, crowd: &Crowd, expected: &[String]) {
    let in_time = (0..8).any(|_| {
        let begun = Instant::now();
        let ended = crowd.starts(&["status"]).finish();
        let took = begun.elapsed();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended}");
        let shown: Vec<String> = ended.stdout.lines().map(ageless).collect();
        assert_eq!(shown[..expected.len()], *expected);
        took < this
    });
    assert!(in_time, "never in less than {this:?}");
}

fn in_all_other_forms(crowd: &Crowd, [table, summary, json]: [Ended; 3]) {
    in_a_table(&table.stdout);

    // Neither GPU that does not answer tells what it is.
    let by_model = "4 x NVIDIA H100 80GB HBM3: 1 available, 1 in use (1 intruded), 2 in use without reservation\n\
                    2 x unknown model: 0 available, 0 in use, 2 unknown\n";
    assert_eq!(summary.stdout, by_model);

    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let of = |field: &str| json.as_array().unwrap().iter().map(|gpu| gpu[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), ["AVAILABLE", "IN_USE", "UNRESERVED", "UNRESERVED", "ERROR", "ERROR"]);
    assert_eq!(of("error")[4..], [json!("GPU is lost"), json!("no answer from the driver in 5s")]);
    assert_eq!(json[1]["unreserved_users"], json!(["uid 23002"]));
    assert_eq!(json[3]["processes"][0]["orphan_of"], json!(crowd.crashed));
    let roles = |gpu: usize| {
        let processes = json[gpu]["processes"].as_array().unwrap();
        let mut roles: Vec<&str> =
            processes.iter().map(|process| process["role"].as_str().unwrap()).collect();
        roles.sort_unstable();
        roles.join(" ")
    };
    assert_eq!([1, 2, 3, 4, 5].map(roles), ["holder intruder", "unreserved", "orphan", "", ""]);
    for gpu in [4, 5] {
        assert!(json[gpu].get("memory_used_mb").is_none() && json[gpu].get("memory_total_mb").is_none());
    }
}

/// Where nothing is cut: a row each.
fn in_a_table(text: &str) {
    let rows: Vec<&str> = text.lines().collect();
    for (row, words) in [
        (1, &["AVAILABLE"][..]),
        (2, &["INTRUDED", "uid 23001", "also uid 23002: PID ", "jupyter"]),
        (3, &["UNRESERVED", "container trainer", "PID ", "sleep"]),
        (4, &["UNRESERVED", "uid 23003", "orphan of"]),
        (5, &["UNKNOWN", "GPU is lost"]),
        (6, &["UNKNOWN", "no answer from the driver in 5s"]),
    ] {
        assert!(words.iter().all(|word| rows[row].contains(word)), "{words:?} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

const WATCHES: [(u16, u16); 3] = [(200, 60), (80, 40), (60, 40)];

/// A terminal that shows colours, but for one that does not want them.
fn on_glass(crowd: &Crowd, words: &[&str], columns: u16, rows: u16) -> Glass {
    let mut command: Command = crowd.chg(words);
    command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color").env_remove("NO_COLOR");
    if columns == 60 {
        command.env("NO_COLOR", "1");
    }
    Glass::start(&command, columns, rows)
}

fn on_screen(crowd: &Crowd, mut watch: Glass) {
    let gpus = ["AVAILABLE", "INTRUDED", "UNRESERVED", "UNRESERVED", "UNKNOWN", "UNKNOWN"];
    let told = ["no answer from the driver in 5s", "GPU is lost", "uid 23002", " trainer", "orphan of"];
    let sum = "1 available, 1 in use (1 intruded), 2 unreserved, 2 unknown";
    // Each process once, with what it is there.
    let processes = [
        (crowd.intruder, &["uid 23002", "intruder · "][..]),
        (crowd.contained.pid, &["unreserved · "]),
        (crowd.orphan, &["uid 23003", "orphan · "]),
    ];
    // Asked of every state of the screen until one is right: it may be in the middle of being drawn.
    watch.waits_for("everybody as what they are", |rows| {
        let all = rows.join("\n");
        let below = rows.iter().position(|row| row.contains("COMMAND")).unwrap_or(rows.len());
        let is_told_once = |pid: i32, words: &[&str]| {
            let pid = format!(" {pid}  ");
            let mut told = rows[below..].iter().filter(|row| row.contains(&pid));
            told.next().is_some_and(|row| words.iter().all(|word| row.contains(word)))
                && told.next().is_none()
        };
        rows.first().is_some_and(|row| row.contains(sum))
            && told.iter().all(|word| all.contains(word))
            && gpus
                .iter()
                .enumerate()
                .all(|(gpu, word)| rows.iter().any(|row| row.starts_with(&format!("  {gpu}  {word}"))))
            && processes.iter().all(|(pid, words)| is_told_once(*pid, words))
    });
    watch.has_whole_rows();
    watch.pty.types("q");
    watch.pty.ends_with(0);
    watch.is_given_back();
}

/// Sixty columns, and no colour wanted: details stand below their rows, and nothing runs over.
fn at_the_width_of_a_page(crowd: &Crowd, mut table: Glass) {
    table.pty.ends_with(0);
    let last = |rows: &[String]| rows.iter().any(|row| row.contains("no answer from the driver in 5s"));
    let rows = table.waits_for("the last GPU", last);
    table.has_whole_rows();
    assert!(!table.pty.screen().contains('\u{1b}'), "{:?}", table.pty.screen());
    for (gpu, below) in [
        (1, format!("also uid 23002: PID {} (jupyter)", crowd.intruder)),
        (2, format!("PID {} (sleep)", crowd.contained.pid)),
        (3, format!("PID {} (python3, orphan of {})", crowd.orphan, crowd.crashed)),
        (4, "GPU is lost".to_owned()),
    ] {
        let row = rows.iter().position(|row| row.starts_with(&format!("  {gpu}  "))).unwrap();
        assert!(rows[row + 1].trim_start().starts_with(&below), "{below:?} in {rows:#?}");
    }
}

/// Colours surround the words that scripts look for, and change none.
fn in_coloured_lines(crowd: &Crowd, mut lines: Glass) {
    lines.pty.ends_with(0);
    let rows = lines.waits_for("the last line", |rows| rows.iter().any(|row| row.contains("in 5s)")));
    assert!(lines.pty.screen().contains("\u{1b}["), "{:?}", lines.pty.screen());
    let shown: Vec<String> = rows.iter().map(|row| ageless(row)).collect();
    assert_eq!(shown, crowd.expected());
}
