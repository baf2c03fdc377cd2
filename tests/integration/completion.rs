//! Tab, pressed in real shells: what stands on the command line afterwards.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::support::host::{Host, can_be_others};
use crate::support::pty::Pty;
use crate::support::skip;

/// The beginning of the line.
const CTRL_A: &str = "\x01";
const CTRL_E: &str = "\x05";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    /// With the package bash-completion.
    Bash,
    /// With nothing but our script.
    BareBash,
    Zsh,
    Fish,
}

const EVERY: [Shell; 4] = [Shell::Bash, Shell::BareBash, Shell::Zsh, Shell::Fish];

const BASH_COMPLETION: &str = "/usr/share/bash-completion/bash_completion";

impl Shell {
    fn is_here(self) -> bool {
        let there = match self {
            Self::Bash => fs::exists(BASH_COMPLETION).unwrap(),
            Self::BareBash => true,
            Self::Zsh => can_start("zsh"),
            Self::Fish => can_start("fish"),
        };
        if !there {
            skip(&format!("{self:?} with its completions is not installed"));
        }
        there
    }

    /// Whoever sits at it, ready to type: `chg` is the program, and `fetcher` takes `checkout` or `cherry`.
    fn of(self, host: &Host) -> Pty {
        let program = host.path("chg");
        if !program.exists() {
            std::os::unix::fs::symlink(host.program(), &program).unwrap();
            std::os::unix::fs::symlink("/bin/true", host.path("fetcher")).unwrap();
        }
        let (shell, options): (_, &[&str]) = match self {
            Self::Bash | Self::BareBash => ("bash", &["--norc", "--noprofile", "-i"]),
            Self::Zsh => ("zsh", &["-f", "-i"]),
            Self::Fish => ("fish", &["--no-config", "-i"]),
        };
        let mut command: Command = host.me().command(shell);
        let here = host.directory().display();
        command.args(options).env("PATH", format!("{here}:/usr/bin:/bin")).env("HISTFILE", "/dev/null");
        let mut pty = Pty::start(&command);
        pty.stty(&["cols", "160", "rows", "50"]);
        for line in ["cd \"$HERE\""].iter().chain(self.preparations()) {
            pty.enters(line);
        }
        pty.enters("printf '%s\\n' re''ady");
        pty.sees("ready");
        pty
    }

    fn preparations(self) -> &'static [&'static str] {
        match self {
            Self::Bash => &[
                ". /usr/share/bash-completion/bash_completion",
                "eval \"$(chg completions bash)\"",
                "complete -W 'checkout cherry' fetcher",
            ],
            Self::BareBash => &["eval \"$(chg completions bash)\""],
            Self::Zsh => &[
                "mkdir -p functions && chg completions zsh >functions/_chg && fpath=($PWD/functions $fpath)",
                "autoload -U compinit && compinit -u -D",
                "_fetcher() { compadd checkout cherry }; compdef _fetcher fetcher",
            ],
            Self::Fish => &["chg completions fish | source", "complete -c fetcher -f -a 'checkout cherry'"],
        }
    }
}

fn can_start(program: &str) -> bool {
    Command::new(program).args(["-c", "true"]).status().is_ok_and(|status| status.success())
}

/// Each line with its Tabs must become these words, in every shell.
fn all_become(host: &Host, lines: &[(&str, &str)]) {
    for shell in EVERY.into_iter().filter(|shell| shell.is_here()) {
        let mut pty = shell.of(host);
        for (typed, words) in lines {
            let became = becomes(&mut pty, typed);
            assert_eq!(became, *words, "{shell:?}: {typed:?}");
        }
    }
}

/// Types a line with its Tabs, and gives the words that it has become.
fn becomes(pty: &mut Pty, typed: &str) -> String {
    pty.types(&format!("{typed}{CTRL_A}printf '<%s>' {CTRL_E}; echo ' END'\n"));
    pty.sees("<chg>");
    let seen = pty.sees(" END");
    format!("<chg>{}", seen.trim_end_matches(" END"))
}

#[test]
fn verbs_and_options_are_completed() {
    let lines = [
        ("chg rel\t", "<chg><release>"),
        ("chg reserve --until\t", "<chg><reserve><--until-exit>"),
        ("chg --conf\t", "<chg><--conf>"),
        ("chg -g 2 --conf\tl\t", "<chg><-g><2><--conflict-exit-code>"),
        ("chg -g 2 \t", "<chg><-g><2><-->"),
        ("chg --memory-threshold 5 que\t", "<chg><--memory-threshold><5><queue>"),
        ("chg run --orphans l\t", "<chg><run><--orphans><leave>"),
        ("chg status --output=t\t", "<chg><status><--output=table>"),
        ("chg completions f\t", "<chg><completions><fish>"),
        ("chg man conf\t", "<chg><man><config>"),
        ("chg help doc\t", "<chg><help><doctor>"),
        ("chg shim inst\ttorch\t", "<chg><shim><install><torchrun>"),
        ("chg run -t 30\tm\t", "<chg><run><-t><30m>"),
        ("chg reserve --duration=12\th\t", "<chg><reserve><--duration=12h>"),
        ("chg nonsense x\t", "<chg><nonsense><x>"),
        ("chg status -- x\t", "<chg><status><--><x>"),
    ];
    all_become(&Host::with_gpus(0), &lines);
}

