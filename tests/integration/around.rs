//! Programs that start the command for somebody, such as make, xargs, timeout, script: they see what they would see of
//! it bare.

use std::fs;

use crate::support::oracle::same_either_way;
use crate::support::play::{Shell, plays};
use crate::support::probe::{quoted, script};
use crate::support::pty::CTRL_C;

/// A command that says that it is ready, and ends with this status when it is interrupted; or of it.
fn interrupted(status: Option<i32>) -> String {
    match status {
        None => "echo ready; exec sleep 1000".to_owned(),
        Some(status) => {
            let waits = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
say('ready')
signal.sigwait({signal.SIGINT})";
            format!("exec {}", quoted(&script(&format!("{waits}\nsys.exit({status})"))))
        }
    }
}

#[test]
fn one_key_ends_make_and_every_recipe_and_it_says_how_they_ended() {
    plays(&[Shell::Bash], |take| {
        let rules = "all: a b\n\t@echo all of it\na b:\n\t@run sh x\n";
        fs::write(take.path("Makefile"), rules).unwrap();
        for status in [None, Some(3), Some(0)] {
            fs::write(take.path("x"), interrupted(status)).unwrap();
            for options in ["", "-k", "-j2", "-j2 -k"] {
                take.enters(&format!("make {options}"));
                let recipes = if options.starts_with("-j2") { 2 } else { 1 };
                for _ in 0..recipes {
                    take.glimpses("ready\r\n");
                }
                take.types(CTRL_C);
                let seen = take.pty.sees("prompt> ");
                // What make does say it may say too late: the key that ends it throws away what is not shown yet.
                let others = match status {
                    None => &["Error"][..],
                    Some(3) => &["Interrupt"],
                    Some(_) => &["Interrupt", "Error"],
                };
                for word in ["all of it", "ready"].iter().chain(others) {
                    assert!(!seen.contains(word), "{status:?} {options}: {seen}");
                }
                // Make itself ends of the key, or with 2 if a recipe was faster.
                take.enters("test $? = 130 -o $? = 2; echo status $?");
                take.sees("status 0\r\n");
                take.is_prompted();
            }
        }
    });
}

#[test]
fn make_hands_its_job_slots_through() {
    let seen = same_either_way(
        "bash",
        "cd \"$(mktemp -d)\"; printf '#!/bin/sh\\nexec $RUN \"$@\" 2>&1\\n' >run; chmod +x run
        printf 'all:\\n\\t+@./run $(MAKE) --no-print-directory below\\n' >Makefile
        printf 'below: 1 2 3 4\\n1 2 3 4:\\n\\t@echo $@\\n' >>Makefile
        make -j3 2>&1 | grep -v reserved | sort; exit ${PIPESTATUS[0]}",
    );
    assert_eq!((seen.code, seen.stdout.as_str()), (Some(0), "1\n2\n3\n4\n"));
}

#[test]
fn who_starts_commands_by_the_dozen_gets_each_ones_output_and_status() {
    let seen = same_either_way("bash", "seq 12 | xargs -P 4 -n 2 $RUN echo | sort -n; echo ${PIPESTATUS[1]}");
    assert!(seen.stdout.ends_with("11 12\n0\n"), "{seen:?}");
    let seen = same_either_way("bash", "seq 3 | xargs -P 3 -n 1 $RUN sh -c 'exit $1' sh; echo $?");
    assert_eq!(seen.stdout, "123\n");
    same_either_way("bash", "find /etc/passwd /etc/group -exec $RUN ls -l {} \\;");
}

#[test]
fn a_timeout_around_us_sees_what_it_would_see_of_the_command() {
    for (options, command) in [
        ("0.3", "sleep 1000"),
        ("-s INT 0.3", "sleep 1000"),
        ("-p 0.3", "sleep 1000"),
        ("--foreground 0.3", "sleep 1000"),
        ("60", "sh -c 'exit 5'"),
    ] {
        same_either_way("bash", &format!("timeout {options} $RUN {command} 2>/dev/null; echo $?"));
    }
}

