//! Programs that people run on a terminal, started from each of the usual shells: nobody can tell whether the program
//! under test stands in between.

use std::fs;
use std::process::Command;

use crate::support::play::{SHELLS, Shell, Take, plays};
use crate::support::probe::{quoted, script};
use crate::support::process::send;
use crate::support::pty::{CTRL_C, CTRL_D, CTRL_Z};
use crate::support::skip;
use crate::support::wait::wait_until;

#[test]
fn a_command_is_suspended_and_brought_back() {
    plays(&SHELLS, |take| {
        take.enters("run sh -c 'echo ready; read x; echo got $x; exit 3'");
        take.sees("ready\r\n");
        take.suspends();
        take.lists("run sh -c");
        take.enters("fg");
        take.enters("line");
        take.sees("got line\r\n");
        take.is_prompted();
        assert_eq!(take.status(), 3);
    });
}

#[test]
fn a_reader_in_the_background_waits_for_fg() {
    plays(&SHELLS, |take| {
        take.enters("run cat &");
        // It may stop before the prompt comes, and the shell say so, or after it.
        take.glimpses("prompt> ");
        take.job_stops();
        take.lists("run cat");
        take.enters("fg");
        take.enters("hello");
        take.sees("hello\r\n");
        take.types(CTRL_D);
        take.is_prompted();
        assert_eq!(take.status(), 0);
    });
}

#[test]
fn who_stops_itself_is_shown_as_it_is_and_goes_on() {
    for signal in ["STOP", "TSTP"] {
        plays(&SHELLS, |take| {
            take.enters(&format!("run sh -c 'kill -{signal} $$; echo on; exit 4'"));
            take.is_prompted();
            take.lists("run sh -c");
            take.enters("fg");
            take.sees("on\r\n");
            take.is_prompted();
            assert_eq!(take.status(), 4);
        });
    }
}

#[test]
fn a_loop_that_was_typed_stops_at_one_interrupt() {
    plays(&SHELLS, |take| {
        take.enters("for i in 1 2 3; do run sh -c 'echo ready; exec sleep 1000'; done");
        take.sees("ready\r\n");
        take.types(CTRL_C);
        let seen = take.is_prompted();
        assert!(!seen.contains("ready"), "{seen}");
        assert_eq!(take.status(), 130);
    });
}

#[test]
fn a_writer_whose_reader_is_gone_ends_as_it_should() {
    plays(&SHELLS, |take| {
        take.enters("yes | run head -n 3");
        take.sees("y\r\ny\r\ny\r\n");
        take.is_prompted();
        assert_eq!(take.status(), 0);
        take.enters("run yes | head -n 3");
        take.is_prompted();
        if take.shell == Shell::Bash {
            take.enters("run yes | true; echo ${PIPESTATUS[0]}");
            take.sees("141\r\n");
            take.is_prompted();
        }
    });
}

#[test]
fn a_shell_inside_has_job_control_of_its_own() {
    plays(&SHELLS, |take| {
        take.enters("PS1='inner> ' run bash --norc --noprofile --noediting -i");
        let greeting = take.sees("inner> ");
        assert!(!greeting.contains("no job control"), "{greeting}");
        take.enters("cat");
        take.enters("hello");
        take.sees("hello\r\n");
        take.types(CTRL_Z);
        take.sees("inner> ");
        take.enters("fg");
        take.enters("again");
        take.sees("again\r\n");
        take.types(CTRL_C);
        take.sees("inner> ");
        take.enters("suspend");
        take.is_prompted();
        take.lists("run bash");
        take.enters("fg");
        take.sees("inner> ");
        take.enters("exit 4");
        take.is_prompted();
        assert_eq!(take.status(), 4);
    });
}

