//! The built library, which all scenes have together.

use std::fs;
use std::thread;

use fakenvml::Scenario;

#[test]
fn threads_that_ask_a_scene_for_it_at_once_leave_it_as_it_was() {
    let length = || fs::metadata(fakenvml::library()).unwrap().len();
    let before = length();
    for _ in 0..100 {
        let scenario = Scenario::with_gpus(1);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| scenario.library());
            }
        });
        assert_eq!(fs::metadata(scenario.library()).unwrap().len(), before);
        assert_eq!(length(), before);
    }
}