#[test]
fn an_alarm_that_was_set_before_reaches_the_command() {
    // The old way to give a command a time limit.
    let seen = same_either_way("bash", "perl -e 'alarm 1; exec @ARGV' $RUN sleep 1000; echo $?");
    assert_eq!(seen.stdout, "142\n");
}

#[test]
fn the_time_that_the_command_took_is_told_as_its_own() {
    let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
    let seen = same_either_way(
        "bash",
        &format!("TIMEFORMAT=%U; t=$({{ time $RUN sh -c '{busy}'; }} 2>&1); [ \"$t\" = 0.000 ]; echo $?"),
    );
    assert_eq!(seen.stdout, "1\n");
}

#[test]
fn a_shell_goes_on_reading_where_the_command_left_off() {
    same_either_way("bash", "printf '1\\n2\\n3\\n' | { $RUN sh -c 'read x; echo $x'; cat; }");
    same_either_way("bash", "cd \"$(mktemp -d)\"; seq 3 >f; { $RUN sh -c 'read x; echo $x'; cat; } <f");
    same_either_way("bash", "printf '1\\n2\\n' | while read x; do $RUN echo got $x </dev/null; done");
    same_either_way("bash", "$RUN cat <<END\n$((6 * 7))\nEND\n$RUN cat <<<word");
    same_either_way(
        "bash",
        "coproc $RUN cat; echo in >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x; exec {COPROC[1]}>&-; wait; echo $?",
    );
    same_either_way("bash", "$RUN sh -c 'cat \"$0\"; echo out' <(echo in) > >(sed s/^/-/ >&2) 2>&1; wait $!");
}

#[test]
fn a_recorder_of_terminals_sees_the_command_on_its_own() {
    let text = "$RUN sh -c \"tty >/dev/null && stty size; read x; echo got \\$x; exit 3\" 2>/dev/null";
    let seen = same_either_way(
        "bash",
        &format!("echo line | script -qec '{text}' /dev/null | tr -d '\\r'; echo ${{PIPESTATUS[1]}}"),
    );
    assert!(seen.stdout.contains("got line\n3\n"), "{seen:?}");
}

#[test]
fn what_a_process_hands_to_a_program_it_becomes_is_the_commands() {
    for (prepare, show) in [
        ("exec nice -n 7", "nice"),
        ("echo 300 >/proc/self/oom_score_adj; exec", "cat /proc/self/oom_score_adj"),
        ("exec ionice -c 3", "ionice"),
        ("exec taskset -c 0", "grep Cpus_allowed_list /proc/self/status"),
        ("exec chrt -b 0", "sh -c 'chrt -p $$ | cut -d : -f 2'"),
        ("umask 027; exec", "sh -c umask"),
        ("cd /usr; exec", "pwd"),
        ("cd \"$(mktemp -d)\"; rmdir \"$PWD\"; exec", "sh -c 'readlink /proc/self/cwd | grep -c deleted'"),
        ("ulimit -n 777; ulimit -c 0; ulimit -s 4096; ulimit -t 99; exec", "cat /proc/self/limits"),
        ("exec setarch -R", "cat /proc/self/personality"),
        ("echo 7 >/proc/self/coredump_filter; exec", "cat /proc/self/coredump_filter"),
        ("exec setpriv --no-new-privs", "grep -E 'NoNewPrivs|Seccomp' /proc/self/status"),
        ("exec", "grep -E '^(Uid|Gid|Groups|Cap|Umask|TracerPid|NSsid|THP|Speculation)' /proc/self/status"),
        ("exec", "sh -c 'cat /proc/$$/cgroup /proc/$$/loginuid /proc/$$/sessionid /proc/$$/timerslack_ns'"),
        ("exec", "sh -c 'readlink /proc/$$/ns/* /proc/$$/root'"),
        ("exec", "sh -c 'tr \"\\0\" \"\\n\" </proc/$$/cmdline'"),
        ("exec 5</etc/passwd; exec", "grep -v mnt_id /proc/self/fdinfo/5"),
    ] {
        same_either_way("bash", &format!("{prepare} $RUN {show}"));
    }
}