#[test]
fn an_interpreter_is_talked_to() {
    plays(&SHELLS, |take| {
        take.enters("TERM=dumb run python3 -Iqi");
        take.glimpses(">>> ");
        take.enters("print(6 * 7)");
        take.glimpses("42\r\n>>> ");
        take.enters("while True: pass");
        take.enters("");
        take.glimpses("... ");
        take.types(CTRL_C);
        take.glimpses("KeyboardInterrupt\r\n>>> ");
        take.suspends();
        take.lists("run python3");
        take.enters("fg");
        take.enters("print(7 * 8)");
        take.glimpses("56\r\n");
        take.enters("exit(5)");
        take.glimpses("prompt> ");
        assert_eq!(take.status(), 5);
    });
}

/// The first of these programs that is here.
fn one_of<'a>(take: &Take, programs: &[&'a str]) -> Option<&'a str> {
    let is_here = |program: &&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output().unwrap();
        found.status.success()
    };
    let found = programs.iter().copied().find(is_here);
    if found.is_none() {
        skip(&format!("there is no {} here ({:?})", programs[0], take.shell));
    }
    found
}

#[test]
fn an_editor_is_suspended_in_the_middle_of_a_text() {
    plays(&SHELLS, |take| {
        let Some(vim) = one_of(take, &["vim", "vim.tiny"]) else { return };
        let file = take.path("text");
        fs::write(&file, "the first line\n").unwrap();
        take.enters(&format!("run {vim} -u NONE -i NONE -n $HERE/text"));
        take.glimpses("the first line");
        take.presses("Owritten \x1b");
        take.glimpses("written");
        take.suspends_screen();
        take.lists(&format!("run {vim}"));
        take.enters("fg");
        take.glimpses("written");
        take.presses("Aagain\x1b");
        take.glimpses("again");
        take.presses(CTRL_C);
        take.glimpses(":qa");
        take.presses(":wq\r");
        take.glimpses("prompt> ");
        assert_eq!(take.status(), 0);
        assert_eq!(fs::read_to_string(&file).unwrap(), "written again\nthe first line\n");
        take.enters(&format!("run {vim} -u NONE -i NONE -n $HERE/text"));
        take.glimpses("the first line");
        take.presses(":cq 3\r");
        take.glimpses("prompt> ");
        take.notes(format!("cq {}", take.path("text").exists()));
        take.status();
    });
}

#[test]
fn a_pager_reads_its_keys_from_the_terminal() {
    plays(&SHELLS, |take| {
        fs::write(take.path("text"), (1..=900).map(|line| format!("line {line}\n")).collect::<String>())
            .unwrap();
        for start in ["run less $HERE/text", "cat $HERE/text | run less", "run cat $HERE/text | less"] {
            take.enters(start);
            take.glimpses("line 23\r\n");
            take.presses(CTRL_C);
            take.glimpses("\u{7}");
            take.presses("G");
            take.glimpses("line 900");
            take.suspends_screen();
            take.lists("less");
            take.enters("fg");
            take.glimpses("line 900");
            take.presses("g");
            take.glimpses("line 1\r\n");
            take.presses("q");
            take.glimpses("prompt> ");
            take.notes_terminal();
            take.status();
        }
    });
}

#[test]
fn a_manual_page_is_read() {
    let lines: String = (1..=200).map(|line| format!(".br\nsentence number {line}\n")).collect();
    let page = format!(".TH LS 1\n.SH NAME\nls \\- list\n.SH DESCRIPTION\n{lines}");
    plays(&SHELLS, |take| {
        if one_of(take, &["man"]).is_none() {
            return;
        }
        let manual = take.path("man");
        fs::create_dir_all(manual.join("man1")).unwrap();
        fs::write(manual.join("man1/ls.1"), &page).unwrap();
        take.enters("MANPATH=$HERE/man PAGER=less LESS= run man ls");
        take.glimpses("sentence number 5");
        take.presses("G");
        take.glimpses("sentence number 200");
        take.suspends_screen();
        take.lists("man ls");
        take.enters("fg");
        take.glimpses("sentence number 200");
        take.presses("g");
        take.glimpses("list");
        take.presses("q");
        take.glimpses("prompt> ");
        assert_eq!(take.status(), 0);
    });
}

