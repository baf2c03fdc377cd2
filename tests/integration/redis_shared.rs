//! A Redis server that others use too: an account with the least rights, TLS, several hosts.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::host::{Host, Store, is_in_charge};
use crate::support::job::Job;
use crate::support::redis::Server;
use crate::support::wait::wait_until;

const PAGE: &str = include_str!("../../man/canhazgpu-config.5");

/// The rights that the manual tells an administrator to give, word for word.
fn documented_rights() -> Vec<String> {
    let given =
        PAGE.lines().find_map(|line| line.strip_prefix(".Dl ACL SETUSER ")).expect("it is in the manual");
    given.split(' ').skip(1).map(|word| word.replace("\\(ti", "~").replace("\\-", "-")).collect()
}

fn allow(server: &Server, rights: &[String]) {
    let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
    let done = server.ask(&[&["ACL", "SETUSER", "gpus", "reset"], &rights[..]].concat());
    assert_eq!(done, "OK", "{rights:?}");
}

/// Everything that the program does with its store; what it says of the first failure, if there is one.
fn first_failure(host: &Host, store: &str) -> Option<String> {
    let user = host.me().with_store(store);
    let scene: [(&[&str], i32); 8] = [
        (&["--nonblock", "--", "true"], 0),
        (&["reserve", "--nonblock"], 0),
        (&["--wait", "50ms", "--", "true"], 75),
        (&["extend", "-d", "1h"], 0),
        (&["status"], 0),
        (&["queue"], 0),
        (&["release"], 0),
        (&["report"], 0),
    ];
    scene.iter().find_map(|(words, status)| {
        let mut job = user.starts(words);
        // Whoever stands in line keeps the place, whatever the server says.
        wait_until("its end, or a refusal", || job.has_ended() || job.stderr().contains("NOPERM"));
        if !job.has_ended() {
            return Some(job.stderr());
        }
        let ended = job.finish();
        (ended.code != Some(*status)).then(|| ended.to_string())
    })
}

#[test]
fn the_rights_in_the_manual_are_enough_and_not_one_of_them_can_be_missed() {
    let host = Host::on(Store::Redis, 1);
    let server = host.redis.as_ref().unwrap();
    let rights = documented_rights();
    let store = |database: u32| {
        format!("redis+unix://{}?db={database}&user=gpus&pass=secret", server.socket().display())
    };
    allow(server, &rights);
    let failed = first_failure(&host, &store(0));
    assert!(failed.is_none(), "{}", failed.unwrap());
    let commands: Vec<&String> = rights.iter().filter(|right| right.starts_with('+')).collect();
    assert!(commands.len() > 10, "{rights:?}");
    for missed in commands {
        allow(server, &rights.iter().filter(|right| *right != missed).cloned().collect::<Vec<_>>());
        // Only a database with a number is chosen.
        let database = u32::from(missed == "+select");
        let failed =
            first_failure(&host, &store(database)).unwrap_or_else(|| panic!("{missed} is not needed"));
        assert!(failed.contains("refuses access: ") && failed.contains("NOPERM"), "{missed}: {failed}");
        allow(server, &rights);
        host.me().with_store(&store(database)).runs(&["release"]);
    }
    // And nothing of anybody else's.
    server.ask(&["SET", "somebody:else", "x"]);
    let foreign =
        Job::start(host.me().with_store(&store(0)).chg(&["status"]).env("CANHAZGPU_REDIS_PREFIX", "other:"));
    let foreign = foreign.finish();
    assert!(foreign.stderr.contains("refuses access: NOPERM"), "{foreign}");
}

/// A certificate authority of the scene's own, and what it has signed.
struct Authority(PathBuf);

