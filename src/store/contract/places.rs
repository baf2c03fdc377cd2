//! Directories and files that are not what the embedded store takes them for.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::scene::{Client, Scene, hold, reservation};
use super::workers::Worker;
use crate::store::url::StoreUrl;
use crate::store::{Options, StoreError, open};

fn directory(scene: &Scene) -> PathBuf {
    match &scene.url {
        StoreUrl::Sqlite(directory) => directory.clone(),
        StoreUrl::Redis(_) => unreachable!(),
    }
}

fn refusal(scene: &Scene) -> StoreError {
    scene.client().try_look().unwrap_err()
}

#[test]
fn a_store_that_is_not_there_is_made_only_if_asked() {
    let scene = Scene::sqlite();
    let missing = open(&scene.url, &Options::default()).unwrap().snapshot();
    assert!(matches!(missing, Err(StoreError::Unreachable { .. })), "{missing:?}");
    assert!(!directory(&scene).exists());
    scene.client().look();
    assert!(directory(&scene).join("pool.db").exists());
    open(&scene.url, &Options::default()).unwrap().snapshot().unwrap();
}

#[test]
fn an_empty_directory_with_its_own_mode_is_filled_in_that_mode() {
    let scene = Scene::sqlite();
    fs::create_dir(directory(&scene)).unwrap();
    fs::set_permissions(directory(&scene), PermissionsExt::from_mode(0o2770)).unwrap();
    scene.pool_of(1);
    let mode = fs::metadata(directory(&scene).join("pool.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o660);
}

#[test]
fn what_a_killed_maker_left_behind_is_not_taken_for_a_store() {
    let scene = Scene::sqlite();
    fs::create_dir(directory(&scene)).unwrap();
    for left in ["pool.db.new", "pool.db.new-wal", "pool.db-wal", "pool.db-shm"] {
        fs::write(directory(&scene).join(left), "left behind").unwrap();
    }
    scene.pool_of(1);
    assert_eq!(scene.client().look().slots.len(), 1);
    assert!(!directory(&scene).join("pool.db.new").exists());
}

#[test]
fn foreign_files_are_told_apart() {
    let scene = Scene::sqlite();
    scene.pool_of(1);
    let file = directory(&scene).join("pool.db");

    fs::hard_link(&file, scene.path().join("second-name")).unwrap();
    assert!(matches!(refusal(&scene), StoreError::Foreign { .. }), "a second name");
    fs::rename(&file, scene.path().join("elsewhere")).unwrap();
    symlink(scene.path().join("elsewhere"), &file).unwrap();
    assert!(matches!(refusal(&scene), StoreError::Foreign { .. }), "a link");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "this is not a database, however long it may be. ".repeat(100)).unwrap();
    assert!(matches!(refusal(&scene), StoreError::Foreign { .. }), "a text");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "").unwrap();
    assert!(matches!(refusal(&scene), StoreError::Foreign { .. }), "nothing");
    fs::remove_file(&file).unwrap();
    let database = rusqlite::Connection::open(&file).unwrap();
    database.execute_batch("CREATE TABLE t (x); PRAGMA application_id = 252006673").unwrap();
    assert!(matches!(refusal(&scene), StoreError::Foreign { .. }), "another program's database");
    let ours = "PRAGMA application_id = 1667786497; PRAGMA user_version = 99";
    database.execute_batch(ours).unwrap();
    let newer = refusal(&scene);
    assert!(newer.to_string().contains("format 99"), "{newer}");
}

#[test]
fn a_sticky_directory_is_refused_with_the_way_out() {
    let scene = Scene::sqlite();
    fs::create_dir(directory(&scene)).unwrap();
    fs::set_permissions(directory(&scene), PermissionsExt::from_mode(0o1777)).unwrap();
    let refused = refusal(&scene);
    assert!(
        matches!(refused, StoreError::Denied { .. }) && refused.to_string().contains("chmod -t"),
        "{refused}"
    );
}

#[test]
fn a_place_that_is_no_directory_or_has_no_parent_is_named() {
    let scene = Scene::sqlite();
    fs::write(directory(&scene), "").unwrap();
    assert!(matches!(refusal(&scene), StoreError::Foreign { .. }));
    let nowhere = StoreUrl::Sqlite(scene.path().join("no/such/place"));
    let refused = Client::of(&nowhere).try_look().unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { .. }), "{refused:?}");
}

#[test]
fn a_database_that_was_replaced_is_opened_again() {
    let scene = Scene::sqlite();
    let mut client = scene.pool_of(1);
    client.change(|pool| hold(pool, reservation("before", &[0])));
    fs::remove_dir_all(directory(&scene)).unwrap();
    assert_eq!(client.look().slots.len(), 0, "the data are lost, and that is seen");
    scene.pool_of(2);
    client.change(|pool| hold(pool, reservation("after", &[1])));
    assert_eq!(scene.client().look().reservations.len(), 1);
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_written() {
    let scene = Scene::sqlite();
    scene.pool_of(1);
    let mut said = Worker::start_cramped(400, &scene, "fill", "").finish().into_iter();
    let error = said.next().unwrap();
    assert!(error.starts_with("NotWritable"), "{error}");
    assert_eq!(said.next().as_deref(), Some("retracted 1"));
    let held = said.next().unwrap();
    assert_eq!(format!("holds {}", scene.client().look().reservations.len()), held);
    scene.client().change(|pool| hold(pool, reservation("later", &[0])));
}
