//! Examples for the scanner: what it must find, and what it must let pass.

use super::strip::{Strings, strip};
use super::{Source, acquaintances, of_any_file};

fn breaches(path: &str, code: &str) -> Vec<String> {
    let text = format!("//! Duty.\n{code}\n");
    Source { path, text: &text }
        .breaches()
        .into_iter()
        .map(|breach| format!("{}: {}", breach.line, breach.what))
        .collect()
}

/// The rooms' rules by a word of their message; one code that breaks each, and where it would be right.
#[test]
fn each_rule_finds_its_breach_and_only_there() {
    for (word, code, wrong, right) in [
        ("Redis", "use redis::Client;", "commands/run.rs", "store/redis.rs"),
        ("Redis", "fn f(c: &rusqlite::Connection) {}", "seat.rs", "store/sqlite/mod.rs"),
        ("NVML", "use nvml_wrapper::Nvml;", "attribution/mod.rs", "gpu/nvml.rs"),
        ("unsafe", "fn f() { unsafe { g() } }", "supervise/mod.rs", "sys/fork.rs"),
        (
            "/proc",
            "fn f(pid: i32) { let _ = format!(\"/proc/{pid}/stat\"); }",
            "heartbeat.rs",
            "attribution/owner.rs",
        ),
        ("/proc", "fn f() { procfs::process::all_processes(); }", "gpu/mod.rs", "attribution/owner.rs"),
        ("time", "fn f() { SystemTime::now(); }", "model/pool.rs", "store/clock.rs"),
        ("time", "fn f() { std::time::Instant::now(); }", "shim/vllm.rs", "supervise/perform.rs"),
        ("stdout", "fn f() { std::io::stderr().write_all(b\"x\"); }", "commands/run.rs", "output/mod.rs"),
        ("does not know", "use crate::output::Line;", "store/mod.rs", "commands/mod.rs"),
        (
            "does not know",
            "use crate::{model::ids::Pid, store::{Store, StoreError}};",
            "gpu/mod.rs",
            "heartbeat.rs",
        ),
        ("does not know", "use super::super::commands::run;", "attribution/owner.rs", "error/mod.rs"),
        ("does not know", "use super::gpu::Scan;", "seat.rs", "commands.rs"),
        ("does not know", "use crate::cli::RunArgs;", "output/mod.rs", "config/options.rs"),
        ("does not know", "use crate::sys::fork;", "model/pool.rs", "supervise/mod.rs"),
        ("does not know", "use crate::config::Config;", "model/pool.rs", "commands/context.rs"),
    ] {
        let found = breaches(wrong, code);
        assert!(found.iter().any(|breach| breach.contains(word)), "{wrong}: {code}: {found:?}");
        assert!(found.iter().all(|breach| breach.starts_with("2: ")), "{wrong}: {code}: {found:?}");
        assert_eq!(breaches(right, code), Vec::<String>::new(), "{right}: {code}");
    }
}

#[test]
fn print_macros_are_found_everywhere() {
    for name in ["println!(\"x\")", "eprintln!()", "std::print!(\"x\")", "dbg!(x)"] {
        for path in ["output/mod.rs", "commands/run.rs", "store/tests.rs"] {
            assert_eq!(breaches(path, &format!("fn f() {{ {name}; }}")).len(), 1, "{path}: {name}");
        }
    }
    assert_eq!(
        breaches("commands/run.rs", "fn f() { my_println!(); writeln!(w, \"x\"); }"),
        Vec::<String>::new()
    );
}

#[test]
fn words_in_comments_and_strings_are_no_breach() {
    let code = "\
// redis::Client, unsafe, println!(
/* crate::store::Store /* SystemTime::now() */ unsafe */
/// `crate::gpu` is unsafe.
const A: &str = \"unsafe redis::x println!()\";
const B: &str = r#\"unsafe \" crate::store::X\"#;
const C: char = '\"'; const D: &str = \"/proc/self/stat and \\\" unsafe\";
fn f<'a>(x: &'a str) -> &'a str { x }";
    assert_eq!(breaches("model/pool.rs", code), Vec::<String>::new());
}

#[test]
fn code_after_a_string_or_a_lifetime_is_seen() {
    for code in [
        "const A: &str = \"\\\\\"; unsafe fn f() {}",
        "const A: char = '\\''; unsafe fn f() {}",
        "fn f<'a>(x: &'a str) { unsafe { g(x) } }",
        "const A: &str = r##\"x\"# \"##; unsafe fn f() {}",
        "/* x */ unsafe fn f() {}",
    ] {
        assert_eq!(breaches("model/pool.rs", code).len(), 1, "{code}");
    }
}

#[test]
fn tests_may_know_more_but_not_everything() {
    let inline = "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n    fn f() { std::time::Instant::now(); }\n}";
    assert_eq!(breaches("model/pool.rs", inline), Vec::<String>::new());
    assert_eq!(breaches("model/tests.rs", "use crate::store::Store;"), Vec::<String>::new());
    let after = "#[cfg(test)]\nmod tests;\nuse crate::store::Store;";
    assert_eq!(breaches("model/pool.rs", after).len(), 1, "a test module in its own file ends nothing");
    assert_eq!(breaches("model/tests.rs", "fn f() { unsafe { g() } }").len(), 1);
}

#[test]
fn a_room_of_ours_may_bear_the_name_of_what_it_wraps() {
    assert_eq!(
        breaches("commands/store.rs", "use crate::store::redis::Address; fn f() { self.redis.x(); }"),
        Vec::<String>::new()
    );
}

#[test]
fn every_form_of_path_is_followed() {
    let names =
        |code: &str, depth| acquaintances(code, depth).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("use crate::gpu::Scan;", 1), ["gpu"]);
    assert_eq!(names("use crate::{\n    gpu::{a, b},\n    seat,\n};", 1), ["gpu", "seat"]);
    assert_eq!(names("crate::bell::ring(); crate::seat::take();", 1), ["bell", "seat"]);
    assert_eq!(names("super::super::gpu::x()", 2), ["gpu"]);
    assert_eq!(names("super::gpu::x()", 2), Vec::<String>::new(), "a module of one's own");
    assert_eq!(names("pub(crate) fn f() {}", 1), Vec::<String>::new());
}

#[test]
fn a_file_has_a_duty_and_an_end() {
    assert_eq!(of_any_file("//! Duty.\nfn f() {}\n"), vec![]);
    assert_eq!(of_any_file("fn f() {}\n").len(), 1);
    assert_eq!(of_any_file("").len(), 1);
    assert_eq!(of_any_file(&format!("//! Duty.\n{}", "\n".repeat(400))).len(), 1);
    assert_eq!(of_any_file(&format!("//! Duty.\n{}", "\n".repeat(399))), vec![]);
}

#[test]
fn stripping_keeps_every_line_in_its_place() {
    let text = "a /* b\n c */ d // e\n\"f\ng\" h\n";
    assert_eq!(strip(text, Strings::Blank).lines().map(str::trim).collect::<Vec<_>>(), ["a", "d", "", "h"]);
    assert_eq!(
        strip(text, Strings::Keep).lines().map(str::trim).collect::<Vec<_>>(),
        ["a", "d", "\"f", "g\" h"]
    );
}
