//! What every store promises, tried on real ones: a database in a directory and a Redis server, with several
//! processes at once.

mod claims;
mod damage;
mod faults;
mod go;
mod history;
mod links;
mod measure;
mod places;
mod scene;
mod uids;
mod workers;

pub(crate) use scene::reservation;
use scene::{Scene, skip, wait_until};

/// Makes of each case a test on every kind of store.
macro_rules! on_each_store {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $case() {
                super::$case(&crate::store::contract::Scene::sqlite());
            })+
        }
        mod redis {
            $(#[test]
            fn $case() {
                if let Some(scene) = crate::store::contract::Scene::redis() {
                    super::$case(&scene);
                }
            })+
        }
    };
}
use on_each_store;
