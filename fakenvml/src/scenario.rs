//! Builds and changes a scenario directory, for tests. What is changed here is what the next call sees.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::code::Code;
use crate::files::{self, Driver, Fault, Gpu, Hang, Kind, Mig, Process};
use crate::{alive, faults, place};

const WORKER: &str = include_str!("worker.sh");

/// A simulated host's GPUs. Its directory is removed, its workers end and its hangs are over when it is dropped.
#[derive(Debug)]
pub struct Scenario {
    dir: PathBuf,
    serial: AtomicU32,
}

/// One call of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub pid: i32,
    pub function: String,
    pub gpu: Option<u32>,
}

/// Every method panics where the directory cannot be read or written: a test has no use for the error.
impl Scenario {
    /// A host with `count` idle GPUs of 80 GB, in a new temporary directory, with UUIDs that no other host has.
    pub fn with_gpus(count: u32) -> Self {
        let dir = place::ground().join(format!("fakenvml-{}", random_uuid()));
        shared_dir(&dir);
        for sub in ["gpus", "faults", "control", "bin"] {
            shared_dir(&dir.join(sub));
        }
        let scenario = Self { dir, serial: AtomicU32::new(0) };
        for gpu in 0..count {
            shared_dir(&files::gpu_dir(&scenario.dir, gpu));
            shared_dir(&files::processes_dir(&scenario.dir, gpu));
            scenario.write_gpu(gpu, &idle_gpu(gpu));
        }
        scenario.write_driver(&Driver { version: "580.82.07".to_owned(), generation: 0 });
        scenario
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The library, in this scenario's directory: whoever loads it from there sees this scenario.
    pub fn library(&self) -> PathBuf {
        self.placed(&place::library(), "libnvidia-ml.so.1")
    }

    /// As `library`, in the build without the newer symbols.
    pub fn old_library(&self) -> PathBuf {
        self.placed(&place::old_library(), "libnvidia-ml-old.so.1")
    }

    /// The stand-in worker, as a program of this name (which its comm and command line show).
    pub fn worker(&self, name: &str) -> PathBuf {
        let path = self.dir.join("bin").join(name);
        if !path.exists() {
            let draft = self.dir.join(format!(".worker-{}", self.next()));
            write_executable(&draft, WORKER);
            expect(fs::rename(&draft, &path), &path);
        }
        path
    }

    /// Sends a worker a command; see worker.sh.
    pub fn tell(&self, pid: i32, command: &str) -> io::Result<()> {
        tell(&self.dir.join("control").join(pid.to_string()), command)
    }

    pub fn gpu(&self, gpu: u32) -> Gpu {
        let path = files::gpu_file(&self.dir, gpu);
        expect(files::read(&path), &path).unwrap_or_else(|| panic!("no GPU {gpu}"))
    }

    pub fn uuid(&self, gpu: u32) -> String {
        self.gpu(gpu).uuid
    }

    pub fn change_gpu(&self, gpu: u32, change: impl FnOnce(&mut Gpu)) {
        let mut found = self.gpu(gpu);
        change(&mut found);
        self.write_gpu(gpu, &found);
    }

    /// Memory in use by nobody that can be seen.
    pub fn set_used(&self, gpu: u32, mb: u64) {
        self.change_gpu(gpu, |found| found.used_mb = mb);
    }

    pub fn set_driver_version(&self, version: &str) {
        self.change_driver(|driver| driver.version = version.to_owned());
    }

    /// Whoever initialised before has to do so again.
    pub fn reload_driver(&self) {
        self.change_driver(|driver| driver.generation += 1);
    }

    /// No driver from now on.
    pub fn unload_driver(&self) {
        let path = files::driver_file(&self.dir);
        expect(fs::remove_file(&path), &path);
    }

    /// Puts a live process on a GPU.
    pub fn add_process(&self, gpu: u32, pid: i32, memory_mb: Option<u64>, kind: Kind) {
        let start = alive::start_of(pid).unwrap_or_else(|| panic!("process {pid} is not alive"));
        let path = files::processes_dir(&self.dir, gpu).join(pid.to_string());
        expect(files::write(&path, &Process { start, memory_mb, kind, listed: true, slice: None }), &path);
    }

    pub fn change_process(&self, gpu: u32, pid: i32, change: impl FnOnce(&mut Process)) {
        let path = files::processes_dir(&self.dir, gpu).join(pid.to_string());
        let mut process = expect(files::read(&path), &path).expect("it is on that GPU");
        change(&mut process);
        expect(files::write(&path, &process), &path);
    }

    pub fn remove_process(&self, gpu: u32, pid: i32) {
        let path = files::processes_dir(&self.dir, gpu).join(pid.to_string());
        expect(fs::remove_file(&path), &path);
    }

    /// The live processes on a GPU, hidden ones included.
    pub fn pids_on(&self, gpu: u32) -> Vec<i32> {
        let path = files::processes_dir(&self.dir, gpu);
        let mut pids: Vec<i32> = expect(fs::read_dir(&path), &path)
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
            .filter(|(pid, path)| {
                files::read::<Process>(path)
                    .ok()
                    .flatten()
                    .is_some_and(|process| alive::is_same(*pid, process.start))
            })
            .map(|(pid, _)| pid)
            .collect();
        pids.sort_unstable();
        pids
    }

    /// Lets `function` (`*`: all of them) fail, for one GPU or for all. Returns the fault's file: removing it ends it.
    pub fn fault(&self, function: &str, gpu: Option<u32>, fault: &Fault) -> PathBuf {
        let name = format!("{}.{}", faults::target(function, gpu), self.next());
        let path = files::faults_dir(&self.dir).join(name);
        expect(files::write(&path, fault), &path);
        path
    }

    pub fn fail(&self, function: &str, gpu: Option<u32>, code: Code) -> PathBuf {
        self.fault(function, gpu, &Fault { code: Some(code), ..Fault::default() })
    }

    pub fn fail_once(&self, function: &str, gpu: Option<u32>, code: Code) -> PathBuf {
        self.fault(function, gpu, &Fault { code: Some(code), once: true, ..Fault::default() })
    }

    pub fn delay(&self, function: &str, gpu: Option<u32>, delay_ms: u64) -> PathBuf {
        self.fault(function, gpu, &Fault { delay_ms, ..Fault::default() })
    }

    pub fn hang(&self, function: &str, gpu: Option<u32>, hang: Hang) -> PathBuf {
        self.fault(function, gpu, &Fault { hang: Some(hang), ..Fault::default() })
    }

    pub fn clear_faults(&self) {
        let dir = files::faults_dir(&self.dir);
        for entry in expect(fs::read_dir(&dir), &dir).flatten() {
            // One that struck once is gone meanwhile.
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Logs every call from now on, and forgets those before.
    pub fn log_calls(&self) {
        let path = files::calls_file(&self.dir);
        expect(fs::write(&path, ""), &path);
        expect(fs::set_permissions(&path, Permissions::from_mode(0o666)), &path);
    }

    /// The calls since `log_calls`.
    pub fn calls(&self) -> Vec<Call> {
        let path = files::calls_file(&self.dir);
        expect(fs::read_to_string(&path), &path).lines().filter_map(parse_call).collect()
    }

    fn change_driver(&self, change: impl FnOnce(&mut Driver)) {
        let path = files::driver_file(&self.dir);
        let mut driver = expect(files::read(&path), &path).expect("the driver is loaded");
        change(&mut driver);
        self.write_driver(&driver);
    }

    fn write_driver(&self, driver: &Driver) {
        let path = files::driver_file(&self.dir);
        expect(files::write(&path, driver), &path);
    }

    fn write_gpu(&self, gpu: u32, found: &Gpu) {
        let path = files::gpu_file(&self.dir, gpu);
        expect(files::write(&path, found), &path);
        self.write_cuda_order();
    }

    /// CUDA's index, the UUID and the driver's index of each GPU, for the worker: CUDA counts by PCI bus id.
    fn write_cuda_order(&self) {
        let mut gpus: Vec<(String, String, u32)> = (0..)
            .map_while(|gpu| {
                let found: Gpu = files::read(&files::gpu_file(&self.dir, gpu)).ok()??;
                Some((found.pci_bus_id, found.uuid, gpu))
            })
            .collect();
        gpus.sort_unstable();
        let lines: Vec<String> = gpus
            .iter()
            .enumerate()
            .map(|(index, (_, uuid, gpu))| format!("{index} {uuid} {gpu}\n"))
            .collect();
        let draft = self.dir.join(format!(".cuda-order-{}", self.next()));
        expect(fs::write(&draft, lines.concat()), &draft);
        expect(fs::rename(&draft, self.dir.join("cuda-order")), &draft);
    }

    fn placed(&self, library: &Path, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        match fs::hard_link(library, &path) {
            Ok(()) => {}
            // By another thread, perhaps: a copy onto the link would empty the library itself.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            // Where the file systems differ.
            Err(_) => {
                let draft = self.dir.join(format!(".library-{}", self.next()));
                expect(fs::copy(library, &draft), &draft);
                expect(fs::rename(&draft, &path), &path);
            }
        }
        path
    }

    fn next(&self) -> u32 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.dir.join("control")).into_iter().flatten().flatten() {
            // A worker that is gone has no reader.
            let _ = tell(&entry.path(), "exit 0");
        }
        // Somebody may still be writing an entry; a directory left in /tmp is no reason to fail a test.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Puts the calling process on a GPU of the scenario in `dir`: for programs of a test that stand for one that computes.
///
/// # Errors
/// If the scenario cannot be written to.
pub fn compute(dir: &Path, gpu: u32, memory_mb: u64) -> io::Result<()> {
    let pid = std::process::id().cast_signed();
    let start = alive::start_of(pid).ok_or(io::ErrorKind::NotFound)?;
    let process =
        Process { start, memory_mb: Some(memory_mb), kind: Kind::Compute, listed: true, slice: None };
    files::write(&files::processes_dir(dir, gpu).join(pid.to_string()), &process)
}

fn tell(fifo: &Path, command: &str) -> io::Result<()> {
    // Without O_NONBLOCK this would wait for a reader.
    let mut fifo = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(fifo)?;
    fifo.write_all(format!("{command}\n").as_bytes())
}

fn parse_call(line: &str) -> Option<Call> {
    let mut words = line.split(' ');
    let pid = words.next()?.parse().ok()?;
    let function = words.next()?.to_owned();
    Some(Call { pid, function, gpu: words.next()?.parse().ok() })
}

fn idle_gpu(gpu: u32) -> Gpu {
    Gpu {
        uuid: format!("GPU-{}", random_uuid()),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        pci_bus_id: format!("00000000:{:02X}:00.0", 0x10 + gpu),
        total_mb: 81_559,
        reserved_mb: 551,
        used_mb: 4,
        utilization: Some(0),
        persistence: Some(true),
        mig: Mig::Off,
    }
}

/// Writable for every account: workers and faults belong to several.
fn shared_dir(path: &Path) {
    expect(fs::create_dir(path), path);
    expect(fs::set_permissions(path, Permissions::from_mode(0o777)), path);
}

fn random_uuid() -> String {
    let mut bytes = [0; 16];
    let source = Path::new("/dev/urandom");
    expect(fs::File::open(source).and_then(|mut file| file.read_exact(&mut bytes)), source);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Writes a program by way of another process. Written by this one, it would be open for writing in whatever another test
/// forks at that moment, and what is open for writing cannot be executed.
fn write_executable(path: &Path, text: &str) {
    let mut writer = Command::new("sh");
    writer.args(["-c", r#"cat >"$1" && chmod 755 "$1""#, "sh"]).arg(path).stdin(Stdio::piped());
    let mut writer = expect(writer.spawn(), path);
    if let Some(mut stdin) = writer.stdin.take() {
        expect(stdin.write_all(text.as_bytes()), path);
    }
    let status = expect(writer.wait(), path);
    assert!(status.success(), "{}: {status}", path.display());
}

fn expect<T>(result: io::Result<T>, path: &Path) -> T {
    result.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
