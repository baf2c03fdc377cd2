//! Reads the text of /proc/PID/stat. Pure.

use crate::model::ids::Pid;
use crate::model::process::Through;

/// What is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) state: State,
    /// 0 where the parent is outside the pid namespace.
    pub(super) parent: Pid,
    pub(super) group: Pid,
    pub(super) session: Pid,
    /// In clock ticks since boot.
    pub(super) start: u64,
    /// Whether it keeps a person's session, by its name.
    pub(super) keeps: Option<Through>,
    /// Whether it watches over a container of podman's or CRI-O's, by its name.
    pub(super) is_conmon: bool,
    /// Whether it is the parent of a container of containerd's, by its name.
    pub(super) is_shim: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Living,
    /// By a signal. What a debugger stopped (t) goes on without us.
    Stopped,
    /// It has ended and was not waited for.
    Ended,
}

impl Stat {
    /// `None` if the text is not of that form.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        // The name is the process's own choice and may hold blanks, brackets and lines: the numbers come after the
        // last bracket. The first field there is number 3 of proc_pid_stat(5).
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let name = text.get(text.iter().position(|&byte| byte == b'(')? + 1..after_name - 1)?;
        let fields: Vec<&str> = str::from_utf8(&text[after_name..]).ok()?.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u64 = field(20)?.parse().ok()?;
        let state = match field(3)? {
            "T" => State::Stopped,
            // The first thread of a living process may have ended before the others.
            "Z" | "X" | "x" if threads <= 1 => State::Ended,
            _ => State::Living,
        };
        let pid = |number| field(number)?.parse().ok().map(Pid);
        Some(Self {
            state,
            parent: pid(4)?,
            group: pid(5)?,
            session: pid(6)?,
            start: field(22)?.parse().ok()?,
            keeps: keeper(name),
            is_conmon: name == b"conmon",
            // As much of its whole name as the kernel keeps.
            is_shim: name == b"containerd-shim",
        })
    }
}

/// sshd and its child for one session (sshd-session since OpenSSH 9.8); the servers that sessions are detached from.
fn keeper(name: &[u8]) -> Option<Through> {
    match name {
        b"sshd" | b"sshd-session" | b"dropbear" => Some(Through::Ssh),
        b"mosh-server" => Some(Through::Mosh),
        b"tmux: server" => Some(Through::Tmux),
        b"screen" => Some(Through::Screen),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, state: &str, threads: u32) -> Vec<u8> {
        let mut line =
            format!("42 ({name}) {state} 7 8 9 34816 8 4194304 1 2 3 4 5 6 7 8 20 0 {threads} 0 12345");
        line.push_str(" 1000 200 18446744073709551615 0 0\n");
        line.into_bytes()
    }

    #[test]
    fn the_numbers_come_after_the_last_bracket() {
        let told = Stat {
            state: State::Living,
            parent: Pid(7),
            group: Pid(8),
            session: Pid(9),
            start: 12345,
            keeps: None,
            is_conmon: false,
            is_shim: false,
        };
        for name in ["sleep", "a) R 1", "a b", "((((", "))", "", "x\n) T 1 1"] {
            assert_eq!(Stat::parse(&line(name, "S", 1)), Some(told), "{name:?}");
        }
        let mut odd = line("name", "S", 1);
        odd[5] = 0xff;
        assert_eq!(Stat::parse(&odd), Some(told), "not UTF-8");
    }

    #[test]
    fn a_state_is_read_together_with_the_threads() {
        let state = |letter, threads| Stat::parse(&line("x", letter, threads)).map(|stat| stat.state);
        assert_eq!(state("T", 1), Some(State::Stopped));
        assert_eq!(state("t", 1), Some(State::Living));
        assert_eq!(state("D", 1), Some(State::Living));
        assert_eq!(state("Z", 1), Some(State::Ended));
        assert_eq!(state("Z", 2), Some(State::Living), "its first thread alone has ended");
    }

    #[test]
    fn who_keeps_sessions_is_told_by_name() {
        let keeps = |name| Stat::parse(&line(name, "S", 1)).and_then(|stat| stat.keeps);
        let names = ["sshd", "sshd-session", "dropbear", "tmux: server", "screen", "mosh-server"];
        let kept = names.map(|name| keeps(name).map_or("", Through::as_str));
        assert_eq!(kept, ["ssh", "ssh", "ssh", "tmux", "screen", "mosh"]);
        for other in ["tmux: client", "ssh", "ssh-agent", "", "sshd) S 1 (x", "(sshd)"] {
            assert_eq!(keeps(other), None, "{other:?}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", ")(", "42", "42 (x", "42 (x) ", "42 (x) S 1 2", "42 (x) S a b c d", ")"] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
