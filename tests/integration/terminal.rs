//! On a terminal: keys, job control, who is in the foreground. Wherever bare X is the judge the same scene is played
//! with it.

use std::process::Command;

use crate::support::oracle::{BOTH, Way};
use crate::support::probe::{quoted, script, teller};
use crate::support::process::{await_end_of, await_state, lives, send};
use crate::support::pty::{CTRL_C, CTRL_D, CTRL_Z, Pty};
use crate::support::wait::wait_until;

/// A file that a shell on the terminal can be told to run: long lines do not fit through a keyboard.
struct Program(tempfile::TempDir);

impl Program {
    fn of(words: &[String]) -> Self {
        let directory = crate::support::directory();
        std::fs::write(directory.path().join("x"), format!("exec {} \"$@\"\n", quoted(words))).unwrap();
        Self(directory)
    }

    fn path(&self) -> String {
        format!("sh {}/x", self.0.path().display())
    }
}

/// An interactive shell in which this line was entered, `$RUN` standing before commands.
fn shell(way: Way, line: &str) -> Pty {
    let mut pty = Pty::bash();
    pty.enters(&line.replace("$RUN", way.prefix()));
    pty
}

#[test]
fn one_key_is_one_interrupt() {
    // The reader of the pipe is in the shell's job too, and must outlive the key to show what the command says.
    for pipe in ["", " | (trap '' INT; cat)"] {
        for way in BOTH {
            let program = Program::of(&teller(&["INT"]));
            let mut pty = shell(way, &format!("$RUN {}{pipe}", program.path()));
            let command = pty.sees_number("ready ");
            for _ in 0..2 {
                pty.types(CTRL_C);
                pty.sees("INT\r\n");
            }
            send(command, "USR2");
            assert_eq!(pty.sees("done"), "done", "{way:?}{pipe}");
        }
    }
}

#[test]
fn a_prompt_survives_as_many_interrupts_as_it_likes() {
    let repl = "
heed_interrupts()
say('repl')
while (line := interrupt_or_line()) != 'exit':
    if line is None: say('interrupted')
    else: say('value', line)
say('bye')";
    for way in BOTH {
        let program = Program::of(&script(repl));
        let mut pty = shell(way, &format!("$RUN {}; echo status $?", program.path()));
        pty.sees("repl\r\n");
        for word in ["one", "two"] {
            pty.types(CTRL_C);
            pty.sees("interrupted\r\n");
            pty.enters(word);
            let value = format!("value {word}\r\n");
            assert_eq!(pty.sees(&value), value, "{way:?}");
        }
        pty.enters("exit");
        pty.sees("bye\r\nstatus 0\r\n");
    }
}

#[test]
fn a_command_that_asks_before_it_goes_can_read_the_answer() {
    let asking = "
heed_interrupts()
say('ready')
interrupt_or_line()
say('save?')
say('answer', interrupt_or_line())";
    for way in BOTH {
        let program = Program::of(&script(asking));
        let mut pty = shell(way, &format!("$RUN {}; echo status $?", program.path()));
        pty.sees("ready\r\n");
        pty.types(CTRL_C);
        pty.sees("save?\r\n");
        pty.enters("yes");
        pty.sees("answer yes\r\nstatus 0\r\n");
    }
}

#[test]
fn ctrl_z_and_fg_work_as_often_as_one_likes() {
    for way in BOTH {
        let mut pty = shell(way, "$RUN sh -c 'echo ready; read x; echo got $x; read x; echo got $x; exit 3'");
        pty.sees("ready\r\n");
        for word in ["one", "two"] {
            pty.types(CTRL_Z);
            pty.sees("Stopped");
            pty.sees("prompt> ");
            pty.enters("jobs; echo listed");
            assert!(pty.sees("listed\r\n").contains("Stopped"), "{way:?}");
            pty.enters("fg");
            pty.sees("sh -c");
            pty.enters(word);
            pty.sees(&format!("got {word}\r\n"));
        }
        pty.enters("echo status $?");
        pty.sees("status 3\r\n");
    }
}

#[test]
fn bg_lets_the_command_run_and_its_read_stops_it_again() {
    let worker = "
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})
say('ready', os.getpid())
while signal.sigwait({signal.SIGUSR1, signal.SIGUSR2}) == signal.SIGUSR1: say('working')
say('got', sys.stdin.readline().strip())";
    for way in BOTH {
        let program = Program::of(&script(worker));
        let mut pty = shell(way, &format!("$RUN {}", program.path()));
        let command = pty.sees_number("ready ");
        pty.types(CTRL_Z);
        pty.sees("Stopped");
        await_state(command, 'T');
        pty.enters("bg; echo sent");
        pty.sees("sent\r\n");
        send(command, "USR1");
        pty.sees("working\r\n");
        pty.enters("jobs; echo listed");
        assert!(pty.sees("listed\r\n").contains("Running"), "{way:?}");
        send(command, "USR2");
        await_state(command, 'T');
        wait_until("the shell to know", || {
            pty.enters("jobs; echo listed");
            pty.sees("listed\r\n").contains("Stopped")
        });
        pty.enters("fg");
        pty.enters("line");
        pty.sees("got line\r\n");
    }
}