#[test]
fn a_multiplexer_is_left_and_goes_on() {
    plays(&SHELLS, |take| {
        if one_of(take, &["tmux"]).is_none() {
            return;
        }
        let server = Multiplexer(take.path("socket"));
        take.enters("run tmux -u -S $HERE/socket -f /dev/null new-session 'echo in the session; exec cat'");
        take.glimpses("in the session");
        take.enters("hello");
        take.glimpses("hello");
        // Not by its keys: those that come fast it takes for a paste.
        assert!(server.does("detach-client"));
        take.glimpses("prompt> ");
        assert_eq!(take.status(), 0);
        take.notes(format!("it goes on: {}", server.does("list-sessions")));
        take.enters("run tmux -u -S $HERE/socket attach");
        take.glimpses("hello");
        take.types(CTRL_D);
        take.glimpses("prompt> ");
        assert_eq!(take.status(), 0);
        wait_until("the end of the server", || !server.does("list-sessions"));
    });
}

/// A server of tmux on this socket, which ends with the scene.
struct Multiplexer(std::path::PathBuf);

impl Multiplexer {
    fn does(&self, what: &str) -> bool {
        let output = Command::new("tmux").arg("-S").arg(&self.0).arg(what).output();
        output.unwrap().status.success()
    }
}

impl Drop for Multiplexer {
    fn drop(&mut self) {
        self.does("kill-server");
    }
}

#[test]
fn a_command_that_has_left_the_foreground_hears_no_key() {
    let leaves = "
other = os.fork()
if other == 0: select.select([], [], [], 60)
os.setpgid(other, other)
os.setpgid(0, other)
tell(['INT'])
os.kill(other, signal.SIGKILL)";
    plays(&[Shell::Bash, Shell::Zsh], |take| {
        fs::write(take.path("x"), format!("exec {}\n", quoted(&script(leaves)))).unwrap();
        take.enters("run sh $HERE/x");
        let command = take.pty.sees_number("ready ");
        take.pty.types_unheard(&CTRL_C.repeat(2));
        send(command, "USR2");
        take.sees("done\r\n");
        take.is_prompted();
        assert_eq!(take.status(), 0);
    });
}

/// A command that ends by itself when it is interrupted, with this status.
fn heeding(status: i32) -> String {
    let text = format!("heed_interrupts()\nsay('ready')\ninterrupt_or_line()\nsys.exit({status})");
    format!("exec {}", quoted(&script(&text)))
}

/// Presses Ctrl-C whenever the command is ready, until the shell is back.
fn interrupts_to_the_end(take: &mut Take) {
    while take.sees_one_of(&["ready\r\n", "prompt> "]) == "ready\r\n" {
        take.types(CTRL_C);
    }
}

#[test]
fn a_script_hears_of_the_key_whatever_its_command_makes_of_it() {
    plays(&[Shell::Bash], |take| {
        let dying = "echo ready; exec sleep 1000".to_owned();
        for command in [heeding(0), heeding(3), dying] {
            fs::write(take.path("x"), format!("{command}\n")).unwrap();
            let body = "for i in 1 2 3; do run sh $HERE/x; echo after $?; done; echo the end";
            fs::write(take.path("loop"), body).unwrap();
            fs::write(take.path("trap"), format!("trap 'echo trapped' INT\n{body}")).unwrap();
            let caller = "
import subprocess
try:
    for _ in range(3): print('status', subprocess.Popen(['run', 'sh', os.environ['HERE'] + '/x']).wait(), flush=True)
except KeyboardInterrupt: print('interrupted', flush=True)";
            fs::write(take.path("caller"), format!("exec {}\n", quoted(&script(caller)))).unwrap();
            for driver in
                ["bash loop", "dash loop", "zsh loop", "bash trap", "dash trap", "zsh trap", "sh caller"]
            {
                take.notes(driver);
                take.enters(&format!("cd $HERE; {driver}"));
                interrupts_to_the_end(take);
                take.status();
            }
        }
    });
}
