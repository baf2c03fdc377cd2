//! Who has the keyboard when others than the command want it: the shell that a script was typed into, the program that
//! started the run.

use std::fs;

use crate::support::play::{SHELLS, Take, plays};
use crate::support::probe::{quoted, script};
use crate::support::process::{await_end_of, await_state, in_foreground, number_in, send};
use crate::support::pty::{CTRL_C, Pty};
use crate::support::wait::{wait_for, wait_until};

#[test]
fn a_shell_whose_script_is_gone_keeps_its_terminal_when_the_command_ends() {
    // Killed; or ended by itself, with the run left behind.
    for drive in ["p.wait()", "os._exit(0)"] {
        plays(&SHELLS, |take| {
            let driver = format!(
                "import subprocess
p = subprocess.Popen(['run', 'sh', '-c', 'echo $$ >command; read x <go; exit 3'])
while not os.path.exists('command'): pass
print(os.getpid(), p.pid, file=open('numbers', 'w'), flush=True)
{drive}"
            );
            fs::write(take.path("x"), format!("exec {}\n", quoted(&script(&driver)))).unwrap();
            take.enters("mkfifo go; sh x");
            let command = number_in(&take.path("command"));
            let numbers = wait_for("who runs it", || {
                let text = fs::read_to_string(take.path("numbers")).ok()?;
                let (driver, run) = text.strip_suffix('\n')?.split_once(' ')?;
                Some((driver.parse::<i32>().ok()?, run.parse::<i32>().ok()?))
            });
            if drive == "p.wait()" {
                send(numbers.0, "KILL");
            }
            take.glimpses("prompt> ");
            take.notes_terminal();
            fs::write(take.path("go"), "\n").unwrap();
            await_end_of(command);
            await_end_of(numbers.1);
            take.notes_terminal();
            take.enters("");
            take.glimpses("prompt> ");
            assert_eq!(take.status(), if drive == "p.wait()" { 137 } else { 0 });
        });
    }
}

#[test]
fn the_program_that_started_a_run_can_read_the_keyboard_beside_it() {
    let driver = "import subprocess
here, there = os.pipe()
command = 'echo ready; echo >&%d; read x <&3; echo over; exit 3' % there
p = subprocess.Popen([os.environ['CHG'], '-q', '--', 'sh', '-c', command], pass_fds=[3, there])
os.read(here, 1)
for asked in ('first', 'second'): say(asked, sys.stdin.readline().strip())
os.write(4, b'\\n')
say('status', p.wait())";
    let directory = crate::support::directory();
    let file = directory.path().join("x");
    fs::write(&file, format!("exec {}\n", quoted(&script(driver)))).unwrap();
    let mut pty = Pty::bash();
    pty.enters(&format!("mkfifo {0}.go; sh {0} 3<>{0}.go 4>&3", file.display()));
    pty.sees("ready\r\n");
    // While the command has the keyboard its reader is stopped, as who reads in the background is; once, not for ever.
    pty.sees("Stopped");
    pty.sees("prompt> ");
    pty.enters("fg");
    pty.sees("sh ");
    for asked in ["first", "second"] {
        pty.enters("line");
        pty.sees(&format!("{asked} line\r\n"));
    }
    pty.sees("over\r\nstatus 3\r\n");
    pty.sees("prompt> ");
}

#[test]
fn a_job_that_runs_in_the_background_is_brought_to_the_front_without_a_stop() {
    plays(&SHELLS, |take| {
        // A shell sends no SIGCONT to a job that it knows to be running.
        take.enters("run sh -c 'echo $$ >command; exec sleep 1000' &");
        take.glimpses("prompt> ");
        let command = number_in(&take.path("command"));
        take.enters("fg");
        take.glimpses("run sh");
        take.pty.stty(&["cols", "133"]);
        wait_until("the job in front", || !in_foreground(take.pty.leader()));
        take.suspends();
        take.lists("run sh");
        take.enters("bg");
        take.glimpses("prompt> ");
        await_state(command, 'S');
        take.enters("fg");
        take.glimpses("run sh");
        wait_until("the job in front", || !in_foreground(take.pty.leader()));
        take.types(CTRL_C);
        take.is_prompted();
        assert_eq!(take.status(), 130);
    });
}

#[test]
fn a_job_is_ended_continued_and_waited_for_by_its_number() {
    plays(&SHELLS, |take| {
        for signal in ["INT", "TERM", "HUP", "USR1", "KILL"] {
            // zsh has forgotten, with 127, what ended before it waits.
            let status =
                std::iter::repeat_with(|| status_of_a_job_sent(take, signal)).find(|status| status != "127");
            take.notes(format!("{signal}: {}", status.unwrap()));
        }
    });
}

fn status_of_a_job_sent(take: &mut Take, signal: &str) -> String {
    let _ = fs::remove_file(take.path("command"));
    take.enters("run sh -c 'echo $$ >command; exec sleep 1000' &");
    take.glimpses("prompt> ");
    let command = number_in(&take.path("command"));
    take.enters(&format!("kill -{signal} %1; wait $!; echo status $?"));
    take.glimpses("status ");
    let status = take.pty.sees("\n").trim().to_owned();
    await_end_of(command);
    take.glimpses("prompt> ");
    take.enters("");
    take.glimpses("prompt> ");
    status
}

#[test]
fn what_was_typed_ahead_is_read_by_whoever_reads_next() {
    plays(&SHELLS, |take| {
        take.enters("mkfifo go");
        take.is_prompted();
        take.enters("run sh -c 'echo ready; read x; echo got $x; read y <go'; read z; echo then $z");
        take.sees("ready\r\n");
        take.enters("one");
        take.sees("got one\r\n");
        take.enters("two");
        fs::write(take.path("go"), "\n").unwrap();
        take.sees("then two\r\n");
        take.is_prompted();
    });
}

#[test]
fn a_pager_gets_the_keyboard_back_from_a_command_that_has_asked_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let mut pty = Pty::bash();
    let text = format!("read x </dev/tty; echo $x; seq 300; read y <{}", go.display());
    pty.enters(&format!("mkfifo {}; \"$CHG\" -q -- sh -c '{text}' | less; echo paged", go.display()));
    pty.enters("line");
    // The command has kept the terminal. The pager is stopped for wanting it, and with it the whole job; once.
    pty.sees("Stopped");
    pty.sees("prompt> ");
    pty.enters("fg");
    pty.sees("| less");
    // By lines: the shell has left the terminal so.
    pty.enters(" ");
    pty.sees("\n40");
    pty.enters("q");
    fs::write(&go, "\n").unwrap();
    pty.sees("prompt> ");
}