impl Authority {
    fn make(directory: &Path) -> Self {
        fs::create_dir(directory).unwrap();
        let authority = Self(directory.to_owned());
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let root =
            ["-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
        authority.openssl(&[&["req"], &key[..], &root].concat());
        authority.openssl(
            &[&["req"], &key[..], &["-subj", "/CN=redis", "-keyout", "key.pem", "-out", "asked"]].concat(),
        );
        fs::write(
            directory.join("names"),
            "subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n",
        )
        .unwrap();
        let sign =
            ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
        authority.openssl(&[&["x509", "-req", "-in", "asked", "-out", "cert.pem"], &sign[..]].concat());
        authority
    }

    fn openssl(&self, words: &[&str]) {
        let made = Command::new("openssl").args(words).current_dir(&self.0).output();
        let made = made.unwrap_or_else(|error| panic!("openssl must be installed: {error}"));
        assert!(made.status.success(), "{words:?}: {}", String::from_utf8_lossy(&made.stderr));
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

#[test]
fn a_server_is_reached_by_tls_with_its_account_and_only_if_its_certificate_is_trusted() {
    let host = Host::with_gpus(1);
    let authority = Authority::make(&host.path("tls"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (cert, key) = (authority.path("cert.pem"), authority.path("key.pem"));
    let tls =
        ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let server = Server::start(host.directory(), &tls);
    allow(&server, &documented_rights());
    server.ask(&["CONFIG", "SET", "requirepass", "another"]);
    let password = host.path("password");
    fs::write(&password, "secret\n").unwrap();
    let through = |name: &str, trusted: Option<&str>, words: &[&str]| {
        let store = format!("rediss://gpus@{name}:{port}/0");
        let mut chg = host.me().chg(&[&["--store", &store], words].concat());
        chg.env_remove("CANHAZGPU_STORE").env("CANHAZGPU_REDIS_PASSWORD_FILE", &password);
        if let Some(trusted) = trusted {
            chg.env("SSL_CERT_FILE", trusted);
        }
        Job::start(chg.stdin(Stdio::null())).finish()
    };
    let ca = authority.path("ca.pem");
    let done = through("localhost", Some(&ca), &["--", "sh", "-c", "exit 7"]);
    assert_eq!(done.code, Some(7), "{done}");
    let shown = through("localhost", Some(&ca), &["status"]);
    assert!(shown.stdout.contains("GPU 0: AVAILABLE (last released"), "{shown}");
    assert!(
        server
            .ask(&["-a", "another", "--no-auth-warning", "GET", "canhazgpu:gpu:0"])
            .contains("last_released")
    );

    // Another authority, and another name than the certificate's.
    for refused in
        [through("localhost", Some(&cert), &["status"]), through("127.0.0.1", Some(&ca), &["status"])]
    {
        assert_eq!(refused.code, Some(1), "{refused}");
        let expected = "error: cannot reach the store rediss://gpus@";
        assert!(refused.stderr.starts_with(expected) && refused.stderr.contains("certificate"), "{refused}");
        assert!(!refused.stderr.contains("secret"), "{refused}");
    }
}

#[test]
fn a_pool_of_another_machine_is_refused_until_an_admin_takes_it_over() {
    if !is_in_charge() {
        return;
    }
    let host = Host::on(Store::Redis, 2);
    host.me().does(&["--", "true"]);
    let other = Host::with_gpus(2);
    let there = other.me().with_store(&host.store);
    for words in [&["--nonblock", "--", "true"][..], &["reserve"]] {
        let refused = there.runs(words);
        assert!(refused.stderr.contains("made of other GPUs than this machine's"), "{refused}");
        assert!(refused.stderr.contains("chg admin --provider nvidia --force"), "{refused}");
    }
    // Not over the heads of those who hold something.
    let holder = host.me().holds(&[]);
    let refused = there.runs(&["admin", "--gpus", "2", "--force"]);
    assert!(refused.stderr.contains("still reserved"), "{refused}");
    holder.stops();
    there.does(&["admin", "--provider", "nvidia", "--force"]);
    there.does(&["--nonblock", "--", "true"]);
    let refused = host.me().runs(&["--nonblock", "--", "true"]);
    assert!(refused.stderr.contains("made of other GPUs than this machine's"), "{refused}");
}
