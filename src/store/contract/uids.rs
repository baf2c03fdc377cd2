//! Several users on one embedded store, root among them. The kernel keeps the files apart, so the users are real.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use super::scene::{Scene, reservation};
use super::workers::Worker;
use super::{skip, wait_until};
use crate::store::StoreError;
use crate::store::url::StoreUrl;

/// Accounts without a name, which hosts have too.
const OWNER: u32 = 23_001;
const OTHER: u32 = 23_002;

/// A store that OWNER has made, in a place that everybody may write to.
fn owned() -> Option<Scene> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can be several users");
        return None;
    }
    let scene = Scene::sqlite();
    std::fs::set_permissions(scene.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    assert_eq!(Worker::start_as(OWNER, &scene, "look", "").finish(), ["sees 0"]);
    Some(scene)
}

fn files(scene: &Scene) -> Vec<(PathBuf, u32, u32)> {
    let StoreUrl::Sqlite(directory) = &scene.url else { unreachable!() };
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let found = std::fs::symlink_metadata(&path).unwrap();
            (path, found.uid(), found.mode() & 0o7777)
        })
        .collect();
    files.sort();
    files
}

fn pool(scene: &Scene, uid: u32) {
    // Any change makes the pool: whoever holds GPU 0 needs one.
    let mut client = scene.client();
    client.change(|pool| super::scene::make_pool(pool, 1));
    assert_eq!(Worker::start_as(uid, scene, "look", "").finish(), ["sees 0"]);
}

#[test]
fn the_store_is_open_to_everybody_whatever_the_umask() {
    let Some(scene) = owned() else { return };
    let StoreUrl::Sqlite(directory) = &scene.url else { unreachable!() };
    assert_eq!(std::fs::metadata(directory).unwrap().mode() & 0o7777, 0o777);
    for (path, uid, mode) in files(&scene) {
        assert_eq!((uid, mode), (OWNER, 0o666), "{}", path.display());
    }
}

#[test]
fn users_take_turns_on_one_store() {
    let Some(scene) = owned() else { return };
    pool(&scene, OTHER);
    for round in 0..3 {
        for uid in [OWNER, OTHER, 0] {
            let id = format!("{uid}-{round}");
            assert_eq!(Worker::start_as(uid, &scene, "hold", &id).finish(), ["held"], "{id}");
            let next = if uid == OWNER { OTHER } else { OWNER };
            assert_eq!(Worker::start_as(next, &scene, "look", "").finish(), ["sees 1"], "{id}");
            assert_eq!(Worker::start_as(next, &scene, "end", &id).finish(), ["ended"], "{id}");
        }
    }
}

#[test]
fn a_reader_that_came_first_does_not_lock_the_owner_out() {
    let Some(scene) = owned() else { return };
    // As after the last checkpoint of a client that tidies up: the next one makes these anew.
    for (path, ..) in files(&scene) {
        if path.extension().is_none_or(|extension| extension != "db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(Worker::start_as(OTHER, &scene, "look", "").finish(), ["sees 0"]);
    assert!(files(&scene).iter().any(|(_, uid, _)| *uid == OTHER), "the reader has left files behind");
    pool(&scene, OWNER);
    assert_eq!(Worker::start_as(OWNER, &scene, "hold", "mine").finish(), ["held"]);
    assert_eq!(Worker::start_as(OTHER, &scene, "end", "mine").finish(), ["ended"]);
}

#[test]
fn root_works_on_anothers_store_as_its_owner() {
    let Some(scene) = owned() else { return };
    pool(&scene, OWNER);
    scene.client().change(|pool| super::scene::hold(pool, reservation("roots", &[0])));
    for (path, uid, mode) in files(&scene) {
        assert_eq!((uid, mode), (OWNER, 0o666), "{}", path.display());
    }
    // A store that only its owner may use is root's to use all the same, and stays the owner's.
    let StoreUrl::Sqlite(directory) = &scene.url else { unreachable!() };
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o700)).unwrap();
    scene.client().change(|pool| super::scene::end(pool, "roots", crate::model::ids::Timestamp(0)));
    let refused = Worker::start_as(OTHER, &scene, "look", "").finish();
    assert!(refused[0].starts_with("fails Denied"), "{refused:?}");
    wait_until("the owner can use it", || Worker::start_as(OWNER, &scene, "look", "").finish() == ["sees 0"]);
}

#[test]
fn root_makes_anothers_database_as_its_owner_and_is_root_in_between() {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can be several users");
        return;
    }
    let scene = Scene::sqlite();
    let StoreUrl::Sqlite(directory) = &scene.url else { unreachable!() };
    std::fs::create_dir(directory).unwrap();
    std::os::unix::fs::chown(directory, Some(OWNER), Some(OWNER)).unwrap();
    let mark = scene.path().join("mark");
    scene.client().change(|pool| {
        super::scene::make_pool(pool, 1);
        std::fs::write(&mark, "").unwrap();
    });
    assert!(files(&scene).iter().all(|(_, uid, _)| *uid == OWNER), "{:?}", files(&scene));
    assert_eq!(std::fs::metadata(&mark).unwrap().uid(), 0, "what is decided is decided as root");
}

#[test]
fn authority_follows_the_directory_not_whoever_came_first() {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can be several users");
        return;
    }
    let scene = Scene::sqlite();
    let StoreUrl::Sqlite(directory) = &scene.url else { unreachable!() };
    std::fs::create_dir(directory).unwrap();
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o777)).unwrap();
    assert_eq!(Worker::start_as(OTHER, &scene, "look", "").finish(), ["sees 0"]);
    assert!(files(&scene).iter().all(|(_, uid, _)| *uid == OTHER));
    assert_eq!(scene.client().backend.owner().unwrap(), Some(crate::model::ids::Uid::ROOT));
    assert_eq!(scene.client().look().slots.len(), 0, "root works on the first user's database");
}

#[test]
fn the_first_users_make_one_store_together() {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can be several users");
        return;
    }
    let scene = Scene::sqlite();
    std::fs::set_permissions(scene.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    let users: Vec<Worker> = (0..8).map(|n| Worker::start_as(OWNER + n, &scene, "look", "")).collect();
    for user in users {
        assert_eq!(user.finish(), ["sees 0"]);
    }
    let left: Vec<_> = std::fs::read_dir(scene.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let StoreUrl::Sqlite(directory) = &scene.url else { unreachable!() };
    assert_eq!(left, std::slice::from_ref(directory), "and nothing else is left");
}

/// As with the kernel's fs.protected_symlinks, whatever that says here.
#[test]
fn a_link_that_another_user_put_in_its_place_is_not_followed() {
    let Some(scene) = owned() else { return };
    let StoreUrl::Sqlite(directory) = &scene.url else { unreachable!() };
    let target = scene.path().join("of root");
    std::fs::create_dir(&target).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    std::os::unix::fs::symlink(&target, directory).unwrap();
    std::os::unix::fs::lchown(directory, Some(OTHER), Some(OTHER)).unwrap();
    let refused = scene.client().try_look();
    assert!(matches!(&refused, Err(StoreError::Unfit { .. })), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("a link that uid 23002 made"));
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0, "nothing is made there");
    // One of root's is root's to make.
    std::os::unix::fs::lchown(directory, Some(0), Some(0)).unwrap();
    scene.pool_of(1);
    assert!(target.join("pool.db").exists());
}
