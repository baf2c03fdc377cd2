//! Connections to Redis that break, over every way to a server.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::scene::{Client, Scene, Server, hold, reservation};
use super::{skip, wait_until};
use crate::model::ids::LeaseId;
use crate::store::StoreError;
use crate::store::url::StoreUrl;

/// Whether the client's connection shows that something has happened to it.
fn stirs(client: &Client, millis: u16) -> bool {
    let descriptor = client.backend.descriptor().expect("a connection");
    let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::from(millis)).unwrap() > 0
}

#[test]
fn a_broken_connection_is_noticed_and_made_anew() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(1);
    assert!(!stirs(&client, 0), "quiet while it stands");
    scene.redis_says(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert!(stirs(&client, 1000), "closed");
    client.change(|pool| hold(pool, reservation("a", &[0])));
    assert_eq!(client.look().reservations.len(), 1);
}

#[test]
fn a_connection_that_breaks_before_the_commit_is_a_lost_race() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(1);
    scene.disturbs(&mut client, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
}

#[test]
fn a_server_that_went_away_is_told_and_its_return_noticed() {
    let Some(mut scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(1);
    scene.server.as_mut().unwrap().kill();
    assert!(stirs(&client, 1000));
    let gone = client.try_look();
    assert!(matches!(gone, Err(StoreError::Unreachable { .. })), "{gone:?}");
    assert!(client.backend.descriptor().is_none(), "nothing left to poll");
    scene.server = Server::start(scene.path(), &[]);
    assert!(client.look().slots.is_empty(), "it has lost its data");
}

#[test]
fn tcp_and_tls_reach_the_same_pool() {
    let Some(scene) = Scene::redis() else { return };
    let Some((directory, port, tls_port)) = certificates(&scene) else { return };
    // The trusted certificates are named by the environment, so the client is a process of its own.
    let file = |name: &str| directory.join(name).display().to_string();
    let mut server = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--tls-port",
            &tls_port.to_string(),
            "--save",
            "",
            "--bind",
            "127.0.0.1",
        ])
        .args(["--tls-cert-file", &file("cert.pem"), "--tls-key-file", &file("key.pem")])
        .args(["--tls-auth-clients", "no", "--dir"])
        .arg(&directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let plain = StoreUrl::redis_at("127.0.0.1", port, 0);
    wait_until("redis-server listens", || Client::of(&plain).try_look().is_ok());
    Client::of(&plain).change(|pool| {
        super::scene::make_pool(pool, 1);
        hold(pool, reservation("a", &[0]));
    });
    assert!(Client::of(&plain).look().reservations.contains_key(&LeaseId::from("a")));

    let secured = StoreUrl::parse(&format!("rediss://localhost:{tls_port}/0")).unwrap();
    let strange = Client::of(&secured).try_look();
    assert!(matches!(strange, Err(StoreError::Unreachable { .. })), "not a trusted certificate: {strange:?}");
    let trusting = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::contract::workers::work", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", file("cert.pem"))
        .env("CHG_TEST_ROLE", "look")
        .env("CHG_TEST_ARGUMENT", "")
        .env("CHG_TEST_STORE", secured.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&trusting.stdout).into_owned();
    let _ = server.kill();
    let _ = server.wait();
    assert!(said.contains("@sees 1"), "{said}");
}

/// A certificate for localhost, and two ports that were free a moment ago.
fn certificates(scene: &Scene) -> Option<(std::path::PathBuf, u16, u16)> {
    if cfg!(not(feature = "tls")) {
        skip("built without TLS");
        return None;
    }
    let directory = scene.path().join("tls");
    std::fs::create_dir(&directory).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"])
        // A certificate of an authority is not taken for a server's.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(&directory)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        skip("openssl cannot make a certificate");
        return None;
    }
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (one, two) = (free(), free());
    Some((directory, one.local_addr().unwrap().port(), two.local_addr().unwrap().port()))
}
