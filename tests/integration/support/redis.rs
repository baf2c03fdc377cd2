//! A Redis server of a scene: on a unix socket, without anything on disk, killed with the scene.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::wait_until;

pub(crate) struct Server {
    directory: PathBuf,
    options: Vec<String>,
    process: Child,
}

impl Server {
    /// Starts one in this directory; every account may connect.
    pub(crate) fn start(directory: &Path, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = launch(directory, &options);
        let server = Self { directory: directory.to_owned(), options, process };
        server.awaits_connections();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}?db=0", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.directory)
    }

    /// Kills it; its data are gone.
    pub(crate) fn dies(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, empty.
    pub(crate) fn returns(&mut self) {
        self.process = launch(&self.directory, &self.options);
        self.awaits_connections();
    }

    pub(crate) fn gets(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// Runs one command on it, and returns what it answers.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn awaits_connections(&self) {
        wait_until("Redis", || std::os::unix::net::UnixStream::connect(self.socket()).is_ok());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("redis.sock")
}

fn launch(directory: &Path, options: &[String]) -> Child {
    // One that was killed leaves its socket behind, on which nobody listens.
    let _ = std::fs::remove_file(socket(directory));
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocketperm", "777", "--dir"])
        .arg(directory)
        .arg("--unixsocket")
        .arg(socket(directory))
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server must be installed: {error}"))
}
