//! A server of our own on a real socket, which says what Docker's says on HTTP 1.0; an answer on 1.1 it would cut in
//! chunks. The daemon itself cannot be counted on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sys::socket::{Backlog, bind, listen};

use super::*;
use crate::model::ids::LeaseId;
use crate::sys::testing::{ALICE, as_user, can_be_others, in_role, role};

const PATIENT: Duration = Duration::from_secs(20);

fn container(letter: char, host_uid: Option<u32>) -> Container {
    Container { engine: "docker".into(), id: letter.to_string().repeat(64), host_uid: host_uid.map(Uid) }
}

/// What Docker 28 says of a container, in short.
fn inspected(id: &str, name: &str, labels: &str) -> String {
    format!(
        "HTTP/1.0 200 OK\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\nDocker-Experimental: false\r\n\
         Ostype: linux\r\nServer: Docker/28.3.0 (linux)\r\nDate: Mon, 01 Sep 2025 10:00:00 GMT\r\n\r\n\
         {{\"Id\":\"{id}\",\"Created\":\"2025-09-01T09:00:00.5Z\",\"State\":{{\"Pid\":41,\"Running\":true}},\
         \"Name\":\"/{name}\",\"Mounts\":[],\"Config\":{{\"Hostname\":\"h\",\"Env\":[\"A=é\"],\"Labels\":{labels}}}}}\n"
    )
}

fn missing(id: &str) -> String {
    let body = format!("{{\"message\":\"No such container: {id}\"}}\n");
    format!("HTTP/1.0 404 Not Found\r\nContent-Type: application/json\r\n\r\n{body}")
}

/// Serves at `path` until the test's process ends, each connection by itself; tells which ids it is asked about.
fn serve(path: &Path, answer: fn(&str, UnixStream)) -> Receiver<String> {
    let listener = UnixListener::bind(path).unwrap();
    let (asked, questions) = channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (asked, connection) = (asked.clone(), connection.unwrap());
            thread::spawn(move || {
                let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                let line = lines.next().unwrap().unwrap();
                let id = line.strip_prefix("GET /containers/").and_then(|l| l.strip_suffix("/json HTTP/1.0"));
                let id = id.unwrap_or_else(|| panic!("{line:?}")).to_owned();
                assert!(lines.any(|line| line.unwrap().is_empty()), "the request has an end");
                let _ = asked.send(id.clone());
                answer(&id, connection);
            });
        }
    });
    questions
}

fn says(mut connection: UnixStream, text: &str) {
    let _ = connection.write_all(text.as_bytes());
}

/// Id's letter, name and reservation of what was told.
fn told(sockets: &Sockets, containers: &[Container], at_most: Duration) -> Vec<String> {
    let asked: Vec<&Container> = containers.iter().collect();
    let mut told: Vec<String> = ask(sockets, &asked, at_most)
        .iter()
        .map(|(of, named)| {
            let reservation = named.reservation.as_ref().map_or("-", LeaseId::as_str);
            format!("{} {} {reservation}", &of.id[..1], named.name)
        })
        .collect();
    told.sort();
    told
}

#[test]
fn the_daemon_tells_names_and_reservations() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docker.sock");
    let questions = serve(&path, |id, connection| {
        let text = match &id[..1] {
            "a" => inspected(id, "trainer", "{\"maintainer\":\"x\",\"canhazgpu.reservation\":\"lease-1\"}"),
            "b" => inspected(id, "server", "{}"),
            "c" => inspected(id, "bare", "null"),
            "d" => inspected(id, "empty", "{\"canhazgpu.reservation\":\"\"}"),
            _ => missing(id),
        };
        says(connection, &text);
    });
    let mut asked: Vec<Container> = "abcde".chars().map(|letter| container(letter, None)).collect();
    asked[1].engine = "container".into();
    asked.push(Container { engine: "podman".into(), ..container('f', None) });
    let told = told(&Sockets::Given(path), &asked, PATIENT);
    assert_eq!(told, ["a trainer lease-1", "b server -", "c bare -", "d empty -"]);
    let mut asked: Vec<String> = questions.try_iter().map(|id| id[..1].to_owned()).collect();
    asked.sort();
    assert_eq!(asked, ["a", "b", "c", "d", "e"], "each once, and no other engine's");
}