#[test]
fn gpus_and_reservations_are_those_of_the_pool() {
    let host = Host::with_gpus(4);
    let run = host.me().holds(&["-G", "2", "-n", "a\u{1b}[31mnote"]);
    host.me().does(&["reserve", "-G", "3", "-d", "1h", "-u", "morning"]);
    let id = host.json(&["status"])[3]["reservation"]["id"].as_str().unwrap().to_owned();
    let lines = [
        // Held by us: one in a manual reservation, one in a run.
        ("chg extend -G \t", "<chg><extend><-G><3>".to_owned()),
        ("chg release -G 3,\t", "<chg><release><-G><3,2>".to_owned()),
        ("chg release -G2,\t", "<chg><release><-G2,3>".to_owned()),
        ("chg release --gpu-ids=2,\t", "<chg><release><--gpu-ids=2,3>".to_owned()),
        ("chg release -u \t", "<chg><release><-u><morning>".to_owned()),
        // Of the whole pool what the list does not name.
        ("chg run -G 0-2,\t", "<chg><run><-G><0-2,3>".to_owned()),
        ("chg -G 0,1,2,\t", "<chg><-G><0,1,2,3>".to_owned()),
        ("chg reserve -g 4\t", "<chg><reserve><-g><4>".to_owned()),
    ];
    let lines: Vec<_> = lines.iter().map(|(typed, words)| (*typed, words.as_str())).collect();
    all_become(&host, &lines);
    let typed = format!("chg admin --release {}\t", &id[..12]);
    all_become(&host, &[(&typed, &format!("<chg><admin><--release><{id}>"))]);
    drop(run);
}

#[test]
fn another_account_is_offered_its_own_gpus_alone() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    host.user(1).does(&["reserve", "-G", "0", "-d", "1h"]);
    host.user(2).does(&["reserve", "-G", "1", "-d", "1h"]);
    let ended = host.user(2).does(&["completions", "--answer", "release", "-G", ""]);
    assert_eq!(ended.stdout, "words\n1\tmanual\n", "{ended}");
}

#[test]
fn what_others_wrote_reaches_no_terminal_as_it_is() {
    let host = Host::with_gpus(2);
    host.me().does(&["reserve", "-G", "0", "-d", "1h", "-n", "red\u{1b}[31m\ttab\nline"]);
    let ended = host.me().does(&["completions", "--answer", "-G", ""]);
    let expected = format!(
        "words\n0\treserved by {} (manual, red\\u{{1b}}[31m\\ttab\\nline)\n1\tnot reserved\n",
        host.me().name()
    );
    assert_eq!(ended.stdout, expected);
}

#[test]
fn a_pool_that_does_not_answer_is_waited_for_no_longer_than_a_key() {
    let host = Host::with_gpus(1);
    // Takes every connection and says nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = format!("redis://{}", deaf.local_addr().unwrap());
    for store in ["sqlite:/nowhere/at/all", "redis+unix:///nowhere/redis.sock", &deaf, "nonsense"] {
        let asked = Instant::now();
        let job = host.me().starts(&["completions", "--answer", "--store", store, "release", "-G", ""]);
        let ended = job.finishes_soon_after(asked);
        assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(0), "words\n", ""), "{store}");
    }
    assert!(!fs::exists(host.path("new")).unwrap());
    let new = format!("sqlite:{}", host.path("new").display());
    host.me().does(&["completions", "--answer", "--store", &new, "-G", ""]);
    assert!(!fs::exists(host.path("new")).unwrap(), "a question makes no store");
}

#[test]
fn what_follows_the_dashes_is_completed_as_the_command_that_it_is() {
    let host = Host::with_gpus(1);
    fs::write(host.path("some-file"), "").unwrap();
    for shell in EVERY.into_iter().filter(|shell| shell.is_here()) {
        let mut pty = shell.of(&host);
        for (typed, words) in [
            ("chg -- fetch\t", "<chg><--><fetcher>"),
            ("chg run -g 2 -- fetch\t", "<chg><run><-g><2><--><fetcher>"),
            ("chg --store=sqlite:/x -- fetch\t", "<chg><--store=sqlite:/x><--><fetcher>"),
            ("chg -- cat some-f\t", "<chg><--><cat><some-file>"),
            ("chg -- fetcher che\tck\t", "<chg><--><fetcher><checkout>"),
            ("chg -qg2 -n 'a b' -- fetcher che\tr\t", "<chg><-qg2><-n><a b><--><fetcher><cherry>"),
        ] {
            // Nobody has told a bare bash what fetcher takes.
            if shell == Shell::BareBash && typed.contains("che") {
                continue;
            }
            assert_eq!(becomes(&mut pty, typed), words, "{shell:?}: {typed:?}");
        }
    }
}

#[test]
fn paths_are_completed_where_an_option_takes_one() {
    let host = Host::with_gpus(1);
    fs::write(host.path("mine.toml"), "").unwrap();
    fs::create_dir(host.path("minor")).unwrap();
    let lines = [
        ("chg --config mine\t", "<chg><--config><mine.toml>"),
        ("chg --config=mine\t", "<chg><--config=mine.toml>"),
        ("chg shim install --dir min\tx", "<chg><shim><install><--dir><minor/x>"),
        ("chg admin --group roo\t", "<chg><admin><--group><root>"),
    ];
    all_become(&host, &lines);
}

#[test]
fn the_long_name_of_the_program_is_completed_too() {
    let host = Host::with_gpus(1);
    std::os::unix::fs::symlink(host.program(), host.path("canhazgpu")).unwrap();
    for shell in EVERY.into_iter().filter(|shell| shell.is_here()) {
        let mut pty = shell.of(&host);
        pty.types(&format!("canhazgpu rel\t{CTRL_A}printf '<%s>' \n"));
        pty.sees("<canhazgpu><release>");
    }
}
