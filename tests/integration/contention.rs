//! A hundred clients at once: each is served or refused, and no GPU is ever in two hands. The command itself proves
//! it: it makes a directory for each of its GPUs, which fails where there is one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Mutex, PoisonError};

use crate::support::host::{Host, Store, User, can_be_others};
use crate::support::job::Job;

const GPUS: u32 = 8;
const CLIENTS: u32 = 100;

const GUARD: &str = r#"
IFS=,
for gpu in $CUDA_VISIBLE_DEVICES; do
    mkdir "$HERE/hands/$gpu" || { echo "GPU $gpu is in two hands"; exit 99; }
done
sleep 0.02
for gpu in $CUDA_VISIBLE_DEVICES; do rmdir "$HERE/hands/$gpu"; done
"#;

/// What a client may end with: every other one does not wait.
fn is_patient(client: u32) -> bool {
    client.is_multiple_of(2)
}

fn start(user: User<'_>, client: u32) -> Job {
    let count = (client % 3 + 1).to_string();
    let mut words = vec!["-g", &count];
    words.extend((!is_patient(client)).then_some("--nonblock"));
    words.extend(["--", "sh", "-c", GUARD]);
    user.starts(&words)
}

/// One crowd at a time: three of them on two cores would only measure the machine.
static ONE_CROWD: Mutex<()> = Mutex::new(());

/// Runs them all at once; returns how many were served.
fn crowd(host: &Host, user_of: impl Fn(u32) -> u32, store_of: impl Fn(u32) -> String) -> u32 {
    let _alone = ONE_CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let hands = host.path("hands");
    fs::create_dir(&hands).unwrap();
    fs::set_permissions(&hands, Permissions::from_mode(0o777)).unwrap();
    let stores: Vec<String> = (0..CLIENTS).map(store_of).collect();
    let user = |client: u32| match user_of(client) {
        0 => host.me(),
        number => host.user(number),
    };
    let jobs: Vec<Job> =
        (0..CLIENTS).map(|client| start(user(client).with_store(&stores[client as usize]), client)).collect();
    let mut served = 0;
    for (client, job) in (0..CLIENTS).zip(jobs) {
        let ended = job.finish();
        match ended.code {
            Some(0) => served += 1,
            Some(75) if !is_patient(client) => {
                assert!(ended.stderr.starts_with("error: requested "), "{ended}");
                assert_eq!(ended.stdout, "");
            }
            _ => panic!("client {client}: {ended}"),
        }
    }
    assert!(served >= CLIENTS / 2, "everybody who waits is served");
    assert_eq!(fs::read_dir(&hands).unwrap().count(), 0);
    for line in host.status() {
        assert!(line.contains(": AVAILABLE ("), "{line}");
    }
    assert_eq!(host.queue().len(), 0);
    served
}

/// Four accounts where there are accounts, each with clients of either kind.
fn account(client: u32) -> u32 {
    client / 2 % 4 + 1
}

fn on_one_store(store: Store) {
    let host = Host::on(store, GPUS);
    let others = can_be_others();
    let served = crowd(&host, |client| if others { account(client) } else { 0 }, |_| host.store.clone());
    let report = host.json(&["report"]);
    let users = report["users"].as_array().unwrap();
    assert_eq!(users.len(), if others { 4 } else { 1 });
    // The report counts a run once for each of its GPUs.
    let counted: u64 = users.iter().map(|user| user["run_count"].as_u64().unwrap()).sum();
    assert!(counted >= u64::from(served), "{report}");
}

#[test]
fn a_hundred_clients_on_sqlite() {
    on_one_store(Store::Sqlite);
}

#[test]
fn a_hundred_clients_on_redis() {
    on_one_store(Store::Redis);
}

#[test]
fn half_of_a_hundred_clients_on_another_store_by_mistake() {
    let host = Host::with_gpus(GPUS);
    let mistaken = host.other_store();
    let others = can_be_others();
    crowd(
        &host,
        |client| if others { account(client) } else { 0 },
        |client| if client / 8 % 2 == 0 { host.store.clone() } else { mistaken.clone() },
    );
}