#[test]
fn a_script_is_stopped_and_continued_as_a_whole() {
    for way in BOTH {
        let inner =
            format!("{} sh -c \"echo ready \\$\\$; read x; echo got \\$x\"; echo after $?", way.prefix());
        let mut pty = shell(way, &format!("sh -c '{inner}'"));
        let command = pty.sees_number("ready ");
        pty.types(CTRL_Z);
        pty.sees("Stopped");
        pty.sees("prompt> ");
        // The shell has seen the script stop; its command could still take a letter of the next line.
        await_state(command, 'T');
        pty.enters("fg");
        pty.sees("sh -c");
        pty.enters("line");
        pty.sees("got line\r\nafter 0\r\n");
        pty.sees("prompt> ");
    }
}

#[test]
fn a_background_reader_waits_for_fg() {
    for way in BOTH {
        let mut pty = shell(way, "$RUN cat &");
        wait_until("the job to stop", || {
            pty.enters("jobs; echo listed");
            pty.sees("listed\r\n").contains("Stopped")
        });
        pty.enters("fg");
        pty.sees("cat");
        pty.enters("hello");
        pty.sees("hello\r\n");
        pty.types(CTRL_D);
        pty.sees("prompt> ");
    }
}

#[test]
fn behind_a_pipe_the_command_gets_the_terminal_when_it_needs_it() {
    for way in BOTH {
        let line =
            "$RUN sh -c 'stty -echo </dev/tty; stty -echo </dev/tty; read x </dev/tty; echo got $x' | cat";
        let mut pty = shell(way, line);
        pty.enters("line");
        pty.sees("got line\r\n");
        pty.sees("prompt> ");
    }
}

#[test]
fn a_pager_at_the_end_of_the_pipe_keeps_its_keyboard() {
    for way in BOTH {
        let mut pty = shell(way, "$RUN seq 1 500 | less; echo paged");
        pty.sees("\n20");
        pty.types("G");
        pty.sees("500");
        pty.types("q");
        pty.sees("paged\r\n");
    }
}

#[test]
fn an_inner_shell_has_job_control() {
    for way in BOTH {
        let mut pty = shell(way, "PS1='inner> ' $RUN bash --norc --noprofile --noediting -i");
        assert!(!pty.sees("inner> ").contains("no job control"), "{way:?}");
        pty.enters("cat");
        pty.enters("hello");
        pty.sees("hello\r\n");
        pty.types(CTRL_Z);
        pty.sees("Stopped");
        pty.sees("inner> ");
        pty.enters("fg");
        pty.enters("again");
        pty.sees("again\r\n");
        pty.types(CTRL_C);
        pty.sees("inner> ");
        pty.enters("exit 4");
        pty.sees("prompt> ");
        pty.enters("echo status $?");
        pty.sees("status 4\r\n");
    }
}

#[test]
fn a_loop_of_a_script_stops_at_one_interrupt() {
    for shell_name in ["bash", "dash"] {
        for way in BOTH {
            let body = format!("{} sh -c \"echo ready; exec sleep 1000\"", way.prefix());
            let mut pty =
                shell(way, &format!("{shell_name} -c 'for i in 1 2 3; do {body}; done; echo not here'"));
            pty.sees("ready\r\n");
            pty.types(CTRL_C);
            let seen = pty.sees("prompt> ");
            assert!(!seen.contains("ready") && !seen.contains("not here"), "{shell_name} {way:?}: {seen:?}");
        }
    }
}

#[test]
fn one_inside_the_other_behaves_like_one() {
    let mut pty = Pty::bash();
    pty.enters("\"$CHG\" -- \"$CHG\" -- sh -c 'echo ready; read x; echo got $x; exit 6'");
    pty.sees("ready\r\n");
    pty.types(CTRL_Z);
    pty.sees("Stopped");
    pty.sees("prompt> ");
    pty.enters("fg");
    pty.enters("line");
    pty.sees("got line\r\n");
    pty.enters("echo status $?");
    pty.sees("status 6\r\n");
    pty.enters("\"$CHG\" -- \"$CHG\" -- sh -c 'echo ready; exec sleep 1000'");
    pty.sees("ready\r\n");
    pty.types(CTRL_C);
    pty.sees("prompt> ");
    pty.enters("echo status $?");
    pty.sees("status 130\r\n");
}