#[test]
fn whatever_else_it_says_names_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docker.sock");
    let _questions = serve(&path, |id, connection| {
        let good = inspected(id, "good", "{}");
        match &id[..1] {
            "0" => says(connection, ""),
            "1" => says(connection, "SSH-2.0-OpenSSH_9.9\r\n\r\n"),
            "2" => says(connection, &good.replace("200 OK", "500 Internal Server Error")),
            "3" => says(connection, &good.replace(id, &"e".repeat(64))),
            "4" => says(connection, &good[..good.len() - 2]),
            "5" => says(connection, &good.replace("\"/good\"", "\"/\"")),
            "6" => says(connection, &good.replace("\r\n\r\n", &format!("\r\n\r\n{}", "[".repeat(100_000)))),
            "7" => says(connection, &good.replace("\"A=é\"", &format!("{:?}", "x".repeat(MOST)))),
            "8" => says(connection, &good.replace("{}", "{\"canhazgpu.reservation\":7}")),
            _ => says(connection, &good),
        }
    });
    let asked: Vec<Container> = "0123456789".chars().map(|letter| container(letter, None)).collect();
    assert_eq!(told(&Sockets::Given(path), &asked, PATIENT), ["9 good -"]);
}

#[test]
fn a_daemon_that_does_not_end_takes_its_time_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docker.sock");
    let _questions = serve(&path, |id, mut connection| match &id[..1] {
        // Silent; and one byte after another, so that something is always there to be read.
        "a" => loop {
            thread::park();
        },
        "b" => while connection.write_all(b"H").is_ok() {},
        _ => says(connection, &inspected(id, "quick", "{}")),
    });
    let asked: Vec<Container> = "abc".chars().map(|letter| container(letter, None)).collect();
    let (start, at_most) = (Instant::now(), Duration::from_secs(2));
    assert_eq!(told(&Sockets::Given(path), &asked, at_most), ["c quick -"], "the stuck ones hold nobody up");
    let took = start.elapsed();
    assert!(took >= at_most, "it was waited for: {took:?}");
    assert!(took < at_most * 5, "all of them together are given {at_most:?}, not {took:?}");
}

#[test]
fn no_daemon_and_a_full_line_are_nothing_to_wait_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let asked = [container('a', None)];
    fs::write(path("file"), "").unwrap();
    drop(UnixListener::bind(path("left")).unwrap());
    // It never takes anybody in: who connects waits in its line, until that is full.
    let full = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(full.as_raw_fd(), &UnixAddr::new(&path("full")).unwrap()).unwrap();
    listen(&full, Backlog::new(1).unwrap()).unwrap();
    let line: Vec<Asked<'_>> = (0..9).map_while(|_| Asked::about(&asked[0], &path("full"))).collect();
    assert!((1..9).contains(&line.len()), "{} in line", line.len());
    let start = Instant::now();
    for name in ["nothing", "file", "left", "full", &"long".repeat(100)] {
        assert_eq!(told(&Sockets::Given(path(name)), &asked, PATIENT), [""; 0], "{name}");
    }
    assert_eq!(told(&Sockets::Elsewhere, &asked, PATIENT), [""; 0]);
    assert!(start.elapsed() < PATIENT / 2);
}

#[test]
fn who_may_not_ask_gets_no_name() {
    const TEST: &str = "attribution::containers::docker::tests::who_may_not_ask_gets_no_name";
    let asked = [container('a', None)];
    if let Some(path) = role() {
        assert_eq!(told(&Sockets::Given(path.into()), &asked, PATIENT), [""; 0]);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = directory.path().join("docker.sock");
    let questions = serve(&path, |id, connection| says(connection, &inspected(id, "mine", "{}")));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
    assert_eq!(told(&Sockets::Given(path.clone()), &asked, PATIENT), ["a mine -"]);
    assert_eq!(questions.try_iter().count(), 1);
    if !can_be_others(TEST) {
        return;
    }
    let wrapper = as_user(ALICE, &[]);
    let words: Vec<&str> = std::iter::once(wrapper.get_program())
        .chain(wrapper.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let theirs = in_role(path.to_str().unwrap(), TEST, &words).output().unwrap();
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stdout));
    assert_eq!(questions.try_iter().count(), 0, "nobody was let in");
}

#[test]
fn each_container_is_asked_of_the_daemon_that_runs_it() {
    let sockets = |host: Option<&str>, runtime: Option<&str>| {
        let sockets = Sockets::of(host.map(OsStr::new), runtime.map(OsStr::new), Uid(1001));
        [None, Some(1001), Some(1002)].map(|host_uid| {
            let path = sockets.for_one(&container('a', host_uid));
            path.map_or("-".to_owned(), |path| path.display().to_string())
        })
    };
    let system = "/var/run/docker.sock";
    assert_eq!(sockets(None, None), [system, "-", "-"]);
    assert_eq!(sockets(Some(""), Some("/run/user/1001")), [system, "/run/user/1001/docker.sock", "-"]);
    assert_eq!(sockets(Some("unix:///else/d"), Some("/run")), ["/else/d"; 3]);
    for elsewhere in ["tcp://127.0.0.1:2375", "ssh://host", "/a/path", "npipe:////./pipe/docker", "fd://"] {
        assert_eq!(sockets(Some(elsewhere), Some("/run")), ["-"; 3], "{elsewhere}");
    }
}
