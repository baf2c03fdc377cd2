//! Sessions of ssh, by real servers that serve this test alone.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::elsewhere::can_be_elsewhere;
use crate::support::host::Host;
use crate::support::job::Job;
use crate::support::skip;

/// A session that runs `command`, where OpenSSH is: its server at the other end of a pipe.
pub(super) fn by_openssh(host: &Host, command: &str) -> Option<Job> {
    let (key, config) = (host.path("key"), host.path("sshd_config"));
    let generated =
        host.me().command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    if !generated.is_ok_and(|status| status.success()) {
        skip("no OpenSSH here");
        return None;
    }
    let key = key.display();
    let text = format!(
        "HostKey {key}\nAuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n"
    );
    fs::write(&config, text).unwrap();
    let client = || {
        let mut ssh = host.me().command("ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o"])
            .arg(format!("ProxyCommand=/usr/sbin/sshd -i -f {}", config.display()))
            .arg("-i")
            .arg(key.to_string())
            .arg("here")
            .stdin(Stdio::null());
        ssh
    };
    let tried = client().arg("true").output().unwrap();
    if !tried.status.success() {
        skip(&format!(
            "no OpenSSH server can be run here: {}",
            String::from_utf8_lossy(&tried.stderr).trim()
        ));
        return None;
    }
    Some(Job::start(client().arg(command)))
}

/// A session of the first of the people that runs `command`, and the server that it ends before: dropbear is two small
/// programs and no service. The account and the network that it listens on are the scene's own.
pub(super) fn by_dropbear(host: &Host, command: &str) -> Option<[Job; 2]> {
    if !can_be_elsewhere() {
        return None;
    }
    let keys = "for key in server client; do dropbearkey -t ed25519 -f $key >$key.pub; done
        mkdir -p home/.ssh && grep ^ssh- client.pub >home/.ssh/authorized_keys && chown -R 23001:23001 home
        { cat /etc/passwd; echo \"somebody:x:23001:23001::$HERE/home:/bin/sh\"; } >passwd";
    let shell = |text: &str| {
        let mut shell = host.me().command("sh");
        shell.args(["-ec", &format!("PATH=$PATH:/usr/sbin; umask 022; {text}")]);
        shell
    };
    let made = Job::start(&mut shell(keys)).finish();
    if made.code != Some(0) {
        skip(&format!("no dropbear here: {}", made.stderr));
        return None;
    }
    let mut server = host.me().command("unshare");
    server.args(["--mount", "--net"]).args(words_of(&shell(
        "mount --bind passwd /etc/passwd; ip link set lo up; exec dropbear -F -E -s -r server -P pid -p 127.0.0.1:22",
    )));
    let server = Job::start(&mut server);
    server.says("Not backgrounding");
    let mut client = host.me().command("nsenter");
    client.arg(format!("--net=/proc/{}/ns/net", server.pid()));
    client.args(["dbclient", "-y", "-y", "-i", "client", "somebody@127.0.0.1", command]);
    Some([Job::start(client.stdin(Stdio::null())), server])
}

fn words_of(command: &Command) -> Vec<&std::ffi::OsStr> {
    std::iter::once(command.get_program()).chain(command.get_args()).collect()
}