#[test]
fn the_modes_of_the_terminal_are_nobodys_but_the_commands() {
    let mut pty = Pty::bash();
    let before = pty.stty(&["-g"]);
    pty.enters("\"$CHG\" -- sh -c 'echo ready; read x'; echo over");
    pty.sees("ready\r\n");
    assert_eq!(pty.stty(&["-g"]), before);
    pty.enters("");
    pty.sees("over\r\n");
    assert_eq!(pty.stty(&["-g"]), before);
    pty.enters("\"$CHG\" -- stty -isig; echo over");
    pty.sees("over\r\n");
    assert!(pty.stty(&["-a"]).contains("-isig"), "what the command set stays set");
}

#[test]
fn our_message_from_the_background_does_not_stop_us() {
    let mut pty = Pty::bash();
    pty.enters(
        "stty tostop; \"$CHG\" -- sh -c 'sleep 1000 >/dev/null 2>&1 & exit 5' & wait $!; echo status $?",
    );
    pty.sees("status 5\r\n");
}

#[test]
fn who_steals_the_foreground_does_not_keep_it() {
    let thief = "
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    os._exit(0)
os.wait()";
    let program = Program::of(&script(thief));
    let mut pty = Pty::start(Command::new("sh").args([
        "-c",
        &format!("\"$CHG\" -- {}; echo status $?; read x; echo got $x; exit 8", program.path()),
    ]));
    pty.sees("status 0\r\n");
    pty.enters("line");
    pty.sees("got line\r\n");
    pty.ends_with(8);
}

#[test]
fn where_nobody_could_continue_it_a_key_stops_nothing() {
    for way in BOTH {
        let words = ["sh", "-c", "echo ready; read x; echo got $x; exit 5"];
        let mut pty = Pty::start(&way.command(&words));
        pty.sees("ready\r\n");
        pty.types(CTRL_Z);
        pty.enters("line");
        pty.sees("got line\r\n");
        pty.ends_with(5);
    }
}

#[test]
fn a_new_size_is_told_once() {
    for pipe in ["", " | cat"] {
        for way in BOTH {
            let program = Program::of(&teller(&["WINCH"]));
            let mut pty = shell(way, &format!("$RUN {}{pipe}", program.path()));
            let command = pty.sees_number("ready ");
            pty.stty(&["cols", "133"]);
            pty.sees("WINCH\r\n");
            send(command, "USR2");
            assert_eq!(pty.sees("done"), "done", "{way:?}{pipe}");
        }
    }
}

#[test]
fn a_terminal_that_is_gone_stops_neither_the_end_nor_the_status() {
    let directory = crate::support::directory();
    let status = directory.path().join("status");
    let text = format!(
        "trap '' HUP; \"$CHG\" --orphans kill -- sh -c 'sleep 1000 & echo ready $!; read x; exit 3'; echo $? >{}",
        status.display()
    );
    let mut pty = Pty::start(Command::new("sh").args(["-c", &text]));
    let leftover = pty.sees_number("ready ");
    pty.hang_up();
    wait_until("the status", || std::fs::read_to_string(&status).is_ok_and(|text| text == "3\n"));
    await_end_of(leftover);
}

#[test]
fn a_terminal_or_a_shell_that_is_gone_ends_what_does_not_ignore_it() {
    for way in BOTH {
        for (pipe, killed) in [("", false), ("", true), (" | cat", false), (" | cat", true)] {
            let line = format!("$RUN sh -c 'sleep 1000 & echo ready $$; echo worker $!; wait'{pipe}");
            let mut pty = shell(way, &line);
            let (command, worker) = (pty.sees_number("ready "), pty.sees_number("worker "));
            if killed {
                send(pty.leader(), "KILL");
            } else {
                pty.hang_up();
            }
            await_end_of(command);
            await_end_of(worker);
        }
    }
}

#[test]
fn a_killed_job_dies_though_it_was_stopped() {
    for (way, signal) in BOTH.into_iter().flat_map(|way| ["TERM", "KILL"].map(|signal| (way, signal))) {
        let mut pty = shell(way, "$RUN sh -c 'echo ready $$; read x'");
        let command = pty.sees_number("ready ");
        pty.types(CTRL_Z);
        pty.sees("Stopped");
        pty.sees("prompt> ");
        // Said again until it is heard: bash itself now and then leaves a job stopped that it has just seen stop.
        wait_until(&format!("the job to end by {signal}, {way:?}"), || {
            pty.enters(&format!("kill -{signal} %1 2>/dev/null; echo asked"));
            pty.sees("asked\r\n");
            !lives(command)
        });
    }
}
